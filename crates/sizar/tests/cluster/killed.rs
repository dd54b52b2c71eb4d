//! `kill -9` of the client after each record of the journal, and the same run twice at once.

use sizar_testkit::Cluster;

use crate::site::{Site, eventually, on_each, said};

/// Where sizar ends itself before its run is at its scheduler: `resume` hands it over.
const BEFORE: [&str; 4] = [
    "run:after-created",
    "elsewhere:after-prepared",
    "elsewhere:after-submitting",
    "elsewhere:before-submitted",
];

/// Where it ends itself afterwards: the job goes on, and `wait` finds out what became of it.
const AFTER: [&str; 4] = [
    "elsewhere:after-submitted",
    "elsewhere:after-job-started",
    "elsewhere:before-rename",
    "elsewhere:before-ended",
];

#[test]
fn slow_cluster_a_run_survives_kill_of_its_client() {
    on_each(Cluster::slurm().with_oar().up(), &["slurm", "oar"], |site, target| {
        let line = Site::run_line(target, &["--", "--sleep", "1"]);
        for point in BEFORE {
            site.dies_at(point, &line);
            let id = site.newest();
            site.sizar(&["resume", &id]).exits(0);
            comes_to_its_end(site, target, &id, point);
        }
        for point in AFTER {
            site.dies_at(point, &line);
            let id = site.newest();
            comes_to_its_end(site, target, &id, point);
        }
        // nobody knows whether it was handed over: `wait` finds out, too
        site.dies_at("elsewhere:before-submitted", &line);
        let id = site.newest();
        comes_to_its_end(site, target, &id, "before-submitted, without resume");
        is_killed_while_it_follows(site, target);
        if target == "slurm" {
            resume_without_a_name_goes_on_with_all(site);
            two_resume_at_once(site);
            two_jobs_bear_the_same_name(site);
        }
    });
}

/// Waits for a run, and fails unless one job did its work, once.
#[track_caller]
fn comes_to_its_end(site: &Site, target: &str, id: &str, after: &str) {
    let waited = site.sizar(&["wait", id]);
    assert_eq!(waited.code, 0, "{target}, {after}: {waited}");
    let run = site.ended(id, "completed");
    assert_eq!(Site::results(&run), ["out/first.txt", "out/last.txt"], "{after}: {run}");
    let attempt = u32::try_from(run["attempts"].as_u64().unwrap()).unwrap();
    assert_eq!(attempt, 1, "{target}, {after}: {run}");
    assert_eq!(site.one_did_work(target, id, attempt), 0, "{target}, {after}");
}

fn is_killed_while_it_follows(site: &Site, target: &str) {
    let mut client = site.spawn(&Site::run_line(target, &["--", "--sleep", "2"]));
    let mut id = String::new();
    eventually("the run is in the journal", || {
        let runs = site.world.sizar(&["runs", "--json", "--no-refresh"]);
        let runs: serde_json::Value = serde_json::from_str(&runs.stdout).unwrap_or_default();
        let newest = runs[0].clone();
        newest["id"].as_str().unwrap_or_default().clone_into(&mut id);
        newest["state"] == "running"
    });
    client.kill().unwrap();
    client.wait().unwrap();
    comes_to_its_end(site, target, &id, "killed while it followed");
}

fn resume_without_a_name_goes_on_with_all(site: &Site) {
    let mut runs = Vec::new();
    for point in ["elsewhere:after-prepared", "elsewhere:after-submitting"] {
        site.dies_at(point, &Site::run_line("slurm", &[]));
        runs.push(site.newest());
    }
    site.sizar(&["resume"]).exits(0);
    site.sizar(&["wait"]).exits(0);
    for id in runs {
        comes_to_its_end(site, "slurm", &id, "resume of all");
    }
}

fn two_resume_at_once(site: &Site) {
    site.dies_at("elsewhere:after-submitting", &Site::run_line("slurm", &["--", "--sleep", "3"]));
    let id = site.newest();
    let both = [site.spawn(&["resume", &id]), site.spawn(&["resume", &id])];
    for resumed in both.map(said) {
        assert_eq!(resumed.code, 0, "{resumed}");
    }
    let waited = site.sizar(&["wait", &id]).exits(0);
    assert_eq!(site.state(&id), "completed", "{waited}");
    let idle = site.one_did_work("slurm", &id, 1);
    assert!(idle <= 1, "{idle}");
}

fn two_jobs_bear_the_same_name(site: &Site) {
    let id = site.detached("slurm", &["--", "--sleep", "2"]);
    let batch = format!("cd .sizar/runs/{id} && sbatch --parsable batch-1.sh");
    site.cluster.ssh("slurm", &batch).exits(0);
    site.sizar(&["wait", &id]).exits(0);
    site.ended(&id, "completed");
    // the second ended at once, with the code that says so
    assert_eq!(site.one_did_work("slurm", &id, 1), 1);
}
