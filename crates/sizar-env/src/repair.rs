//! From a failure to the next specification, with a recorded reason.

use std::collections::HashSet;

use sizar_model::{CondaSpec, Deviation, Digest, EnvSpec, ProjectInstall, PythonVersion};

use crate::candidates::{Candidate, Change, candidates, matching, worded};
use crate::diagnosis::error_line;
use crate::era;
use crate::knowledge::{self, Action, Stage};
use crate::name;

/// A specification that failed, and what was printed.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    pub stage: Stage,
    pub output: &'a str,
}

/// What the repairer may count on.
pub struct Facts<'a> {
    /// The Pythons that the evidence allows, best first.
    pub pythons: &'a [PythonVersion],
    /// All Pythons that can be had.
    pub available: &'a [PythonVersion],
    /// The distribution's name, where the source is a package.
    pub package: Option<&'a str>,
    /// Whether a channel of conda's answers, so that binaries can be had from there.
    pub conda: bool,
    /// Requirements that nobody declared.
    pub undeclared: &'a [String],
    /// Returns the distribution that provides a module, where a table knows it.
    pub distribution_of: &'a dyn Fn(&str) -> Option<String>,
}

/// What follows from a failure.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Another specification is worth an attempt.
    Repair { spec: Box<EnvSpec>, rule: String, cause: String },
    /// The cause is known, and nothing can be done from here.
    Explained { rule: String, cause: String, advice: Option<String> },
    /// No rule explains it.
    Unexplained { cause: String },
}

/// Remembers the states that were tried, so that none is tried again.
#[derive(Debug, Default)]
pub struct Repairer {
    tried: HashSet<Digest>,
}

impl Repairer {
    /// Notes that `spec` is being tried.
    pub fn note(&mut self, spec: &EnvSpec) {
        self.tried.insert(state(spec));
    }

    /// Finds what to try after `spec` failed.
    pub fn next(&mut self, spec: &EnvSpec, failure: Failure<'_>, facts: &Facts<'_>) -> Outcome {
        self.note(spec);
        for candidate in candidates(spec, failure, facts) {
            if let Some(next) = self.applied(spec, &candidate, facts) {
                return Outcome::Repair {
                    spec: Box::new(next),
                    rule: candidate.rule,
                    cause: candidate.cause,
                };
            }
        }
        match matching(spec, failure).next() {
            Some((row, captures)) => Outcome::Explained {
                rule: row.id.clone(),
                cause: worded(&row.cause, &captures),
                advice: row.advice.clone(),
            },
            None => Outcome::Unexplained { cause: error_line(failure.output) },
        }
    }

    /// Adds requirements that turned out to be needed, if that is a new state.
    pub fn with_requirements(
        &self,
        spec: &EnvSpec,
        requirements: &[String],
        deviation: Deviation,
    ) -> Option<EnvSpec> {
        let mut next = spec.clone();
        next.requirements.extend(requirements.iter().cloned());
        next.deviations.push(deviation);
        (!self.tried.contains(&state(&next))).then_some(next)
    }

    fn applied(&self, spec: &EnvSpec, candidate: &Candidate, facts: &Facts<'_>) -> Option<EnvSpec> {
        let from_conda = |change: &Change| matches!(change, Change::Act(Action::CondaBinary(_)));
        if !facts.conda && candidate.changes.iter().any(from_conda) {
            return None;
        }
        let mut next = spec.clone();
        for change in &candidate.changes {
            apply(&mut next, change, facts);
        }
        if self.tried.contains(&state(&next)) {
            return None;
        }
        next.deviations
            .push(Deviation { rule: candidate.rule.clone(), reason: candidate.cause.clone() });
        Some(next)
    }
}

/// Digests what counts of a specification: not why it is so.
fn state(spec: &EnvSpec) -> Digest {
    let mut plain = spec.clone();
    plain.deviations.clear();
    plain.requirements.sort();
    plain.constraints.sort();
    plain.build_constraints.sort();
    let text =
        serde_json::to_vec(&plain).expect("strings, lists, maps and dates have a form in JSON");
    Digest::of(&text)
}

fn apply(spec: &mut EnvSpec, change: &Change, facts: &Facts<'_>) {
    match change {
        Change::Act(action) => act(spec, action, facts),
        Change::PythonIn(pythons) => {
            let fits = |python: &&PythonVersion| pythons.iter().any(|p| python.satisfies(*p));
            let newest = || facts.available.iter().filter(fits).max();
            if let Some(python) = facts.pythons.iter().find(fits).or_else(newest) {
                set_python(spec, *python);
            }
        }
        Change::Loosen { package, requirement } => {
            for asked in &mut spec.requirements {
                if name::of_requirement(asked) == *package && requirement.as_ref() != Some(asked) {
                    let marker =
                        asked.split_once(';').map(|(_, marker)| format!(" ; {}", marker.trim()));
                    let base = requirement.clone().unwrap_or_else(|| package.clone());
                    *asked = base + &marker.unwrap_or_default();
                }
            }
        }
        Change::BuildRequirement { package, requirement } => {
            let own = package.is_none() || package.as_deref() == facts.package;
            let key = package.as_deref().filter(|_| !own).unwrap_or(".");
            push_new(spec.extra_build_requirements.entry(key.to_owned()).or_default(), requirement);
        }
        Change::Date { package, date } => {
            let known = spec.exclude_newer_package.get(package);
            if known.is_none_or(|known| known < date) {
                spec.exclude_newer_package.insert(package.clone(), *date);
            }
        }
    }
}

