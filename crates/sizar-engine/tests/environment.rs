//! How environments are found, made, repaired and kept.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod environment_world;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_engine::environment::{
    self, SetupError, SetupRequest, collect_garbage, interpreters, remembered,
};
use sizar_engine::home::Home;
use sizar_engine::sandbox::{SandboxKind, detect, helper, landlock_abi, try_bubblewrap};
use sizar_model::VerificationLevel;

use environment_world::{World, request};

fn environments(home: &Home) -> usize {
    environment::list(home).unwrap().len()
}

#[test]
fn broken_interpreters_are_named_and_good_ones_remembered() {
    let world = World::new();
    // sizar's own collection of Pythons is searched too
    let broken = [
        ("a", "#!/bin/sh\necho oops >&2\nexit 3\n", "it exits 3: oops"),
        ("b", "#!/bin/sh\necho hello\n", "it does not answer as a Python does"),
    ];
    for (name, text, _) in broken {
        let folder = world.home.root().join("pythons").join(name).join("bin");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("python3.9");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let found = interpreters::find(&world.home).unwrap();
    for (name, _, reason) in broken {
        let path = world.home.root().join("pythons").join(name).join("bin/python3.9");
        let said = found.broken.iter().find(|broken| broken.path == path).unwrap();
        assert_eq!(said.reason, reason);
    }
    let first = found.usable.first().expect("this machine has a Python");
    assert!(first.version.patch.is_some() && first.prefix.is_absolute());
    assert!(world.home.root().join("cache/interpreters.json").exists());
    assert_eq!(interpreters::find(&world.home).unwrap().usable, found.usable);
}

#[test]
fn slow_scripts_are_verified_and_found_again() {
    let world = World::new();
    world.python_scripts();
    let made = world.setup(&request("train.py")).unwrap();
    assert!(made.verified && !made.cached);
    let verification = made.environment.lock.verification.as_ref().unwrap();
    assert_eq!(verification.level, VerificationLevel::Answers);
    assert_eq!(verification.checks.last().unwrap(), "`train.py --help` exits 0");
    assert!(made.environment.path.join("bin/python").exists());
    let (checkout, _) = world.checkout();
    let again = remembered(&world.home, &checkout, &request("train.py")).unwrap();
    assert!(again.cached && again.verified);
    assert_eq!(again.environment, made.environment);
    assert!(remembered(&world.home, &checkout, &request("other.py")).is_none());
    // without its folder it is not remembered
    let name = made.environment.path.file_name().unwrap();
    environment::remove(&world.home, &name[..6]).unwrap();
    assert!(remembered(&world.home, &checkout, &request("train.py")).is_none());
    assert_eq!(environments(&world.home), 0);
}

#[test]
fn slow_a_driver_that_is_not_there_is_said() {
    let world = World::new();
    world.python_scripts();
    let error = world.setup(&request("trian.py")).unwrap_err();
    assert!(matches!(&error, SetupError::NoSuchDriver { nearest, .. } if *nearest == ["train.py"]));
    assert_eq!(error.hints(), ["the nearest are `train.py`"]);
}

#[test]
fn slow_a_build_that_imports_what_it_does_not_declare_is_repaired() {
    let world = World::new();
    world
        .file("build_tools.txt", "six\n")
        // the import is hidden from whoever only reads
        .file(
            "setup.py",
            "from setuptools import setup\n\
             __import__(open('build_tools.txt').read().strip())\n\
             setup(name='demo', version='1', py_modules=['demo'],\n\
             entry_points={'console_scripts': ['demo=demo:main']})\n",
        )
        .file(
            "demo.py",
            "import argparse\ndef main():\n    argparse.ArgumentParser().parse_args()\n",
        );
    let made = world.setup(&request("demo")).unwrap();
    assert!(made.verified);
    assert_eq!(made.attempts.len(), 2);
    assert_eq!(made.attempts[0].stage, "build");
    assert_eq!(made.attempts[0].rule.as_deref(), Some("undeclared-build-requirement"));
    let lock = &made.environment.lock;
    assert_eq!(lock.extra_build_requirements["."], ["six"]);
    assert!(
        lock.deviations
            .iter()
            .any(|d| d.reason == "building demo imports six, which it does not declare")
    );
    assert!(!world.source().join("build").exists(), "the checkout is left alone");
}

#[test]
fn slow_what_cannot_be_mended_says_why() {
    let world = World::new();
    world
        .file("setup.py", "from setuptools import setup\nraise SystemExit('Error: no such luck')\n")
        .file("demo.py", "import argparse\nargparse.ArgumentParser().parse_args()\n");
    let mut request = request("demo.py");
    request.max_attempts = 2;
    let error = world.setup(&request).unwrap_err();
    assert_eq!(error.attempts().len(), 2);
    assert!(error.to_string().contains("no such luck"), "{error}");
    assert!(!error.hints().is_empty());
    assert_eq!(environments(&world.home), 0);
    let shelf = world.home.root().join("envs");
    assert_eq!(fs::read_dir(shelf).unwrap().count(), 0, "nothing half-made is left");
}

#[test]
fn slow_a_build_that_forks_without_end_is_stopped_and_named() {
    let world = World::new();
    // bounded, should nobody stop it
    let bomb = "from setuptools import setup\nimport os, time\n\
        for _ in range(3000):\n    if os.fork() == 0:\n        time.sleep(600)\n        os._exit(0)\n\
        time.sleep(600)\nsetup(name='demo', version='1', py_modules=['demo'])\n";
    world
        .file("setup.py", bomb)
        .file("demo.py", "import argparse\nargparse.ArgumentParser().parse_args()\n");
    let error = world.setup(&request("demo.py")).unwrap_err();
    assert!(error.to_string().contains("it starts processes without end"), "{error}");
    assert_eq!(error.attempts().len(), 1, "it would fork on any Python");
    assert!(error.hints().iter().any(|hint| hint.contains("setup.py")), "{:?}", error.hints());
    assert_eq!(environments(&world.home), 0);
}

#[test]
fn slow_a_package_that_installs_nothing_is_used_from_its_tree() {
    let world = World::new();
    let setup = "from setuptools import setup, find_packages\n\
        setup(name='demo', version='1', packages=find_packages())\n";
    world
        .file("setup.py", setup)
        // no `__init__.py`
        .file("demo/core.py", "answer = 42\n")
        .file(
            "bin/ask.py",
            "import argparse\nfrom demo import core\nargparse.ArgumentParser().parse_args()\n",
        );
    let made = world.setup(&request("bin/ask.py")).unwrap();
    assert!(made.verified);
    let lock = made.environment.lock;
    assert_eq!(lock.source.install, sizar_model::ProjectInstall::OnPath);
    assert!(lock.deviations.iter().any(|d| d.rule == "bld-nothing-installed"));
}

#[test]
fn slow_what_was_left_out_is_not_asked_for_again() {
    let world = World::new();
    world
        .file(
            "setup.py",
            "from setuptools import setup\n\
             setup(name='demo', version='1', py_modules=['demo'],\n\
             install_requires=['six', 'PIL', 'no-index-has-this-one'],\n\
             entry_points={'console_scripts': ['demo=demo:main']})\n",
        )
        .file(
            "demo.py",
            "import argparse, six\ndef main():\n    argparse.ArgumentParser().parse_args()\n",
        );
    let made = world.setup(&request("demo")).unwrap();
    assert!(made.verified);
    let rules: Vec<_> = made.attempts.iter().map(|attempt| attempt.rule.as_deref()).collect();
    assert_eq!(rules, [Some("not-on-index"), None]);
    let lock = made.environment.lock;
    // one that has another name in the index, and one that the index lacks
    assert_eq!(lock.left_out, ["pil", "no-index-has-this-one"]);
    // and a rebuild knows it from the lock
    let name = made.environment.path.file_name().unwrap();
    environment::remove(&world.home, name).unwrap();
    let mut locked = request("demo");
    locked.locked = Some(lock);
    assert!(world.setup(&locked).unwrap().verified);
}

#[test]
fn slow_what_no_index_has_and_the_code_imports_is_named() {
    let world = World::new();
    world.file("requirements.txt", "no-index-has-this-one\n").file(
        "train.py",
        "import argparse\nfrom no_index_has_this_one import layers\n\
         argparse.ArgumentParser().parse_args()\n",
    );
    let error = world.setup(&request("train.py")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no environment could be made for it: it cannot do without the module \
         no_index_has_this_one, and the index has no no-index-has-this-one"
    );
    assert!(error.hints().iter().any(|hint| hint.contains("--with")), "{:?}", error.hints());
}

#[test]
fn slow_a_lock_builds_the_same_again() {
    let world = World::new();
    world
        .file("requirements.txt", "six==1.15.0\n")
        .file("train.py", "import argparse, six\nargparse.ArgumentParser().parse_args()\n");
    let made = world.setup(&request("train.py")).unwrap();
    let lock = made.environment.lock.clone();
    let six = lock.packages.iter().find(|package| package.name == "six").unwrap();
    assert!(six.hashes.iter().all(|hash| hash.starts_with("sha256:")) && !six.hashes.is_empty());
    let name = made.environment.path.file_name().unwrap();
    environment::remove(&world.home, name).unwrap();
    let text = sizar_env::lock::write(&lock).unwrap();
    let mut locked = request("train.py");
    locked.locked = Some(sizar_env::lock::read(&text).unwrap());
    let again = world.setup(&locked).unwrap();
    assert_eq!(again.environment.path, made.environment.path);
    assert!(again.verified);
    // other bytes under the same name are refused
    let mut forged = lock.clone();
    for package in &mut forged.packages {
        package.hashes = vec![format!("sha256:{}", "0".repeat(64))];
    }
    let mut request = request("train.py");
    request.locked = Some(forged);
    let error = world.setup(&request).unwrap_err();
    assert!(error.to_string().to_lowercase().contains("hash"), "{error}");
}

#[test]
fn slow_two_setups_make_one_environment() {
    let world = World::new();
    world.python_scripts();
    let both = std::thread::scope(|scope| {
        let go = || scope.spawn(|| world.setup(&request("train.py")).unwrap());
        [go(), go()].map(|thread| thread.join().unwrap())
    });
    assert_eq!(both[0].environment.path, both[1].environment.path);
    assert_eq!(both.iter().filter(|setup| setup.cached).count(), 1, "the second waited");
    assert_eq!(environments(&world.home), 1);
}

#[test]
fn slow_hostile_builds_are_contained() {
    if detect() == SandboxKind::None {
        return;
    }
    let world = World::new();
    let target = world.root.join("outside");
    fs::write(&target, "untouched").unwrap();
    let hostile = format!(
        "from setuptools import setup\nimport os, socket\n\
         try:\n    open('{target}', 'w').write('hacked')\nexcept OSError:\n    pass\n\
         try:\n    open('{source}/hacked', 'w').write('hacked')\nexcept OSError:\n    pass\n\
         try:\n    socket.create_connection(('192.0.2.1', 80), 2)\n    open('escaped', 'w')\nexcept OSError:\n    pass\n\
         seen = os.path.exists('{target}') or os.path.exists('escaped')\n\
         setup(name='demo', version='1', py_modules=['demo', 'seen_it' if seen else 'demo'])\n",
        source = world.source(),
    );
    world
        .file("setup.py", &hostile)
        .file("demo.py", "import argparse\nargparse.ArgumentParser().parse_args()\n");
    let made = world.setup(&request("demo.py")).unwrap();
    assert!(made.verified);
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    assert!(!world.source().join("hacked").exists());
    let verification = made.environment.lock.verification.unwrap();
    assert_eq!(verification.sandbox, detect().name());
}

#[test]
fn slow_a_killed_setup_leaves_nothing_that_is_trusted() {
    if let Ok(folder) = std::env::var("SIZAR_TEST_FOLDER") {
        return setup_in(Utf8Path::new(&folder));
    }
    let points =
        ["setup:after-resolve", "setup:after-venv", "setup:after-install", "setup:before-ready"];
    for point in points.into_iter().chain(["setup:after-ready"]) {
        let world = World::new();
        world.python_scripts();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "slow_a_killed_setup_leaves_nothing_that_is_trusted"])
            .env("SIZAR_TEST_FOLDER", &world.root)
            .env("SIZAR_FAILPOINT", point)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!status.success(), "{point} was not reached");
        let whole = usize::from(point == "setup:after-ready");
        assert_eq!(environments(&world.home), whole, "{point}");
        let made = world.setup(&request("train.py")).unwrap();
        assert!(made.verified, "{point}");
        assert_eq!(environments(&world.home), 1, "{point}");
        assert!(collect_garbage(&world.home).unwrap().is_empty(), "{point}");
    }
}

