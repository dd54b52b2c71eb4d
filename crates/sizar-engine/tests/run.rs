//! One run: what is executed, with which files, and what it leaves.

#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

mod run_world;

use camino::Utf8PathBuf;
use fs_err as fs;
use run_world::{World, log, paths, read};
use sizar_engine::home::Home;
use sizar_engine::process::Control;
use sizar_engine::run::{Attempt, Execution, FetchError, RunError, copy_tree, execute, fetch};
use sizar_model::{DataBinding, DataMode, Digest, Ending, Receipt, RunState};

#[test]
fn a_copy_has_what_the_program_needs_and_no_way_out() {
    let world = World::new();
    world
        .write("a.py", "print()")
        .write("deep/er/b.txt", &"x".repeat(200_000))
        .write(".git/config", "")
        .write("pkg/__pycache__/a.pyc", "")
        .write("myenv/pyvenv.cfg", "")
        .write("sizar-7x2kq9ab/result", "")
        .write("sizar-notes", "kept");
    let source = world.source();
    let link = |target: &str, name: &str| {
        fs_err::os::unix::fs::symlink(target, source.join(name)).unwrap();
    };
    link("deep/er/b.txt", "inside");
    link("made/later", "dangling");
    link("/etc/passwd", "absolute");
    link("../sizar", "above");
    link(".", "here");
    link("here/../../user/nosuch", "through");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = fs::OpenOptions::new().write(true).open(source.join("a.py")).unwrap();
    file.file().set_modified(old).unwrap();
    std::os::unix::fs::PermissionsExt::set_mode(
        &mut fs::metadata(source.join("a.py")).unwrap().permissions(),
        0o755,
    );
    let to = world.root.join("copy");
    let baseline = copy_tree(&source, &to).unwrap();
    let mut names: Vec<String> =
        to.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["a.py", "dangling", "deep", "here", "inside", "pkg", "sizar-notes"]);
    assert_eq!(read(to.join("inside")).len(), 200_000);
    assert_eq!(fs::metadata(to.join("a.py")).unwrap().modified().unwrap(), old);
    assert_eq!(baseline.notes.len(), 3, "{:?}", baseline.notes);
    assert!(baseline.notes.iter().any(|note| note.contains("`through`")));
    assert!(copy_tree(&source, &to).is_err());
}

#[test]
fn results_are_what_was_made_or_changed() {
    let world = World::new();
    world
        .write("same.txt", "same")
        .write("changed.txt", "before")
        .write("sly.txt", "before")
        .write("untouched.txt", "x")
        .write(
            "a.py",
            "
import os, pathlib, sys
pathlib.Path('same.txt').write_text('same')
pathlib.Path('changed.txt').write_text('after!')
was = os.stat('sly.txt')
pathlib.Path('sly.txt').write_text('after!')
os.utime('sly.txt', ns=(was.st_atime_ns, was.st_mtime_ns))
os.makedirs('out/deep')
pathlib.Path('out/deep/new.txt').write_text('new')
os.symlink('/etc/passwd', 'out/link')
home = pathlib.Path.home()
(home / 'data').mkdir()
(home / 'data/model.bin').write_text('model')
(home / '.cache/x').mkdir(parents=True)
(home / '.cache/x/junk').write_text('junk')
os.makedirs('__pycache__', exist_ok=True)
pathlib.Path('__pycache__/a.pyc').write_text('')
print('made', sys.argv[1:], os.getcwd().endswith('/work'))
sys.exit(int(sys.argv[1]))
",
        );
    let mut job = world.job("a.py", &["7"]);
    job.sandbox = false;
    let (run, outcome) = world.run(job);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.receipt.ending, Ending::Exited { code: 7 });
    assert_eq!(outcome.state, RunState::Failed);
    assert_eq!(log(&outcome), "made ['7'] True\n");
    assert_eq!(paths(&outcome), ["changed.txt", "out/deep/new.txt", "sly.txt", "~/data/model.bin"]);
    assert_eq!(outcome.receipt.results[1].blake3, Digest::of(b"new"));
    assert_eq!(outcome.receipt.sandbox, "none");
    assert_eq!(outcome.attempt.receipt().unwrap(), outcome.receipt);
    // the source is as it was
    assert_eq!(read(world.source().join("changed.txt")), "before");
    assert!(!world.source().join("out").exists());
    let shown = world.journal().get(run.as_str()).unwrap();
    assert_eq!(shown.results, outcome.receipt.results);
    assert_eq!(shown.exit_code, Some(7));
}

