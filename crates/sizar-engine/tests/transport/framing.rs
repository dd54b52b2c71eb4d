//! The protocol, with shells of this machine.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use proptest::prelude::*;
use sizar_engine::acquire::limits::Limits;
use sizar_engine::transport::{End, Local, Step, Transport, TransportError, transfer};
use sizar_model::{Invocation, Silent};

/// A program that starts a shell as sshd does, in the middle of noise.
fn to(path: &str) -> transfer::To<'_> {
    transfer::To { path, sender: "tests" }
}

fn through(wrapper: &str) -> Local {
    Local::through(["bash", "-c", wrapper, "bash"])
}

fn answer(local: &mut Local, step: Step) -> sizar_engine::transport::Answer {
    local.run(&[step]).unwrap().pop().unwrap()
}

#[test]
fn a_batch_is_answered_in_one_round_trip() {
    let mut local = Local::new();
    local.run(&[]).unwrap();
    let before = local.counters();
    let answers = local
        .run(&[
            Step::program("echo", ["one"]),
            Step::script("echo two; echo three >&2; exit 7"),
            Step::program("cat", [""; 0]).stdin(b"\0\xff'%\\\n".to_vec()),
            Step::program("no-such-program-at-all", [""; 0]),
            Step::script("kill -9 $$"),
            Step::from(
                &Invocation::new("sh").args(["-c", "echo $A; pwd"]).env("A", "b c").cwd("/"),
            ),
        ])
        .unwrap();
    assert_eq!(answers[0].text(), "one\n");
    assert!(answers[0].is_success());
    assert_eq!((answers[1].status(), answers[1].text().as_ref()), (Some(7), "two\n"));
    assert_eq!(answers[1].stderr, b"three\n");
    assert_eq!(answers[2].stdout, b"\0\xff'%\\\n");
    assert_eq!(answers[3].status(), Some(127));
    assert_eq!(answers[4].signal(), Some(9));
    assert_eq!(answers[5].text(), "b c\n/\n");
    let after = local.counters();
    assert_eq!(after.round_trips, before.round_trips + 1);
    assert_eq!((after.shells, after.logins, after.steps), (1, 0, 6));
}

#[test]
fn a_failure_leaves_the_rest_out_only_where_it_was_asked_for() {
    let mut local = Local::new();
    let steps = |first: Step| [first, Step::program("echo", ["next"])];
    let answers = local.run(&steps(Step::program("false", [""; 0]))).unwrap();
    assert_eq!(answers[1].text(), "next\n");
    let answers = local.run(&steps(Step::program("false", [""; 0]).stop_on_failure())).unwrap();
    assert_eq!((answers[0].status(), answers[1].end), (Some(1), End::Skipped));
    let answers = local.run(&steps(Step::script("if").stop_on_failure())).unwrap();
    assert_eq!((answers[0].status(), answers[1].end), (Some(2), End::Skipped));
}

#[test]
fn a_step_cannot_read_or_write_the_channel() {
    let mut local = Local::new();
    let greedy = "cat; cat <&8; cat <&9; echo noise >&8; echo noise >&9; exit 0";
    assert!(answer(&mut local, Step::script(greedy)).is_success());
    assert_eq!(answer(&mut local, Step::program("echo", ["still"])).text(), "still\n");
}

#[test]
fn a_step_that_hangs_is_ended_with_what_it_started() {
    let mut local = Local::new();
    let begin = Instant::now();
    let answers = local
        .run(&[
            Step::script("echo $$; sleep 1000 & trap '' TERM; sleep 1001; sleep 1002")
                .limit(Duration::from_millis(300)),
            Step::program("echo", ["after"]),
        ])
        .unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(answers[0].end, End::TimedOut);
    assert_eq!(answers[1].text(), "after\n");
    let left = Step::script("ps -A -o args= | grep -c '^sleep 100[012]'");
    assert_eq!(answer(&mut local, left).text(), "0\n");
}