/// The part of the test above that is killed.
fn setup_in(root: &Utf8Path) {
    helper::announce(env!("CARGO_BIN_EXE_sizar-helper").into());
    let world = World::at(root.to_owned());
    world.setup(&request("train.py")).unwrap();
}

#[test]
fn slow_a_failed_setup_is_kept_until_it_succeeds() {
    let world = World::new();
    world.file("train.py", "raise SystemExit('no such luck')\n");
    world.file("setup.py", "from setuptools import setup\nraise SystemExit('Error: no luck')\n");
    let mut wish = request("train.py");
    wish.max_attempts = 1;
    let error = world.setup(&wish).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.starts_with("`sizar explain source`")));
    let kept = environment::failure_of(&world.home, "source").unwrap();
    assert_eq!(kept.attempts.len(), 1);
    assert!(error.to_string().contains(&kept.cause), "{}", kept.cause);
}

/// Returns what keeps foreign code in on this machine, each of them.
fn sandboxes() -> Vec<SandboxKind> {
    let landlock = (landlock_abi() > 0).then_some(SandboxKind::Landlock);
    let bubblewrap = try_bubblewrap().is_ok().then_some(SandboxKind::Bubblewrap);
    landlock.into_iter().chain(bubblewrap).collect()
}

/// Returns every file below `folder` with its inode, its mode and its bytes.
fn contents(folder: &Utf8Path) -> BTreeMap<Utf8PathBuf, (u64, u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = Utf8PathBuf::from_path_buf(entry.unwrap().path()).unwrap();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            found.extend(contents(&path));
        } else if metadata.is_file() {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, (metadata.ino(), metadata.mode(), bytes));
        }
    }
    found
}

