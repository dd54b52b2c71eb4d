//! What bad input gets: the thing, the cause, the next step, a documented exit code, and nothing
//! half-made left behind.

use std::os::unix::fs::PermissionsExt as _;

use fs_err as fs;

use crate::world::{script, world, world_with_shared_cache};

#[test]
fn a_missing_folder_is_named() {
    let said = world().sizar(&["inspect", "./nowhere"]).exits(10);
    assert!(said.stderr.contains("`./nowhere`") || said.stderr.contains("nowhere`"), "{said}");
    assert!(said.stderr.starts_with("error: "), "{said}");
}

#[test]
fn an_owner_and_name_get_the_address_they_meant() {
    let said = world().sizar(&["inspect", "milesial/Pytorch-UNet"]).exits(10);
    assert!(said.stderr.contains("github:milesial/Pytorch-UNet"), "{said}");
}

#[test]
fn a_git_address_that_does_not_answer_gets_gits_own_words() {
    // nobody listens on port 1
    let said = world().sizar(&["inspect", "http://127.0.0.1:1/none.git"]).exits(10);
    assert!(said.stderr.contains("git ls-remote"), "{said}");
}

#[test]
fn a_repository_that_is_not_there_is_named() {
    let world = world();
    let url = format!("file://{}/none.git", world.here());
    let said = world.sizar(&["inspect", &url]).exits(10);
    assert!(said.stderr.contains("`[WORLD]/here/none.git`"), "{said}");
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    for source in ["github:owner", "pypi:", ""] {
        world().sizar(&["inspect", source]).exits(2);
    }
}

#[test]
fn a_corrupt_archive_leaves_nothing_behind() {
    let world = world();
    world.write("code.tar.gz", "this is no archive");
    let said = world.sizar(&["inspect", "code.tar.gz"]).exits(10);
    assert!(said.stderr.contains("code.tar.gz"), "{said}");
    let checkouts = world.sizar_home().join("checkouts");
    assert!(!checkouts.exists() || fs::read_dir(checkouts).unwrap().next().is_none());
}

#[test]
fn no_python_at_all_is_said() {
    let world = world();
    let source = script(&world, "main.lua", "print('hello')\n");
    let inspection = world.sizar(&["inspect", &source, "--json"]).exits(0).json();
    assert!(inspection["findings"].to_string().contains("no-python"), "{inspection}");
    assert_eq!(inspection["drivers"], serde_json::json!([]));
    let said = world.sizar(&["setup", &source]).exits(30);
    assert!(said.stderr.contains("no Python"), "{said}");
}

#[test]
fn an_unknown_run_is_named() {
    let world = world();
    for verb in ["show", "logs", "cancel", "fetch", "wait"] {
        let said = world.sizar(&[verb, "zzzzzzzz"]).exits(40);
        assert!(said.stderr.contains("zzzzzzzz"), "{verb}: {said}");
    }
}

#[test]
fn a_journal_of_a_newer_sizar_is_left_alone() {
    let world = world();
    let source = script(&world, "a.py", "");
    fs::create_dir_all(world.sizar_home()).unwrap();
    let path = world.sizar_home().join("journal.sqlite");
    let journal = rusqlite::Connection::open(&path).unwrap();
    journal.execute_batch("PRAGMA user_version = 9999").unwrap();
    drop(journal);
    let before = fs::read(&path).unwrap();
    let said = world.sizar(&["runs"]).exits(50);
    assert!(said.stderr.contains("newer"), "{said}");
    world.sizar(&["run", &source, "--", "a.py"]).exits(125);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let world = world();
    let source = script(&world, "a.py", "");
    // a file where a folder should be refuses even root, whom permissions do not stop
    fs::write(world.sizar_home(), "").unwrap();
    let said = world.sizar(&["setup", &source]);
    assert!(matches!(said.code, 10 | 50), "{said}");
    assert!(said.stderr.contains("[WORLD]/sizar"), "{said}");
}

#[test]
fn a_journal_that_is_none_is_named() {
    let world = world();
    fs::create_dir_all(world.sizar_home()).unwrap();
    fs::write(world.sizar_home().join("journal.sqlite"), "garbage".repeat(1000)).unwrap();
    let said = world.sizar(&["runs"]).exits(50);
    assert!(said.stderr.contains("journal.sqlite"), "{said}");
}

#[test]
fn slow_an_unknown_package_and_a_wheel_only_one_are_told_apart() {
    let world = world_with_shared_cache();
    let said = world.sizar(&["inspect", "pypi:this-package-does-not-exist-sizar"]).exits(10);
    assert!(said.stderr.contains("this-package-does-not-exist-sizar"), "{said}");
    let said = world.sizar(&["inspect", "pypi:torch"]).exits(10);
    assert!(said.stderr.contains("source distribution"), "{said}");
}

#[test]
fn slow_a_driver_that_is_not_there_gets_the_nearest() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "train.py",
        "import argparse\nif __name__ == '__main__':\n    argparse.ArgumentParser().parse_args()\n",
    );
    let said = world.sizar(&["run", &source, "--", "trian.py"]).exits(125);
    assert!(said.stderr.contains("train.py"), "{said}");
    let said = world.sizar(&["setup", &source, "--driver", "trian.py"]).exits(30);
    assert!(said.stderr.contains("train.py"), "{said}");
}

#[test]
fn slow_a_broken_interpreter_is_passed_over_and_named() {
    let world = world_with_shared_cache();
    let broken = world.write("bin/python3.12", "#!/bin/sh\nexit 3\n");
    fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o755)).unwrap();
    let source = script(&world, "a.py", "if __name__ == '__main__':\n    print('fine')\n");
    let path = format!("{}:{}", world.here().join("bin"), std::env::var("PATH").unwrap());
    let mut run = world.command(&["run", "-q", &source, "--", "a.py"]);
    assert_eq!(world.said(run.env("PATH", &path)).exits(0).stdout, "fine\n");
    let mut doctor = world.command(&["doctor", "--json"]);
    let report = world.said(doctor.env("PATH", &path)).exits(0);
    assert!(report.stdout.contains("bin/python3.12"), "{report}");
}

#[test]
fn slow_two_at_once_on_the_same_source_do_the_work_once() {
    let world = world_with_shared_cache();
    let source =
        script(&world, "a.py", "import six\nif __name__ == '__main__':\n    print(six.PY3)\n");
    let start = || {
        let mut setup = world.command(&["setup", &source, "--json"]);
        setup.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        setup.spawn().unwrap()
    };
    let (one, two) = (start(), start());
    let paths: Vec<serde_json::Value> = [one, two]
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["path"].clone()
        })
        .collect();
    assert_eq!(paths[0], paths[1]);
    let environments = fs::read_dir(world.sizar_home().join("envs")).unwrap().count();
    assert_eq!(environments, 1);
}