#[test]
fn every_kind_of_entry_runs() {
    let world = World::new();
    world
        .write("s.py", "import helper; print('script', helper.X)")
        .write("helper.py", "X = 1")
        .write("sub/t.py", "import helper; print('sub', helper.X)")
        .write("go.sh", "#!/bin/sh\necho shell $1 $PWD | sed 's,/.*/,,'")
        .write("pkg/__init__.py", "")
        .write("pkg/m.py", "import sys; print('module', sys.argv[1:])");
    fs::write(
        world.prefix().join("bin/tool"),
        "#!/nowhere/python\nimport sys; print('installed', sys.argv[1])",
    )
    .unwrap();
    for (driver, args, printed) in [
        ("s.py", &["a"][..], "script 1\n"),
        ("sub/t.py", &[], "sub 1\n"),
        ("go.sh", &["x"], "shell x work\n"),
        ("pkg.m", &["--a"], "module ['--a']\n"),
        ("-m", &["pkg.m", "--a"], "module ['--a']\n"),
        ("tool", &["b c"], "installed b c\n"),
        ("python", &["-c", "print('direct')"], "direct\n"),
    ] {
        let mut job = world.job(driver, args);
        job.sandbox = false;
        let outcome = world.run(job).1.unwrap();
        assert_eq!(log(&outcome), printed, "{driver}");
        assert!(outcome.is_success());
    }
}

#[test]
fn a_program_that_cannot_start_is_a_failure_with_its_reason() {
    let world = World::new();
    world.write("go", "#!/usr/bin/nosuchprogram\n");
    let mut job = world.job("go", &[]);
    job.sandbox = false;
    let (run, outcome) = world.run(job);
    assert!(matches!(outcome.unwrap_err(), RunError::Process(_)));
    let shown = world.journal().get(run.as_str()).unwrap();
    assert_eq!(shown.state, RunState::Failed);
    assert!(shown.reason.unwrap().contains("nosuchprogram"));
}

#[test]
fn data_is_shown_and_copied_without_a_sandbox() {
    let world = World::new();
    world.write("data/imgs/.keep", "").write(
        "a.py",
        "
import pathlib
print(sorted(p.name for p in pathlib.Path('data/imgs').iterdir()))
p = pathlib.Path('labels/l.txt'); print(p.read_text()); p.write_text('changed')
pathlib.Path('labels/kept.txt').read_text()
print((pathlib.Path.home() / 'voc/v.txt').read_text())
",
    );
    let data = world.root.join("user/data");
    for (path, text) in
        [("imgs/1.png", ""), ("labels/l.txt", "label"), ("labels/kept.txt", ""), ("v.txt", "voc")]
    {
        fs::create_dir_all(data.join(path).parent().unwrap()).unwrap();
        fs::write(data.join(path), text).unwrap();
    }
    let bind = |here: &str, there: &str, mode| DataBinding {
        here: data.join(here),
        there: there.into(),
        mode,
    };
    let mut job = world.job("a.py", &[]);
    job.sandbox = false;
    job.data = vec![
        bind("imgs", "data/imgs", DataMode::ReadOnly),
        bind("labels", "labels", DataMode::Copy),
        bind("v.txt", "~/voc/v.txt", DataMode::Copy),
    ];
    let outcome = world.run(job.clone()).1.unwrap();
    assert_eq!(log(&outcome), "['1.png']\nlabel\nvoc\n");
    // a copy that was changed is a result; what was only shown or read is none
    assert_eq!(paths(&outcome), ["labels/l.txt"]);
    assert_eq!(read(data.join("labels/l.txt")), "label");

    job.data.push(bind("v.txt", "/mnt/voc", DataMode::ReadOnly));
    let (run, outcome) = world.run(job);
    assert!(matches!(outcome.unwrap_err(), RunError::NeedsBubblewrap { .. }));
    assert_eq!(world.journal().get(run.as_str()).unwrap().state, RunState::Failed);
    let left = world.home.root().join("runs").join(run.as_str());
    assert_eq!(left.read_dir_utf8().unwrap().count(), 0);
}

