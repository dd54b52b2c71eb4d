//! The ways out of a failure: from what its output says, and from the table of breakages.

use jiff::Timestamp;
use regex::Captures;
use sizar_model::{EnvSpec, PythonVersion};

use crate::build_steps;
use crate::build_tools;
use crate::date_search;
use crate::diagnosis::{
    Diagnosis, diagnose, error_line, failed_package, is_build_failure, last_words,
};
use crate::era;
use crate::knowledge::{self, Action, Breakage, Stage};
use crate::name;
use crate::repair::{Facts, Failure};
use crate::unreachable::Unreachable;
use crate::without_build;

mod build_limit;
mod diagnosed;
mod extras;

use diagnosed::{from_diagnosis, importance, missing_module, other_engine, was_missing};

/// A way out of a failure.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub rule: String,
    pub cause: String,
    /// All of them together.
    pub changes: Vec<Change>,
}

impl Candidate {
    /// Whether it takes another Python.
    pub fn is_by_python(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::PythonIn(_)))
    }

    /// Whether it takes a binary of conda's.
    pub fn is_by_conda(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Act(Action::CondaBinary(_))))
    }

    /// Whether it changes what the code sees instead of what is installed: the last resort.
    pub fn is_by_shim(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Act(Action::Shim(_))))
    }
}

/// A change to a specification.
#[derive(Clone, Debug)]
pub enum Change {
    Act(Action),
    /// Take one of these Pythons.
    PythonIn(Vec<PythonVersion>),
    /// Take another version of a requirement: `None` for any.
    Loosen {
        package: String,
        requirement: Option<String>,
    },
    /// Give a package's build what it does not declare; without a package, the source's own.
    BuildRequirement {
        package: Option<String>,
        requirement: String,
    },
    /// Do without a build inside the tree.
    WithoutStep {
        folder: String,
    },
    /// Build without a limit that was set for builds.
    WithoutBuildConstraint {
        limit: String,
    },
    /// Take a package as of a later date.
    Date {
        package: String,
        date: Timestamp,
    },
    /// Take everything as of another date.
    DateOfAll {
        date: Timestamp,
    },
}

/// Returns the rows of the table that match, best first: a build's last words count before what
/// was printed on the way, which may be another build's error.
pub fn matching<'a>(
    spec: &EnvSpec,
    failure: Failure<'a>,
) -> Vec<(&'static Breakage, Captures<'a>)> {
    let fits = |row: &Breakage| row.is_for(spec.python);
    let mut found: Vec<(&'static Breakage, Captures<'a>)> = Vec::new();
    let texts = [last_words(failure.output), Some(failure.output)];
    for text in texts.into_iter().flatten() {
        for (row, captures) in knowledge::matching(failure.stage, text) {
            if fits(row) && !found.iter().any(|(known, _)| known.id == row.id) {
                found.push((row, captures));
            }
        }
    }
    found
}

/// Puts the symptom's named groups into a text.
pub fn worded(text: &str, row: &Breakage, captures: &Captures<'_>) -> String {
    let mut worded = text.to_owned();
    for name in row.symptom.capture_names().flatten() {
        let value = captures.name(name).map_or("", |group| group.as_str());
        worded = worded.replace(&format!("{{{name}}}"), value);
    }
    worded
}

/// What Python adds where something that is no package bears a package's name.
const HIDDEN: &str = "is not a package";

/// The row of builds that were stopped because they would not end.
const ENDLESS: &str = "bld-endless";

