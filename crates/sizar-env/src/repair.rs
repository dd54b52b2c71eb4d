//! From a failure to the next specification, with a recorded reason.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use sizar_model::{
    CondaSpec, Deviation, Digest, EnvSpec, Installer, ProjectInstall, PythonVersion,
};

use crate::absent::left_out_and_needed;
use crate::candidates::{Candidate, Change, candidates, matching, worded};
use crate::date_search;
use crate::diagnosis::{Diagnosis, diagnose, error_line};
use crate::era;
use crate::knowledge::{self, Action, Stage, gone};
use crate::name;
use crate::pins::{self, Release};
use crate::python;

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
    /// Requirements that nobody declared.
    pub undeclared: &'a [String],
    /// Requirements that the authors have from conda, and that are taken from the index instead.
    pub from_conda: &'a [String],
    /// The distributions that the code imports.
    pub imported: &'a [String],
    /// Exact pins that a README names, by distribution.
    pub readme_pins: &'a BTreeMap<String, String>,
    /// The date that the plan began with, which the search over dates goes round.
    pub date: Option<Timestamp>,
    /// Returns the releases of a distribution that the index has; none where it cannot be asked.
    pub releases: &'a dyn Fn(&str) -> Vec<Release>,
    /// Returns the distribution that provides a module, where a table knows it.
    pub distribution_of: &'a dyn Fn(&str) -> Option<String>,
    /// Returns whether the source's own tree has a module, by its dotted name.
    pub in_tree: &'a dyn Fn(&str) -> bool,
    /// Returns whether a channel of conda's answers, so that binaries can be had from there; it is
    /// asked only where one would help.
    pub conda_answers: &'a dyn Fn() -> bool,
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
    /// Repairs by a shim that something better went before, with what they are to be applied to.
    in_reserve: Vec<(EnvSpec, Candidate)>,
}

impl Repairer {
    /// Notes that `spec` is being tried.
    pub fn note(&mut self, spec: &EnvSpec) {
        self.tried.insert(state(spec));
    }