#[test]
fn a_script_starts_where_its_paths_lead_somewhere() {
    let world = World::new();
    world.write("data/words.txt", "some words").write(
        "src/train.py",
        "import os\nprint(open('../data/words.txt').read(), os.path.basename(os.getcwd()))\n\
         open('made.txt', 'w').write('x')\n",
    );
    let mut job = world.job("src/train.py", &[]);
    job.sandbox = false;
    let outcome = world.run(job.clone()).1.unwrap();
    assert_eq!(log(&outcome), "some words src\n");
    assert_eq!(paths(&outcome), ["src/made.txt"]);
    // at the root, if the user wants it there
    job.folder = Some(".".into());
    let outcome = world.run(job).1.unwrap();
    assert_eq!(outcome.receipt.ending, Ending::Exited { code: 1 });
    assert!(log(&outcome).contains("No such file"), "{}", log(&outcome));
}

#[test]
fn a_script_that_imports_its_neighbours_relatively_starts_as_a_module() {
    let world = World::new();
    world
        .write("net/__init__.py", "")
        .write("net/layers.py", "WIDTH = 3\n")
        .write("net/config.yml", "")
        .write(
            "net/train.py",
            "from .layers import WIDTH\nimport os, sys\n\
             print(WIDTH, sys.argv[1:], os.path.exists('config.yml'))\n",
        );
    let mut job = world.job("net/train.py", &["--a", "b"]);
    job.sandbox = false;
    let outcome = world.run(job).1.unwrap();
    // from the root, where its package is
    assert_eq!(log(&outcome), "3 ['--a', 'b'] False\n");
}

#[test]
fn what_a_program_reads_is_a_file_or_nothing() {
    let world = World::new();
    world.write("a.py", "import sys\nprint(repr(sys.stdin.read()))");
    let typed = world.root.join("typed.txt");
    fs::write(&typed, "typed").unwrap();
    let mut job = world.job("a.py", &[]);
    job.sandbox = false;
    assert_eq!(log(&world.run(job.clone()).1.unwrap()), "''\n");
    job.data = vec![DataBinding::stdin(typed.clone())];
    let outcome = world.run(job.clone()).1.unwrap();
    assert_eq!(log(&outcome), "'typed'\n");
    assert_eq!(paths(&outcome), Vec::<&str>::new());
    fs::remove_file(&typed).unwrap();
    let (_, outcome) = world.run(job);
    let RunError::Process(error) = outcome.unwrap_err() else { panic!("another error") };
    assert!(error.to_string().contains(typed.as_str()), "{error}");
}

#[test]
fn a_run_is_executed_by_one_process() {
    let world = World::new();
    world.write("a.py", "open('x', 'a').write('x')");
    let mut job = world.job("a.py", &[]);
    job.sandbox = false;
    let plan = world.plan(job.clone());
    let run = world.journal().create(&world.prepared(job)).unwrap();
    world.execute(&mut world.journal(), &run, &plan).unwrap();
    let again = world.execute(&mut world.journal(), &run, &plan).unwrap_err();
    assert!(matches!(again, RunError::NotMine { .. }), "{again}");
    let shown = world.journal().get(run.as_str()).unwrap();
    assert_eq!((shown.state, shown.attempts), (RunState::Completed, 1));
    // nothing of the second try is left
    let folder = world.home.root().join("runs").join(run.as_str());
    assert_eq!(folder.read_dir_utf8().unwrap().count(), 1);
}

#[test]
fn a_run_that_was_stopped_before_does_not_start() {
    let world = World::new();
    world.write("a.py", "");
    let plan = world.plan(world.job("a.py", &[]));
    let mut journal = world.journal();
    let run = journal.create(&world.prepared(world.job("a.py", &[]))).unwrap();
    let control = Control::default();
    control.stop();
    let execution = Execution {
        home: &world.home,
        run: &run,
        plan: &plan,
        control: &control,
        echo: false,
        generation: None,
    };
    assert!(matches!(execute(&mut journal, execution), Err(RunError::CancelledBefore)));
    assert_eq!(journal.state(&run).unwrap(), RunState::Cancelled);
}

