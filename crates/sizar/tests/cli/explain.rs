//! `sizar explain`, of an environment that was made and of one that could not be.

use crate::world::{script, world, world_with_shared_cache};

#[test]
fn slow_what_was_made_is_explained_with_a_patch() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "train.py",
        "import argparse\nimport six\nargparse.ArgumentParser().parse_args()\n",
    );
    let setup = world.sizar(&["setup", &source, "--json"]).exits(0).json();
    assert_eq!(setup["verified"], true, "{setup}");
    let page = world.sizar(&["explain", &source]).exits(0);
    let undeclared = "What nobody declared\n  - `train.py` imports six, which";
    assert!(page.stdout.contains(undeclared), "{page}");
    assert!(page.stdout.contains("checked: `train.py --help` exits 0"), "{page}");
    // the environment's name means the same
    let name = setup["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let document = world.sizar(&["explain", &name, "--json"]).exits(0).json();
    assert_eq!(document["outcome"], "made");
    let patch = world.sizar(&["explain", &source, "--patch"]).exits(0).stdout;
    assert!(patch.contains("+++ b/requirements.txt") && patch.contains("\n+six=="), "{patch}");
    assert_eq!(document["patch"], patch);
    world.write("code/fix.patch", &patch);
    let apply = |args: &[&str]| {
        let git = std::process::Command::new("git").args(args).current_dir(&source).status();
        assert!(git.unwrap().success(), "git {args:?}");
    };
    apply(&["init", "-q"]);
    apply(&["apply", "fix.patch"]);
}

#[test]
fn slow_what_could_not_be_made_is_explained() {
    let world = world_with_shared_cache();
    let source = script(&world, "train.py", "import argparse\n");
    let build = "from setuptools import setup\nraise SystemExit('Error: no such luck')\n";
    world.write("code/setup.py", build);
    let said = world.sizar(&["setup", &source, "--driver", "train.py"]).exits(20);
    assert!(said.stderr.contains("`sizar explain "), "{said}");
    let page = world.sizar(&["explain", &source]).exits(0);
    for part in ["no environment could be made", "What was tried\n  1. ", "What you could do\n  - "]
    {
        assert!(page.stdout.contains(part), "{page}");
    }
    let document = world.sizar(&["explain", &source, "--json"]).exits(0).json();
    assert_eq!(document["outcome"], "failed");
    assert!(document["cause"].as_str().unwrap().contains("no such luck"), "{document}");
    let said = world.sizar(&["explain", &source, "--patch"]);
    assert!(said.stderr.contains("there is no patch"), "{said}");
}

#[test]
fn what_was_never_set_up_is_said() {
    let world = world();
    let source = script(&world, "train.py", "");
    let said = world.sizar(&["explain", &source]);
    assert!(said.stderr.contains("nothing was set up for"), "{said}");
    assert!(said.stderr.contains("hint: `sizar setup "), "{said}");
}
