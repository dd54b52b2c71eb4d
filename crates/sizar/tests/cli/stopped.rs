//! A program that stops in an environment that was verified: why, and another environment.

use std::process::Stdio;
use std::time::Duration;

use fs_err as fs;
use sizar_testkit::until;

use crate::world::{World, script, world_with_shared_cache};

/// Asks for what NumPy 1.24 removed in a way that no reader of the code finds.
const LATE: &str = r"
import sys
import numpy as np

if __name__ == '__main__':
    print('began', flush=True)
    if sys.argv[1] == 'write':
        open('out.txt', 'w').write('made before it stopped')
    kind = getattr(np, 'flo' + 'at')
    open('out.txt', 'w').write(str(kind(3)))
    print('done')
";

fn source(world: &World) -> String {
    world.write("code/requirements.txt", "numpy\n");
    script(world, "late.py", LATE)
}

fn newest(world: &World) -> serde_json::Value {
    let runs = world.sizar(&["runs", "--json"]).exits(0).json();
    let id = runs[0]["id"].as_str().expect("an id").to_owned();
    world.sizar(&["show", &id, "--json"]).exits(0).json()
}

#[test]
fn slow_a_run_that_stops_for_a_known_reason_runs_again_in_another_environment() {
    let world = world_with_shared_cache();
    let source = source(&world);
    let line = ["run", "--no-network", &source, "--", "late.py", "3"];
    let said = world.sizar(&line).exits(0);
    assert_eq!(said.stdout, "began\nbegan\ndone\n", "{said}");
    assert!(said.stderr.contains("why it stopped: NumPy 1.24 removed"), "{said}");
    let run = newest(&world);
    assert_eq!((&run["attempts"], &run["state"]), (&2.into(), &"completed".into()), "{run}");
    assert_eq!(run["results"][0]["path"], "out.txt", "{run}");
    // the lock says why, and the next run starts in that environment
    let explained = world.sizar(&["explain", run["id"].as_str().unwrap(), "--json"]).exits(0);
    assert!(explained.stdout.contains("NumPy 1.24 removed"), "{explained}");
    let said = world.sizar(&line).exits(0);
    assert_eq!(said.stdout, "began\ndone\n", "{said}");
    assert_eq!(newest(&world)["environment"], run["environment"]);
}

#[test]
fn slow_who_reaches_the_network_is_told_and_repairs_when_asked() {
    let world = world_with_shared_cache();
    let source = source(&world);
    let said = world.sizar(&["run", "--network", &source, "--", "late.py", "3"]).exits(1);
    assert_eq!(said.stdout, "began\n", "what it did outside is not done twice: {said}");
    let run = newest(&world);
    let id = run["id"].as_str().unwrap();
    assert!(said.stderr.contains(&format!("`sizar resume {id} --repair`")), "{said}");
    assert_eq!(run["why"]["repairable"], true, "{run}");
    let page = world.sizar(&["show", id]).exits(0).stdout;
    assert!(page.contains("NumPy 1.24 removed"), "{page}");
    // killed when the environment is there, and nothing is written of it
    let mut command = world.command(&["resume", id, "--repair"]);
    let killed = world.said(command.env("SIZAR_FAILPOINT", "repaired:before-resumed"));
    assert_eq!(killed.code, -1, "{killed}");
    assert_eq!(newest(&world)["state"], "failed");
    // and again when it is: any resumption goes on in that environment
    let mut command = world.command(&["resume", id, "--repair"]);
    let killed = world.said(command.env("SIZAR_FAILPOINT", "repaired:after-resumed"));
    assert_eq!(killed.code, -1, "{killed}");
    world.sizar(&["resume", id]).exits(0);
    world.sizar(&["wait", id]).exits(0);
    let run = newest(&world);
    assert_eq!((&run["attempts"], &run["state"]), (&2.into(), &"completed".into()), "{run}");
    let said = world.sizar(&["resume", id, "--repair"]);
    assert!(said.code != 0 && said.stderr.contains("nothing to repair"), "{said}");
}

#[test]
fn slow_what_no_environment_has_is_said() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "read.py",
        "if __name__ == '__main__':\n    print(open('data/labels.txt').read())\n",
    );
    let said = world.sizar(&["run", &source, "--", "read.py"]).exits(1);
    assert!(said.stderr.contains("`data/labels.txt` is not there"), "{said}");
    assert!(said.stderr.contains("--data HERE:data/labels.txt"), "{said}");
    let id = newest(&world)["id"].as_str().unwrap().to_owned();
    let said = world.sizar(&["resume", &id, "--repair"]);
    assert!(said.code != 0 && said.stderr.contains("no other environment helps"), "{said}");
    // what the program says itself is left at that
    let source =
        script(&world, "own.py", "import sys\nif __name__ == '__main__':\n    sys.exit(4)\n");
    let said = world.sizar(&["run", &source, "--", "own.py"]).exits(4);
    assert!(!said.stderr.contains("why it stopped"), "{said}");
}