#[test]
fn results_are_fetched_and_nothing_is_overwritten() {
    let world = World::new();
    world.write(
        "a.py",
        "
import os, pathlib
os.makedirs('out')
for name in ['out/a.csv', 'out/b.txt', 'c.csv']:
    pathlib.Path(name).write_text('result ' + name)
(pathlib.Path.home() / 'h.csv').write_text('home')
os.chmod('c.csv', 0o755)
",
    );
    let mut job = world.job("a.py", &[]);
    job.sandbox = false;
    let (id, outcome) = world.run(job);
    let outcome = outcome.unwrap();
    let run = world.journal().get(id.as_str()).unwrap();
    let into = world.root.join("user/results");
    let fetched = fetch(&world.home, &run, Some("*.csv"), Some(&into)).unwrap();
    let expected: Vec<Utf8PathBuf> = vec!["c.csv".into(), "out/a.csv".into(), "home/h.csv".into()];
    assert_eq!(fetched.brought, expected);
    assert_eq!(read(into.join("home/h.csv")), "home");
    assert_eq!(fetched.bytes, 12 + 16 + 4);

    fs::write(into.join("c.csv"), "mine").unwrap();
    let fetched = fetch(&world.home, &run, None, Some(&into)).unwrap();
    assert_eq!(fetched.brought, ["out/b.txt"]);
    assert_eq!(fetched.same.len(), 2);
    let beside = Utf8PathBuf::from(format!("{}.sizar-{id}", into.join("c.csv")));
    assert_eq!(fetched.beside, [(into.join("c.csv"), beside.clone())]);
    assert_eq!((read(into.join("c.csv")), read(&beside)), ("mine".into(), "result c.csv".into()));

    let error = fetch(&world.home, &run, Some("*.png"), Some(&into)).unwrap_err();
    assert!(error.hint().unwrap().contains("`out/a.csv`"));
    let error = fetch(&world.home, &run, Some("a["), Some(&into)).unwrap_err();
    assert!(matches!(error, FetchError::Pattern { .. }));

    // what is on the disk is no longer what the receipt says
    fs::write(outcome.attempt.work().join("out/b.txt"), "tampered").unwrap();
    let other = world.root.join("user/other");
    let error = fetch(&world.home, &run, Some("b.txt"), Some(&other)).unwrap_err();
    assert!(matches!(error, FetchError::Changed { .. }), "{error}");
    assert_eq!(other.join("out").read_dir_utf8().unwrap().count(), 0);
}

#[test]
fn a_receipt_of_a_newer_sizar_is_read() {
    let world = World::new();
    let run = "7x2kq9ab".parse().unwrap();
    let attempt = Attempt::of(&Home::at(world.home.root()), &run, 1);
    assert_eq!(attempt.receipt(), None);
    fs::create_dir_all(attempt.folder()).unwrap();
    let text = r#"{"version": 9, "attempt": 1, "ending": {"how": "exited", "code": 4},
        "started": "2026-01-01T00:00:00Z", "ended": "2026-01-01T00:00:00Z", "node": "n",
        "usage": {"wall_seconds": 1.0, "joules": 5}, "sandbox": "x", "results": [], "new": 1}"#;
    fs::write(attempt.folder().join("receipt.json"), text).unwrap();
    let receipt: Receipt = attempt.receipt().unwrap();
    assert_eq!(receipt.ending, Ending::Exited { code: 4 });
    fs::write(attempt.folder().join("receipt.json"), &text[..60]).unwrap();
    assert_eq!(attempt.receipt(), None);
}

