//! `kill -9` at each step, then the same command again: the same end.

use crate::world::{World, script, world_with_shared_cache};

/// Points of acquire, setup and run at which the program ends itself, as `kill -9` would.
const ACQUIRE: [&str; 2] = ["acquire:while-unpacking", "acquire:before-rename"];
const SETUP: [&str; 5] = [
    "setup:after-resolve",
    "setup:after-venv",
    "setup:after-install",
    "setup:before-ready",
    "setup:after-ready",
];
const RUN: [&str; 6] = [
    "run:after-created",
    "run:after-copy",
    "run:before-started",
    "run:after-started",
    "run:after-program",
    "run:before-receipt",
];

/// Runs sizar until it ends itself at `point`.
#[track_caller]
fn dies_at(world: &World, point: &str, args: &[&str]) {
    let mut command = world.command(args);
    let said = world.said(command.env("SIZAR_FAILPOINT", point));
    assert_eq!(said.code, -1, "it did not reach `{point}`: {said}");
}

#[test]
fn slow_acquire_survives_kill() {
    let world = world_with_shared_cache();
    world.write("project/a.py", "if __name__ == '__main__':\n    print('whole')\n");
    let tar = std::process::Command::new("tar")
        .args(["-czf", "project.tar.gz", "project"])
        .current_dir(world.here())
        .status();
    assert!(tar.unwrap().success());
    for point in ACQUIRE {
        dies_at(&world, point, &["inspect", "project.tar.gz", "--json"]);
    }
    let inspection = world.sizar(&["inspect", "project.tar.gz", "--json"]).exits(0).json();
    assert_eq!(inspection["drivers"][0]["path"], "a.py");
    let checkouts = fs_err::read_dir(world.sizar_home().join("checkouts")).unwrap().count();
    assert_eq!(checkouts, 1);
}

#[test]
fn slow_setup_survives_kill() {
    let world = world_with_shared_cache();
    let source =
        script(&world, "a.py", "import six\nif __name__ == '__main__':\n    print(six.PY3)\n");
    for point in SETUP {
        dies_at(&world, point, &["setup", &source]);
    }
    let setup = world.sizar(&["setup", &source, "--json"]).exits(0).json();
    assert_eq!(setup["verified"], true);
    assert_eq!(world.sizar(&["run", "-q", &source, "--", "a.py"]).exits(0).stdout, "True\n");
}

#[test]
fn slow_run_survives_kill_and_resume_reaches_the_end() {
    for point in RUN {
        let world = world_with_shared_cache();
        let source = script(
            &world,
            "a.py",
            "if __name__ == '__main__':\n    open('out', 'w').write('whole')\n",
        );
        world.sizar(&["setup", &source]).exits(0);
        dies_at(&world, point, &["run", "-q", &source, "--", "a.py"]);
        let runs = world.sizar(&["runs", "--json"]).exits(0).json();
        let id = runs[0]["id"].as_str().unwrap_or_else(|| panic!("no run at {point}"));
        world.sizar(&["resume", id]).exits(0);
        world.sizar(&["wait", id]).exits(0);
        let run = world.sizar(&["show", id, "--json"]).exits(0).json();
        assert_eq!(run["state"], "completed", "{point}: {run}");
        assert_eq!(run["results"][0]["path"], "out", "{point}: {run}");
        assert_eq!(run["results"].as_array().unwrap().len(), 1, "{point}: {run}");
    }
}

#[test]
fn slow_a_run_whose_receipt_was_written_is_complete() {
    let world = world_with_shared_cache();
    let source =
        script(&world, "a.py", "if __name__ == '__main__':\n    open('out', 'w').write('whole')\n");
    world.sizar(&["setup", &source]).exits(0);
    dies_at(&world, "run:after-receipt", &["run", "-q", &source, "--", "a.py"]);
    let runs = world.sizar(&["runs", "--json"]).exits(0).json();
    let id = runs[0]["id"].as_str().unwrap();
    world.sizar(&["resume"]).exits(0);
    let run = world.sizar(&["show", id, "--json"]).exits(0).json();
    assert_eq!(run["state"], "completed", "{run}");
    assert_eq!(run["attempts"], 1);
}
