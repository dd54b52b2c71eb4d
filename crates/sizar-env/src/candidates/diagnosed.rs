//! What follows from what an output says: uv's diagnoses, and modules that are missing.

use jiff::{SignedDuration, Timestamp};
use sizar_model::{EnvSpec, Installer, ProjectInstall};

use super::{Candidate, Change};
use crate::absent::why_absent;
use crate::build_tools;
use crate::date_search;
use crate::diagnosis::Diagnosis;
use crate::knowledge::{self, Action, gone};
use crate::name;
use crate::pins;
use crate::pip;
use crate::python;
use crate::repair::Facts;
use crate::withdrawn;

pub(super) fn from_diagnosis(
    spec: &EnvSpec,
    diagnosis: &Diagnosis,
    output: &str,
    facts: &Facts<'_>,
) -> Vec<Candidate> {
    let one = |rule: &str, cause: String, changes: Vec<Change>| {
        vec![Candidate { rule: rule.to_owned(), cause, changes }]
    };
    match diagnosis {
        Diagnosis::WheelsFor { package, version, pythons } => one(
            "wheel-tags",
            format!("{package} {version} has wheels for Python {} only", python::list(pythons)),
            vec![Change::PythonIn(pythons.clone())],
        ),
        Diagnosis::PythonTooOld { at_least, package } => one(
            "requires-python",
            format!("{package} needs Python {at_least} or newer"),
            vec![Change::Act(Action::PythonAtLeast(*at_least))],
        ),
        Diagnosis::BuildImports { package, module } => {
            build_tools::imported(package.as_deref(), module, facts)
        }
        Diagnosis::Yanked { package, version } => {
            let taken = withdrawn::taken(spec, package, version.as_deref(), output, facts);
            taken.into_iter().collect()
        }
        Diagnosis::AfterDate { package, published } => {
            date_search::later(spec, package, *published, output, facts)
        }
        Diagnosis::NotOnIndex { package } => one(
            "not-on-index",
            match gone::distribution(package, None) {
                Some(gone) => {
                    format!("the index has no {package}, last seen at {}", gone.last_seen)
                }
                None => format!("the index has no {package}"),
            },
            vec![Change::Act(not_on_index(package))],
        ),
        Diagnosis::NoSuchVersion { package, version } => {
            let mut others = other_versions(spec, package, version);
            others.extend(never_for_this_python(spec, package, facts));
            // nothing of it was there at the time, whatever its version
            if others.is_empty() {
                date_search::later(spec, package, None, output, facts)
            } else {
                others
            }
        }
        Diagnosis::Unsatisfiable { packages, contradiction } => {
            loosened(spec, packages, contradiction.as_deref(), facts)
        }
        Diagnosis::FirstPublished { package, published } => {
            first_published(spec, package, *published)
        }
        Diagnosis::InvalidMetadata { package, version } => other_engine(
            spec,
            format!("{package} {version} states its requirements in a form that uv does not read"),
        ),
        Diagnosis::ModuleMissing { .. } => Vec::new(),
    }
}

/// Takes another Python where what is needed was never released for this one, or the same under the
/// name that it had.
///
/// rdkit came to the package index with Python 3.7; before that it was rdkit-pypi, and what was
/// written earlier had it from conda.
fn never_for_this_python(spec: &EnvSpec, package: &str, facts: &Facts<'_>) -> Vec<Candidate> {
    let python = spec.python.without_patch();
    let Some(pythons) = date_search::never_for(&(facts.releases)(package), spec.python) else {
        return Vec::new();
    };
    let asked = spec.requirements.iter().find(|asked| name::of_requirement(asked) == package);
    let pin = asked.and_then(|asked| pins::pin_of(asked));
    let is_asked = |version: &str| {
        pin.as_ref().is_none_or(|pin| {
            let rest = version.strip_prefix(pin.version.as_str());
            rest.is_some_and(|rest| rest.is_empty() || pin.prefix && rest.starts_with('.'))
        })
    };
    let has = |name: &&String| {
        (facts.releases)(name)
            .iter()
            .any(|release| release.pythons.contains(&python) && is_asked(&release.version))
    };
    let other = knowledge::renames().former.get(package).filter(has);
    let said = format!("the index has {package} for Python {} only", python::list(&pythons));
    let by_name = other.map(|other| Candidate {
        rule: "other-name".into(),
        cause: format!("{said}, and for Python {python} under the name {other}"),
        changes: vec![Change::Act(Action::Rename { from: package.to_owned(), to: other.clone() })],
    });
    let by_python = Candidate {
        rule: "another-python".into(),
        cause: format!("{said}, and not for Python {python}"),
        changes: vec![Change::PythonIn(pythons)],
    };
    by_name.into_iter().chain([by_python]).collect()
}