#[test]
fn slow_data_and_inputs_are_shown_in_the_sandbox() {
    let world = World::new();
    world.write("data/.keep", "").write(
        "a.py",
        "
import os, pathlib, sys
print(sys.stdin.read())
try:
    os.fchmod(0, 0o666)
    os.write(os.open('/proc/self/fd/0', os.O_WRONLY | os.O_NONBLOCK), b'spoiled')
except OSError:
    pass
for path in ['data/1.png', '/mnt/voc/v.txt', os.path.expanduser('~/voc/v.txt'), 'mine.wav',
             *sys.argv[1:]]:
    print(pathlib.Path(path).read_text())
for path in ['data/1.png', '/mnt/voc/v.txt', 'mine.wav']:
    try:
        pathlib.Path(path).write_text('x')
        print('written', path)
    except OSError as error:
        print(error.errno)
pathlib.Path('/mnt/copy/v.txt').write_text('changed')
try:
    print(os.listdir(os.environ['SECRET']))
except OSError:
    print('hidden')
",
    );
    let user = world.root.join("user");
    for path in ["imgs/1.png", "voc/v.txt", "mine.wav"] {
        fs::create_dir_all(user.join(path).parent().unwrap()).unwrap();
        fs::write(user.join(path), path).unwrap();
    }
    fs::write(world.root.join("up.wav"), "up").unwrap();
    let mode = || fs::metadata(user.join("mine.wav")).unwrap().permissions();
    let before = mode();
    let bind = |here: &str, there: &str, mode| DataBinding {
        here: user.join(here),
        there: there.into(),
        mode,
    };
    let mut job = world.job("a.py", &["mine.wav", "../up.wav"]);
    job.env = vec![("SECRET".to_owned(), user.to_string())];
    job.data = vec![
        bind("imgs", "data", DataMode::ReadOnly),
        bind("voc", "/mnt/voc", DataMode::ReadOnly),
        bind("voc", "/mnt/copy", DataMode::Copy),
        bind("voc", "~/voc", DataMode::ReadOnly),
        DataBinding::stdin(user.join("mine.wav")),
    ];
    let plan = world.plan(job).with_inputs(world.found(&["mine.wav", "../up.wav"], false));
    let outcome = world.run_plan(&plan).1.unwrap();
    assert_eq!(
        log(&outcome),
        "mine.wav\nimgs/1.png\nvoc/v.txt\nvoc/v.txt\nmine.wav\nmine.wav\nup\n30\n30\n30\nhidden\n"
    );
    assert_eq!(outcome.receipt.sandbox, "bubblewrap");
    assert_eq!(paths(&outcome), Vec::<&str>::new());
    assert_eq!(read(user.join("voc/v.txt")), "voc/v.txt");
    // also not through what the program has open already
    assert_eq!(read(user.join("mine.wav")), "mine.wav");
    assert_eq!(mode(), before);
}

#[test]
fn slow_a_large_file_is_shown_and_not_copied() {
    let world = World::new();
    world.write(
        "a.py",
        "
import os
print(os.path.getsize('large.bin'))
try:
    open('large.bin', 'a')
except OSError as error:
    print(error.errno)
",
    );
    // a file with nothing in it takes no space, but its size counts
    let large = fs::File::create(world.source().join("large.bin")).unwrap();
    large.file().set_len(300 << 20).unwrap();
    let outcome = world.run(world.job("a.py", &[])).1.unwrap();
    assert_eq!(log(&outcome), format!("{}\n30\n", 300 << 20));
    assert_eq!(paths(&outcome), Vec::<&str>::new());
    assert_eq!(outcome.receipt.notes, ["`large.bin` (300 MiB) is shown read only, and not copied"]);
}

#[test]
fn slow_data_is_shown_under_landlock() {
    let world = World::new();
    world.write(
        "a.py",
        "
import pathlib, sys
print(pathlib.Path('data/v.txt').read_text(), sys.stdin.read())
try:
    open('/proc/self/fd/0', 'w')
except OSError as error:
    print(error.errno)
for path in ['data/v.txt', '../../../journal.sqlite']:
    try:
        pathlib.Path(path).open('a')
    except OSError as error:
        print(error.errno)
pathlib.Path('made').write_text('x')
",
    );
    let user = world.root.join("user/voc");
    fs::create_dir_all(&user).unwrap();
    fs::write(user.join("v.txt"), "voc").unwrap();
    let mut job = world.job("a.py", &[]);
    let typed = world.root.join("user/typed.txt");
    fs::write(&typed, "typed").unwrap();
    job.data = vec![
        DataBinding { here: user, there: "data".into(), mode: DataMode::ReadOnly },
        DataBinding::stdin(typed),
    ];
    let mut journal = world.journal();
    let run = journal.create(&world.prepared(job)).unwrap();
    let status =
        world.worker().arg(run.as_str()).env("SIZAR_SANDBOX", "landlock").status().unwrap();
    let attempt = Attempt::of(&world.home, &run, 1);
    assert_eq!(read(attempt.log()), "voc typed\n13\n13\n13\n");
    assert!(status.success());
    let receipt = attempt.receipt().unwrap();
    assert_eq!(receipt.sandbox, "landlock");
    assert_eq!(receipt.results.len(), 1);
}
