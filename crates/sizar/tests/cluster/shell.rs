//! Where sizar cannot execute: a plain script does its work.

use sizar_testkit::Cluster;

use crate::restart::{self, STEPS};
use crate::site::{Site, eventually, on_each};

#[test]
fn slow_cluster_where_sizar_cannot_execute_a_plain_shell_does_its_work() {
    on_each(Cluster::slurm().with_oar().up(), &["slurm", "oar"], |site, target| {
        let profile = site.world.sizar_home().join("targets").join(target).join("target.toml");
        let text = fs_err::read_to_string(&profile).unwrap();
        fs_err::write(&profile, format!("worker = \"none\"\n{text}")).unwrap();
        site.world.write("code/steps.py", STEPS);
        results_data_and_codes(site, target);
        one_of_two_jobs_does_the_work(site, target);
        is_cancelled_with_what_it_made(site, target);
        tasks_of_a_sweep(site, target);
        // Slurm's walltimes are whole minutes
        if target == "oar" {
            restart::tasks_go_on(site);
        }
    });
}

fn results_data_and_codes(site: &Site, target: &str) {
    site.world.write("scans/page 1.txt", "it's from the laptop\n");
    let args = ["--time", "3m", "--data", "./scans:data/scans", "--"];
    let args = [&args[..], &["--code", "3", "--read", "data/scans/page 1.txt"]].concat();
    let said = site.run(target, &args).exits(3);
    assert_eq!(said.stdout, "epoch 1\nepoch 2\n", "{said}");
    assert!(said.stderr.contains("a plain script does its work there"), "{said}");
    let id = site.newest();
    let run = site.ended(&id, "failed");
    // what went there does not come back
    let results = ["out/first.txt", "out/last.txt", "out/read.txt"];
    assert_eq!(Site::results(&run), results, "{run}");
    site.sizar(&["fetch", &id, "-o", &id]).exits(0);
    let read = site.world.here().join(&id).join("out/read.txt");
    assert_eq!(fs_err::read_to_string(read).unwrap(), "it's from the laptop\n");
    assert_eq!(site.one_did_work(target, &id, 1), 0);
    // a result that changed there is refused here
    let id = site.detached(target, &[]);
    eventually("the receipt", || site.there(&id, "attempt-1/receipt.json").exists());
    let last = site.there(&id, "attempt-1/work/out/last.txt");
    fs_err::write(&last, "lAst\n").unwrap();
    let waited = site.sizar(&["wait", &id]);
    assert!(waited.stderr.contains("`out/last.txt` has another content"), "{waited}");
    fs_err::write(&last, "last\n").unwrap();
    site.sizar(&["wait", &id]).exits(0);
    site.ended(&id, "completed");
    // what the login node would refuse is refused here
    let refused = site.run(target, &["--", "--epochs", "3"]).exits(125);
    assert!(refused.stderr.contains("unrecognized arguments: --epochs 3"), "{refused}");
}

fn one_of_two_jobs_does_the_work(site: &Site, target: &str) {
    site.dies_at("elsewhere:before-submitted", &Site::run_line(target, &["--", "--sleep", "1"]));
    let id = site.newest();
    site.sizar(&["resume", &id]).exits(0);
    site.sizar(&["wait", &id]).exits(0);
    site.ended(&id, "completed");
    assert_eq!(site.one_did_work(target, &id, 1), 0);
}

fn is_cancelled_with_what_it_made(site: &Site, target: &str) {
    let id = site.detached(target, &["--", "--sleep", "600"]);
    site.until_it_prints(&id);
    site.sizar(&["cancel", &id]).exits(0);
    site.sizar(&["wait", &id]);
    assert_eq!(Site::results(&site.ended(&id, "cancelled")), ["out/first.txt"]);
}

fn tasks_of_a_sweep(site: &Site, target: &str) {
    let line = ["sweep", "./code", "--on", target, "--time", "3m", "--grid", "code=0,4", "--"];
    let driver = ["train.py", "--code", "{code}"];
    let swept = site.sizar(&[&line[..], &driver].concat());
    assert_ne!(swept.code, 0, "one of them failed: {swept}");
    let runs = site.sizar(&["runs", "--json", "--no-refresh"]).exits(0).json();
    let mut codes: Vec<i64> = runs
        .as_array()
        .unwrap()
        .iter()
        .take(2)
        .filter_map(|run| run["exit_code"].as_i64())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 4], "{swept}");
}
