//! Looking at a cluster whose scheduler answers as a real one did: `fixtures/schedulers/`.

use camino::{Utf8Path, Utf8PathBuf};
use sizar_testkit::{Said, World, write_program};

use crate::world::world;

/// A login node of Slurm, on which each program prints what was captured of it.
struct LoginNode {
    world: World,
}

impl LoginNode {
    fn new() -> Self {
        let world = world();
        let profile = "address = \"here\"\nprobed = \"2026-11-27T20:00:00Z\"\n\
                       [machine]\nuser = \"alice\"\n[site]\nscheduler = \"slurm\"\n";
        let folder = world.sizar_home().join("targets/tours");
        fs_err::create_dir_all(&folder).expect("it is written");
        fs_err::write(folder.join("target.toml"), profile).expect("it is written");
        fs_err::create_dir_all(world.path("bin")).expect("it is written");
        Self { world }
    }

    /// Makes `program` print the answer `name`, and end with `code`.
    fn answers(self, program: &str, name: &str, code: i32) -> Self {
        let captured: Utf8PathBuf = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures/schedulers/slurm/22.05.8")
            .join(name);
        let path = self.world.path("bin").join(program);
        let text = format!(
            "#!/bin/sh\n[ ! -e {captured}.out ] || cat {captured}.out\n\
             [ ! -e {captured}.err ] || cat {captured}.err >&2\nexit {code}\n"
        );
        write_program(&path, &text);
        self
    }

    fn sizar(&self, args: &[&str]) -> Said {
        let path = format!("{}:/usr/bin:/bin", self.world.path("bin"));
        self.world.said(self.world.command(args).env("PATH", path))
    }
}

#[test]
fn a_scheduler_that_cannot_be_reached_is_no_empty_cluster() {
    let node = LoginNode::new()
        .answers("squeue", "ctld-down-squeue", 1)
        .answers("scontrol", "ctld-down-scontrol", 1)
        .answers("sacct", "no-accounting-sacct", 1);
    for look in [&["nodes", "tours"][..], &["queue", "tours"], &["queue", "tours", "--json"]] {
        let said = node.sizar(look).exits(60);
        assert_eq!(said.stdout, "", "{said}");
        assert!(said.stderr.contains("error: the scheduler cannot be reached: "), "{said}");
        assert!(said.stderr.contains("hint: this says nothing of the jobs"), "{said}");
    }
    let said = node.sizar(&["usage", "tours"]).exits(60);
    assert!(said.stderr.contains("error: this site keeps no accounting\n"), "{said}");
}

#[test]
fn one_round_trip_asks_for_nodes_and_jobs() {
    let node = LoginNode::new().answers("scontrol", "nodes", 0).answers("squeue", "nodes-jobs", 0);
    let said = node.sizar(&["nodes", "tours", "--json"]).exits(0).json();
    assert_eq!((&said["target"], &said["user"]), (&"tours".into(), &"alice".into()));
    assert_eq!(said["totals"]["cores"]["total"], 48);
    assert_eq!(said["nodes"].as_array().unwrap().len(), 7);
    // one of them begins the session
    assert_eq!((&said["cost"]["round_trips"], &said["cost"]["steps"]), (&2.into(), &2.into()));
    let said = node.sizar(&["nodes", "tours", "--verbose"]).exits(0);
    assert!(said.stderr.contains(" and 2 questions to the scheduler\n"), "{said}");
}

#[test]
fn looking_needs_a_target_that_is_known() {
    let node = LoginNode::new();
    let said = node.sizar(&["queue", "turs"]).exits(40);
    assert!(said.stderr.contains("there is no target `turs`\nhint: there is `tours`\n"), "{said}");
    let said = node.sizar(&["usage", "tours", "--since", "2026-11-02", "--until", "2026-11-01"]);
    assert!(said.exits(2).stderr.contains("the period begins at 2026-11-02T00:00:00Z"));
}
