//! Ways in: two login nodes behind one name, which share the home folders and nothing else; one that
//! asks for a code that is good once.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use sha2::Digest as _;
use sizar_testkit::{Answer, Cluster, Server};

use crate::site::{Site, eventually, said};

const MEBIBYTE: usize = 1 << 20;
/// Leases expire early there, and the first reads of each process find a file that was replaced.
const BASHRC: &str = "export SIZAR_TEST_LEASE=4 SIZAR_FAILPOINT='read:stale*3'";

#[test]
fn slow_cluster_a_lock_of_another_login_node_is_waited_for_and_taken_over_when_it_is_dead() {
    let site = Site::of(Cluster::slurm().bashrc(BASHRC).up(), &["slurm"]);
    let other = site.cluster.another_login_node().unwrap();
    let add = ["target", "add", "other", "ssh://slurm", "--scheduler", "slurm", "--ssh-config"];
    site.sizar(&[&add[..], &[other.as_str()]].concat()).exits(0);
    let name = |config: &str| {
        let mut ssh = site.cluster.on_network("ssh");
        let output = ssh.args(["-F", config, "slurm", "uname -n"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(name(site.cluster.ssh_config().as_str()), "frontend\n");
    assert_eq!(name(other.as_str()), "frontend2\n");
    for target in ["slurm", "other"] {
        let profile = site.world.sizar_home().join("targets").join(target).join("target.toml");
        let known = fs_err::read_to_string(&profile).unwrap();
        fs_err::write(&profile, format!("{known}\n[machine]\ninternet = true\n")).unwrap();
    }
    let bytes = "x".repeat(3 * MEBIBYTE);
    let sum = format!("{:x}", sha2::Sha256::digest(&bytes));
    let server = Server::start(move |number, _| Answer {
        stalls_at: (number == 0).then_some(MEBIBYTE),
        ..Answer::ok(bytes.clone())
    });
    let data = format!("{}#sha256={sum}:in/x.txt", server.url("/x.txt"));
    let line = |target| {
        let tail = ["--data", data.as_str(), "--", "train.py", "--read", "in/x.txt"];
        [&["run", "./code", "--on", target][..], &tail].concat()
    };
    let first = site.spawn(&line("slurm"));
    eventually("it stands still", || server.requests().len() == 1);
    let locks = site.cluster.inside("/home/alice/.sizar/locks");
    let lease = || {
        let leases = locks.read_dir_utf8().into_iter().flatten().flatten();
        let mut leases = leases.map(camino::Utf8DirEntry::into_path);
        leases.find(|path| path.file_name().unwrap().starts_with("data-"))
    };
    let read = |name: &str| {
        lease().and_then(|path| fs_err::read_to_string(path.join(name)).ok()).unwrap_or_default()
    };
    let owner = read("owner");
    let beats = || read("beat").parse::<u64>().unwrap_or_default();
    // one that lives keeps it, for longer than the dead do
    let second = site.spawn(&line("other"));
    let before = beats();
    eventually("it beats", || beats() > before + 30);
    assert_eq!((read("owner"), server.requests().len()), (owner.clone(), 1));
    // its process numbers say nothing on the other node: only that it stands still does
    let pid = owner.split('-').next().unwrap();
    site.cluster.root(&format!("kill -9 {pid}")).exits(0);
    let second = said(second).exits(0);
    assert!(second.stderr.contains("another sizar fetches the same"), "{second}");
    assert_ne!(said(first).code, 0);
    let ranges: Vec<_> = server.requests().iter().map(|request| request.range).collect();
    assert_eq!(ranges, [None, Some(1 << 20)]);
    site.sizar(&line("slurm")).exits(0);
    assert_eq!(server.requests().len(), 2);
    assert_eq!(lease(), None, "leases end with what they are for");
}

#[test]
fn slow_cluster_a_code_is_asked_for_once_at_the_terminal_and_never_in_the_background() {
    let site = Site::of(Cluster::slurm().up(), &[]);
    let (config, tried) = site.cluster.login_with_codes(&["111111", "222222"]).unwrap();
    let asked = || fs_err::read_to_string(&tried).unwrap().lines().count();
    let add = ["target", "add", "slurm", "ssh://slurm", "--scheduler", "slurm", "--ssh-config"];
    let add = [&add[..], &[config.as_str()]].concat();
    // without a terminal nobody is asked, and no code is tried
    let said = site.sizar(&add);
    assert_ne!(said.code, 0, "{said}");
    assert!(said.stderr.contains("terminal") || said.stderr.contains("password"), "{said}");
    assert_eq!(asked(), 0, "{said}");
    let said = at_terminal(&site, &add, "111111");
    assert_eq!((said.matches("Password:").count(), asked()), (1, 1), "{said}");
    // all that a run needs goes over that one login, which stays open for a while
    let said = at_terminal(&site, &Site::run_line("slurm", &[]), "none");
    assert_eq!((said.matches("Password:").count(), asked()), (0, 1), "{said}");
    assert!(said.contains("epoch 2"), "{said}");
    site.ended(&site.newest(), "completed");
    // it breaks: nobody is asked behind the user's back
    let cut = "C=/run/sizar-cluster; . $C/scripts/daemons.sh; cut_daemon sshd-codes";
    site.cluster.root(cut).exits(0);
    let said = site.run("slurm", &[]);
    assert!(said.code != 0 && asked() == 1, "{said}");
    let said = at_terminal(&site, &Site::run_line("slurm", &[]), "222222");
    assert_eq!((said.matches("Password:").count(), asked()), (1, 2), "{said}");
    site.ended(&site.newest(), "completed");
}

/// Runs sizar at a terminal, and types `code` when something is asked; returns what is to be seen.
#[track_caller]
fn at_terminal(site: &Site, args: &[&str], code: &str) -> String {
    site.forget_logins();
    let sizar = site.world.command(args);
    let words = std::iter::once(sizar.get_program()).chain(sizar.get_args());
    let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>();
    let mut command = Command::new("script");
    command.args(["-qefc", &line.join(" "), "/dev/null"]);
    for (name, value) in sizar.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(sizar.get_current_dir().unwrap());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut typed = false;
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stdout.read(&mut piece).unwrap();
        if count == 0 {
            break;
        }
        seen.extend_from_slice(&piece[..count]);
        if !typed && String::from_utf8_lossy(&seen).contains("Password:") {
            // once: a second question is not answered
            writeln!(stdin, "{code}").unwrap();
            typed = true;
        }
    }
    let said = String::from_utf8_lossy(&seen).into_owned();
    assert!(child.wait().unwrap().success(), "{said}");
    said
}
