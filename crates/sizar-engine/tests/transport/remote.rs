//! Batches over a real sshd.

use std::time::Duration;

use camino::Utf8Path;
use sizar_engine::acquire::limits::Limits;
use sizar_engine::transport::{
    End, Line, Ssh, Step, Transport, TransportError, WithTransferHost, transfer,
};
use sizar_model::Silent;
use sizar_testkit::{Sshd, write_program};

use crate::world::Client;

fn to(path: &str) -> transfer::To<'_> {
    transfer::To { path, sender: "tests" }
}

fn echo(ssh: &mut Ssh, word: &str) -> String {
    let answers = ssh.run(&[Step::program("echo", [word])]).unwrap();
    answers[0].text().trim_end().to_owned()
}

#[test]
fn slow_a_thousand_steps_are_one_login_and_one_shell() {
    let sshd = Sshd::start(&[]);
    let client = Client::new();
    let mut ssh = client.alone(sshd.client_config(&[]));
    for round in 0..10 {
        let steps: Vec<_> =
            (0..100).map(|step| Step::program("echo", [format!("{round} {step}")])).collect();
        for (step, answer) in ssh.run(&steps).unwrap().iter().enumerate() {
            assert_eq!(answer.text(), format!("{round} {step}\n"));
        }
    }
    let counters = ssh.counters();
    assert_eq!((counters.logins, counters.shells, counters.steps), (1, 1, 1000));
    assert_eq!(counters.round_trips, 11);
    assert_eq!(sshd.logins(), 1);
}

#[test]
fn slow_noise_of_a_site_is_not_taken_for_an_answer() {
    // as sshd runs a command: by the login shell, after its start-up files
    let shells = [
        ("bash", "echo 'Welcome!'; printf 'no line feed'; (sleep 0.2; echo late) &\n"),
        ("bash", "exec zsh\n"),
        ("tcsh", "echo motd; echo \"$SSH_ORIGINAL_COMMAND\"\n"),
        ("fish", "cat /etc/os-release\n"),
        ("zsh", "(for i in 1 2 3 4 5 6 7 8 9; do sleep 0.05; echo tick; done) &\n"),
    ];
    for (shell, noise) in shells {
        let sshd = Sshd::start_with(|folder| {
            let text = format!("#!/bin/bash\n{noise}exec {shell} -c \"$SSH_ORIGINAL_COMMAND\"\n");
            write_program(&folder.join("shell"), &text);
            fs_err::write(folder.join("banner"), "You are being watched\n").unwrap();
            vec![format!("ForceCommand {folder}/shell"), format!("Banner {folder}/banner")]
        });
        let client = Client::new();
        let mut ssh = client.alone(sshd.client_config(&[]));
        for _ in 0..5 {
            let answers = ssh
                .run(&[
                    Step::program("head", ["-c", "300000", "/dev/zero"]),
                    Step::script("sleep 0.1; exit 3"),
                ])
                .unwrap_or_else(|error| panic!("{shell}: {error}"));
            assert_eq!((answers[0].stdout.len(), answers[1].status()), (300_000, Some(3)));
        }
    }
}

#[test]
fn slow_one_session_is_enough() {
    let sshd = Sshd::start(&["MaxSessions 1"]);
    let client = Client::new();
    let config = sshd.client_config(&[]);
    let mut first = Ssh::new(client.options(config.clone()));
    assert_eq!(echo(&mut first, "one"), "one");
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    fs_err::create_dir(root.join("a")).unwrap();
    fs_err::write(root.join("a/data"), vec![7; 5_000_000]).unwrap();
    let there = root.join("b");
    transfer::put_tree(&mut first, &root.join("a"), None, to(there.as_str()), &Silent).unwrap();
    let back = root.join("c");
    transfer::get_tree(&mut first, there.as_str(), &[], &back, Limits::default(), &Silent).unwrap();
    assert_eq!(fs_err::read(back.join("data")).unwrap().len(), 5_000_000);
    assert_eq!(sshd.logins(), 1);
    // a second sizar meets a connection in use, and logs in for itself
    let mut options = client.options(config);
    options.interactive = true;
    let mut second = Ssh::new(options);
    assert_eq!(echo(&mut second, "two"), "two");
    assert_eq!((second.counters().logins, sshd.logins()), (1, 2));
    drop(second);
    drop(first);
}

#[test]
fn slow_a_login_is_kept_for_the_next_sizar() {
    let sshd = Sshd::start(&[]);
    let client = Client::new();
    let config = sshd.client_config(&[]);
    for logins in [1, 0, 0] {
        let mut ssh = Ssh::new(client.options(config.clone()));
        assert_eq!(echo(&mut ssh, "x"), "x");
        assert_eq!(ssh.counters().logins, logins);
    }
    assert_eq!(sshd.logins(), 1);
    Ssh::new(client.options(config)).log_out().unwrap();
}

