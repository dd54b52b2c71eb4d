//! A training that is longer than its walltime: each attempt goes on from the last one's checkpoint.

use sizar_testkit::Cluster;

use crate::site::Site;

/// Counts a step each half second, writes a checkpoint for each, and goes on from one.
pub const STEPS: &str = r"
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

/// Takes so much memory, and holds it long enough to be seen.
const HOG: &str = r"
import argparse, time

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--mib', type=int, default=1)
    args = parser.parse_args()
    held = b'x' * (args.mib << 20)
    time.sleep(2)
    print(len(held), flush=True)
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
    goes_on_after_a_sweep(&site);
    tasks_go_on(&site);
}

/// A sweep took what an ended run built on: its next attempt has it sent anew.
fn goes_on_after_a_sweep(site: &Site) {
    site.world.write("numbers/a.txt", "1\n");
    let line = ["run", "./code", "--on", "oar", "--time", "12s", "--scratch", "no"];
    let data = ["--data", "./numbers:numbers", "--", "steps.py", "--steps", "26"];
    let said = site.sizar(&[&line[..], &data].concat());
    let run = site.newest();
    site.ended(&run, "timeout");
    assert_ne!(said.code, 0, "{said}");
    // an old build of sizar, and what was wanted long ago
    let old = "cd .sizar && mkdir -p bin/0123456789abcdef cache/data/x && \
               head -c 100000 /dev/zero > bin/0123456789abcdef/sizar && \
               find trees envs bin cache/data store/wanted runs -exec touch -h -d '40 days ago' {} +";
    site.cluster.ssh("oar", old).exits(0);
    let looked = site.sizar(&["target", "gc", "oar", "--dry-run"]).exits(0);
    assert!(looked.stderr.contains("2 trees (") && looked.stderr.contains("would go"), "{looked}");
    assert!(looked.stderr.contains("1 version of sizar (100 KiB) would go"), "{looked}");
    let swept = site.sizar(&["target", "gc", "oar", "--json"]).exits(0).json();
    let gone = |kind: &str| swept[kind]["removed"].as_u64().unwrap();
    assert_eq!((gone("programs"), gone("fetched")), (1, 1), "{swept}");
    assert!(swept["trees_removed"].as_u64().unwrap() >= 2 && gone("environments") >= 1, "{swept}");
    let said = site.sizar(&["resume", &run]).exits(0);
    assert!(said.stderr.contains("it is sent anew"), "{said}");
    site.sizar(&["wait", &run]);
    let shown = site.show(&run);
    assert_eq!(shown["attempts"], 2, "{shown}");
    let log = site.sizar(&["logs", &run]).exits(0).stdout;
    let from = log.lines().filter(|line| line.starts_with("from ")).collect::<Vec<_>>();
    assert!(from.last().is_some_and(|line| *line != "from 0"), "{log}");
    // what a run uses stays, however little is to stay
    let detached = [&line[..4], &["--time", "10m", "--detach"], &data].concat();
    let live = site.sizar(&detached).exits(0).stdout.trim().to_owned();
    site.cluster
        .ssh(
            "oar",
            "cd .sizar && find trees envs bin store/wanted -exec touch -h -d '40 days ago' {} +",
        )
        .exits(0);
    let swept =
        site.sizar(&["target", "gc", "oar", "--older-than", "1s", "--json"]).exits(0).json();
    assert_eq!(swept["trees_used"], 2, "{swept}");
    assert_eq!(
        (&swept["environments"]["used"], &swept["programs"]["used"]),
        (&1.into(), &1.into()),
        "{swept}"
    );
    site.sizar(&["wait", &live]).exits(0);
    site.ended(&live, "completed");
}

#[test]
fn slow_cluster_tasks_of_a_sweep_go_on_and_one_that_fails_is_not_restarted() {
    let site = Site::of(Cluster::slurm().up(), &["slurm"]);
    site.world.write("code/hog.py", HOG);
    tasks_that_ran_out_of_memory_ask_for_more(&site);
    site.run("slurm", &["--restart", "3", "--", "--code", "3"]).exits(3);
    let shown = site.sizar(&["show", &site.newest(), "--json"]).exits(0).json();
    assert_eq!(shown["attempts"], 1, "{shown}");
}

/// Of two tasks one is done in its time, and the other needs another attempt.
pub fn tasks_go_on(site: &Site) {
    let line = ["sweep", "./code", "--on", "oar", "--time", "25s", "--restart", "4"];
    let tail = ["--scratch", "/tmp", "--grid", "steps=4,50", "--", "steps.py"];
    let line = [&line[..], &tail].concat();
    let said = site.sizar(&line).exits(0);
    assert!(said.stderr.contains("another attempt, which goes on from the last one"), "{said}");
    let sweep = sweeps(site);
    let table = site.sizar(&["sweep", "show", &sweep, "--json"]).exits(0).json();
    let attempts = |number: usize| table["rows"][number]["attempts"].as_u64().unwrap();
    assert_eq!(attempts(0), 1, "{table}");
    assert!((2..=5).contains(&attempts(1)), "{table}");
    let shown = site.show(&format!("{sweep}.1"));
    assert_eq!(Site::results(&shown).len(), 50, "{shown}");
    // each step was made once
    let log = site.sizar(&["logs", &format!("{sweep}.1")]).exits(0).stdout;
    let from = log.lines().filter(|line| line.starts_with("from ")).collect::<Vec<_>>();
    assert!(from.last().is_some_and(|line| *line != "from 0"), "{log}");
    assert_eq!(site.jobs_named("oar", &format!("sizar-{sweep}-1")).len(), 2);
    assert_eq!(site.jobs_named("oar", &format!("sizar-{sweep}-2")).len(), 1);
}

/// Only the task that had too little gets more, in an array of its own.
fn tasks_that_ran_out_of_memory_ask_for_more(site: &Site) {
    let line = ["sweep", "./code", "--on", "slurm", "--time", "5m", "--mem", "160M"];
    let tail = ["--restart", "2", "--detach", "--grid", "mib=1,200", "--", "hog.py"];
    site.sizar(&[&line[..], &tail].concat()).exits(0);
    let sweep = sweeps(site);
    let said = site.sizar(&["wait", &sweep]).exits(0);
    assert!(
        said.stderr.contains(&format!("{sweep}.1: it ran out of memory with 160 MiB")),
        "{said}"
    );
    let shown = site.show(&format!("{sweep}.1"));
    assert_eq!(shown["job"]["resources"]["memory"], 320 << 20, "{shown}");
    assert_eq!(site.show(&format!("{sweep}.0"))["job"]["resources"]["memory"], 160 << 20);
}

fn sweeps(site: &Site) -> String {
    let sweeps = site.sizar(&["sweep", "list", "--json"]).exits(0).json();
    sweeps[0]["id"].as_str().unwrap().to_owned()
}
