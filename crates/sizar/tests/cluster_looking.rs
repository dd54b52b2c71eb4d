//! Looking at real clusters: their nodes, their queues, and what was used.

use std::time::{Duration, Instant};

use serde_json::Value;
use sizar_testkit::{Cluster, Daemon, Said, World};

/// Makes a world that knows the cluster's scheduler as a target of its name.
fn world_with(cluster: &Cluster, scheduler: &str) -> World {
    let world = World::new(env!("CARGO_BIN_EXE_sizar"));
    let address = format!("ssh://{scheduler}");
    let config = cluster.ssh_config();
    world
        .sizar(&[
            "target",
            "add",
            scheduler,
            &address,
            "--scheduler",
            scheduler,
            "--ssh-config",
            config.as_str(),
        ])
        .exits(0);
    world
}

/// Waits for a condition, for a minute at most: the machine may be busy.
#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "never came: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Returns the line of the table that begins with the cell `name`, its columns one space apart.
#[track_caller]
fn line(said: &Said, name: &str) -> String {
    let begins = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with("  "));
    let line = said.stdout.lines().find(begins);
    let line = line.unwrap_or_else(|| panic!("no line `{name}`: {said}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the one of a list whose `key` is `value`.
#[track_caller]
fn with<'a>(list: &'a Value, key: &str, value: &str) -> &'a Value {
    let found = list.as_array().expect("it is there").iter().find(|item| item[key] == value);
    found.unwrap_or_else(|| panic!("none with {key} {value}: {list}"))
}

#[test]
fn slow_cluster_slurm_is_looked_at() {
    let cluster = Cluster::slurm().accounting(true).up();
    let world = world_with(&cluster, "slurm");
    let submit = |options: &str| {
        let said = cluster.ssh("slurm", &format!("sbatch --parsable -o /dev/null {options}"));
        said.exits(0).stdout.trim().to_owned()
    };
    let done = submit("-A proj1 -p gpu -n 2 --gres=gpu:a100:1 --wrap 'sleep 2'");
    let greedy = submit("-p short -t 2:00:00 --wrap true");
    let running = submit("-p short -t 10 -n 3 --wrap 'sleep 600'");

    eventually("the short job ends", || {
        let line = format!("squeue -h -t PENDING,RUNNING,COMPLETING -j {done}");
        cluster.ssh("slurm", &line).stdout.is_empty().then_some(())
    });
    let said = eventually("the job runs", || {
        let said = world.sizar(&["nodes", "slurm"]).exits(0);
        said.stdout.contains(&format!("{running} yours")).then_some(said)
    });
    let memory = "2.9/7.8 GiB";
    assert_eq!(line(&said, "cpu01"), format!("cpu01 mixed @@@..... {memory} {running} yours"));
    assert_eq!(line(&said, "cpu04"), "cpu04 drained xxxxxxxx 0.0/7.8 GiB");
    assert!(said.stdout.contains("\n  reason: fixture: bad disk\n"), "{said}");
    assert_eq!(line(&said, "cores"), "cores 29 3 16 48");
    assert_eq!(line(&said, "GPUs a100"), "GPUs a100 4 0 0 4");
    let nodes = world.sizar(&["nodes", "slurm", "--json"]).exits(0).json();
    assert_eq!(with(&nodes["nodes"], "name", "cpu04")["reason"], "fixture: bad disk");
    assert_eq!((&nodes["user"], &nodes["totals"]["cores"]["free"]), (&"alice".into(), &29.into()));

    let said = world.sizar(&["queue", "slurm", "--mine", "--verbose"]).exits(0);
    assert!(said.stdout.starts_with("1 started, 1 waiting, all yours\n"), "{said}");
    let why = "its walltime is above the partition's limit: it will never start there; ask for \
               less time, or for another partition (walltime 02:00:00: partition `short` allows \
               00:30:00)";
    let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("why: {why}")), "{said}");
    // the login that `target add` made is still open
    assert!(said.stderr.contains("this took 0 logins, "), "{said}");
    assert!(said.stderr.contains(" and 1 question to the scheduler"), "{said}");
    let queue = world.sizar(&["queue", "slurm", "--json"]).exits(0).json();
    let waits = with(&queue["jobs"], "job", &greedy);
    assert_eq!((&waits["state"], &waits["mine"]), (&"pending".into(), &true.into()));
    assert_eq!(waits["why"]["remedy"], "change");

    let usage = eventually("the accounting has the job", || {
        let usage = world.sizar(&["usage", "slurm", "--json"]).exits(0).json();
        (usage["total"]["gpu_hours"].as_f64()? > 0.0).then_some(usage)
    });
    let row = with(&usage["rows"], "account", "proj1");
    let hours = |key: &str| row[key].as_f64().unwrap() * 3600.0;
    assert!((2.0..30.0).contains(&hours("gpu_hours")), "{usage}");
    assert!(hours("core_hours") >= 2.0 * hours("gpu_hours"), "{usage}");
    let said = world.sizar(&["usage", "slurm"]).exits(0);
    assert!(line(&said, "proj1").starts_with("proj1 alice 0.0"), "{said}");

    cluster.kill(Daemon::Slurmdbd);
    let said = world.sizar(&["usage", "slurm"]).exits(60);
    assert!(said.stderr.contains("accounting cannot be reached"), "{said}");
}

