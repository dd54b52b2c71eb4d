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
        source_edits: Vec::new(),
        variables: BTreeMap::new(),
        deviations: Vec::new(),
    }
}

/// Repairs `spec` after `output`, as the source `demo`.
fn repaired(repairer: &mut Repairer, spec: &EnvSpec, stage: Stage, output: &str) -> Outcome {
    let pythons = pythons();
    let facts = Facts {
        pythons: &pythons,
        available: &pythons,
        package: Some("demo"),
        undeclared: &["numpy".to_owned()],
        imported: &[],
        date: None,
        first_release_after: &|_, _| None,
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
fn code_for_python_2_goes_to_python_2_where_the_evidence_allows_it() {
    let two = PythonVersion::minor(2, 7);
    let output = captured("py2-except-comma.txt");
    let repaired = |pythons: &[PythonVersion]| {
        let all = [pythons, &[two]].concat();
        let facts = Facts {
            pythons,
            available: &all,
            package: None,
            undeclared: &[],
            imported: &[],
            date: None,
            first_release_after: &|_, _| None,
            distribution_of: &|_| None,
        };
        let failure = Failure { stage: Stage::Import, output: &output };
        Repairer::default().next(&spec(6), failure, &facts)
    };
    let three = PythonVersion::minor(3, 6);
    let Outcome::Repair { spec, rule, .. } = repaired(&[three, two]) else { panic!() };
    assert_eq!((spec.python, rule.as_str()), (two, "py2-except-comma"));
    assert_eq!(spec.installer, sizar_model::Installer::Pip);
    assert!(matches!(repaired(&[three]), Outcome::Explained { .. }));
}

#[test]
fn what_uv_does_not_read_goes_to_pip_of_the_era() {
    // of uv 0.13.9, for a release whose metadata could not be mended
    let output = "error: No solution found when resolving dependencies\nhint: Metadata for `gym` (v0.21.0) could not be parsed:\n";
    let (next, rule) = first(&spec(8), Stage::Resolve, output);
    assert_eq!((next.installer, rule.as_str()), (sizar_model::Installer::Pip, "other-engine"));
    assert_eq!(next.python, spec(8).python);
    // pip of the era does not run on a Python that came after it
    let outcome = repaired(&mut Repairer::default(), &spec(12), Stage::Resolve, output);
    assert!(matches!(outcome, Outcome::Unexplained { .. }), "{outcome:?}");
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

// what uv 0.13.9 printed where the host cannot be reached
#[test]
fn a_git_address_that_does_not_answer_gives_way_to_a_release() {
    let output = "error: Failed to download and build `pycocotools @ git+https://example.org/coco.git`\n  cause: Git operation failed\n  cause: failed to clone into: /cache/git-v0/db/0e9a\n  cause: failed to fetch branch or tag `HEAD`\n";
    let mut spec = spec(7);
    spec.requirements[1] = "pycocotools @ git+https://example.org/coco.git".into();
    let mut repairer = Repairer::default();
    let Outcome::Repair { spec: next, rule, .. } =
        repaired(&mut repairer, &spec, Stage::Build, output)
    else {
        panic!("no way out")
    };
    // nothing imports it: it is left out first
    assert_eq!((next.requirements.len(), rule.as_str()), (1, "unused-dropped"));
    repairer.note(&next);
    let Outcome::Repair { spec: next, rule, .. } =
        repaired(&mut repairer, &spec, Stage::Build, output)
    else {
        panic!("no way out")
    };
    assert_eq!(rule, "git-unreachable");
    assert_eq!(next.requirements[1], "pycocotools");
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

#[test]
fn a_shim_comes_last_and_then_it_comes() {
    let mut repairer = Repairer::default();
    let aliases = captured("np-aliases.txt");
    let before = spec(10);
    let Outcome::Repair { spec: pinned, .. } =
        repaired(&mut repairer, &before, Stage::Import, &aliases)
    else {
        panic!("it is not repaired")
    };
    assert!(pinned.shims.is_empty(), "an older release goes before a shim");
    // the older release cannot be had
    let mut next = pinned;
    let mut steps = 0;
    while next.shims.is_empty() {
        let output = "error: something that no rule knows\n";
        match repaired(&mut repairer, &next, Stage::Resolve, output) {
            Outcome::Repair { spec, .. } => next = spec,
            other => panic!("{other:?}"),
        }
        steps += 1;
        assert!(steps < 20, "it does not end");
    }
    assert_eq!(next.shims, ["numpy-aliases"]);
    assert_eq!(next.constraints, before.constraints, "the pin that led nowhere is gone");
}

#[test]
fn a_python_that_was_asked_for_is_kept_by_a_shim() {
    let pythons = [PythonVersion::minor(3, 12)];
    let facts = Facts {
        pythons: &pythons,
        available: &pythons,
        package: None,
        undeclared: &[],
        imported: &[],
        date: None,
        first_release_after: &|_, _| None,
        distribution_of: &|_| None,
    };
    let output = captured("py312-imp.txt");
    let failure = Failure { stage: Stage::Import, output: &output };
    match Repairer::default().next(&spec(12), failure, &facts) {
        Outcome::Repair { spec, rule, .. } => {
            assert_eq!((spec.shims, rule.as_str()), (vec!["imp".to_owned()], "py312-imp-shim"));
        }
        other => panic!("{other:?}"),
    }
}
