//! Login nodes with their quirks, full disks, and results that changed on the way.

use sizar_testkit::{Cluster, Daemon, Size};

use crate::site::{Site, eventually, said};

#[test]
fn slow_cluster_an_awkward_login_node_does_the_job_no_harm() {
    let noise = "echo 'Welcome!'; echo 'quota: 90 %' >&2; printf '\\001\\002 OK 0 0\\n'";
    let cluster = Cluster::slurm().bashrc(noise).max_sessions(1).up();
    let site = Site::of(cluster, &["slurm"]);
    let whole = site.run("slurm", &[]).exits(0);
    assert_eq!(whole.stdout, "epoch 1\nepoch 2\n", "{whole}");
    the_connection_is_cut_while_it_follows(&site);
    a_changed_result_is_refused(&site);
}

fn the_connection_is_cut_while_it_follows(site: &Site) {
    let client = site.spawn(&Site::run_line("slurm", &["--", "--sleep", "6"]));
    let mut id = String::new();
    eventually("it runs", || {
        let runs = site.world.sizar(&["runs", "--json", "--no-refresh"]).exits(0).json();
        runs[0]["id"].as_str().unwrap_or_default().clone_into(&mut id);
        runs[0]["state"] == "running"
    });
    site.forget_logins();
    site.cluster.cut(Daemon::LoginSlurm);
    let ended = said(client);
    assert_eq!(ended.code, 0, "{ended}");
    // what was shown before the cut is not shown again
    assert_eq!(ended.stdout, "epoch 1\nepoch 2\n", "{ended}");
    assert_eq!(site.one_did_work("slurm", &id, 1), 0);
}

fn a_changed_result_is_refused(site: &Site) {
    let id = site.detached("slurm", &[]);
    eventually("the receipt", || site.there(&id, "attempt-1/receipt.json").exists());
    let last = site.there(&id, "attempt-1/work/out/last.txt");
    fs_err::write(&last, "lAst\n").unwrap();
    let waited = site.sizar(&["wait", &id]);
    assert_ne!(waited.code, 0, "{waited}");
    assert!(waited.stderr.contains("`out/last.txt` has another content"), "{waited}");
    assert!(!site.world.sizar_home().join(format!("runs/{id}/attempt-1")).exists());
    assert_ne!(site.state(&id), "completed");
    // what is whole again is brought
    fs_err::write(&last, "last\n").unwrap();
    site.sizar(&["wait", &id]).exits(0);
    site.ended(&id, "completed");
}

#[test]
fn slow_cluster_a_full_home_is_named_before_anything_is_half_there() {
    let small = Size { bytes: 20 << 20, files: 1000 };
    let site = Site::of(Cluster::slurm().home_size(small).up(), &["slurm"]);
    let said = site.run("slurm", &[]).exits(125);
    assert!(said.stderr.contains("No space left on device"), "{said}");
    site.ended(&site.newest(), "failed");
    let left = site.cluster.ssh("slurm", "find .sizar -type f -size +1M").stdout;
    assert_eq!(left, "", "{said}");
}