#[test]
fn slow_foreign_builds_do_not_reach_what_environments_share() {
    for kind in sandboxes() {
        let world = World::new();
        let driver = "import argparse, six\nargparse.ArgumentParser().parse_args()\n";
        world.file("requirements.txt", "six==1.15.0\n").file("train.py", driver);
        let request = |driver: &str| SetupRequest::new(kind, Some(driver.to_owned()));
        let first = world.setup(&request("train.py")).unwrap();
        let six = first.environment.path.join("lib");
        let six = contents(&six).into_iter().find(|(path, _)| path.ends_with("six.py")).unwrap();
        let archive = world.home.root().join("cache/uv");
        let before = contents(&archive);
        let shared = |inode: u64| before.values().any(|(other, ..)| *other == inode);
        assert!(shared(six.1.0), "{kind}: a wheel's file is a link to the cache");
        // it writes to each file that it can name, by all ways that there are
        let hostile = format!(
            "import os\n\
             for top in ['{home}/cache', '{home}/envs', '{home}/tools']:\n    \
             for folder, _, names in os.walk(top):\n        \
             for name in names + ['planted']:\n            \
             path = os.path.join(folder, name)\n            \
             if '/builds/' in path or name.startswith('python') or name == 'pyvenv.cfg':\n                continue\n            \
             for way in ('r+b', 'ab', 'wb'):\n                \
             try:\n                    open(path, way).write(b'hacked = 1\\n')\n                \
             except (IOError, OSError):\n                    pass\n            \
             try:\n                os.chmod(path, 0o777)\n            \
             except OSError:\n                pass\n\
             from setuptools import setup\n\
             setup(name='demo', version='1', py_modules=['demo'], install_requires=['six==1.15.0'])\n",
            home = world.home.root(),
        );
        world.file("setup.py", &hostile).file("demo.py", driver);
        let made = world.setup(&request("demo.py"));
        let after = contents(&archive);
        for (path, file) in &before {
            // its own pages of the index, which the second setup may have asked for again
            if path.as_str().contains("/archive-v") || path.as_str().contains("/wheels-v") {
                assert_eq!(after.get(path), Some(file), "{kind}: {path}");
            }
        }
        assert!(after.values().all(|(.., bytes)| !bytes.starts_with(b"hacked")), "{kind}");
        assert!(after.keys().all(|path| path.file_name() != Some("planted")), "{kind}");
        let (path, (_, _, bytes)) = six;
        assert_eq!(fs::read(&path).unwrap(), bytes, "{kind}: another environment is as it was");
        let made = made.unwrap();
        assert!(made.verified, "{kind}");
        let inside = contents(&made.environment.path.join("lib"));
        let (_, (inode, ..)) = inside.iter().find(|(path, _)| path.ends_with("six.py")).unwrap();
        assert!(shared(*inode), "{kind}");
        let demo = inside.iter().find(|(path, _)| path.ends_with("demo.py")).unwrap();
        assert!(!shared(demo.1.0), "{kind}: what was built is a copy");
    }
}