/// Has pip of the era install what uv refuses.
pub(super) fn other_engine(spec: &EnvSpec, cause: String) -> Vec<Candidate> {
    if spec.conda.is_some() || spec.installer == Installer::Pip || !pip::drives(spec.python) {
        return Vec::new();
    }
    let changes = vec![Change::Act(Action::InstallWith(Installer::Pip))];
    vec![Candidate { rule: "other-engine".into(), cause, changes }]
}

fn first_published(spec: &EnvSpec, package: &str, published: Timestamp) -> Vec<Candidate> {
    let Some(cutoff) = spec.exclude_newer else { return Vec::new() };
    let Ok(date) = published.checked_add(SignedDuration::from_secs(1)) else { return Vec::new() };
    vec![Candidate {
        rule: "later-date".into(),
        cause: format!(
            "what is asked of {package} did not exist on {}",
            cutoff.strftime("%Y-%m-%d")
        ),
        changes: vec![Change::Date { package: package.to_owned(), date }],
    }]
}

fn not_on_index(package: &str) -> Action {
    match knowledge::renames().rename.get(package) {
        Some(real) => Action::Rename { from: package.to_owned(), to: real.clone() },
        None => Action::Drop(package.to_owned()),
    }
}

fn other_versions(spec: &EnvSpec, package: &str, version: &str) -> Vec<Candidate> {
    let Some(asked) = spec.requirements.iter().find(|r| name::of_requirement(r) == package) else {
        return Vec::new();
    };
    let Some(pin) = pins::pin_of(asked).map(|pin| pin.version) else { return Vec::new() };
    let cause =
        format!("the index has no {package} {}", if version.is_empty() { &pin } else { version });
    let mut forms = Vec::new();
    if let Some((public, _)) = pin.split_once('+') {
        forms.push(Some(format!("{package}=={public}")));
    }
    forms.extend(minor_of(&pin).map(|minor| Some(format!("{package}=={minor}.*"))));
    forms.push(None);
    forms
        .into_iter()
        .map(|requirement| Candidate {
            rule: "nearest-version".into(),
            cause: cause.clone(),
            changes: vec![Change::Loosen { package: package.to_owned(), requirement }],
        })
        .collect()
}

fn minor_of(version: &str) -> Option<String> {
    let mut parts = version.split(['.', '+']);
    let (major, minor) = (parts.next()?, parts.next()?);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (digits(major) && digits(minor)).then(|| format!("{major}.{minor}"))
}

/// Loosens the pins that cannot be met together: one after the other, what the code imports least
/// first, each to its minor version and then altogether; at last all of them.
fn loosened(
    spec: &EnvSpec,
    packages: &[String],
    contradiction: Option<&str>,
    facts: &Facts<'_>,
) -> Vec<Candidate> {
    let mut named: Vec<_> = spec
        .requirements
        .iter()
        .filter(|requirement| packages.contains(&name::of_requirement(requirement)))
        .filter(|requirement| requirement.contains(['=', '<', '>', '~']))
        .map(|requirement| (name::of_requirement(requirement), requirement.as_str()))
        .collect();
    named.sort_by_key(|(name, _)| (importance(name, facts), (*name).clone()));
    let loosen = |name: &str, requirement: Option<String>| Change::Loosen {
        package: name.to_owned(),
        requirement,
    };
    let mut candidates = Vec::new();
    if named.len() > 1 {
        for (name, requirement) in &named {
            let others: Vec<_> =
                named.iter().map(|(other, _)| other.as_str()).filter(|o| o != name).collect();
            let cause = |what: &str| match contradiction {
                Some(contradiction) => format!("{contradiction}: of {name} {what}"),
                None => format!("{requirement} cannot be had with {}: {what}", others.join(", ")),
            };
            if let Some(minor) = minor_form(name, requirement) {
                candidates.push(Candidate {
                    rule: "loosened-pin".into(),
                    cause: cause("its minor version is kept"),
                    changes: vec![loosen(name, Some(minor))],
                });
            }
            candidates.push(Candidate {
                rule: "loosened-pin".into(),
                cause: cause("the newest of the time that fits is taken"),
                changes: vec![loosen(name, None)],
            });
        }
    }
    if !named.is_empty() {
        let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
        candidates.push(Candidate {
            rule: "loosened-pins".into(),
            cause: match contradiction {
                Some(contradiction) => {
                    format!("{contradiction}, so the newest of the time that fit are taken")
                }
                None => format!(
                    "the versions asked of {} cannot be had together, so the newest of the time that fit are taken",
                    names.join(", ")
                ),
            },
            changes: named.iter().map(|(name, _)| loosen(name, None)).collect(),
        });
    }
    // what nobody asked for goes before what somebody did
    for package in packages.iter().filter(|package| facts.undeclared.contains(package)) {
        candidates.push(Candidate {
            rule: "undeclared-dropped".into(),
            cause: format!("{package}, which nothing declares, cannot be had with the rest"),
            changes: vec![Change::Act(Action::Drop(package.clone()))],
        });
    }
    if !spec.constraints.is_empty() {
        candidates.push(Candidate {
            rule: "constraints-dropped".into(),
            cause: "the constraints cannot be met".into(),
            changes: spec
                .constraints
                .iter()
                .map(|c| Change::Act(Action::Drop(name::of_requirement(c))))
                .collect(),
        });
    }
    candidates
}