#[test]
fn slow_where_the_settings_lead_now_counts_and_not_where_they_led() {
    let (one, other) = (Sshd::start(&[]), Sshd::start(&[]));
    let client = Client::new();
    let config = one.client_config(&[]);
    let port = |config: &Utf8Path| {
        let text = fs_err::read_to_string(config).unwrap();
        text.lines().find_map(|line| line.trim().strip_prefix("Port ")).unwrap().to_owned()
    };
    let reached = || {
        let mut ssh = Ssh::new(client.options(config.clone()));
        let answers = ssh.run(&[Step::script("echo \"${SSH_CONNECTION##* }\"")]).unwrap();
        (answers[0].text().trim_end().to_owned(), ssh.counters().logins)
    };
    let first = port(&config);
    // the third is remembered from the first, whose connection is still open
    assert_eq!([reached(), reached()], [(first.clone(), 1), (first, 0)]);
    fs_err::copy(other.client_config(&[]), &config).unwrap();
    let second = port(&config);
    assert_eq!([reached(), reached()], [(second.clone(), 1), (second, 0)]);
    Ssh::new(client.options(config.clone())).log_out().unwrap();
    fs_err::copy(one.client_config(&[]), &config).unwrap();
    Ssh::new(client.options(config)).log_out().unwrap();
}

#[test]
fn slow_further_channels_need_no_login() {
    let step = Step::script("head -c 3");
    let mut say = |line: &mut dyn Line| {
        line.send(b"abc")?;
        let mut came = Vec::new();
        while came.len() < 3 {
            came.extend(line.receive(Duration::from_millis(100))?.unwrap_or_default());
        }
        assert_eq!(&came[..3], b"abc");
        Ok(came.split_off(3))
    };
    for (sessions, further) in [("MaxSessions 10", true), ("MaxSessions 1", false)] {
        let sshd = Sshd::start(&[sessions]);
        let client = Client::new();
        let mut ssh = Ssh::new(client.options(sshd.client_config(&[])));
        assert!(ssh.beside().is_none(), "nothing is open");
        assert!(ssh.talk(&step, &mut say).unwrap().is_success());
        let beside = ssh.beside().unwrap();
        assert!(beside.round_trip().is_some());
        let talked = beside.talk(&step, &mut say);
        assert_eq!(talked.is_ok(), further, "{talked:?}");
        assert_eq!(sshd.logins(), 1);
        let shells = if further { 2 } else { 1 };
        assert_eq!((ssh.counters().shells, ssh.counters().logins), (shells, 1));
        ssh.log_out().unwrap();
    }
}

#[test]
fn slow_a_step_that_hangs_is_ended_over_there() {
    let sshd = Sshd::start(&[]);
    let client = Client::new();
    let mut ssh = client.alone(sshd.client_config(&[]));
    let hang = Step::script("sleep 2000 & sleep 2001").limit(Duration::from_millis(500));
    let answers = ssh.run(&[hang, Step::program("echo", ["after"])]).unwrap();
    assert_eq!((answers[0].end, answers[1].text().as_ref()), (End::TimedOut, "after\n"));
    let left = ssh.run(&[Step::script("ps -A -o args= | grep -c '^sleep 200[01]'")]).unwrap();
    assert_eq!(left[0].text(), "0\n");
}

#[test]
fn slow_a_connection_that_is_killed_is_lost_then_made_again() {
    let sshd = Sshd::start(&[]);
    let client = Client::new();
    let mut options = client.options(sshd.client_config(&[]));
    options.share = false;
    options.interactive = true;
    let mut ssh = Ssh::new(options);
    assert_eq!(echo(&mut ssh, "x"), "x");
    // a step that kills what carries it
    let suicide = Step::script("kill -9 \"$1\"; sleep 5").arg(ssh.process().unwrap().to_string());
    let error = ssh.run(&[Step::program("echo", ["first"]), suicide]).unwrap_err();
    let TransportError::Lost { step, .. } = &error else { panic!("{error:?}") };
    assert!(step.sent && error.may_have_run());
    assert_eq!(echo(&mut ssh, "again"), "again");
    // one that breaks while nobody looks is not even noticed
    let process = ssh.process().unwrap().to_string();
    std::process::Command::new("kill").args(["-9", &process]).status().unwrap();
    // it is ours to reap, so it stays as a zombie
    let stat = format!("/proc/{process}/stat");
    while fs_err::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
    assert_eq!(echo(&mut ssh, "and again"), "and again");
    assert_eq!(ssh.counters().logins, 3);
}

#[test]
fn slow_data_goes_through_its_own_host_or_the_login_node() {
    let login = Sshd::start(&[]);
    let open = Sshd::start(&[]);
    let sftp_only = Sshd::start_with(|folder| {
        write_program(
            &folder.join("sftp"),
            "#!/bin/sh\necho 'This service allows sftp connections only.'\nexit 1\n",
        );
        vec![format!("ForceCommand {folder}/sftp")]
    });
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    fs_err::create_dir(root.join("a")).unwrap();
    fs_err::write(root.join("a/x"), "x").unwrap();
    for (data, logins, there) in [(&open, 1, "b"), (&sftp_only, 1, "c")] {
        let client = Client::new();
        let control = client.alone(login.client_config(&[]));
        let transfer = client.alone(data.client_config(&[]));
        let mut site = WithTransferHost::new(control, transfer);
        let there = root.join(there);
        transfer::put_tree(&mut site, &root.join("a"), None, to(there.as_str()), &Silent).unwrap();
        assert_eq!(fs_err::read_to_string(there.join("x")).unwrap(), "x");
        assert_eq!(data.logins(), logins);
    }
    assert_eq!(login.logins(), 1, "only where the other host gives no shell");
}