#[test]
fn outputs_are_bounded() {
    let mut local = Local::new();
    let big = Step::script("head -c 100000000 /dev/zero; echo err >&2").keep(1000);
    let answers = local.run(&[big, Step::program("echo", ["x"])]).unwrap();
    assert_eq!((answers[0].stdout_size, answers[0].stdout.len()), (100_000_000, 1000));
    assert!(answers[0].is_truncated() && answers[0].stdout.iter().all(|byte| *byte == 0));
    assert_eq!(answers[0].stderr, b"err\n");
    assert_eq!(answers[1].text(), "x\n");
    let answers =
        local.run(&[Step::program("yes", [""; 0]), Step::program("echo", ["y"])]).unwrap();
    assert_eq!(answers[0].end, End::TooMuchOutput);
    assert_eq!(answers[1].text(), "y\n");
}

#[test]
fn a_process_that_stays_behind_writes_into_no_later_answer() {
    let mut local = Local::new();
    let leave = "(sleep 0.3; echo late; sleep 0.3; echo later) & echo now";
    assert_eq!(answer(&mut local, Step::script(leave)).text(), "now\n");
    for _ in 0..20 {
        let answer = answer(&mut local, Step::script("sleep 0.05; echo right"));
        assert_eq!(answer.text(), "right\n");
    }
}

#[test]
fn noise_before_between_and_after_is_not_taken_for_an_answer() {
    let wrappers = [
        // start-up files that print, with and without a line feed
        "echo motd; printf half; printf 'x y\\0\\377z'; eval \"$1\"",
        // one that repeats the command
        "echo \"$1\"; set -x; eval \"$1\"",
        // one that goes over to another shell, which reads its input
        "exec bash",
        "exec dash",
        // one that reads a line of its own
        "read -r _ </dev/null; eval \"$1\"",
        // one that leaves something behind that prints
        "(for i in 1 2 3 4 5 6 7 8; do sleep 0.03; echo tick; done) & eval \"$1\"",
        "(while sleep 0.02; do printf 'tick 0:1\\n9'; done) & n=$!; eval \"${1#exec}\"; kill $n",
    ];
    for wrapper in wrappers {
        let mut local = through(wrapper);
        for round in 0..10 {
            let answers = local
                .run(&[
                    Step::program("echo", [round.to_string()]),
                    Step::script("sleep 0.02; seq 1 20000; exit 3"),
                ])
                .unwrap_or_else(|error| panic!("{wrapper}: {error}"));
            assert_eq!(answers[0].text(), format!("{round}\n"), "{wrapper}");
            assert_eq!(answers[1].status(), Some(3), "{wrapper}");
            assert_eq!(answers[1].stdout.len(), 108_894, "{wrapper}");
        }
    }
}

#[test]
fn login_shells_of_other_families_start_it() {
    for shell in ["dash", "bash", "zsh", "tcsh", "csh", "fish", "busybox"] {
        if std::process::Command::new(shell).arg("-c").arg("true").output().is_err() {
            continue;
        }
        let start: &[&str] =
            if shell == "busybox" { &["busybox", "sh", "-c"] } else { &[shell, "-c"] };
        let mut local = Local::through(start);
        let answer = answer(&mut local, Step::program("echo", [shell]));
        assert_eq!(answer.text(), format!("{shell}\n"));
    }
}

#[test]
fn what_is_no_shell_is_told() {
    let error = through("echo 'this account is restricted'; exit 1").run(&[]).unwrap_err();
    let TransportError::NoShell { said, .. } = &error else { panic!("{error:?}") };
    assert_eq!(said, &["this account is restricted"]);
    let error = Local::through(["/no/such/shell"]).run(&[]).unwrap_err();
    assert!(matches!(error, TransportError::Start { .. }));
}