/// Returns the ways out of a failure, best first.
pub fn candidates(spec: &EnvSpec, failure: Failure<'_>, facts: &Facts<'_>) -> Vec<Candidate> {
    let diagnoses = diagnose(failure.output);
    let package = failed_package(failure.output);
    let building = matches!(failure.stage, Stage::Resolve | Stage::Build | Stage::Install);
    let mut candidates = Vec::new();
    let step = build_steps::failed(&spec.build_steps, failure.output);
    let unreachable = Unreachable::find(&spec.requirements, failure.output).filter(|_| building);
    if building {
        candidates.extend(build_limit::lifted(spec, package.as_deref(), failure.output));
        // what a row mends need not go
        let unmended = package.as_ref().filter(|_| matching(spec, failure).is_empty());
        candidates.extend(conda_only(spec, &diagnoses, unmended, facts));
    }
    if step.is_some() {
        // it runs in the environment, which must have what it imports
        for diagnosis in &diagnoses {
            if let Diagnosis::BuildImports { module, .. } = diagnosis {
                candidates.extend(build_tools::in_tree(module, facts));
            }
        }
    } else if building {
        for diagnosis in &diagnoses {
            candidates.extend(from_diagnosis(spec, diagnosis, failure.output, facts));
        }
    }
    for (row, captures) in matching(spec, failure) {
        if !row.repair.is_empty() {
            candidates.push(Candidate {
                rule: row.id.clone(),
                cause: worded(&row.cause, row, &captures),
                changes: row
                    .repair
                    .iter()
                    .map(|action| change(action, package.as_deref(), row, &captures))
                    .collect(),
            });
        }
    }
    if !building {
        for diagnosis in &diagnoses {
            if let Diagnosis::ModuleMissing { module } = diagnosis {
                // a file that hides the tree's own package is there whatever is installed
                let hidden = failure.output.contains(HIDDEN) && (facts.in_tree)(module);
                if !hidden {
                    candidates.extend(missing_module(spec, module, facts));
                }
            }
        }
    }
    // what is not imported came with something else, or with the authors' whole machine
    for package in package.iter().chain(diagnoses.iter().filter_map(named_in)) {
        let asked = spec.requirements.iter().any(|asked| name::of_requirement(asked) == *package);
        if asked && importance(package, facts) == 0 && !was_missing(spec, package, facts) {
            candidates.push(Candidate {
                rule: "unused-dropped".into(),
                cause: format!("{package}, which the code does not import, cannot be had"),
                changes: vec![Change::Act(Action::Drop(package.clone()))],
            });
        }
    }
    let without_build = package
        .as_ref()
        .filter(|_| step.is_none() && unreachable.is_none())
        .and_then(|package| without_build::find(spec, package, failure.output, facts));
    let elsewhere = without_build.as_ref().is_some_and(|found| found.elsewhere);
    if let Some(found) = without_build.as_ref().filter(|found| !found.elsewhere) {
        candidates.push(found.candidate.clone());
    }
    if building
        && step.is_none()
        && unreachable.is_none()
        && let Some(dropped) = package.as_ref().and_then(|it| extras::dropped(spec, it, facts))
    {
        // what two repairs did not make build is given up before more are tried
        let repairs = package.as_ref().and_then(|it| spec.extra_build_requirements.get(it));
        let at = if repairs.is_some_and(|some| some.len() >= 2) { 0 } else { candidates.len() };
        candidates.insert(at, dropped);
    }
    // what nobody asked for goes before anything else is changed
    if let Some(package) = package.as_ref().filter(|package| facts.undeclared.contains(package)) {
        candidates.push(Candidate {
            rule: "undeclared-dropped".into(),
            cause: format!("{package}, which nothing declares, cannot be built"),
            changes: vec![Change::Act(Action::Drop(package.clone()))],
        });
    }
    if let Some(step) = step {
        candidates.push(Candidate {
            rule: "build-step-dropped".into(),
            cause: format!(
                "`{}` cannot be built inside the tree ({})",
                step.folder,
                error_line(failure.output)
            ),
            changes: vec![Change::WithoutStep { folder: step.folder.clone() }],
        });
        return candidates;
    }
    if let Some(unreachable) = unreachable {
        candidates.extend(unreachable.candidates(spec, facts));
        return candidates;
    }
    // what has wheels for another Python need not be built at all
    if matches!(failure.stage, Stage::Build | Stage::Resolve) && is_build_failure(failure.output) {
        // what never ends takes as long on every Python
        let endless = matching(spec, failure).iter().any(|(row, _)| row.id == ENDLESS);
        if !endless {
            candidates.extend(other_pythons(spec, failure, facts));
        }
        candidates.extend(without_build.filter(|_| elsewhere).map(|found| found.candidate));
        candidates
            .extend(package.as_ref().and_then(|package| without_build::by_conda(spec, package)));
        // what a row explains and cannot mend, another engine does not mend either
        if matching(spec, failure).is_empty() {
            let line = error_line(failure.output);
            candidates.extend(other_engine(spec, format!("uv's way of building fails ({line})")));
        }
    }
    // a driver that was asked may also lack data or a device, which no date brings
    let line = error_line(failure.output);
    let lacks = ["ImportError", "ModuleNotFoundError", "AttributeError"];
    let dated = failure.stage == Stage::Import
        || failure.stage == Stage::Answer && lacks.iter().any(|error| line.starts_with(error));
    if candidates.is_empty() && dated {
        candidates.extend(date_search::around(spec, failure.output, facts));
    }
    candidates
}

