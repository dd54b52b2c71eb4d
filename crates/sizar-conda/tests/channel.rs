//! Solving and installing from a channel that the test makes.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_conda::{Conda, CondaError, Installed, Question, Settings, Solution, VirtualPackages};
use sizar_model::{CondaPackage, Silent};
use sizar_testkit::{CondaChannel, CondaRecipe, Form};

/// The prefix that old conda builds were made for: as long as a path may become.
fn placeholder() -> String {
    format!("/opt/conda_build_env{}", "_placehold".repeat(20))
}

struct World {
    folder: tempfile::TempDir,
    channel: CondaChannel,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let channel = CondaChannel::new(root.join("channel"));
        Self { folder, channel }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    fn conda(&self) -> Conda {
        Conda::open(Settings::default(), &self.path("cache"), false).unwrap()
    }

    fn solve_at(&self, packages: &[&str], date: Option<&str>) -> Result<Solution, CondaError> {
        let conda = self.conda();
        let channels = conda.settings().resolve(&[self.channel.address()]).unwrap();
        let packages: Vec<String> = packages.iter().map(|one| (*one).to_owned()).collect();
        let question = Question {
            channels: &channels,
            packages: &packages,
            platform: "linux-x86_64",
            exclude_newer: date.map(|date| date.parse().unwrap()),
            virtual_packages: VirtualPackages { glibc: Some("2.28".into()), cuda: None },
        };
        conda.solve(&question, &Silent)
    }

    fn solve(&self, packages: &[&str]) -> Solution {
        self.solve_at(packages, None).unwrap()
    }

    fn install(&self, packages: &[CondaPackage], prefix: &str) -> Result<Installed, CondaError> {
        let prefix = self.path(prefix);
        self.conda().install(packages, &prefix, &prefix, &Silent)
    }

    /// A library in both forms, and a program that needs it.
    fn with_demo(self) -> Self {
        let recipe = |version: &str| {
            CondaRecipe::new("demo-lib", version)
                .noarch("generic")
                .file("share/demo/version", version)
        };
        self.channel.add(&recipe("1.0").form(Form::TarBz2).built_at(1_500_000_000));
        self.channel.add(&recipe("1.1").built_at(1_550_000_000));
        self.channel.add(&recipe("2.0").built_at(1_700_000_000));
        let prefix = placeholder();
        let mut binary = b"\x7fELF\0\0".to_vec();
        binary.extend(prefix.as_bytes());
        binary.extend(b"/lib\0\0after");
        self.channel.add(
            &CondaRecipe::new("demo-tool", "0.3")
                .depends("demo-lib >=1.0")
                .depends("__glibc >=2.17")
                .built_at(1_540_000_000)
                .program("bin/demo-tool", format!("#!{prefix}/bin/sh\necho {prefix}\n"))
                .placeholder("bin/demo-tool", &prefix, "text")
                .file("lib/libdemo.so", binary)
                .placeholder("lib/libdemo.so", &prefix, "binary")
                .program("bin/.demo-tool-post-link.sh", "#!/bin/sh\ntouch $PREFIX/ran\n"),
        );
        self
    }
}

fn releases(solution: &Solution) -> Vec<String> {
    solution.packages.iter().map(|one| format!("{} {}", one.name, one.version)).collect()
}