fn act(spec: &mut EnvSpec, action: &Action, facts: &Facts<'_>) {
    match action {
        Action::PythonAtMost(newest) => {
            let fits = |python: &&PythonVersion| python.without_patch() <= *newest;
            let found = facts.pythons.iter().filter(fits).max();
            let found = found.or_else(|| facts.available.iter().filter(fits).max());
            if let Some(python) = found.filter(|python| **python < spec.python) {
                set_python(spec, *python);
            }
        }
        Action::PythonAtLeast(oldest) => {
            let fits = |python: &&PythonVersion| python.without_patch() >= *oldest;
            let found = facts.pythons.iter().filter(fits).min();
            let found = found.or_else(|| facts.available.iter().filter(fits).min());
            if let Some(python) = found.filter(|python| **python > spec.python) {
                set_python(spec, *python);
            }
        }
        Action::Add(requirement) => {
            let name = name::of_requirement(requirement);
            if spec.requirements.iter().any(|asked| name::of_requirement(asked) == name) {
                push_new(&mut spec.constraints, requirement);
            } else {
                spec.requirements.push(requirement.clone());
            }
        }
        Action::Constrain(requirement) => push_new(&mut spec.constraints, requirement),
        Action::Drop(package) => {
            spec.requirements.retain(|asked| name::of_requirement(asked) != *package);
            spec.constraints.retain(|asked| name::of_requirement(asked) != *package);
            for list in spec.extra_build_requirements.values_mut() {
                list.retain(|asked| name::of_requirement(asked) != *package);
            }
            spec.extra_build_requirements.retain(|_, list| !list.is_empty());
        }
        Action::Rename { from, to } => {
            for asked in &mut spec.requirements {
                if name::of_requirement(asked) == *from {
                    *asked = name::renamed(asked, to);
                }
            }
        }
        Action::BuildConstraint(constraint) => push_new(&mut spec.build_constraints, constraint),
        // whose build it is stands in the output, not in the table
        Action::BuildRequirement(_) => {}
        Action::Shim(shim) => push_new(&mut spec.shims, shim),
        Action::CondaBinary(package) => conda_binary(spec, package),
        Action::OnPath => spec.project = ProjectInstall::OnPath,
        Action::Variable { name, value } => {
            spec.variables.insert(name.clone(), value.clone());
        }
    }
}

/// Moves a requirement from the package index to conda. Other packages stay where they are.
fn conda_binary(spec: &mut EnvSpec, package: &str) {
    let wanted = name::normalise(package);
    let asked = spec.requirements.iter().find(|asked| name::of_requirement(asked) == wanted);
    let version = asked.and_then(|asked| name::exact_pin(asked)).map(|v| format!("={v}"));
    spec.requirements.retain(|asked| name::of_requirement(asked) != wanted);
    let conda = spec.conda.get_or_insert_with(CondaSpec::default);
    push_new(&mut conda.packages, &format!("{package}{}", version.unwrap_or_default()));
}

fn push_new(list: &mut Vec<String>, item: &str) {
    if !list.iter().any(|other| other == item) {
        list.push(item.to_owned());
    }
}

fn set_python(spec: &mut EnvSpec, python: PythonVersion) {
    spec.python = python;
    if let Some(date) = spec.exclude_newer {
        spec.exclude_newer = era::wheels_from(python, date).or(spec.exclude_newer);
        // some limits hold only for the Pythons that the limited release can run on
        let defaults = era::build_constraints(date, python);
        let known = |constraint: &String| {
            knowledge::build_limits().iter().all(|limit| limit.constraint != *constraint)
                || defaults.contains(constraint)
        };
        spec.build_constraints.retain(known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Wishes, plan};
    use sizar_model::inspection::Inspection;

    const FAILED: &str = "error: Failed to build `dlib==19.6.0`\n  CMake must be installed\n";

    fn next(conda: bool) -> Outcome {
        let python = [PythonVersion::minor(3, 8)];
        let mut spec =
            plan(&Inspection::default(), None, &python, &Wishes::default()).unwrap().spec;
        spec.requirements = vec!["dlib==19.6.0".into(), "six".into()];
        let facts = Facts {
            pythons: &python,
            available: &python,
            package: None,
            conda,
            undeclared: &[],
            distribution_of: &|_| None,
        };
        let failure = Failure { stage: Stage::Build, output: FAILED };
        Repairer::default().next(&spec, failure, &facts)
    }

    #[test]
    fn what_cannot_be_built_is_taken_from_conda_where_it_answers() {
        let Outcome::Repair { spec, rule, .. } = next(true) else { panic!("conda answers") };
        assert_eq!(rule, "conda-binary");
        assert_eq!(spec.requirements, ["six"]);
        let conda = spec.conda.unwrap();
        assert_eq!((conda.path, conda.packages), (None, vec!["dlib=19.6.0".to_owned()]));
        assert!(!matches!(next(false), Outcome::Repair { rule, .. } if rule == "conda-binary"));
    }
}
