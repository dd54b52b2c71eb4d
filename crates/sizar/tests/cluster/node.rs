//! What happens on the node: what is used is measured, too little memory is raised.

use sizar_testkit::Cluster;

use crate::site::Site;

/// Takes as much memory as it is told, and keeps a core busy for a while.
const EAT: &str = r"
import argparse, time

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--mib', type=int, default=1)
    args = parser.parse_args()
    taken = b'x' * (args.mib << 20)
    end = time.time() + 2
    while time.time() < end:
        pass
    print('took', len(taken), flush=True)
";

#[test]
fn slow_cluster_what_is_used_is_measured_and_too_little_is_raised() {
    let site = Site::of(Cluster::slurm().up(), &["slurm"]);
    site.world.write("code/eat.py", EAT);
    too_little_memory_is_raised(&site);
    what_would_fail_is_not_queued(&site);
}

fn too_little_memory_is_raised(site: &Site) {
    let line = ["run", "./code", "--on", "slurm", "--mem", "160M", "--restart", "2"];
    let done = site.sizar(&[&line[..], &["--", "eat.py", "--mib", "220"]].concat()).exits(0);
    assert!(done.stderr.contains("ran out of memory with 160 MiB"), "{done}");
    let run = site.newest();
    let shown = site.ended(&run, "completed");
    assert_eq!((&shown["attempts"], shown["raised"].as_array().unwrap().len()), (&2.into(), 1));
    assert_eq!(shown["job"]["resources"]["memory"], 320 << 20, "{shown}");
    let usage = &shown["usage"];
    let peak = usage["peak_memory"].as_u64().unwrap();
    assert!((220 << 20..320 << 20).contains(&peak), "{usage}");
    assert!(usage["peak_cores"].as_f64().unwrap() > 0.1, "{usage}");
    let table = site.world.sizar_home().join("runs").join(&run).join("attempt-2/usage.csv");
    let table = fs_err::read_to_string(table).unwrap();
    assert!(table.lines().count() > 3, "{table}");
    let page = site.sizar(&["show", &run]).exits(0).stdout;
    assert!(page.contains("320 MiB of memory (used 2") && page.contains("it asks for"), "{page}");
    let jobs = site.cluster.root("scontrol -o show jobs").stdout;
    assert!(jobs.contains("mem=160M") && jobs.contains("mem=320M"), "{jobs}");
}

/// Imports what is nowhere to be had, where no look at the source would tell.
const BROKEN: &str = r"
import argparse
broken = __import__('no_such_' + 'module')

if __name__ == '__main__':
    argparse.ArgumentParser().parse_args()
";

fn what_would_fail_is_not_queued(site: &Site) {
    let before = site.cluster.root("scontrol -o show jobs").stdout.lines().count();
    site.world.write("code/broken.py", BROKEN);
    let refused = site.run("slurm", &["--", "--epochs", "3"]).exits(125);
    assert!(refused.stderr.contains("unrecognized arguments: --epochs 3"), "{refused}");
    assert!(refused.stderr.contains("--no-rehearsal"), "{refused}");
    let broken = ["run", "./code", "--on", "slurm", "--no-smoke", "--", "broken.py"];
    let refused = site.sizar(&broken);
    assert_eq!(refused.code, 125, "{refused}");
    assert_eq!(site.cluster.root("scontrol -o show jobs").stdout.lines().count(), before);
    // who knows better may
    site.run("slurm", &["--no-rehearsal", "--", "--epochs", "3"]).exits(2);
    let well = site.run("slurm", &["--", "--code", "0"]).exits(0);
    assert!(well.stderr.contains("takes its arguments"), "{well}");
}
