//! The line is cut after the scheduler took a job, and before its answer arrived.

use std::time::Duration;

use sizar_testkit::Cluster;

use crate::site::{Site, eventually, said};

/// How often the line is cut for each scheduler, unless `SIZAR_TEST_CUTS` says another number.
const CUTS: u32 = 5;

#[test]
fn slow_cluster_an_answer_that_is_lost_makes_no_second_job() {
    let cuts = std::env::var("SIZAR_TEST_CUTS").ok().and_then(|text| text.parse().ok());
    let cuts = cuts.unwrap_or(CUTS).min(100);
    let site = Site::of(Cluster::slurm().with_oar().up(), &[]);
    let (mut worked, mut idle) = (0, 0);
    for target in ["slurm", "oar"] {
        let line = site.cluster.line(target, Duration::ZERO).unwrap();
        site.add(target, line.ssh_config().as_str()).exits(0);
        // what is sent once for all runs is there
        site.run(target, &[]).exits(0);
        for cut in 0..cuts {
            let id = site.detached_through(target, |id, go| {
                line.hold_answers();
                go();
                eventually("the job", || !site.jobs(target, id, 1).is_empty());
                site.forget_logins();
                line.cut();
                line.release();
            });
            site.sizar(&["wait", &id]).exits(0);
            site.ended(&id, "completed");
            idle += site.one_did_work(target, &id, 1);
            worked += 1;
            assert_eq!(site.show(&id)["attempts"], 1, "cut {cut}");
        }
    }
    assert_eq!((worked, idle), (2 * cuts, 0));
}

impl Site {
    /// Hands a run over, and does `fault` between its announcement and the scheduler's answer.
    #[track_caller]
    fn detached_through(&self, target: &str, fault: impl FnOnce(&str, &dyn Fn())) -> String {
        let gate = self.world.path("gate");
        let _ = fs_err::remove_file(&gate);
        self.forget_logins();
        let mut command =
            self.world.command(&Self::run_line(target, &["--detach", "--", "--sleep", "1"]));
        command
            .env("SIZAR_FAILPOINT", format!("elsewhere:after-submitting={gate}"))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let client = command.spawn().unwrap();
        let reached = gate.with_extension("reached");
        eventually("the announcement", || reached.exists());
        let _ = fs_err::remove_file(&reached);
        let id = self.newest();
        fault(&id, &|| fs_err::write(&gate, "").unwrap());
        let ended = said(client);
        assert_eq!(ended.code, 0, "{ended}");
        assert_eq!(ended.stdout.trim(), id);
        id
    }
}