/// Leaves out what the authors had from conda, the code does not import and the index does not have
/// of the time: programs and libraries, and strangers of the same name. Nothing else is changed for
/// it.
fn conda_only(
    spec: &EnvSpec,
    diagnoses: &[Diagnosis],
    failed: Option<&String>,
    facts: &Facts<'_>,
) -> Option<Candidate> {
    let dated = diagnoses.iter().filter_map(|diagnosis| match diagnosis {
        Diagnosis::AfterDate { package, .. } | Diagnosis::FirstPublished { package, .. } => {
            Some(package)
        }
        other => named_in(other),
    });
    let mut named = failed.into_iter().chain(dated);
    let package = named.find(|package| {
        let asked = spec.requirements.iter().any(|asked| name::of_requirement(asked) == **package);
        asked
            && facts.from_conda.contains(package)
            && importance(package, facts) == 0
            && !was_missing(spec, package, facts)
    })?;
    Some(Candidate {
        rule: "conda-only-dropped".into(),
        cause: format!(
            "{package}, which the authors had from conda and the code does not import, cannot be had as a wheel of the time"
        ),
        changes: vec![Change::Act(Action::Drop(package.clone()))],
    })
}

/// Returns the distribution that cannot be had at all.
fn named_in(diagnosis: &Diagnosis) -> Option<&String> {
    match diagnosis {
        Diagnosis::NotOnIndex { package }
        | Diagnosis::NoSuchVersion { package, .. }
        | Diagnosis::PythonTooOld { package, .. }
        | Diagnosis::WheelsFor { package, .. } => Some(package),
        _ => None,
    }
}

fn change(
    action: &Action,
    package: Option<&str>,
    row: &Breakage,
    captures: &Captures<'_>,
) -> Change {
    match action {
        // a version that the output names
        Action::Constrain(requirement) => {
            Change::Act(Action::Constrain(worded(requirement, row, captures)))
        }
        Action::Drop(package) => Change::Act(Action::Drop(worded(package, row, captures))),
        Action::Instead(requirement) => {
            Change::Act(Action::Instead(worded(requirement, row, captures)))
        }
        Action::BuildRequirement(requirement) => Change::BuildRequirement {
            package: package.map(str::to_owned),
            requirement: worded(requirement, row, captures),
        },
        other => Change::Act(other.clone()),
    }
}

fn other_pythons(spec: &EnvSpec, failure: Failure<'_>, facts: &Facts<'_>) -> Vec<Candidate> {
    let line = error_line(failure.output);
    facts
        .pythons
        .iter()
        .filter(|python| python.without_patch() != spec.python.without_patch())
        // where everything would have to be built, more would fail
        .filter(|python| spec.exclude_newer.is_none_or(|date| era::was_released(**python, date)))
        .map(|python| Candidate {
            rule: "another-python".into(),
            cause: format!("a build fails on Python {} ({line})", spec.python.without_patch()),
            changes: vec![Change::PythonIn(vec![*python])],
        })
        .collect()
}