#[test]
fn slow_what_has_no_wheel_is_built_beside_what_has_one() {
    let world = World::new();
    world
        .file("requirements.txt", "six==1.15.0\ndocopt==0.6.2\n")
        .file("train.py", "import argparse, docopt, six\nargparse.ArgumentParser().parse_args()\n");
    let made = world.setup(&request("train.py")).unwrap();
    assert!(made.verified);
    // again from its lock alone, of which nobody remembers what has wheels, and offline
    let name = made.environment.path.file_name().unwrap();
    environment::remove(&world.home, name).unwrap();
    let mut again = request("train.py");
    again.locked = Some(made.environment.lock.clone());
    again.offline = true;
    let again = world.setup(&again).unwrap();
    assert!(again.verified);
    assert_eq!(again.environment.path, made.environment.path);
    // what was built is in the source's own cache, and goes with its last environment
    let builds = world.home.root().join("cache/builds");
    assert_eq!(fs::read_dir(&builds).unwrap().count(), 1);
    let shared = contents(&world.home.root().join("cache/uv"));
    assert!(shared.keys().all(|path| !path.as_str().contains("docopt.py")));
    environment::remove(&world.home, name).unwrap();
    collect_garbage(&world.home).unwrap();
    assert_eq!(fs::read_dir(&builds).unwrap().count(), 0);
}
