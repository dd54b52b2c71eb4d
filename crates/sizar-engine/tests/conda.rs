//! Environments that conda gives, from channels that the tests make.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_engine::environment::interpreters::{self, Interpreter};
use sizar_engine::environment::{Setup, SetupError, SetupRequest, setup};
use sizar_engine::home::Home;
use sizar_engine::sandbox::{detect, helper};
use sizar_inspect::InspectOptions;
use sizar_model::{Checkout, Digest, EnvLock, Silent, Source, VerificationLevel};
use sizar_testkit::{CondaChannel, CondaRecipe, packed_python};

struct World {
    _folder: tempfile::TempDir,
    root: Utf8PathBuf,
    home: Home,
}

impl World {
    fn new() -> Self {
        helper::announce(env!("CARGO_BIN_EXE_sizar-helper").into());
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        fs::create_dir_all(root.join("source")).unwrap();
        Self { home: Home::at(root.join("home")), root, _folder: folder }
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        fs::write(self.root.join("source").join(name), text).unwrap();
        self
    }

    fn setup_in(&self, home: &Home, request: &SetupRequest) -> Result<Setup, SetupError> {
        let path = self.root.join("source");
        let date = Some("2021-06-01T00:00:00Z".parse().unwrap());
        let mut inspection = sizar_inspect::inspect(&path, &InspectOptions::default()).unwrap();
        inspection.commit_date = date;
        let source = Source {
            locator: "source".into(),
            revision: None,
            digest: Digest::of(&serde_json::to_vec(&inspection).unwrap()),
            date,
            code_date: None,
            tag: None,
            own: false,
        };
        let checkout = Checkout { source, path, notes: Vec::new() };
        setup(home, &checkout, &inspection, request, &Silent)
    }

    fn setup(&self) -> Setup {
        self.setup_in(&self.home, &request()).unwrap()
    }

    /// A Python of this machine that can be taken elsewhere: the system's own cannot.
    fn python(&self) -> Interpreter {
        let found = interpreters::find(&self.home).unwrap();
        let movable = |python: &&Interpreter| {
            !python.prefix.starts_with("/usr") && (8..13).contains(&python.version.minor)
        };
        found.usable.iter().find(movable).expect("a Python outside /usr").clone()
    }
}

fn request() -> SetupRequest {
    SetupRequest::new(detect(), Some("train.py".to_owned()))
}

fn packed(python: &Interpreter) -> CondaRecipe {
    packed_python(&python.prefix, &python.version.to_string())
}