#[test]
fn a_channel_of_a_folder_is_solved_and_installed() {
    let world = World::new().with_demo();
    let solution = world.solve(&["demo-tool"]);
    assert_eq!(releases(&solution), ["demo-lib 2.0", "demo-tool 0.3"]);
    assert_eq!(solution.changes, Vec::<String>::new());
    let tool = &solution.packages[1];
    assert_eq!(tool.url, format!("{}/linux-64/demo-tool-0.3-0.conda", world.channel.address()));
    assert_eq!(tool.sha256.len(), 64);

    let installed = world.install(&solution.packages, "prefix").unwrap();
    let prefix = world.path("prefix");
    assert_eq!(fs::read_to_string(prefix.join("share/demo/version")).unwrap(), "2.0");
    // both kinds of files speak of the folder that they lie in now
    let script = fs::read_to_string(prefix.join("bin/demo-tool")).unwrap();
    assert_eq!(script, format!("#!{prefix}/bin/sh\necho {prefix}\n"));
    let mode = fs::metadata(prefix.join("bin/demo-tool")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
    let binary = fs::read(prefix.join("lib/libdemo.so")).unwrap();
    let text = String::from_utf8_lossy(&binary);
    assert!(text.contains(&format!("{prefix}/lib\0")), "{text:?}");
    assert!(text.ends_with("after") && !text.contains("placehold"));
    assert_eq!(binary.len(), 6 + placeholder().len() + "/lib\0\0after".len());
    // its script is named, and did not run
    assert_eq!(installed.scripts_not_run, ["demo-tool"]);
    assert!(!prefix.join("ran").exists());
    assert!(prefix.join("conda-meta/demo-tool-0.3-0.json").is_file());
}

#[test]
fn a_file_in_a_prefix_is_no_file_of_the_cache() {
    let world = World::new().with_demo();
    let solution = world.solve(&["demo-lib"]);
    world.install(&solution.packages, "one").unwrap();
    fs::write(world.path("one/share/demo/version"), "changed").unwrap();
    world.install(&solution.packages, "two").unwrap();
    assert_eq!(fs::read_to_string(world.path("two/share/demo/version")).unwrap(), "2.0");
}

#[test]
fn both_forms_of_packages_are_read_as_of_a_date() {
    let world = World::new().with_demo();
    let at = |date| releases(&world.solve_at(&["demo-lib"], Some(date)).unwrap());
    assert_eq!(at("2018-01-01T00:00:00Z"), ["demo-lib 1.0"]);
    assert_eq!(at("2020-01-01T00:00:00Z"), ["demo-lib 1.1"]);
    let old = world.solve_at(&["demo-lib"], Some("2018-01-01T00:00:00Z")).unwrap();
    assert!(old.packages[0].url.ends_with("demo-lib-1.0-0.tar.bz2"));
    world.install(&old.packages, "prefix").unwrap();
    assert_eq!(fs::read_to_string(world.path("prefix/share/demo/version")).unwrap(), "1.0");
}

#[test]
fn what_no_channel_has_is_dropped_and_told() {
    let world = World::new().with_demo();
    let solution = world.solve(&[
        "demo-tool=0.3=h1234_5",
        "demo-lib=1.0.7",
        "vs2015_runtime=14.0",
        "__cuda",
        "numpy[version=",
    ]);
    assert_eq!(releases(&solution), ["demo-lib 1.0", "demo-tool 0.3"]);
    assert_eq!(solution.dropped, ["vs2015_runtime"]);
    let expected = [
        "`demo-tool=0.3=h1234_5` is not built for linux-x86_64: `demo-tool ==0.3` is taken",
        "`demo-lib=1.0.7` is in no channel in this version for linux-x86_64: `demo-lib 1.0.*` is taken",
        "`vs2015_runtime` is left out: no channel has it for linux-x86_64",
    ];
    for sentence in expected {
        assert!(solution.changes.iter().any(|said| said == sentence), "{:?}", solution.changes);
    }
    assert!(solution.changes.iter().any(|said| said.starts_with("`numpy[version=` is left out")));
}

#[test]
fn what_does_not_fit_together_is_asked_more_loosely_or_explained() {
    let world = World::new().with_demo();
    world.channel.add(&CondaRecipe::new("late", "1.0").depends("demo-lib >=2"));
    world.channel.add(&CondaRecipe::new("late", "1.1").depends("demo-lib >=1"));
    let solution = world.solve(&["late=1.0", "demo-lib=1.1"]);
    assert_eq!(releases(&solution).len(), 2);
    let told = solution.changes.join("\n");
    assert!(told.contains("only names and Python's version are kept"), "{told}");

    world.channel.add(&CondaRecipe::new("lost", "1").depends("gone >=3"));
    let error = world.solve_at(&["lost"], None).unwrap_err();
    let CondaError::Unsolvable { reason } = &error else { panic!("{error:?}") };
    assert!(reason.contains("gone"), "{reason}");
}

#[test]
fn a_package_that_changed_since_is_refused() {
    let world = World::new().with_demo();
    let mut solution = world.solve(&["demo-lib"]);
    solution.packages[0].sha256 = "0a".repeat(32);
    let error = world.install(&solution.packages, "prefix").unwrap_err();
    assert!(matches!(&error, CondaError::Fetch { package, .. } if package.contains("demo-lib")));
    assert!(!world.path("prefix/share").exists());
}

#[test]
fn a_package_cannot_write_outside_its_prefix() {
    let world = World::new().with_demo();
    // a list of files may name what lies beside the package
    world
        .channel
        .add(&CondaRecipe::new("hostile", "1").file("evil", "evil").listed("../hostile-1-0/evil"));
    let solution = world.solve(&["hostile"]);
    let error = world.install(&solution.packages, "prefixes/one").unwrap_err();
    assert!(matches!(&error, CondaError::Escape { path, .. } if path == "../hostile-1-0/evil"));
    assert!(!world.path("prefixes/hostile-1-0").exists());
}

#[test]
fn a_prefix_can_be_made_elsewhere_than_it_will_lie() {
    let world = World::new().with_demo();
    let solution = world.solve(&["demo-tool"]);
    let (stage, home) = (world.path("stage"), world.path("home"));
    world.conda().install(&solution.packages, &stage, &home, &Silent).unwrap();
    fs::rename(&stage, &home).unwrap();
    let script = fs::read_to_string(home.join("bin/demo-tool")).unwrap();
    assert_eq!(script, format!("#!{home}/bin/sh\necho {home}\n"));
}

#[test]
fn links_stay_links_and_cannot_leave_the_prefix() {
    let world = World::new();
    let inside = CondaRecipe::new("inside", "1").file("lib/libx.so.1", "library");
    world.channel.add(&inside.link("lib/libx.so", "libx.so.1"));
    world.install(&world.solve(&["inside"]).packages, "prefix").unwrap();
    let link = fs::read_link(world.path("prefix/lib/libx.so")).unwrap();
    assert_eq!(link.to_str(), Some("libx.so.1"));

    world.channel.add(&CondaRecipe::new("outside", "1").link("lib/home", "/root"));
    let error = world.install(&world.solve(&["outside"]).packages, "other").unwrap_err();
    assert!(matches!(error, CondaError::Install { .. } | CondaError::Fetch { .. }), "{error:?}");
    assert!(fs::symlink_metadata(world.path("other/lib/home")).is_err());
}

#[test]
fn an_archive_that_is_another_package_is_refused() {
    let world = World::new().with_demo();
    let solution = world.solve(&["demo-lib"]);
    let mut package = solution.packages[0].clone();
    package.version = "9.9".into();
    let error = world.install(&[package], "prefix").unwrap_err();
    assert!(
        matches!(&error, CondaError::Impostor { says, .. } if says == "demo-lib 2.0 0"),
        "{error:?}"
    );
}

#[test]
fn silent_channels_are_told_from_those_that_answer() {
    let world = World::new().with_demo();
    let conda = world.conda();
    // a port of this machine that nobody listens to
    let written = [
        world.channel.address(),
        world.path("nothing").to_string(),
        "http://127.0.0.1:9/conda".to_owned(),
    ];
    let channels = conda.settings().resolve(&written).unwrap();
    let answers = conda.answers(&channels);
    assert_eq!(answers[0].silence, None);
    assert!(answers[1].silence.as_deref().unwrap().ends_with("has no package list"));
    assert!(answers[2].silence.is_some());
    assert_eq!(answers[2].channel, channels[2]);
}

#[test]
fn a_mirror_in_a_folder_is_asked_and_the_lock_names_the_channel() {
    let world = World::new().with_demo();
    let settings = Settings::read(&format!("demo={}", world.channel.address()), "").unwrap();
    let conda = Conda::open(settings, &world.path("cache"), true).unwrap();
    let channels = conda.settings().resolve(&["demo".to_owned()]).unwrap();
    let question = Question {
        channels: &channels,
        packages: &["demo::demo-lib=1".to_owned()],
        platform: "linux-x86_64",
        exclude_newer: None,
        virtual_packages: VirtualPackages::default(),
    };
    let solution = conda.solve(&question, &Silent).unwrap();
    let url = &solution.packages[0].url;
    assert_eq!(url, "https://conda.anaconda.org/demo/noarch/demo-lib-1.1-0.conda");
    let prefix = world.path("prefix");
    conda.install(&solution.packages, &prefix, &prefix, &Silent).unwrap();
    assert!(prefix.join("share/demo/version").is_file());
    let versions = conda.versions(&channels, "demo-lib", "linux-x86_64").unwrap();
    assert_eq!(versions, ["1.0", "1.1", "2.0"]);
}