#[test]
fn slow_what_it_left_anywhere_is_not_done_twice_unasked() {
    let world = world_with_shared_cache();
    let source = source(&world);
    let open = ["run", "--no-network", "--no-sandbox", &source, "--", "late.py", "3"];
    assert_eq!(world.sizar(&open).exits(1).stdout, "began\n");
    let made = ["run", "--no-network", &source, "--", "late.py", "write"];
    assert_eq!(world.sizar(&made).exits(1).stdout, "began\n");
    let run = newest(&world);
    assert_eq!(run["results"][0]["path"], "out.txt", "{run}");
    // what was edited is another program
    world.write("code/late.py", &LATE.replace("done", "edited"));
    let id = run["id"].as_str().unwrap();
    let again = || world.said(world.command(&["resume", id, "--repair"]).current_dir("/"));
    let said = again();
    assert!(said.code != 0 && said.stderr.contains("has changed since it ran"), "{said}");
    assert_eq!(newest(&world)["state"], "failed");
    // from wherever the user is now
    world.write("code/late.py", LATE);
    again().exits(0);
    world.sizar(&["wait", id]).exits(0);
    assert!(world.sizar(&["logs", id]).exits(0).stdout.contains("done\n"));
}

#[test]
fn slow_an_environment_that_did_not_help_is_no_answer() {
    let world = world_with_shared_cache();
    // says the same in every environment that has a NumPy
    let text = "import numpy\nimport sys\nif __name__ == '__main__':\n    if len(sys.argv) > 1: raise \
                AttributeError(\"module 'numpy' has no attribute 'float'\")\n    print('done')\n";
    world.write("code/requirements.txt", "numpy\n");
    let source = script(&world, "says.py", text);
    let line = ["run", "--no-network", &source, "--", "says.py"];
    world.sizar(&line).exits(0);
    let good = newest(&world)["environment"].clone();
    let said = world.sizar(&[&line[..], &["bad"]].concat()).exits(1);
    assert!(said.stderr.contains("another environment is made"), "{said}");
    assert_eq!(newest(&world)["state"], "failed");
    world.sizar(&line).exits(0);
    assert_eq!(newest(&world)["environment"], good);
    // nor is what was made called impossible
    let explained = world.sizar(&["explain", &source]).exits(0);
    assert!(!explained.stdout.contains("no environment could be made"), "{explained}");
}

#[test]
fn slow_a_variable_may_be_all_that_is_changed() {
    let world = world_with_shared_cache();
    let text = "import os\nif __name__ == '__main__':\n    \
                if os.environ.get('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD') != '1': raise \
                RuntimeError('Weights only load failed')\n    print('done')\n";
    let source = script(&world, "load.py", text);
    let variable = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=0";
    // what the user sets stays, so it stops again
    let set = ["run", "--no-network", "--env", variable, &source, "--", "load.py"];
    let said = world.sizar(&set).exits(1);
    assert!(said.stderr.contains("torch 2.6 loads only weights"), "{said}");
    // which was no better an answer, so the repair is made anew
    let line = ["run", "--no-network", &source, "--", "load.py"];
    assert_eq!(world.sizar(&line).exits(0).stdout, "done\n");
    assert_eq!(newest(&world)["attempts"], 2);
    assert_eq!(world.sizar(&line).exits(0).stdout, "done\n");
    assert_eq!(newest(&world)["attempts"], 1);
}

#[test]
fn slow_who_waits_is_told_how_it_ended_after_the_repair() {
    let world = world_with_shared_cache();
    let source = source(&world);
    let gate = world.path("gate");
    let mut run = world.command(&["run", "--no-network", &source, "--", "late.py", "3"]);
    run.env("SIZAR_FAILPOINT", format!("repaired:before-resumed={gate}"));
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let most = Duration::from_mins(5);
    until("the other environment", most, || gate.with_extension("reached").exists());
    assert_eq!(newest(&world)["state"], "failed");
    let id = newest(&world)["id"].as_str().unwrap().to_owned();
    let mut waiter = world.command(&["wait", &id]).stderr(Stdio::null()).spawn().unwrap();
    // it does not return, but waits for the lock
    let blocked = format!(" {} ", waiter.id());
    until("it waits for the lock", most, || {
        assert!(waiter.try_wait().unwrap().is_none(), "it took the run for one that failed");
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("->") && line.contains(&blocked))
    });
    fs::write(&gate, "").unwrap();
    assert!(waiter.wait().unwrap().success());
    assert!(run.wait().unwrap().success());
    let left = fs::read_dir(world.sizar_home().join("locks")).unwrap();
    assert!(!left.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("run-")));
}

#[test]
fn slow_no_repair_leaves_a_run_as_it_ended() {
    let world = world_with_shared_cache();
    let source = source(&world);
    let line = ["run", "--no-network", "--no-repair", &source, "--", "late.py", "3"];
    let said = world.sizar(&line).exits(1);
    assert!(said.stderr.contains("--repair`"), "{said}");
    assert_eq!(newest(&world)["attempts"], 1);
}