#[test]
fn a_cut_at_any_byte_gives_the_right_answer_or_says_that_it_is_lost() {
    let steps = [
        Step::script("echo one; echo err >&2"),
        Step::program("head", ["-c", "3000", "/dev/zero"]),
        Step::script("exit 5"),
    ];
    let right = Local::new().run(&steps).unwrap();
    let (mut lost, mut answered) = (0, 0);
    for cut in 0..60 {
        // the way there is cut, or the way back
        let wrapper = if cut % 2 == 0 {
            format!("stdbuf -o0 head -c {} | eval \"${{1#exec}}\"", 2000 + cut * 60)
        } else {
            format!("eval \"${{1#exec}}\" | {{ stdbuf -o0 head -c {}; kill -9 $$; }}", cut * 70)
        };
        match through(&wrapper).run(&steps) {
            Ok(answers) => {
                answered += 1;
                for (answer, right) in answers.iter().zip(&right) {
                    assert_eq!((answer.end, &answer.stdout), (right.end, &right.stdout));
                    assert_eq!(answer.stderr, right.stderr);
                }
            }
            Err(TransportError::Lost { .. } | TransportError::NoShell { .. }) => lost += 1,
            Err(error) => panic!("{wrapper}: {error:?}"),
        }
    }
    assert!(lost > 10 && answered > 5, "{lost} lost, {answered} answered");
}

#[test]
fn a_batch_that_was_cut_on_its_way_did_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    // the first order of a batch is far longer than what the far side gets of it
    let mut local = through("stdbuf -o0 head -c 6000 | eval \"${1#exec}\"");
    let padding = "x".repeat(20_000);
    let error = local
        .run(&[Step::program("touch", [&mark]), Step::program("echo", [padding])])
        .unwrap_err();
    assert!(matches!(error, TransportError::Lost { .. }), "{error:?}");
    assert!(!mark.exists());
}

#[test]
fn streams_of_any_length_go_both_ways() {
    let mut local = Local::new();
    let data: Vec<u8> = (0..3_000_000u32).map(|number| (number * 7 % 251) as u8).collect();
    let count = Step::script("wc -c; exit 4");
    let answer = local.feed(&count, &mut &data[..], data.len() as u64, &Silent).unwrap();
    assert_eq!((answer.status(), answer.text().trim()), (Some(4), "3000000"));
    // what it leaves unread is no order
    let ignore = Step::script("exit 5");
    let answer = local.feed(&ignore, &mut &data[..], data.len() as u64, &Silent).unwrap();
    assert_eq!(answer.status(), Some(5));
    let mut back = Vec::new();
    let both = Step::script("seq 1 300000; echo done >&2; exit 6");
    let answer = local.drain(&both, &mut back, &Silent).unwrap();
    assert_eq!((answer.status(), answer.stderr.as_slice()), (Some(6), b"done\n".as_slice()));
    assert_eq!((back.len(), answer.stdout_size), (1_988_895, 1_988_895));
    assert!(back.ends_with(b"\n300000\n"));
    assert_eq!(local.run(&[Step::program("echo", ["z"])]).unwrap()[0].text(), "z\n");
    assert_eq!(local.counters().shells, 1);
}