#[test]
fn slow_cluster_slurm_without_accounting_says_so() {
    let cluster = Cluster::slurm().up();
    let world = world_with(&cluster, "slurm");
    for more in ["--json", "--everyone"] {
        let said = world.sizar(&["usage", "slurm", more]).exits(60);
        assert!(said.stderr.contains("this site keeps no accounting"), "{said}");
        assert!(said.stderr.contains("hint: `sizar show RUN`"), "{said}");
    }
    let said = world.sizar(&["queue", "slurm"]).exits(0);
    assert!(said.stderr.contains("there are no jobs in the queue of slurm"), "{said}");
}

#[test]
fn slow_cluster_oar_is_looked_at() {
    let cluster = Cluster::oar().up();
    let world = world_with(&cluster, "oar");
    let submit = |options: &str| {
        let said = cluster.ssh("oar", &format!("oarsub {options}")).exits(0).stdout;
        said.lines().find_map(|line| line.strip_prefix("OAR_JOB_ID=")).unwrap().to_owned()
    };
    let running = submit("-l /nodes=1/core=4,walltime=0:10:0 'sleep 600'");
    let done = submit("-l /core=2,walltime=0:2:0 --project proj1 'sleep 3'");
    // all nodes, while one of them is taken for ten minutes
    let greedy = submit("-l /nodes=3,walltime=0:5:0 true");
    eventually("the short job ends", || {
        let said = cluster.ssh("oar", &format!("oarstat -s -j {done}"));
        said.stdout.contains("Terminated").then_some(())
    });
    let said = world.sizar(&["nodes", "oar"]).exits(0);
    assert_eq!(line(&said, "cores"), "cores 8 4 0 12");
    assert!(said.stdout.contains(" busy   @@@@ "), "{said}");
    assert!(said.stdout.contains(&format!("{running} yours")), "{said}");
    cluster.root("oarnodesetting -h node3 -s Absent").exits(0);

    let waits = eventually("the scheduler says why", || {
        let queue = world.sizar(&["queue", "oar", "--mine", "--json"]).exits(0).json();
        let waits = with(&queue["jobs"], "job", &greedy).clone();
        let cause = waits["why"]["cause"].as_str()?.to_owned();
        (!cause.contains("has not looked at it yet")).then_some(waits)
    });
    assert_eq!(waits["state"], "pending");
    assert!(!waits["why"]["cause"].as_str().unwrap().contains("does not know"), "{waits}");
    let said = world.sizar(&["queue", "oar"]).exits(0);
    assert!(said.stdout.contains("\n   why: "), "{said}");
    assert!(line(&said, &running).contains(" running "), "{said}");
    let said = world.sizar(&["nodes", "oar"]).exits(0);
    assert!(line(&said, "node3").starts_with("node3 down xxxx"), "{said}");

    cluster.root("oaraccounting").exits(0);
    let usage = world.sizar(&["usage", "oar", "--json"]).exits(0).json();
    let row = with(&usage["rows"], "account", "proj1");
    // whole seconds of two cores; OAR writes the start down up to a second late
    let used = row["core_hours"].as_f64().unwrap() * 3600.0;
    assert!((2.0 - 0.01..60.0).contains(&used), "{usage}");
    assert!((used / 2.0 - (used / 2.0).round()).abs() < 0.01, "{usage}");
    assert_eq!(usage["total"]["gpu_hours"], Value::Null);
    let said = world.sizar(&["usage", "oar", "--everyone"]).exits(0);
    assert!(line(&said, "alice").starts_with("alice 0.0"), "{said}");
}
