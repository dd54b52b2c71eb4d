//! Who is believed when a job ends: its receipt, the scheduler, the accounting, or nobody.

use sizar_testkit::{Cluster, Daemon, Said};

use crate::site::{Site, eventually, said};

#[test]
fn slow_cluster_endings_are_told_by_the_receipt_or_else_by_the_scheduler() {
    let site = Site::of(Cluster::slurm().accounting(true).node_timeout(5).up(), &["slurm"]);
    site.run("slurm", &[]).exits(0);
    the_controller_is_away(&site);
    the_accounting_is_away(&site);
    an_administrator_cancels(&site);
    the_processes_are_killed(&site);
    the_node_fails(&site);
    the_walltime_is_cut(&site);
}

#[test]
fn slow_cluster_walltimes_end_programs_with_their_results() {
    let site = Site::of(Cluster::slurm().with_oar().up(), &["slurm", "oar"]);
    let run = |target: &'static str| {
        let args = ["--time", "1m", "--", "--sleep", "300"];
        site.spawn(&Site::run_line(target, &args))
    };
    // both minutes at once
    let both = [run("slurm"), run("oar")];
    for ended in both.map(said) {
        assert_eq!(ended.code, 124, "{ended}");
    }
    let runs = site.sizar(&["runs", "--json"]).exits(0).json();
    for run in runs.as_array().unwrap() {
        let shown = site.ended(run["id"].as_str().unwrap(), "timeout");
        assert_eq!(Site::results(&shown), ["out/first.txt"], "{shown}");
    }
    // without accounting, and gone from the queue: only the folder on the cluster is left
    vanishes(&site);
    the_server_of_oar_is_away(&site);
}

/// As for Slurm's controller: silence is no end, and a receipt needs no server.
fn the_server_of_oar_is_away(site: &Site) {
    let id = site.detached("oar", &["--time", "3m", "--", "--sleep", "6", "--code", "4"]);
    site.until_it_prints(&id);
    site.cluster.stop(Daemon::Almighty);
    site.cluster.stop(Daemon::Postgres);
    let seen = site.sizar(&["show", &id, "--json"]).exits(0).json();
    let state = seen["state"].as_str().unwrap();
    assert!(["queued", "running", "failed"].contains(&state), "{seen}");
    site.sizar(&["wait", &id]).exits(4);
    let run = site.ended(&id, "failed");
    assert_eq!((&run["exit_code"], &run["attempts"]), (&4.into(), &1.into()), "{run}");
    site.cluster.start(Daemon::Postgres);
    site.cluster.start(Daemon::Almighty);
    assert_eq!(site.one_did_work("oar", &id, 1), 0);
}

/// Waits for a run whose job has ended, with a short grace.
fn wait_briefly(site: &Site, run: &str) -> Said {
    eventually("the job has ended", || {
        site.jobs("slurm", run, 1).iter().all(|job| job.code.is_some())
    });
    site.forget_logins();
    site.world.said(site.world.command(&["wait", run]).env("SIZAR_TEST_GRACE", "3"))
}

fn running(site: &Site, seconds: &str) -> (String, String) {
    let id = site.detached("slurm", &["--", "--sleep", seconds]);
    site.until_it_prints(&id);
    let job = site.jobs("slurm", &id, 1).remove(0).id;
    (id, job)
}

fn the_controller_is_away(site: &Site) {
    let (id, _) = running(site, "4");
    site.cluster.stop(Daemon::Slurmctld);
    // a controller that is away is no end, and a receipt needs no controller
    let seen = site.sizar(&["show", &id, "--json"]).exits(0).json();
    assert!(
        ["queued", "running", "completed"].contains(&seen["state"].as_str().unwrap()),
        "{seen}"
    );
    site.sizar(&["wait", &id]).exits(0);
    site.ended(&id, "completed");
    site.cluster.start(Daemon::Slurmctld);
    site.one_did_work("slurm", &id, 1);
}