fn conda_names(lock: &EnvLock) -> Vec<&str> {
    let mut names: Vec<_> = lock.conda.iter().map(|package| package.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn reasons(lock: &EnvLock, rule: &str) -> Vec<String> {
    let found = lock.deviations.iter().filter(|deviation| deviation.rule == rule);
    found.map(|deviation| deviation.reason.clone()).collect()
}

#[test]
fn slow_an_environment_file_is_solved_verified_and_built_again_from_its_lock() {
    let world = World::new();
    let python = world.python();
    let minor = python.version.without_patch();
    let channel = CondaChannel::new(world.root.join("channel"));
    channel.add(&packed(&python));
    channel.add(
        &CondaRecipe::new("demo-lib", "1.0")
            .noarch("python")
            .depends("python >=3")
            .built_at(1_500_000_000)
            .file("site-packages/demo_lib.py", "def main():\n    print('from conda')\n")
            .entry_point("demo-lib = demo_lib:main"),
    );
    channel.add(
        &CondaRecipe::new("demo-tool", "2.0")
            .built_at(1_500_000_000)
            .program("bin/demo-tool", "#!/bin/sh\necho tool\n")
            .program("bin/.demo-tool-post-link.sh", "#!/bin/sh\nfalse\n"),
    );
    world
        .file(
            "environment.yml",
            &format!(
                "name: x\nchannels:\n  - {}\n  - file:///nowhere\ndependencies:\n  \
                 - python={minor}\n  - demo-lib=1.0=py27_0\n  - demo-tool\n  \
                 - vs2015_runtime=14\n  - pip:\n    - six==1.15.0\n",
                channel.address()
            ),
        )
        .file(
            "train.py",
            "import argparse\nimport subprocess\nimport demo_lib\nimport six\n\
             subprocess.check_call(['demo-tool'])\n\
             subprocess.check_call(['demo-lib'])\n\
             argparse.ArgumentParser().parse_args()\n",
        );
    let made = world.setup();
    assert!(made.verified, "{:?}", made.environment.lock.verification);
    let lock = &made.environment.lock;
    assert_eq!(lock.verification.as_ref().unwrap().level, VerificationLevel::Answers);
    assert_eq!(conda_names(lock), ["demo-lib", "demo-tool", "python"]);
    assert_eq!(lock.python, python.version);
    let index: Vec<_> =
        lock.packages.iter().map(|p| format!("{}=={}", p.name, p.version)).collect();
    assert!(index.contains(&"six==1.15.0".to_owned()), "{index:?}");
    assert!(!index.iter().any(|package| package.starts_with("demo")), "{index:?}");
    let loosened = reasons(lock, "conda-loosened").join("\n");
    assert!(loosened.contains("`vs2015_runtime` is left out"), "{loosened}");
    assert!(loosened.contains("`demo-lib=1.0=py27_0` is not built for"), "{loosened}");
    assert_eq!(
        reasons(lock, "conda-silent"),
        ["these conda channels do not answer: file:///nowhere"]
    );
    let scripts = "conda's scripts of demo-tool were not run: they run outside every sandbox";
    assert!(made.notes.iter().any(|note| note == scripts), "{:?}", made.notes);
    // the interpreter is the environment's own, and knows where it lies
    let prefix = &made.environment.path;
    let program = prefix.join("bin/python").canonicalize_utf8().unwrap();
    assert!(program.starts_with(prefix), "{program}");
    let data = sysconfig_data(prefix, minor.minor);
    assert!(data.contains(prefix.as_str()) && !data.contains(python.prefix.as_str()));

    // elsewhere, the same from the lock; the channel's list is not needed for it
    fs::remove_file(world.root.join("channel/linux-64/repodata.json")).unwrap();
    let other = Home::at(world.root.join("other"));
    let locked = SetupRequest { locked: Some(lock.clone()), ..request() };
    let again = world.setup_in(&other, &locked).unwrap();
    assert!(again.verified);
    assert_eq!(again.environment.lock.conda, lock.conda);
    assert_eq!(again.environment.path.file_name(), prefix.file_name());

    // and not from an archive that has changed
    let archive = world.root.join("channel/noarch/demo-lib-1.0-0.conda");
    fs::write(&archive, b"something else").unwrap();
    let third = Home::at(world.root.join("third"));
    let error = world.setup_in(&third, &locked).unwrap_err();
    assert!(error.to_string().contains("demo-lib"), "{error}");
}

fn sysconfig_data(prefix: &Utf8Path, minor: u8) -> String {
    let library = prefix.join(format!("lib/python3.{minor}"));
    let name = fs::read_dir(&library)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .find(|name| name.starts_with("_sysconfigdata") && name.ends_with(".py"))
        .unwrap();
    fs::read_to_string(library.join(name)).unwrap()
}

#[test]
fn slow_without_a_channel_conda_packages_become_wheels() {
    let world = World::new();
    let minor = world.python().version.without_patch();
    world
        .file(
            "environment.yml",
            &format!(
                "channels:\n  - file:///nowhere\ndependencies:\n  - python={minor}\n  \
                 - ruamel_yaml\n  - ffmpeg\n  - pip:\n    - six\n"
            ),
        )
        .file(
            "train.py",
            "import argparse\nimport six\nimport ruamel.yaml\n\
             argparse.ArgumentParser().parse_args()\n",
        );
    let made = world.setup();
    assert!(made.verified);
    let lock = &made.environment.lock;
    assert!(lock.conda.is_empty());
    assert!(lock.packages.iter().any(|package| package.name == "ruamel-yaml"));
    assert_eq!(
        reasons(lock, "conda-translated"),
        ["no conda channel answered (file:///nowhere): translated to wheels"]
    );
}

#[test]
fn slow_what_conda_cannot_solve_becomes_wheels() {
    let world = World::new();
    let python = world.python();
    let minor = python.version.without_patch();
    let channel = CondaChannel::new(world.root.join("channel"));
    // the list has a Python; what is asked beside it needs what nobody has
    channel.add(&CondaRecipe::new("python", &python.version.to_string()).depends("lost >=3"));
    channel.add(&CondaRecipe::new("six", "1.15.0"));
    world
        .file(
            "environment.yml",
            &format!(
                "channels:\n  - {}\ndependencies:\n  - python={minor}\n  - six=1.15.0\n",
                channel.address()
            ),
        )
        .file("train.py", "import argparse\nimport six\nargparse.ArgumentParser().parse_args()\n");
    let made = world.setup();
    assert!(made.verified);
    assert_eq!(made.attempts.len(), 2);
    assert_eq!(made.attempts[0].rule.as_deref(), Some("conda-translated"));
    let lock = &made.environment.lock;
    assert!(lock.packages.iter().any(|package| package.name == "six"));
    let told = reasons(lock, "conda-translated").join("\n");
    assert!(told.starts_with("conda cannot fit these packages together"), "{told}");
    assert!(told.contains("lost"), "{told}");
}

#[test]
fn slow_what_conda_gives_and_does_not_work_becomes_wheels() {
    let world = World::new();
    let python = world.python();
    let minor = python.version.without_patch();
    let channel = CondaChannel::new(world.root.join("channel"));
    channel.add(&packed(&python));
    channel.add(
        &CondaRecipe::new("six", "1.15.0")
            .noarch("python")
            .depends("python >=3")
            .built_at(1_500_000_000)
            .file(
                "site-packages/six.py",
                "raise RuntimeError('libsix.so.1 was built elsewhere')\n",
            ),
    );
    world
        .file(
            "environment.yml",
            &format!(
                "channels:\n  - {}\ndependencies:\n  - python={minor}\n  - six=1.15.0\n",
                channel.address()
            ),
        )
        .file("train.py", "import argparse\nimport six\nargparse.ArgumentParser().parse_args()\n");
    let made = world.setup();
    assert!(made.verified, "{:?}", made.attempts);
    let lock = &made.environment.lock;
    assert!(lock.conda.is_empty());
    assert!(lock.packages.iter().any(|package| package.name == "six"));
    let told = reasons(lock, "conda-translated").join("\n");
    assert!(told.starts_with("what conda gave was not seen to work"), "{told}");
    let translated = made.attempts.iter().find(|a| a.rule.as_deref() == Some("conda-translated"));
    assert_eq!(translated.unwrap().stage, "import");
}
