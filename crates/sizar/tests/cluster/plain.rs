//! The same command on Slurm and on OAR: results, exit codes, logs, data.

use sizar_testkit::Cluster;

use crate::site::{Site, eventually, on_each};

#[test]
fn slow_cluster_a_run_goes_there_and_its_results_come_home() {
    on_each(Cluster::slurm().with_oar().up(), &["slurm", "oar"], |site, target| {
        completes(site, target);
        only_what_changed_is_sent(site, target);
        passes_its_exit_code_on(site, target);
        takes_data_along(site, target);
        goes_on_alone(site, target);
        is_cancelled_while_it_runs(site, target);
        if target == "slurm" {
            is_cancelled_while_it_waits(site);
            refuses_what_the_site_does_not_have(site);
        }
    });
}

/// The second submission after an edit is one round trip beside opening the shell; what is not
/// there any more is sent anew.
fn only_what_changed_is_sent(site: &Site, target: &str) {
    let text = |number: u32| format!("# on {target}\nx = {number}\n");
    let extra = |number: u32| {
        site.world.write("code/extra.py", &text(number));
        site.detached(target, &["--", "--read", "extra.py"])
    };
    let used = |id: &str| {
        let shown = site.sizar(&["show", id, "--json", "--no-refresh"]);
        shown.exits(0).json()["usage"].clone()
    };
    let first = extra(2);
    let second = extra(3);
    let usage = used(&second);
    assert_eq!(usage["round_trips"], 2, "{usage}");
    assert_eq!(usage["scheduler_queries"], 1, "{usage}");
    assert!(usage["bytes_sent"].as_u64().unwrap() < 64 << 10, "{usage}");
    let read = |id: &str, number: u32| {
        site.sizar(&["wait", id]).exits(0);
        site.sizar(&["fetch", id, "out/read.txt", "-o", id]).exits(0);
        let read = site.world.here().join(id).join("out/read.txt");
        assert_eq!(fs_err::read_to_string(read).unwrap(), text(number));
    };
    read(&first, 2);
    read(&second, 3);
    let plan = fs_err::read_to_string(site.there(&first, "plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let tree = plan["checkout"]["path"].as_str().unwrap();
    site.cluster.ssh(target, &format!("rm -rf {tree}")).exits(0);
    read(&extra(4), 4);
}

fn completes(site: &Site, target: &str) {
    let said = site.run(target, &["--time", "3m"]).exits(0);
    assert_eq!(said.stdout, "epoch 1\nepoch 2\n", "{said}");
    let id = site.newest();
    let run = site.ended(&id, "completed");
    assert_eq!(Site::results(&run), ["out/first.txt", "out/last.txt"], "{run}");
    assert_eq!((&run["target"], &run["exit_code"]), (&target.into(), &0.into()), "{run}");
    let into = format!("fetched-{target}");
    site.sizar(&["fetch", &id, "-o", &into]).exits(0);
    let last = site.world.here().join(into).join("out/last.txt");
    assert_eq!(fs_err::read_to_string(last).unwrap(), "last\n");
    let log = site.sizar(&["logs", &id]).exits(0).stdout;
    assert!(log.contains("epoch 1\nepoch 2\n"), "{log}");
    assert_eq!(site.one_did_work(target, &id, 1), 0);
}

fn passes_its_exit_code_on(site: &Site, target: &str) {
    site.run(target, &["--time", "3m", "--", "--code", "3"]).exits(3);
    let run = site.ended(&site.newest(), "failed");
    assert_eq!(run["exit_code"], 3, "{run}");
    // it failed after it had written them
    assert_eq!(Site::results(&run), ["out/first.txt", "out/last.txt"], "{run}");
}

fn takes_data_along(site: &Site, target: &str) {
    site.world.write("scans/page.txt", "from the laptop\n");
    let args = ["--data", "./scans:data/scans", "--", "--read", "data/scans/page.txt"];
    site.run(target, &args).exits(0);
    let of_data = site.ended(&site.newest(), "completed");
    site.world.write("input.txt", "an argument\n");
    site.run(target, &["--", "--read", "input.txt"]).exits(0);
    let of_argument = site.ended(&site.newest(), "completed");
    site.world.write("piped.txt", "read from there\n");
    site.run(target, &["--stdin", "piped.txt", "--", "--read", "-"]).exits(0);
    let of_stdin = site.ended(&site.newest(), "completed");
    for (run, text) in [
        (of_data, "from the laptop\n"),
        (of_argument, "an argument\n"),
        (of_stdin, "read from there\n"),
    ] {
        // what went there does not come back
        let results = Site::results(&run);
        assert_eq!(results, ["out/first.txt", "out/last.txt", "out/read.txt"], "{run}");
        let id = run["id"].as_str().unwrap();
        site.sizar(&["fetch", id, "out/read.txt", "-o", id]).exits(0);
        let read = site.world.here().join(id).join("out/read.txt");
        assert_eq!(fs_err::read_to_string(read).unwrap(), text);
    }
}

fn goes_on_alone(site: &Site, target: &str) {
    let id = site.detached(target, &["--", "--sleep", "2", "--code", "4"]);
    site.until_it_prints(&id);
    let log = site.sizar(&["logs", &id]).exits(0).stdout;
    assert!(log.contains("epoch 1\n"), "{log}");
    site.sizar(&["wait", &id]).exits(4);
    let runs = site.sizar(&["runs", "--json"]).exits(0).json();
    assert_eq!((&runs[0]["id"], &runs[0]["state"]), (&id.into(), &"failed".into()), "{runs}");
}

fn is_cancelled_while_it_runs(site: &Site, target: &str) {
    let id = site.detached(target, &["--", "--sleep", "600"]);
    site.until_it_prints(&id);
    site.sizar(&["cancel", &id]).exits(0);
    let waited = site.sizar(&["wait", &id]);
    let run = site.ended(&id, "cancelled");
    assert_ne!(waited.code, 0, "{waited}");
    assert_eq!(Site::results(&run), ["out/first.txt"], "{run}");
}

fn is_cancelled_while_it_waits(site: &Site) {
    let all = "sbatch --parsable --exclusive -N 3 -p short -o /dev/null --wrap 'sleep 600'";
    let blocker = site.cluster.ssh("slurm", all).exits(0).stdout;
    eventually("the nodes are taken", || {
        site.cluster.ssh("slurm", "squeue -h -o %T").stdout.contains("RUNNING")
    });
    let id = site.detached("slurm", &["--partition", "short", "--exclusive"]);
    assert_eq!(site.state(&id), "queued");
    site.sizar(&["cancel", &id]).exits(0);
    site.sizar(&["wait", &id]);
    site.ended(&id, "cancelled");
    assert!(!site.there(&id, "claim-1").exists());
    site.cluster.ssh("slurm", &format!("scancel {}", blocker.trim())).exits(0);
}

fn refuses_what_the_site_does_not_have(site: &Site) {
    let said = site.run("slurm", &["--partition", "gpuu"]).exits(125);
    assert!(said.stderr.contains("gpuu") && said.stderr.contains("short"), "{said}");
    let said = site.run("slurm", &["--partition", "short", "--time", "2h"]).exits(125);
    assert!(said.stderr.contains("30"), "{said}");
}