fn the_accounting_is_away(site: &Site) {
    site.cluster.stop(Daemon::Slurmdbd);
    let said = site.run("slurm", &["--", "--code", "5"]).exits(5);
    assert!(said.stdout.contains("epoch 2"), "{said}");
    site.ended(&site.newest(), "failed");
    site.cluster.start(Daemon::Slurmdbd);
}

fn an_administrator_cancels(site: &Site) {
    let (id, job) = running(site, "600");
    site.cluster.root(&format!("scancel {job}")).exits(0);
    let waited = wait_briefly(site, &id);
    assert_ne!(waited.code, 0, "{waited}");
    assert_eq!(Site::results(&site.ended(&id, "cancelled")), ["out/first.txt"]);

    // where no receipt can be written the scheduler is believed
    let (id, job) = running(site, "600");
    let folder = format!("/home/alice/.sizar/runs/{id}/attempt-1");
    site.cluster.root(&format!("chown root {folder} && chmod 755 {folder}")).exits(0);
    site.cluster.root(&format!("scancel {job}")).exits(0);
    let waited = wait_briefly(site, &id);
    assert_ne!(waited.code, 0, "{waited}");
    let run = site.ended(&id, "cancelled");
    assert_eq!(Site::results(&run), [""; 0], "{run}");
    assert!(run["reason"].as_str().unwrap().contains("left no receipt"), "{run}");
}

fn the_processes_are_killed(site: &Site) {
    let (id, _) = running(site, "600");
    site.cluster.root(&format!("pkill -KILL -f '[_]_there-execute .* {id} '")).exits(0);
    let waited = wait_briefly(site, &id);
    assert_ne!(waited.code, 0, "{waited}");
    let run = site.show(&id);
    let state = run["state"].as_str().unwrap();
    assert!(["failed", "lost"].contains(&state), "{run}");
    assert!(run["reason"].as_str().unwrap().contains("left no receipt"), "{run}");
}

fn the_node_fails(site: &Site) {
    let (id, job) = running(site, "600");
    let node = site.cluster.ssh("slurm", &format!("squeue -h -j {job} -o %N")).exits(0).stdout;
    site.cluster.kill(Daemon::Slurmd(node.trim()));
    // Slurm may give the job to another node: it bears the same name, and claims in vain
    let waited = wait_briefly(site, &id);
    assert_ne!(waited.code, 0, "{waited}");
    let run = site.show(&id);
    assert_eq!(run["state"], "failed", "{run}");
    assert!(run["reason"].as_str().unwrap().contains("node"), "{run}");
    site.cluster.start(Daemon::Slurmd(node.trim()));
}

fn the_walltime_is_cut(site: &Site) {
    let (id, job) = running(site, "600");
    site.cluster.expire(&job);
    let waited = wait_briefly(site, &id);
    assert_ne!(waited.code, 0, "{waited}");
    let run = site.show(&id);
    // the scheduler's signal reached sizar before the end, or the scheduler is believed
    assert!(["timeout", "cancelled"].contains(&run["state"].as_str().unwrap()), "{run}");
}

fn vanishes(site: &Site) {
    let (id, job) = running(site, "600");
    site.cluster.root(&format!("pkill -KILL -f '[_]_there-execute .* {id} '")).exits(0);
    eventually("the job has ended", || {
        site.jobs("slurm", &id, 1).iter().all(|job| job.code.is_some())
    });
    // nobody remembers a job that ended so long ago
    let forget =
        "sed -i s/^MinJobAge=.*/MinJobAge=2/ /etc/slurm/slurm.conf && scontrol reconfigure";
    site.cluster.root(forget).exits(0);
    eventually("the job is forgotten", || {
        site.cluster.root(&format!("scontrol show job {job}")).code != 0
    });
    let waited = wait_briefly(site, &id);
    assert_ne!(waited.code, 0, "{waited}");
    let run = site.ended(&id, "lost");
    assert!(run["reason"].as_str().unwrap().contains("left no receipt"), "{run}");
}
