//! Each known breakage against output that was captured from a real failure.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use sizar_env::knowledge::{Stage, breakages};
use sizar_env::repair::{Facts, Failure, Outcome, Repairer};
use sizar_model::{EnvSpec, ProjectInstall, PythonVersion};

fn fixtures() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/breakages")
}

fn pythons() -> Vec<PythonVersion> {
    (6..=14).map(|minor| PythonVersion::minor(3, minor)).collect()
}

fn spec(minor: u8) -> EnvSpec {
    EnvSpec {
        python: PythonVersion::minor(3, minor),
        requirements: vec!["numpy==1.99.1".into(), "pycocotools==2.0.0".into()],
        constraints: Vec::new(),
        project: ProjectInstall::Install,
        exclude_newer: Some("2019-06-01T00:00:00Z".parse().unwrap()),
        exclude_newer_package: BTreeMap::new(),
        build_constraints: Vec::new(),
        extra_build_requirements: BTreeMap::new(),
        metadata: BTreeMap::new(),
        shims: Vec::new(),
        installer: sizar_model::Installer::Uv,
        build_steps: Vec::new(),
        conda: None,
        variables: BTreeMap::new(),
        deviations: Vec::new(),
    }
}

/// Repairs `spec` after `output`, as the source `demo`.
fn repaired(repairer: &mut Repairer, spec: &EnvSpec, stage: Stage, output: &str) -> Outcome {
    let pythons = pythons();
    let facts = Facts {
        conda: false,
        pythons: &pythons,
        available: &pythons,
        package: Some("demo"),
        undeclared: &["numpy".to_owned()],
        distribution_of: &|module| (module == "six").then(|| "six".to_owned()),
    };
    repairer.next(spec, Failure { stage, output }, &facts)
}

fn first(spec: &EnvSpec, stage: Stage, output: &str) -> (EnvSpec, String) {
    match repaired(&mut Repairer::default(), spec, stage, output) {
        Outcome::Repair { spec, rule, .. } => (*spec, rule),
        other => panic!("{other:?}"),
    }
}

fn captured(name: &str) -> String {
    fs_err::read_to_string(fixtures().join(name)).unwrap()
}

#[test]
fn every_row_matches_what_was_captured() {
    let mut used = BTreeSet::new();
    for row in breakages() {
        let name = row.fixture.as_deref().unwrap_or_else(|| panic!("{} has no fixture", row.id));
        let output = captured(name);
        assert!(row.symptom.is_match(&output), "{} does not match {name}", row.id);
        used.insert(name.to_owned());
    }
    for entry in fs_err::read_dir(fixtures()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(used.contains(&name), "no row uses {name}");
    }
}

#[test]
fn every_row_leads_to_a_repair_or_says_what_to_do() {
    for row in breakages() {
        let output = captured(row.fixture.as_deref().unwrap());
        let stage = row.stages.first().copied().unwrap_or(Stage::Import);
        // the newest Python for what a newer one broke, and the oldest for what needs a newer one
        for minor in [14, 6] {
            let before = spec(minor);
            match repaired(&mut Repairer::default(), &before, stage, &output) {
                Outcome::Repair { spec, .. } => {
                    assert_eq!(spec.deviations.len(), 1, "{}: a repair has a reason", row.id);
                }
                Outcome::Explained { cause, .. } => assert!(!cause.contains('{'), "{cause}"),
                Outcome::Unexplained { cause } => panic!("{}: {cause}", row.id),
            }
        }
    }
}

#[test]
fn every_row_is_reached_by_its_own_symptom() {
    // a general row before a special one would hide it
    for row in breakages() {
        let output = captured(row.fixture.as_deref().unwrap());
        let reaching = |other: &sizar_env::knowledge::Breakage| {
            (other.stages.is_empty() || row.stages.iter().any(|stage| other.stages.contains(stage)))
                && other.symptom.is_match(&output)
        };
        let first = breakages().iter().find(|other| reaching(other)).unwrap();
        let alike = first.id == row.id || first.repair == row.repair || !first.repair.is_empty();
        assert!(alike, "{} is hidden by {}", row.id, first.id);
    }
}

