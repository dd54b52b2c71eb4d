//! A training that is longer than its walltime: each attempt goes on from the last one's checkpoint.

use sizar_testkit::Cluster;

use crate::site::Site;

/// Counts a step each half second, writes a checkpoint for each, and goes on from one.
const STEPS: &str = r"
import argparse, os, time

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--steps', type=int, default=40)
    parser.add_argument('--resume', default=None)
    args = parser.parse_args()
    start = int(open(args.resume).read()) if args.resume else 0
    print('from', start, flush=True)
    os.makedirs('ck', exist_ok=True)
    for step in range(start, args.steps):
        time.sleep(0.5)
        with open('ck/step_%d.ckpt' % (step + 1), 'w') as file:
            file.write(str(step + 1))
";

#[test]
fn slow_cluster_a_training_goes_on_after_its_walltime() {
    let site = Site::of(Cluster::oar().up(), &["oar"]);
    site.world.write("code/steps.py", STEPS);
    let line =
        ["run", "./code", "--on", "oar", "--time", "25s", "--restart", "4", "--scratch", "/tmp"];
    let done = site.sizar(&[&line[..], &["--", "steps.py", "--steps", "30"]].concat()).exits(0);
    assert!(done.stdout.contains("from 0\n"), "{done}");
    let run = site.newest();
    let shown = site.sizar(&["show", &run, "--json"]).exits(0).json();
    let attempts = shown["attempts"].as_u64().unwrap();
    assert!((2..=5).contains(&attempts), "{shown}");
    let results = Site::results(&shown);
    assert!(results.contains(&"ck/step_30.ckpt"), "{shown}");
    // nothing was done twice, and nothing was left out
    assert_eq!(results.len(), 30, "{shown}");
    let continued = done.stdout.lines().filter(|line| line.starts_with("from ")).count() as u64;
    assert!(continued >= 2 && continued <= attempts, "{done}");
}

#[test]
fn slow_cluster_a_run_that_fails_by_itself_is_not_restarted() {
    let site = Site::of(Cluster::slurm().up(), &["slurm"]);
    site.run("slurm", &["--restart", "3", "--", "--code", "3"]).exits(3);
    let shown = site.sizar(&["show", &site.newest(), "--json"]).exits(0).json();
    assert_eq!(shown["attempts"], 1, "{shown}");
}
