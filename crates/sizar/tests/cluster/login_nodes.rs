//! Two login nodes behind one name, which share the home folders and nothing else.

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
        let mut leases = leases.map(|entry| entry.into_path());
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