#[test]
fn a_python_that_is_too_new_is_left() {
    let (next, rule) = first(&spec(12), Stage::Import, &captured("py310-collections-abc.txt"));
    assert_eq!((next.python, rule.as_str()), (PythonVersion::minor(3, 9), "py310-collections-abc"));
}

#[test]
fn a_build_gets_what_it_does_not_declare() {
    let output = "error: Failed to build `pycocotools==2.0.0`\n  ModuleNotFoundError: No module named 'Cython'\n";
    let (next, _) = first(&spec(7), Stage::Build, output);
    assert_eq!(next.extra_build_requirements["pycocotools"], ["Cython"]);
    let own = "error: Failed to build `demo @ file:///src`\n  ModuleNotFoundError: No module named 'numpy.distutils'\n";
    let (next, _) = first(&spec(7), Stage::Build, own);
    assert_eq!(next.extra_build_requirements["."], ["numpy"]);
    let tools = "error: Failed to build `demo @ file:///src`\n  ModuleNotFoundError: No module named 'pkg_resources'\n";
    let (next, _) = first(&spec(7), Stage::Build, tools);
    assert_eq!(next.build_constraints, ["setuptools<81"]);
}

#[test]
fn wheels_choose_the_python() {
    let output = "hint: You require CPython 3.10 (`cp310`), but we only found wheels for `tensorflow` (v1.15.0) with the following Python ABI tags: `cp27m`, `cp36m`, `cp37m`\n";
    let (next, rule) = first(&spec(10), Stage::Resolve, output);
    assert_eq!(rule, "wheel-tags");
    assert!(next.python <= PythonVersion::minor(3, 7));
}

#[test]
fn pins_are_loosened_step_by_step_and_no_state_is_tried_twice() {
    let output = "error: No solution found when resolving dependencies\n  cause: Because there is no version of numpy==1.99.1 and you require numpy==1.99.1, we can conclude that your requirements are unsatisfiable.\n";
    let mut repairer = Repairer::default();
    let mut spec = spec(7);
    let mut seen = Vec::new();
    while let Outcome::Repair { spec: next, .. } =
        repaired(&mut repairer, &spec, Stage::Resolve, output)
    {
        spec = *next;
        assert!(!seen.contains(&spec), "a state came back");
        seen.push(spec.clone());
        assert!(seen.len() < 20, "it does not end");
    }
    let numpy: Vec<_> = seen.iter().filter_map(|spec| spec.requirements.first().cloned()).collect();
    assert_eq!(numpy[0], "numpy==1.99.*");
    assert!(numpy.contains(&"numpy".to_owned()));
}

#[test]
fn a_missing_module_is_added_only_where_a_table_knows_it() {
    let known = "Traceback\nModuleNotFoundError: No module named 'six.moves'\n";
    let (next, rule) = first(&spec(7), Stage::Import, known);
    assert_eq!(rule, "missing-module");
    assert!(next.requirements.contains(&"six".to_owned()));
    let strange = "Traceback\nModuleNotFoundError: No module named 'encoding'\n";
    let outcome = repaired(&mut Repairer::default(), &spec(7), Stage::Import, strange);
    let cause = "ModuleNotFoundError: No module named 'encoding'".to_owned();
    assert_eq!(outcome, Outcome::Unexplained { cause });
}

#[test]
fn what_came_later_gets_a_later_date_of_its_own() {
    let output = "hint: `pycocotools` was filtered by `exclude-newer` to only include packages uploaded before 2019-06-01T00:00:00Z. The latest version satisfying the requirement is v2.0.8, published at 2024-06-20T19:01:35.678Z. Consider\n";
    let (next, rule) = first(&spec(7), Stage::Resolve, output);
    assert_eq!(rule, "later-date");
    assert!(next.exclude_newer_package["pycocotools"] > next.exclude_newer.unwrap());
    assert_eq!(next.exclude_newer, spec(7).exclude_newer);
}
