//! Killed processes, full disks, two at once.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use fs_err as fs;
use sizar_engine::acquire::{AcquireError, AcquireOptions, acquire};
use sizar_engine::home::Home;
use sizar_model::{Locator, Silent};

use crate::archives::{gz, tar_of};
use crate::world::{Answer, Server, World, said, tree};

/// The places at which an acquisition is killed.
const PLACES: &[&str] = &[
    "acquire:after-download",
    "acquire:while-unpacking",
    "acquire:before-rename",
    "acquire:after-rename",
];

/// Runs as a child: acquires what the environment says, and dies where it says.
#[test]
fn child_acquires() {
    let Ok(locator) = std::env::var("SIZAR_TEST_LOCATOR") else { return };
    let home = Home::from_environment().unwrap();
    let locator: Locator = locator.parse().unwrap();
    let checkout = acquire(&home, &locator, &AcquireOptions::default(), &Silent).unwrap();
    println!("digest {}", checkout.source.digest);
}

fn child(world: &World, locator: &str, failpoint: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "faults::child_acquires", "--nocapture"])
        .env("SIZAR_HOME", world.home.root())
        .env("SIZAR_TEST_LOCATOR", locator)
        .env("SIZAR_FAILPOINT", failpoint);
    command
}

fn survives_every_kill(locator: &str) {
    let untroubled = World::new();
    let expected = untroubled.acquire(locator).unwrap();
    let mut died = 0;
    for place in PLACES {
        let world = World::new();
        let status = child(&world, locator, place).output().unwrap().status;
        if status.signal().is_none() {
            // no such place on this way
            continue;
        }
        died += 1;
        let checkout = world.acquire(locator).unwrap();
        assert_eq!(checkout.source.digest, expected.source.digest, "{place}");
        assert_eq!(tree(&checkout.path), tree(&expected.path), "{place}");
        assert_eq!(world.offline(locator).unwrap(), checkout, "{place}");
        let checkouts = world.home.root().join("checkouts").read_dir_utf8().unwrap().count();
        assert_eq!(checkouts, 1, "{place}");
    }
    assert!(died >= 3, "only {died} places were met");
}

#[test]
fn a_kill_while_a_repository_comes_is_survived() {
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1"), ("b/c.py", "2")]);
    survives_every_kill(&repository.url());
}

#[test]
fn a_kill_while_an_archive_is_opened_is_survived() {
    let world = World::new();
    let path = world.write("x.tar.gz", gz(&tar_of(&[("p/a.py", "1"), ("p/b/c.py", "2")])));
    survives_every_kill(path.as_str());
}

#[test]
fn a_kill_while_an_archive_is_downloaded_is_survived() {
    let server = Server::start(|_, _| Answer::ok(gz(&tar_of(&[("p/a.py", "1"), ("p/b", "2")]))));
    survives_every_kill(&server.url("/p.tar.gz"));
}

#[test]
fn what_the_killed_left_is_swept_after_a_day() {
    let world = World::new();
    let path = world.write("x.tar.gz", gz(&tar_of(&[("p/a.py", "1")])));
    let tmp = world.home.folder("tmp").unwrap();
    let (old, new) = (tmp.join("stage-old"), tmp.join("stage-new"));
    for folder in [&old, &new] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("x"), "x").unwrap();
    }
    let two_days = std::time::SystemTime::now() - std::time::Duration::from_hours(48);
    fs::File::open(&old).unwrap().file().set_modified(two_days).unwrap();
    world.acquire(path.as_str()).unwrap();
    assert!(!old.exists() && new.exists());
}

#[test]
fn two_at_once_do_the_work_once() {
    let server = Server::start(|_, _| Answer::ok(gz(&tar_of(&[("p/a.py", "1")]))));
    let world = World::new();
    let url = server.url("/p.tar.gz");
    let children: Vec<_> = (0..4)
        .map(|_| child(&world, &url, "").stdout(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("digest "));
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_record_that_leads_nowhere_is_not_trusted() {
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1")]);
    let first = world.acquire(&repository.url()).unwrap();
    fs::remove_dir_all(first.path.parent().unwrap()).unwrap();
    let second = world.acquire(&repository.url()).unwrap();
    assert_eq!(second.source, first.source);
    assert!(second.path.join("a.py").exists());
    for record in world.home.root().join("sources").read_dir_utf8().unwrap() {
        fs::write(record.unwrap().path(), "{\"format\": 1").unwrap();
    }
    assert_eq!(world.acquire(&repository.url()).unwrap(), second);
}

#[test]
fn a_read_only_home_is_named_and_what_is_cached_still_works() {
    let world = World::new();
    let path = world.write("x.tar.gz", gz(&tar_of(&[("p/a.py", "1")])));
    let repository = world.repository("r", &[("a.py", "1")]);
    let cached = world.acquire(&repository.url()).unwrap();
    let mut folders = vec![world.home.root().to_owned()];
    while let Some(folder) = folders.pop() {
        folders.extend(
            folder
                .read_dir_utf8()
                .unwrap()
                .map(Result::unwrap)
                .filter(|entry| entry.file_type().unwrap().is_dir())
                .map(|entry| entry.path().to_owned()),
        );
        fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).unwrap();
    }
    // whoever may write everywhere (root) cannot be refused
    let refused = fs::write(world.home.root().join("probe"), "").is_err();
    let result = world.acquire(path.as_str());
    let still = world.acquire(&repository.url());
    let folder = world.acquire(repository.path.as_str());
    let mut folders = vec![world.home.root().to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        folders.extend(
            folder
                .read_dir_utf8()
                .unwrap()
                .map(Result::unwrap)
                .filter(|entry| entry.file_type().unwrap().is_dir())
                .map(|entry| entry.path().to_owned()),
        );
    }
    assert_eq!(still.unwrap(), cached);
    assert!(folder.unwrap().source.own);
    if refused {
        let error = result.unwrap_err();
        assert!(said(&error).contains("home"), "{}", said(&error));
        assert!(error.hints()[0].contains("SIZAR_HOME"), "{:?}", error.hints());
    }
}

#[test]
fn a_full_disk_is_named() {
    // a limit on the size of files is met as a full disk is: by a failing write
    let world = World::new();
    let long = "x".repeat(200_000);
    let path = world.write("x.tar.gz", gz(&tar_of(&[("p/a.py", &long)])));
    let home = world.home.root();
    let executable = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact faults::child_acquires"])
        .arg(&executable)
        .env("SIZAR_HOME", home)
        .env("SIZAR_TEST_LOCATOR", path.as_str())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("Write"), "{text}");
    assert!(world.leftovers().is_empty(), "{:?}", world.leftovers());
    assert!(world.acquire(path.as_str()).is_ok());
}

#[test]
fn a_home_that_is_a_file_is_named() {
    let world = World::new();
    let file = world.write("file", "");
    let locator: Locator = "https://127.0.0.1:9/x.zip".parse().unwrap();
    let home = Home::at(file.join("home"));
    let error = acquire(&home, &locator, &AcquireOptions::default(), &Silent).unwrap_err();
    assert!(matches!(error, AcquireError::Home(_)), "{error}");
    assert!(said(&error).contains(file.as_str()), "{}", said(&error));
}
