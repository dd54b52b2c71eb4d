//! Folders of the user's own.

use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;
use sizar_engine::acquire::AcquireError;
use sizar_engine::tree_digest::{SETTLE, TreeDigester};

use crate::world::World;

#[test]
fn a_folder_is_used_where_it_lies() {
    let world = World::new();
    world.write("code/train.py", "print(1)");
    let checkout = world.acquire(world.path("code").as_str()).unwrap();
    assert_eq!(checkout.path, world.path("code"));
    assert!(checkout.source.own);
    assert!(checkout.source.date.is_some());
    assert_eq!(checkout.source.revision, None);
}

#[test]
fn what_tools_make_does_not_change_the_digest() {
    let world = World::new();
    world.write("code/train.py", "print(1)");
    let digest = || world.acquire(world.path("code").as_str()).unwrap().source.digest;
    let before = digest();
    for made in [
        "__pycache__/train.pyc",
        "node_modules/x.js",
        "venv/pyvenv.cfg",
        "venv/bin/python",
        "deep/.ipynb_checkpoints/x",
    ] {
        world.write(&format!("code/{made}"), "x");
    }
    assert_eq!(digest(), before);
    world.write("code/train.py", "print(2)");
    assert_ne!(digest(), before);
}

#[test]
fn every_difference_that_counts_changes_the_digest() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let file = world.write("code/a.py", "one");
    let digest = || world.acquire(world.path("code").as_str()).unwrap().source.digest;
    let mut seen = vec![digest()];
    fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    seen.push(digest());
    fs::rename(&file, world.path("code/b.py")).unwrap();
    seen.push(digest());
    fs_err::os::unix::fs::symlink("b.py", world.path("code/a.py")).unwrap();
    seen.push(digest());
    fs::remove_file(world.path("code/a.py")).unwrap();
    fs_err::os::unix::fs::symlink("c.py", world.path("code/a.py")).unwrap();
    seen.push(digest());
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn an_unchanged_tree_is_not_read_again() {
    let world = World::new();
    for number in 0..50 {
        world.write(&format!("code/{number}.py"), format!("print({number})"));
    }
    let cache = world.path("cache.json");
    let digest = |settle| {
        let digester = TreeDigester { without: None, cache: Some(&cache), settle };
        digester.digest(&world.path("code")).unwrap()
    };
    let first = digest(Duration::ZERO);
    assert_eq!((first.files, first.hashed), (50, 50));
    let second = digest(Duration::ZERO);
    assert_eq!((second.digest, second.hashed), (first.digest, 0));
    world.write("code/7.py", "print(8)");
    let third = digest(Duration::ZERO);
    assert_eq!(third.hashed, 1);
    assert_ne!(third.digest, first.digest);
    // what changed a moment ago may change again within the same tick of the clock
    fs::remove_file(&cache).unwrap();
    digest(SETTLE);
    assert_eq!(digest(SETTLE).hashed, 50);
}

#[test]
fn a_broken_cache_is_no_matter() {
    let world = World::new();
    world.write("code/a.py", "1");
    let cache = world.write("cache.json", "{");
    let digester = TreeDigester { without: None, cache: Some(&cache), settle: Duration::ZERO };
    assert_eq!(digester.digest(&world.path("code")).unwrap().hashed, 1);
    assert_eq!(digester.digest(&world.path("code")).unwrap().hashed, 0);
}

#[test]
fn the_home_inside_the_tree_is_no_part_of_it() {
    let world = World::new();
    world.write("a.py", "1");
    // the home lies in the root of the world
    let root = world.path("");
    let digest = || world.acquire(root.as_str()).unwrap().source.digest;
    let before = digest();
    world.write("home/more", "2");
    assert_eq!(digest(), before);
}

#[test]
fn git_tells_the_dates_of_a_folder() {
    let world = World::new();
    let repository = world.repository("code", &[("train.py", "1")]);
    let commit = repository.commit("2021-02-03T04:05:06+02:00", &[("README.md", "x")]);
    let source = world.acquire(repository.path.as_str()).unwrap().source;
    // the second answer comes from what was remembered
    assert_eq!(world.acquire(repository.path.as_str()).unwrap().source, source);
    assert_eq!(source.revision.as_deref(), Some(commit.as_str()));
    assert_eq!(source.date.unwrap().to_string(), "2021-02-03T02:05:06Z");
    assert_eq!(source.code_date.unwrap().to_string(), "2018-03-04T05:06:07Z");
    repository.commit("2022-02-03T04:05:06Z", &[("train.py", "2")]);
    let source = world.acquire(repository.path.as_str()).unwrap().source;
    assert_eq!(source.code_date.unwrap().to_string(), "2022-02-03T04:05:06Z");
}

#[test]
fn an_untracked_folder_in_a_repository_has_its_own_date() {
    let world = World::new();
    let repository = world.repository("thesis", &[("a.py", "1")]);
    world.write("thesis/new/b.py", "1");
    let source = world.acquire(repository.path.join("new").as_str()).unwrap().source;
    assert_eq!(source.revision, None);
    assert!(source.date.unwrap().to_string().as_str() > "2026");
}

#[test]
fn a_folder_runs_nothing_when_it_is_looked_at() {
    let world = World::new();
    let repository = world.repository("code", &[("a.py", "1")]);
    let mark = world.path("mark");
    let script = world.write("script", format!("#!/bin/sh\ntouch {mark}\n"));
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for setting in ["core.fsmonitor", "core.pager", "gpg.program", "core.sshCommand"] {
        repository.git(&["config", setting, script.as_str()]);
    }
    repository.git(&["config", "log.showSignature", "true"]);
    world.acquire(repository.path.as_str()).unwrap();
    assert!(!mark.exists());
}

#[test]
fn what_is_no_folder_is_named() {
    let world = World::new();
    let missing = world.path("owner/name");
    let error = world.acquire(missing.as_str()).unwrap_err();
    assert_eq!(error.to_string(), format!("there is no folder `{missing}`"));
    let error = world.acquire("milesial/Pytorch-UNet").unwrap_err();
    assert_eq!(
        error.hints(),
        ["if you mean the repository on GitHub, write `github:milesial/Pytorch-UNet`"]
    );
    let error = world.acquire("github.com/a/b").unwrap_err();
    assert_eq!(error.hints(), ["if you mean the repository, write `https://github.com/a/b`"]);
    let script = world.write("train.py", "print(1)");
    let error = world.acquire(script.as_str()).unwrap_err();
    assert!(matches!(error, AcquireError::NotAFolder { .. }));
    let folder = script.parent().map(Utf8Path::as_str).unwrap();
    assert_eq!(error.hints(), [format!("give its folder: `{folder}`")]);
}
