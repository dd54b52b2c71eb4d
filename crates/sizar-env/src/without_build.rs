//! A release with a wheel, or a binary of conda's, in the place of what cannot be built here.
//!
//! An old release that comes as source only needs the compiler and the libraries of its time. Its
//! next release often has a wheel, and differs less from it than anything else that can be had.

use std::str::FromStr as _;

use jiff::SignedDuration;
use sizar_model::EnvSpec;
use uv_pep440::Version;

use crate::candidates::{Candidate, Change};
use crate::diagnosis::error_line;
use crate::knowledge::Action;
use crate::name;
use crate::pins::{self, Release};
use crate::repair::Facts;

/// How a failed build can be done without.
#[derive(Clone, Debug)]
pub struct WithoutBuild {
    pub candidate: Candidate,
    /// Whether the very release has a wheel, for another Python.
    pub elsewhere: bool,
}

/// Takes a package that is asked for from conda, which builds with the libraries that it needs.
pub fn by_conda(spec: &EnvSpec, package: &str) -> Option<Candidate> {
    let asked = spec.requirements.iter().any(|asked| name::of_requirement(asked) == package);
    asked.then(|| Candidate {
        rule: "conda-binary".into(),
        cause: format!("{package} cannot be built here, and conda has it built"),
        changes: vec![Change::Act(Action::CondaBinary(package.to_owned()))],
    })
}

/// Finds the nearest release that the specification's Python has a wheel of.
pub fn find(
    spec: &EnvSpec,
    package: &str,
    output: &str,
    facts: &Facts<'_>,
) -> Option<WithoutBuild> {
    let asked = spec.requirements.iter().find(|asked| name::of_requirement(asked) == package);
    // an address names no release
    if asked.is_some_and(|asked| asked.contains('@')) {
        return None;
    }
    let pinned = asked.and_then(|asked| pins::pin_of(asked)).map(|pin| pin.version);
    let version = built_release(package, output).or(pinned)?;
    let wanted = Version::from_str(&version).ok()?;
    let releases = (facts.releases)(package);
    let is_wanted =
        |release: &&Release| Version::from_str(&release.version).ok() == Some(wanted.clone());
    let elsewhere = releases.iter().find(is_wanted).is_some_and(|release| release.wheels);
    let usable = |release: &&Release| !release.yanked && release.runs_on(spec.python);
    let others = releases.iter().filter(usable).filter(|release| !is_wanted(release));
    let nearest = pins::nearest(&wanted, others)?;
    let exactly = format!("{package}=={}", nearest.version);
    let mut changes = vec![if asked.is_some() {
        Change::Loosen { package: package.to_owned(), requirement: Some(exactly.clone()) }
    } else {
        Change::Act(Action::Constrain(exactly.clone()))
    }];
    let after = nearest
        .published
        .and_then(|published| published.checked_add(SignedDuration::from_secs(1)).ok());
    if let Some(date) = after.filter(|date| spec.exclude_newer.is_some_and(|cutoff| *date > cutoff))
    {
        changes.push(Change::Date { package: package.to_owned(), date });
    }
    let candidate = Candidate {
        rule: "nearest-wheel".into(),
        cause: format!(
            "{package} {version} cannot be built here ({}); {exactly} is the nearest that has a wheel",
            error_line(output)
        ),
        changes,
    };
    Some(WithoutBuild { candidate, elsewhere })
}

/// Reads which release was being built, where uv says so.
fn built_release(package: &str, output: &str) -> Option<String> {
    let failed = output.lines().filter(|line| line.contains("Failed to"));
    let mut releases = failed.filter_map(|line| line.split('`').nth(1)?.split_once("=="));
    let (_, version) = releases.find(|(found, _)| name::normalise(found) == package)?;
    Some(version.to_owned())
}