#[test]
fn nothing_stays_behind() {
    let folder = tempfile::tempdir().unwrap();
    let wrapper = format!("export TMPDIR={}; eval \"$1\"", folder.path().display());
    let mut local = through(&wrapper);
    local.run(&[Step::program("echo", ["x"])]).unwrap();
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    drop(local);
    let until = Instant::now() + Duration::from_secs(5);
    while fs_err::read_dir(folder.path()).unwrap().count() > 0 {
        assert!(Instant::now() < until, "the folder for outputs is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn small_files_go_within_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it's a file");
    let mut local = Local::new();
    let answers = local
        .run(&[
            Step::put_file(&path, b"\0one\ntwo".to_vec(), 0o640).stop_on_failure(),
            Step::get_file(&path, 1000),
            Step::get_file(folder.path().join("none"), 1000),
        ])
        .unwrap();
    assert_eq!(answers[1].stdout, b"\0one\ntwo");
    assert_eq!(answers[2].status(), Some(1));
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn two_that_send_one_file_at_once_do_not_spoil_it() {
    let folder = tempfile::tempdir().unwrap();
    let there = Utf8Path::from_path(folder.path()).unwrap().join("packed");
    let content = sizar_testkit::noise(1, 3 * transfer::CHUNK as usize + 7);
    std::thread::scope(|scope| {
        for sender in ["one", "other"] {
            let (there, content) = (&there, &content);
            scope.spawn(move || {
                let to = transfer::To { path: there.as_str(), sender };
                let (mut bytes, length) = (std::io::Cursor::new(content), content.len() as u64);
                transfer::put_file(&mut Local::new(), &mut bytes, length, to, &Silent).unwrap();
                // whole from the moment on that it is there
                assert!(fs_err::read(there).unwrap() == *content);
            });
        }
    });
    assert!(fs_err::read(&there).unwrap() == content);
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn trees_go_both_ways_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let here = root.join("here");
    for (name, text) in [("a b/it's.txt", "one"), ("-dash", "two"), ("deep/er/x", "three")] {
        fs_err::create_dir_all(here.join(name).parent().unwrap()).unwrap();
        fs_err::write(here.join(name), text).unwrap();
    }
    std::os::unix::fs::symlink("deep/er/x", here.join("link")).unwrap();
    let there = root.join("th ere/tree");
    fs_err::create_dir_all(&there).unwrap();
    fs_err::write(there.join("old"), "old").unwrap();
    let mut local = Local::new();
    transfer::put_tree(&mut local, &here, None, to(there.as_str()), &Silent).unwrap();
    assert!(!there.join("old").exists());
    assert_eq!(fs_err::read_link(there.join("link")).unwrap().to_str(), Some("deep/er/x"));
    let back = root.join("back");
    let limits = Limits::default();
    transfer::get_tree(&mut local, there.as_str(), &[], &back, limits, &Silent).unwrap();
    assert_eq!(fs_err::read_to_string(back.join("a b/it's.txt")).unwrap(), "one");
    let some = root.join("some");
    let wanted = ["-dash".into()];
    transfer::get_tree(&mut local, there.as_str(), &wanted, &some, limits, &Silent).unwrap();
    assert_eq!(fs_err::read_dir(&some).unwrap().count(), 1);
    let files = [there.join("-dash").into(), there.join("none").into()];
    let digests = transfer::digests(&mut local, &files).unwrap().unwrap();
    let two = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3";
    assert_eq!(digests, [Some(two.to_owned()), None]);
    let error =
        transfer::put_tree(&mut local, &here, None, to("/dev/null/x"), &Silent).unwrap_err();
    assert!(matches!(error, TransportError::Failed { .. }), "{error:?}");
    assert_eq!(fs_err::read_dir(root.join("th ere")).unwrap().count(), 1, "nothing is left");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// What is passed comes back, byte by byte, through a real shell.
    #[test]
    fn any_argument_comes_back(words in proptest::collection::vec(
        proptest::collection::vec(1u8..=255, 0..40), 1..20,
    )) {
        let words: Vec<_> = words.into_iter().map(OsString::from_vec).collect();
        let mut local = Local::new();
        let print = Step::program("printf", ["%s\\0"]).args(words.clone());
        let script = Step::script("printf '%s\\0' \"$@\"").args(words.clone());
        let answers = local.run(&[print, script]).unwrap();
        let expected: Vec<u8> =
            words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
        for answer in answers {
            prop_assert_eq!(&answer.stdout, &expected);
        }
    }

    #[test]
    fn any_input_comes_back(bytes in proptest::collection::vec(any::<u8>(), 1..3000)) {
        let mut local = Local::new();
        let answers = local.run(&[Step::program("cat", [""; 0]).stdin(bytes.clone())]).unwrap();
        prop_assert_eq!(&answers[0].stdout, &bytes);
    }
}