    /// Finds what to try after `spec` failed.
    pub fn next(&mut self, spec: &EnvSpec, failure: Failure<'_>, facts: &Facts<'_>) -> Outcome {
        self.note(spec);
        let candidates = candidates(spec, failure, facts);
        let by_shim = |candidate: &&Candidate| candidate.is_by_shim();
        for candidate in candidates.iter().filter(by_shim) {
            self.in_reserve.push((spec.clone(), candidate.clone()));
        }
        // an older release is nearer to what the authors had
        let (last, mut first): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(Candidate::is_by_shim);
        let building = matches!(failure.stage, Stage::Resolve | Stage::Build | Stage::Install);
        let last = if building {
            // what no build brings, no other Python brings either
            let at = first.iter().position(Candidate::is_by_python).unwrap_or(first.len());
            let after = first.split_off(at);
            let (conda, after): (Vec<_>, Vec<_>) =
                after.into_iter().partition(Candidate::is_by_conda);
            conda.into_iter().chain(last).chain(after).collect()
        } else {
            last
        };
        for candidate in first.into_iter().chain(last) {
            if let Some(next) = self.applied(spec, &candidate, facts) {
                return Outcome::Repair {
                    spec: Box::new(next),
                    rule: candidate.rule,
                    cause: candidate.cause,
                };
            }
        }
        // the better way of an earlier failure led nowhere
        while let Some((earlier, candidate)) = self.in_reserve.pop() {
            if let Some(next) = self.applied(&earlier, &candidate, facts) {
                return Outcome::Repair {
                    spec: Box::new(next),
                    rule: candidate.rule,
                    cause: candidate.cause,
                };
            }
        }
        match matching(spec, failure).first() {
            Some((row, captures)) => Outcome::Explained {
                rule: row.id.clone(),
                cause: worded(&row.cause, row, captures),
                advice: row.advice(),
            },
            None => explained_by_diagnosis(spec, failure.output, facts),
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
        if candidate.changes.iter().any(from_conda) && !(facts.conda_answers)() {
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

/// Explains what no row does: what the index does not have, or a contradiction.
fn explained_by_diagnosis(spec: &EnvSpec, output: &str, facts: &Facts<'_>) -> Outcome {
    for diagnosis in diagnose(output) {
        if let Diagnosis::ModuleMissing { module } = &diagnosis
            && let Some(outcome) = left_out_and_needed(spec, module, facts)
        {
            return outcome;
        }
        if let Diagnosis::NoSuchVersion { package, .. } = &diagnosis
            && let Some(pythons) = date_search::never_for(&(facts.releases)(package), spec.python)
        {
            return Outcome::Explained {
                rule: "never-for-python".into(),
                cause: format!(
                    "the index has {package} for Python {} only, and not for Python {}",
                    python::list(&pythons),
                    spec.python.without_patch()
                ),
                advice: Some(format!(
                    "conda's channels may have it, where one answers; `--with '{package} @ ADDRESS'` says where else"
                )),
            };
        }
        let (what, gone) = match &diagnosis {
            Diagnosis::NotOnIndex { package } => {
                (package.clone(), gone::distribution(package, None))
            }
            Diagnosis::NoSuchVersion { package, version } => {
                (format!("{package} {version}"), gone::distribution(package, Some(version)))
            }
            Diagnosis::ModuleMissing { module } => {
                (format!("the module {module}"), gone::module(module))
            }
            Diagnosis::Unsatisfiable { contradiction: Some(cause), .. } => {
                return Outcome::Explained {
                    rule: "contradiction".into(),
                    cause: cause.clone(),
                    advice: Some("change one of the two in a copy of the requirements".into()),
                };
            }
            _ => continue,
        };
        if let Some(gone) = gone {
            return Outcome::Explained {
                rule: "gone".into(),
                cause: format!("the index has no {what}, last seen at {}", gone.last_seen),
                advice: Some(gone.instead.clone()),
            };
        }
    }
    Outcome::Unexplained { cause: error_line(output) }
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
        Change::Act(action) => act(spec, action, facts.pythons, facts.available),
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
        Change::WithoutBuildConstraint { limit } => {
            spec.build_constraints.retain(|known| known != limit);
        }
        Change::WithoutStep { folder } => spec.build_steps.retain(|step| step.folder != *folder),
        Change::DateOfAll { date } => {
            spec.exclude_newer = Some(*date);
            let late = |other: &Timestamp| other > date;
            spec.exclude_newer_package.retain(|_, other| late(other));
            for (package, floor) in era::package_dates(*date, spec.installer, spec.python) {
                spec.exclude_newer_package.entry(package).or_insert(floor);
            }
        }
        Change::Date { package, date } => not_before(spec, package, *date),
    }
}

/// Carries out an action; `pythons` are those that the code can run on, of the `available`.
pub(crate) fn act(
    spec: &mut EnvSpec,
    action: &Action,
    pythons: &[PythonVersion],
    available: &[PythonVersion],
) {
    match action {
        Action::PythonAtMost(newest) => {
            // Python 2 is no older Python 3
            let fits = |python: &&PythonVersion| {
                python.major == newest.major && python.without_patch() <= *newest
            };
            let found = pythons.iter().filter(fits).max();
            // to Python 2 only where nothing shows that the code is for Python 3
            let others = available.iter().filter(|_| newest.major > 2);
            let found = found.or_else(|| others.filter(fits).max());
            if let Some(python) = found.filter(|python| **python < spec.python) {
                set_python(spec, *python);
            }
        }
        Action::PythonAtLeast(oldest) => {
            let fits = |python: &&PythonVersion| python.without_patch() >= *oldest;
            let found = pythons.iter().filter(fits).min();
            let found = found.or_else(|| available.iter().filter(fits).min());
            if let Some(python) = found.filter(|python| **python > spec.python) {
                set_python(spec, *python);
            }
        }
        Action::Add(requirement) => {
            let name = name::of_requirement(requirement);
            spec.left_out.retain(|dropped| *dropped != name);
            if spec.requirements.iter().any(|asked| name::of_requirement(asked) == name) {
                push_new(&mut spec.constraints, requirement);
            } else {
                spec.requirements.push(requirement.clone());
            }
        }
        Action::Instead(requirement) => {
            let name = name::of_requirement(requirement);
            spec.constraints.retain(|asked| name::of_requirement(asked) != name);
            for asked in &mut spec.requirements {
                if name::of_requirement(asked) == name {
                    asked.clone_from(requirement);
                }
            }
        }
        Action::NotBefore { package, date } => not_before(spec, package, *date),
        // what changes nothing is no new state, and not worth an attempt
        Action::Constrain(requirement) if pins::keep_to(&spec.requirements, requirement) => {}
        Action::Constrain(requirement) => push_new(&mut spec.constraints, requirement),
        Action::Drop(package) => {
            if spec.requirements.iter().any(|asked| name::of_requirement(asked) == *package) {
                push_new(&mut spec.left_out, package);
            }
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
                    push_new(&mut spec.left_out, from);
                }
            }
        }
        Action::WithoutPin(package) => {
            rewrite(spec, package, |asked| {
                let marker = asked.split_once(';').map(|(_, marker)| marker.trim().to_owned());
                Some(marker.map_or(package.clone(), |marker| format!("{package} ; {marker}")))
            });
        }
        Action::WithoutLabel(package) => rewrite(spec, package, without_label),
        Action::EarlierDate { package, days } => {
            let known = spec.exclude_newer_package.get(package).copied().or(spec.exclude_newer);
            let earlier = SignedDuration::from_hours(24 * i64::from(*days));
            if let Some(date) = known.and_then(|date| date.checked_sub(earlier).ok()) {
                spec.exclude_newer_package.insert(package.clone(), date);
            }
        }
        Action::BuildConstraint(constraint) => push_new(&mut spec.build_constraints, constraint),
        // whose build it is stands in the output, not in the table
        Action::BuildRequirement(_) => {}
        Action::Shim(shim) => push_new(&mut spec.shims, shim),
        Action::InstallWith(installer) => set_installer(spec, *installer),
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
    set_installer(spec, Installer::Uv);
}

fn not_before(spec: &mut EnvSpec, package: &str, date: Timestamp) {
    let known = spec.exclude_newer_package.get(package).copied().or(spec.exclude_newer);
    if known.is_some_and(|known| known < date) {
        spec.exclude_newer_package.insert(package.to_owned(), date);
    }
}

/// Gives the requirements of a package another form.
fn rewrite(spec: &mut EnvSpec, package: &str, form: impl Fn(&str) -> Option<String>) {
    for asked in &mut spec.requirements {
        if name::of_requirement(asked) == package
            && let Some(other) = form(asked)
        {
            *asked = other;
        }
    }
}

/// Takes the label of a build (`+cu110`) off a pinned version.
fn without_label(requirement: &str) -> Option<String> {
    let (spec, marker) = match requirement.split_once(';') {
        Some((spec, marker)) => (spec, Some(marker)),
        None => (requirement, None),
    };
    let (public, _) = spec.split_once('+')?;
    Some(marker.map_or(public.to_owned(), |marker| format!("{public} ;{marker}")))
}

fn push_new(list: &mut Vec<String>, item: &str) {
    if !list.iter().any(|other| other == item) {
        list.push(item.to_owned());
    }
}

fn set_installer(spec: &mut EnvSpec, installer: Installer) {
    // uv alone installs over what conda gives
    let installer = if spec.conda.is_some() { Installer::Uv } else { installer };
    spec.installer = installer;
    if let Some(date) = spec.exclude_newer {
        for (package, date) in era::package_dates(date, installer, spec.python) {
            let known = spec.exclude_newer_package.entry(package).or_insert(date);
            *known = (*known).max(date);
        }
    }
}

fn set_python(spec: &mut EnvSpec, python: PythonVersion) {
    // the first wheels for one Python are none for another
    let wheels = spec.exclude_newer.map(|date| era::first_wheels(date, spec.python));
    let wheels = wheels.unwrap_or_default();
    spec.exclude_newer_package.retain(|package, date| wheels.get(package) != Some(date));
    spec.deviations.retain(|known| wheels.is_empty() || known.rule != "first-wheels");
    let needed = python::installer(spec.python);
    spec.python = python;
    // an engine that was chosen for another reason stays
    if python::installer(python) == Installer::Pip || needed == Installer::Pip {
        set_installer(spec, python::installer(python));
    }
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
        next_of((Stage::Build, FAILED), (conda, &[]), |spec| {
            spec.requirements = vec!["dlib==19.6.0".into(), "six".into()];
        })
    }

    fn next_of(
        (stage, output): (Stage, &str),
        (conda, from_conda): (bool, &[String]),
        change: impl Fn(&mut EnvSpec),
    ) -> Outcome {
        let python = [PythonVersion::minor(3, 8)];
        let mut spec =
            plan(&Inspection::default(), None, &python, &Wishes::default()).unwrap().spec;
        change(&mut spec);
        let facts = Facts {
            pythons: &python,
            available: &python,
            package: None,
            undeclared: &[],
            from_conda,
            imported: &["dlib".to_owned()],
            readme_pins: &std::collections::BTreeMap::new(),
            date: None,
            releases: &|_| Vec::new(),
            distribution_of: &|module| (module == "torchbiomed").then(|| module.to_owned()),
            in_tree: &|_| false,
            conda_answers: &|| conda,
        };
        Repairer::default().next(&spec, Failure { stage, output }, &facts)
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

    #[test]
    fn what_the_index_does_not_have_is_not_asked_for_again() {
        let output = "ModuleNotFoundError: No module named 'torchbiomed'\n";
        let after = |said: Option<&str>| {
            next_of((Stage::Import, output), (false, &[]), |spec| {
                if let Some(said) = said {
                    spec.left_out.push("torchbiomed".into());
                    let reason = format!("the index has no torchbiomed{said}");
                    spec.deviations.push(Deviation { rule: "not-on-index".into(), reason });
                }
            })
        };
        let first = after(None);
        assert!(matches!(&first, Outcome::Repair { rule, .. } if rule == "missing-module"));
        for said in ["", ", last seen at https://github.com/mattmacy/torchbiomed"] {
            let told = after(Some(said));
            let Outcome::Explained { cause, advice, .. } = told else { panic!("it is known") };
            assert!(cause.contains("cannot do without the module torchbiomed"), "{cause}");
            assert!(advice.unwrap().contains("--with 'torchbiomed @ ADDRESS'"));
        }
    }

    #[test]
    fn the_first_wheels_of_one_python_move_no_date_and_stay_with_it() {
        let output = "Because `foo` was filtered by `exclude-newer` to only include packages uploaded before \
                      2016-02-15T00:00:00Z (earliest published at 2017-05-14T10:00:00Z).\n";
        let two = PythonVersion::minor(2, 7);
        let cutoff = "2016-02-15T00:00:00Z".parse().unwrap();
        let of_two = |spec: &mut EnvSpec| {
            spec.python = two;
            spec.requirements = vec!["foo>=2".into(), "numpy".into()];
            spec.exclude_newer = Some(cutoff);
            spec.exclude_newer_package = era::package_dates(cutoff, Installer::Pip, two);
            let reason = "numpy: as of its first".into();
            spec.deviations.push(Deviation { rule: "first-wheels".into(), reason });
        };
        let next = next_of((Stage::Resolve, output), (false, &[]), of_two);
        let Outcome::Repair { spec, .. } = next else { panic!("a later date is tried") };
        assert_eq!(spec.exclude_newer, Some(cutoff), "foo alone comes later");
        assert!(spec.exclude_newer_package.contains_key("foo"));
        let mut spec = *spec;
        assert!(spec.exclude_newer_package.contains_key("numpy"));
        set_python(&mut spec, PythonVersion::minor(3, 8));
        assert!(!spec.exclude_newer_package.contains_key("numpy"));
        assert!(spec.deviations.iter().all(|known| known.rule != "first-wheels"));
        set_python(&mut spec, two);
        assert!(spec.exclude_newer.unwrap() > cutoff && spec.python == two);
    }

    #[test]
    fn what_only_conda_has_and_nothing_imports_moves_no_date() {
        let output = "Because `hmmer` was filtered by `exclude-newer` to only include packages uploaded before \
                      2023-07-11T00:00:00Z (earliest published at 2024-05-14T10:00:00Z).\n";
        let asks = |output: &str, from_conda: &[&str], asked: &[&str]| {
            let from_conda: Vec<String> =
                from_conda.iter().map(|name| (*name).to_owned()).collect();
            let next = next_of((Stage::Resolve, output), (false, &from_conda), |spec| {
                spec.requirements = asked.iter().map(|asked| (*asked).to_owned()).collect();
                spec.exclude_newer = Some("2023-07-11T00:00:00Z".parse().unwrap());
            });
            match next {
                Outcome::Repair { spec, rule, .. } => (rule, spec.requirements.len()),
                _ => (String::new(), 0),
            }
        };
        let both = ["dlib==19.6.0", "hmmer==3.3.2"];
        let dropped = ("conda-only-dropped".to_owned(), 1);
        assert_eq!(asks(output, &["dlib", "hmmer"], &both), dropped);
        // who had it from the index meant it, and what is imported stays
        assert_ne!(asks(output, &["dlib"], &both), dropped);
        let imported = output.replace("hmmer", "dlib");
        assert_ne!(asks(&imported, &["dlib", "hmmer"], &both), dropped);
        // of two that do not go together neither is to blame
        let contradiction = "  error: No solution found when resolving dependencies:\n  cause: Because hmmer==3.3.2 depends on \
                             numpy>=2 and dlib==19.6.0 depends on numpy<1, we can conclude that dlib==19.6.0 and \
                             hmmer==3.3.2 are incompatible. And because you require dlib==19.6.0 and hmmer==3.3.2, we \
                             can conclude that your requirements are unsatisfiable.\n";
        assert_eq!(asks(contradiction, &["dlib", "hmmer"], &both).0, "loosened-pin");
    }
}