/// Ranks what is given up last: what the code is built on.
pub(super) fn importance(package: &str, facts: &Facts<'_>) -> u8 {
    match package {
        "torch" | "tensorflow" | "jax" => 3,
        _ if !facts.imported.iter().any(|name| name == package) => 0,
        _ if crate::heavy::is_heavy(package) => 2,
        _ => 1,
    }
}

fn minor_form(package: &str, requirement: &str) -> Option<String> {
    let minor = minor_of(name::exact_pin(requirement)?)?;
    Some(format!("{package}=={minor}.*"))
}

pub(super) fn missing_module(spec: &EnvSpec, module: &str, facts: &Facts<'_>) -> Vec<Candidate> {
    if (facts.in_tree)(module) {
        return incomplete_package(spec, module);
    }
    let top = module.split('.').next().unwrap_or(module);
    let whole = (facts.distribution_of)(top);
    let distribution = (facts.distribution_of)(module).or_else(|| whole.clone());
    let Some(distribution) = distribution else { return Vec::new() };
    let asked_for = |name: &str| spec.requirements.iter().find(|r| name::of_requirement(r) == name);
    // `torch.utils.tensorboard` is torch's, once what it needs beside it is there
    let own = name::of_requirement(&distribution);
    let whole = whole.filter(|_| asked_for(&own).is_some());
    let name = whole.map_or(own, |whole| name::of_requirement(&whole));
    let asked = asked_for(&name);
    // a part that an installed package does not have (yet, or any more) is no missing package
    if module.contains('.')
        && let Some(asked) = asked
    {
        let loosen = pins::pin_of(asked).map(|_| Candidate {
            rule: "loosened-pin".into(),
            cause: format!("{asked} has no {module}: the newest of the time is taken"),
            changes: vec![Change::Loosen { package: name.clone(), requirement: None }],
        });
        return loosen
            .into_iter()
            .chain(date_search::steps(spec, &name, &format!("it has no {module}"), facts))
            .collect();
    }
    // it was asked for, and is not to be had
    if why_absent(spec, &name).is_some() {
        return Vec::new();
    }
    let pinned = facts.readme_pins.get(&name).filter(|_| distribution == name);
    let wanted = pinned.map_or(distribution, |version| format!("{name}=={version}"));
    vec![Candidate {
        rule: MISSING_MODULE.into(),
        cause: format!("{module}{IS_MISSING}"),
        changes: vec![Change::Act(Action::Add(wanted))],
    }]
}

/// Uses the source from its tree where its packaging leaves out a part of it: `packages=['a']`
/// takes neither `a.b` nor what is in it. Whatever else hides the module, no index has it.
fn incomplete_package(spec: &EnvSpec, module: &str) -> Vec<Candidate> {
    if spec.project == ProjectInstall::OnPath {
        return Vec::new();
    }
    vec![Candidate {
        rule: "incomplete-package".into(),
        cause: format!("its packaging leaves out {module}, which its tree has: the tree is used"),
        changes: vec![Change::Act(Action::OnPath)],
    }]
}

const MISSING_MODULE: &str = "missing-module";
const IS_MISSING: &str = " is imported and nothing that is installed declares it";

/// Whether `package` was added because an import asked for it, if only one of a dependency's.
pub(super) fn was_missing(spec: &EnvSpec, package: &str, facts: &Facts<'_>) -> bool {
    spec.deviations
        .iter()
        .filter(|deviation| deviation.rule == MISSING_MODULE)
        .filter_map(|deviation| deviation.reason.strip_suffix(IS_MISSING))
        .filter_map(|module| (facts.distribution_of)(module))
        .any(|distribution| name::of_requirement(&distribution) == package)
}
