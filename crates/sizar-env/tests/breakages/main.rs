//! Each known breakage against output that was captured from a real failure.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod running;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use sizar_env::knowledge::{Breakage, Stage, breakages, is_transient, matching};
use sizar_env::pins::Release;
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
        left_out: Vec::new(),
        conda: None,
        variables: BTreeMap::new(),
        deviations: Vec::new(),
    }
}

static NO_PINS: BTreeMap<String, String> = BTreeMap::new();

/// What is known where nothing is, but for the Pythons.
fn facts(pythons: &[PythonVersion]) -> Facts<'_> {
    Facts {
        pythons,
        available: pythons,
        package: None,
        undeclared: &[],
        from_conda: &[],
        imported: &[],
        readme_pins: &NO_PINS,
        date: None,
        releases: &|_| Vec::new(),
        distribution_of: &|_| None,
        in_tree: &|_| false,
        conda_answers: &|| false,
    }
}

/// Repairs `spec` after `output`, as the source `demo`.
fn repaired(repairer: &mut Repairer, spec: &EnvSpec, stage: Stage, output: &str) -> Outcome {
    let pythons = pythons();
    let facts = Facts {
        package: Some("demo"),
        undeclared: &["numpy".to_owned()],
        distribution_of: &|module| (module == "six").then(|| "six".to_owned()),
        ..facts(&pythons)
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

/// Returns the rows of which an output was captured, with it and the stage in which it was seen.
fn captured_rows() -> impl Iterator<Item = (&'static Breakage, String, Stage)> {
    breakages().iter().filter_map(|row| {
        let output = captured(row.fixture.as_deref()?);
        Some((row, output, row.stages.first().copied().unwrap_or(Stage::Import)))
    })
}

#[test]
fn every_row_matches_what_was_captured_or_cites_a_source() {
    let mut used = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for row in breakages() {
        assert!(ids.insert(row.id.as_str()), "{} names two rows", row.id);
        let is_cited = row.source.contains('#') || row.source.contains(" at ");
        let is_ours = row.source.starts_with("crates/");
        assert!(is_cited || is_ours || row.fixture.is_some(), "{}: how is it known?", row.id);
        let helps = !row.repair.is_empty() || row.advice().is_some();
        assert!(helps, "{}: what sizar cannot mend needs an advice", row.id);
        let Some(name) = row.fixture.as_deref() else { continue };
        assert!(row.symptom.is_match(&captured(name)), "{} does not match {name}", row.id);
        used.insert(name.to_owned());
    }
    for entry in fs_err::read_dir(fixtures()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(used.contains(&name), "no row uses {name}");
    }
}

#[test]
fn every_row_leads_to_a_repair_or_says_what_to_do() {
    for (row, output, stage) in captured_rows() {
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

/// Rows whose captured output an earlier row explains as well or better.
const BETTER: &[(&str, &str)] = &[];

#[test]
fn every_output_is_explained_first_by_its_own_row() {
    let mut wrong = Vec::new();
    for (row, output, stage) in captured_rows() {
        let alike = |other: Option<bool>| {
            other.is_none() || row.network.is_none_or(|own| other == Some(own))
        };
        let (first, _) = matching(stage, &output).find(|(other, _)| alike(other.network)).unwrap();
        // a shim is what is left when the row of the same output led nowhere
        let last_resort = row.id.ends_with("-shim") && first.fixture == row.fixture;
        if first.id != row.id
            && !last_resort
            && !BETTER.contains(&(row.id.as_str(), first.id.as_str()))
        {
            wrong.push((row.id.as_str(), first.id.as_str()));
        }
    }
    assert!(wrong.is_empty(), "(row, the row that hides it): {wrong:#?}");
}

#[test]
fn the_one_pass_finds_what_the_rows_find_one_by_one() {
    for (row, output, stage) in captured_rows() {
        let at_once: Vec<_> = matching(stage, &output).map(|(row, _)| &row.id).collect();
        let singly: Vec<_> = breakages()
            .iter()
            .filter(|row| row.is_seen_at(stage) && row.symptom.is_match(&output))
            .map(|row| &row.id)
            .collect();
        assert_eq!(at_once, singly, "{}", row.id);
    }
}

#[test]
fn what_passed_needs_no_repair() {
    let path = fixtures().join("../passing/outputs.json");
    let text = fs_err::read_to_string(path).unwrap();
    let passed: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(passed.len() > 50);
    for case in passed {
        let output = case["output"].as_str().unwrap();
        for row in breakages() {
            let acts = !row.repair.is_empty();
            assert!(!acts || !row.symptom.is_match(output), "{}: {}", row.id, case["id"]);
        }
    }
}

#[test]
fn a_build_that_prints_another_builds_error_is_known_by_its_last_words() {
    // an inner pip that fails and is caught, then the error that ends the build
    let output = "error: Failed to build `demo==1.0`\n  cause: The build backend returned an error\n\n         [stdout]\n         error: Failed to build `numpy==1.16.4`\n\n         [stderr]\n         error in other setup command: use_2to3 is invalid.\n"
        .to_owned()
        + &"         a warning\n".repeat(60)
        + "         src/a.c:1:10: fatal error: fftw3.h: No such file or directory\n\nhint: Build failures usually\n";
    match repaired(&mut Repairer::default(), &spec(8), Stage::Build, &output) {
        Outcome::Explained { rule, cause, .. } => {
            assert_eq!(rule, "bld-header");
            assert!(cause.contains("fftw3.h"), "{cause}");
        }
        Outcome::Repair { rule, .. } => assert_ne!(rule, "bld-header"),
        Outcome::Unexplained { cause } => panic!("{cause}"),
    }
    let rows = sizar_env::diagnosis::last_words(&output).unwrap();
    assert!(rows.contains("fftw3.h") && !rows.contains("use_2to3"));
    assert_eq!(sizar_env::diagnosis::failed_package(&output).as_deref(), Some("demo"));
}

#[test]
fn a_version_of_the_output_goes_into_the_constraint() {
    let mut unpinned = spec(8);
    unpinned.requirements = vec!["numpy".into(), "pandas".into()];
    let (next, rule) = first(&unpinned, Stage::Import, &captured("pd-numpy-floor.txt"));
    assert_eq!(rule, "pd-numpy-floor");
    assert!(next.constraints[0].starts_with("numpy>=1."), "{:?}", next.constraints);
}

#[test]
fn the_network_is_told_from_the_plan() {
    for name in ["reset", "short", "503", "slow", "dns", "refused"] {
        let output = captured(&format!("network-{name}.txt"));
        assert!(is_transient(Stage::Resolve, &output), "{name}");
    }
    assert!(!is_transient(Stage::Build, &captured("bld-header.txt")));
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
        let facts = Facts { available: &all, ..facts(pythons) };
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

#[test]
fn a_build_is_given_what_it_would_fetch_and_stood_in_for_before_the_python_changes() {
    let mut spec = spec(7);
    spec.requirements.push("horovod==0.13.8".into());
    let (next, rule) = first(&spec, Stage::Build, &captured("bld-setup-requires.txt"));
    assert_eq!(rule, "bld-setup-requires");
    assert_eq!(next.extra_build_requirements["horovod"], ["cffi>=1.4.0"]);
    // no other Python brings MPI; who does not import it does without it
    let mut repairer = Repairer::default();
    let named = "error: Failed to build `horovod==0.13.8`\n";
    let output = format!("{named}{}", captured("bld-horovod.txt"));
    let mut ways = Vec::new();
    while let Outcome::Repair { spec: next, rule, .. } =
        repaired(&mut repairer, &spec, Stage::Build, &output)
    {
        repairer.note(&next);
        ways.push((*next, rule));
    }
    let rules: Vec<&str> = ways.iter().map(|(_, rule)| rule.as_str()).collect();
    let at = |wanted: &str| {
        rules
            .iter()
            .position(|rule| *rule == wanted)
            .unwrap_or_else(|| panic!("{wanted}: {rules:?}"))
    };
    assert!(at("unused-dropped") < at("bld-horovod") && at("bld-horovod") < at("another-python"));
    let place = at("bld-horovod");
    let (next, rule) = ways.swap_remove(place);
    assert_eq!(
        (rule.as_str(), next.shims.as_slice()),
        ("bld-horovod", &["horovod-alone".to_owned()][..])
    );
    assert_eq!(next.python, spec.python);
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
    let known = facts(&pythons);
    let output = captured("py312-imp.txt");
    let failure = Failure { stage: Stage::Import, output: &output };
    match Repairer::default().next(&spec(12), failure, &known) {
        Outcome::Repair { spec, rule, .. } => {
            assert_eq!((spec.shims, rule.as_str()), (vec!["imp".to_owned()], "py312-imp-shim"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_index_does_not_have_is_named_with_where_it_was() {
    let output = "Traceback\nModuleNotFoundError: No module named 'detectron2.config'\n";
    match repaired(&mut Repairer::default(), &spec(8), Stage::Import, output) {
        Outcome::Explained { rule, cause, advice } => {
            assert_eq!(rule, "gone");
            assert!(cause.contains("https://github.com/facebookresearch/detectron2"), "{cause}");
            assert!(advice.is_some());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_contradiction_is_the_reason_of_its_repair() {
    let output = "error: No solution found when resolving dependencies\n  cause: Because pandas==2.2.0 depends on numpy>=1.26.0,<2 and you require numpy==1.99.1, we can conclude that your requirements and pandas==2.2.0 are incompatible.\n         And because you require pandas==2.2.0, we can conclude that your requirements are unsatisfiable.\n";
    let (next, rule) = first(&spec(9), Stage::Resolve, output);
    assert_eq!(rule, "loosened-pins");
    let reason = &next.deviations[0].reason;
    assert!(reason.starts_with("pandas==2.2.0 needs numpy>=1.26.0,<2, and"), "{reason}");
}

#[test]
fn labels_and_pins_are_taken_off() {
    let mut before = spec(8);
    before.requirements = vec!["torch==1.7.1+cu110 ; python_version < '3.9'".into()];
    let output = "error: No solution found when resolving dependencies\n  cause: Because there is no version of torch==1.7.1+cu110 and you require torch==1.7.1+cu110, we can conclude\n";
    let (next, _) = first(&before, Stage::Resolve, output);
    assert!(next.requirements[0].starts_with("torch==1.7.1 "), "{:?}", next.requirements);
}

#[test]
fn a_build_that_prints_a_lost_connection_is_not_tried_again() {
    let output = "error: Failed to build `demo==1.0`\n\n         [stderr]\n         ConnectionResetError: no\n";
    assert!(!is_transient(Stage::Resolve, output));
}

#[test]
fn a_part_that_a_package_lacks_asks_for_another_release_of_it() {
    let pythons = pythons();
    let facts = Facts {
        distribution_of: &|module| match module {
            "torch.utils.tensorboard" => Some("tensorboard".to_owned()),
            "torch" => Some("torch".to_owned()),
            _ => None,
        },
        ..facts(&pythons)
    };
    let output = "ModuleNotFoundError: No module named 'torch.utils.tensorboard'\n";
    let failure = Failure { stage: Stage::Import, output };
    let next = |requirements: &[&str]| {
        let mut before = spec(7);
        before.requirements = requirements.iter().map(|r| (*r).to_owned()).collect();
        match Repairer::default().next(&before, failure, &facts) {
            Outcome::Repair { spec, .. } => spec.requirements,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(next(&["torch==1.0.0"]), ["torch==1.0.0", "tensorboard"]);
    assert_eq!(next(&["torch==1.0.0", "tensorboard"]), ["torch", "tensorboard"]);
}

#[test]
fn what_cannot_be_built_gives_way_to_the_nearest_release_with_a_wheel() {
    // of uv 0.13.9: shapely of 2015 looks for GEOS with what Python 3.6 does not have any more
    let output = "  × Failed to build `shapely==1.5.13`\n  ├─▶ The build backend returned an error\n  ╰─▶ Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)\n\n      [stderr]\n      TypeError: expected str, bytes or os.PathLike object, not NoneType\n";
    let release = |version: &str, day: &str, wheels: &[u8]| Release {
        version: version.into(),
        published: format!("{day}T00:00:00Z").parse().ok(),
        yanked: false,
        source: true,
        wheels: !wheels.is_empty(),
        pythons: wheels.iter().map(|minor| PythonVersion::minor(3, *minor)).collect(),
    };
    let releases = [
        release("1.5.12", "2015-09-01", &[]),
        release("1.5.13", "2015-10-09", &[]),
        release("1.6.0", "2017-08-21", &[6]),
        release("1.6.1", "2017-09-01", &[6]),
        release("1.7.1", "2020-09-01", &[9]),
    ];
    let repaired = |releases: &[Release], asked: &str| {
        let own = [PythonVersion::minor(3, 6), PythonVersion::minor(3, 5)];
        let facts = Facts {
            available: &pythons(),
            imported: &["shapely".to_owned()],
            releases: &|_| releases.to_vec(),
            ..facts(&own)
        };
        let mut spec = spec(6);
        spec.requirements = vec![asked.to_owned()];
        spec.exclude_newer = Some("2017-07-30T00:00:00Z".parse().unwrap());
        let failure = Failure { stage: Stage::Build, output };
        match Repairer::default().next(&spec, failure, &facts) {
            Outcome::Repair { spec, rule, .. } => (*spec, rule),
            other => panic!("{other:?}"),
        }
    };
    let (next, rule) = repaired(&releases, "shapely==1.5.13");
    assert_eq!(
        (rule.as_str(), next.requirements),
        ("nearest-wheel", vec!["shapely==1.6.0".into()])
    );
    let date = next.exclude_newer_package["shapely"];
    assert_eq!(date, "2017-08-21T00:00:01Z".parse().unwrap(), "it must be found at its time");
    // a dependency of something else is held by a constraint
    let (next, rule) = repaired(&releases, "geopandas");
    assert_eq!((rule.as_str(), next.constraints), ("nearest-wheel", vec!["shapely==1.6.0".into()]));
    // the very release, on the Python that it was made for
    let mut elsewhere = releases.clone();
    elsewhere[1] = release("1.5.13", "2015-10-09", &[5]);
    assert_eq!(repaired(&elsewhere, "shapely==1.5.13").1, "another-python");
}

#[test]
fn a_pinned_numpy_that_is_older_than_what_was_built_is_let_go() {
    let mut pinned = spec(6);
    pinned.requirements = vec!["numpy==1.12.1".into(), "matplotlib==1.5.1".into()];
    let (next, rule) = first(&pinned, Stage::Import, &captured("np-pin-older.txt"));
    assert_eq!((rule.as_str(), next.constraints.len()), ("np-pin-older", 0));
    assert_eq!(next.requirements, ["numpy", "matplotlib==1.5.1"]);
    // where only the end of it is known
    let (next, rule) = first(&pinned, Stage::Import, &captured("np-abi-multiarray.txt"));
    assert_eq!((rule.as_str(), next.requirements[0].as_str()), ("np-abi-multiarray", "numpy"));
    pinned.requirements = vec!["numpy".into()];
    let (_, rule) = first(&pinned, Stage::Import, &captured("np-abi-multiarray.txt"));
    assert_eq!(rule, "np-abi-multiarray");
}

#[test]
fn what_a_python_never_had_may_have_had_another_name() {
    let pythons = [PythonVersion::minor(3, 6), PythonVersion::minor(3, 8)];
    let wheels = |minors: &[u8]| {
        vec![Release {
            version: "1.0".into(),
            published: None,
            yanked: false,
            source: false,
            wheels: true,
            pythons: minors.iter().map(|minor| PythonVersion::minor(3, *minor)).collect(),
        }]
    };
    let facts = Facts {
        releases: &|name| match name {
            "rdkit" => wheels(&[7, 8]),
            "rdkit-pypi" => wheels(&[6, 7]),
            _ => Vec::new(),
        },
        ..facts(&pythons)
    };
    let output = "error: No solution found when resolving dependencies\n  cause: Because there is no version of rdkit and you require rdkit, we can conclude\n";
    let mut before = spec(6);
    before.requirements = vec!["rdkit".into()];
    let failure = Failure { stage: Stage::Resolve, output };
    match Repairer::default().next(&before, failure, &facts) {
        Outcome::Repair { spec, rule, cause, .. } => {
            assert_eq!(
                (rule.as_str(), spec.requirements[0].as_str()),
                ("other-name", "rdkit-pypi")
            );
            assert!(cause.ends_with("for Python 3.6 under the name rdkit-pypi"), "{cause}");
        }
        other => panic!("{other:?}"),
    }
    // under that name there is no such release either
    before.requirements = vec!["rdkit==2.0".into()];
    let mut repairer = Repairer::default();
    let rules: Vec<_> = std::iter::from_fn(|| match repairer.next(&before, failure, &facts) {
        Outcome::Repair { rule, .. } => Some(rule),
        _ => None,
    })
    .take(9)
    .collect();
    assert!(!rules.is_empty() && !rules.contains(&"other-name".to_owned()), "{rules:?}");
}
