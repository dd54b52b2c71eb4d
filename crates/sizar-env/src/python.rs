//! Which Python: the evidence, strongest first, against what is available.

use jiff::Timestamp;
use sizar_model::inspection::{Driver, Inspection, PythonEvidence, Sighting};
use sizar_model::{Deviation, Installer, PythonVersion};
use uv_pep440::{Version, VersionSpecifiers};

use crate::era;
use crate::pip;

/// The oldest Python that uv can make environments for.
pub const OLDEST: PythonVersion = PythonVersion::minor(3, 6);

/// Returns the engine that makes environments for a Python: uv, wherever it can.
pub fn installer(python: PythonVersion) -> Installer {
    if python.without_patch() < OLDEST { Installer::Pip } else { Installer::Uv }
}

/// The Pythons to try, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonChoice {
    /// Never empty.
    pub ranked: Vec<PythonVersion>,
    /// Why the first is first, as a sentence.
    pub reason: String,
    /// What the evidence asks for.
    pub wanted: PythonVersion,
    /// Said where the first is not what the evidence asks for.
    pub deviations: Vec<Deviation>,
}

/// No Python that is available can run the code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPython {
    #[error("the code is written for Python 2, and there is no Python 2.7 on this machine")]
    Python2,
    #[error("no Python that can be used was found on this machine, and none could be fetched")]
    NothingAvailable,
    #[error(
        "Python {wanted} was asked for and is neither installed nor to be had; there is {available}"
    )]
    NotAvailable { wanted: PythonVersion, available: String },
    #[error("the code needs {needed}; there is {available}")]
    OutOfRange { needed: String, available: String },
}

/// Returns whether more than half of what the tree can be asked to do is written for Python 2.
pub fn is_mostly_python_2(inspection: &Inspection) -> bool {
    let drivers = &inspection.drivers;
    let twos = drivers.iter().filter(|driver| driver.python_at_most.is_some_and(|v| v.major < 3));
    twos.count() * 2 > drivers.len()
}

/// Returns the evidence that counts for `driver`: the grammar of what it imports rather than of the
/// whole tree, in which files may be left over from Python 2.
///
/// What only a README says of Python 3 is about another tree or branch where most of this one is
/// written for Python 2.
pub fn evidence(inspection: &Inspection, driver: Option<&Driver>) -> PythonEvidence {
    let mut evidence = inspection.python.clone();
    if is_mostly_python_2(inspection) && evidence.named.iter().all(|said| said.kind == "readme") {
        evidence.named.retain(|said| !names_a_python_3(said));
    }
    if let Some(driver) = driver.filter(|driver| !driver.closure.is_empty()) {
        evidence.at_least = driver.python_at_least;
        evidence.at_most = driver.python_at_most;
    }
    evidence
}

/// Chooses among the `available` Pythons for code of `date`.
///
/// # Errors
///
/// [`NoPython`] where none of them can run the code.
pub fn choose(
    evidence: &PythonEvidence,
    date: Option<Timestamp>,
    available: &[PythonVersion],
    requested: Option<PythonVersion>,
) -> Result<PythonChoice, NoPython> {
    let mut available: Vec<_> =
        available.iter().copied().filter(|v| *v >= OLDEST || pip::drives(*v)).collect();
    available.sort_unstable_by(|a, b| b.cmp(a));
    // the newest patch release of each minor version stands for it
    available.dedup_by_key(|version| version.without_patch());
    if available.is_empty() {
        return Err(NoPython::NothingAvailable);
    }
    if let Some(wanted) = requested {
        return asked_for(wanted, &available);
    }
    let mut deviations = Vec::new();
    let evidence = &mut evidence.clone();
    let written_for_2 = evidence.at_most.is_some_and(|newest| newest.major < 3);
    if written_for_2 {
        // a tree may hold its Python 2 beside its Python 3, or tools that were never converted
        let Some(said) = names_python_3(evidence) else {
            let two = python_2(&available).ok_or(NoPython::Python2)?;
            return Ok(only(two, "its syntax is that of Python 2"));
        };
        deviations.push(Deviation {
            rule: "python-2-aside".into(),
            reason: format!(
                "`{}` names Python 3, though some files are written for Python 2",
                said.path
            ),
        });
        evidence.at_most = None;
    }
    let evidence = &*evidence;
    let older: Vec<_> = available
        .iter()
        .copied()
        .filter(|version| {
            // what the authors say of Python 3 may be about another tree
            let by_syntax = written_for_2
                && version.major == 2
                && allowed(&specifiers(&evidence.requires), *version);
            *version < OLDEST && (by_syntax || may_be_tried(evidence, date, *version))
        })
        .collect();
    let two = python_2(&available).filter(|_| names_only_python_2(evidence));
    available.retain(|version| *version >= OLDEST || is_asked_for(evidence, *version));
    if let Some(two) = two {
        // what also runs on Python 3 may be tried there afterwards
        let mut choice = only(two, "it is the only one that the authors name");
        available.retain(|version| syntax_allows(evidence, *version));
        choice.ranked.extend(available.iter().rev());
        return Ok(choice);
    }
    if available.is_empty() {
        return Err(NoPython::NothingAvailable);
    }
    let by_syntax: Vec<_> =
        available.iter().copied().filter(|version| syntax_allows(evidence, *version)).collect();
    if by_syntax.is_empty() {
        return Err(NoPython::OutOfRange {
            needed: syntax_words(evidence),
            available: list(&available),
        });
    }
    let specifiers = specifiers(&evidence.requires);
    let declared: Vec<_> =
        by_syntax.iter().copied().filter(|version| allowed(&specifiers, *version)).collect();
    let usable = if declared.is_empty() {
        let said = evidence.requires.iter().map(|s| format!("`{}`", s.text)).collect::<Vec<_>>();
        deviations.push(Deviation {
            rule: "python-not-available".into(),
            reason: format!(
                "the authors ask for Python {}, which is not available here",
                said.join(" and ")
            ),
        });
        by_syntax
    } else {
        declared
    };
    let (wanted, reason) = preferred(evidence, date, &usable);
    let mut ranked = usable;
    // nearest first; of two as near the older, whose wheels are those of the code's time
    ranked.sort_by_key(|version| (distance(*version, wanted), *version));
    if let Some(first) = ranked.first()
        && first.without_patch() != wanted.without_patch()
    {
        deviations.push(Deviation {
            rule: "nearest-python".into(),
            reason: format!("Python {wanted} is asked for ({reason}); {first} is the nearest here"),
        });
    }
    ranked.extend(older.into_iter().filter(|version| !available.contains(version)));
    Ok(PythonChoice { ranked, reason, wanted, deviations })
}

/// Returns the Python that is worth fetching before anything is planned: one that is asked for, or
/// that the evidence asks for, and that is not `available`.
pub fn worth_fetching(
    evidence: &PythonEvidence,
    date: Option<Timestamp>,
    available: &[PythonVersion],
    requested: Option<PythonVersion>,
) -> Option<PythonVersion> {
    let missing = missing(evidence, date, available, requested);
    missing.filter(|missing| missing.without_patch() >= OLDEST_FETCHED)
}

/// Returns the Python that is asked for, or that the evidence asks for, and that is not
/// `available`, whoever may have it.
pub fn missing(
    evidence: &PythonEvidence,
    date: Option<Timestamp>,
    available: &[PythonVersion],
    requested: Option<PythonVersion>,
) -> Option<PythonVersion> {
    let missing = match choose(evidence, date, available, requested) {
        Ok(choice) => choice.wanted,
        Err(NoPython::Python2) => return None,
        Err(NoPython::NotAvailable { wanted, .. }) => wanted,
        Err(NoPython::OutOfRange { .. }) => evidence.at_most.or(evidence.at_least)?,
        Err(NoPython::NothingAvailable) => {
            requested.or(date.map(era::python_of)).unwrap_or(PythonVersion::minor(3, 12))
        }
    };
    let there = available.iter().any(|python| python.satisfies(missing));
    (!there).then_some(missing)
}

/// The oldest Python that uv has builds of.
const OLDEST_FETCHED: PythonVersion = PythonVersion::minor(3, 8);

/// Returns where the authors say that Python 3 runs the code.
fn names_python_3(evidence: &PythonEvidence) -> Option<&Sighting> {
    evidence.named.iter().chain(&evidence.requires).find(|sighting| names_a_python_3(sighting))
}

fn names_a_python_3(sighting: &Sighting) -> bool {
    let digits = sighting.text.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.starts_with('3') && !sighting.text.contains('<')
}

fn python_2(available: &[PythonVersion]) -> Option<PythonVersion> {
    available.iter().copied().find(|version| version.major == 2)
}

fn only(python: PythonVersion, reason: &str) -> PythonChoice {
    PythonChoice {
        ranked: vec![python],
        reason: reason.to_owned(),
        wanted: python.without_patch(),
        deviations: Vec::new(),
    }
}

/// Whether the authors name Python 2 and no Python 3, for code that would parse as either.
fn names_only_python_2(evidence: &PythonEvidence) -> bool {
    let named = || evidence.named.iter().chain(&evidence.requires);
    let exact = |sighting: &Sighting| !sighting.text.contains(['<', '>', '!', '~']);
    evidence.at_least.is_none_or(|oldest| oldest.major < 3)
        && named().any(|said| {
            exact(said) && version_in(&said.text).is_some_and(|version| version.major == 2)
        })
        && !named().any(|said| {
            // `Python :: 3` without a minor version counts as well
            let number = said.text.trim_start_matches(|c: char| !c.is_ascii_digit());
            number.starts_with('3') || said.text.contains('>')
        })
}

/// Whether an old Python may be tried after all others, for code that nothing shows to be of a
/// newer one.
fn may_be_tried(
    evidence: &PythonEvidence,
    date: Option<Timestamp>,
    version: PythonVersion,
) -> bool {
    let of_its_time = date.is_some_and(|date| era::python_of(date) <= OLDEST);
    let aside = evidence.at_least.is_none_or(|oldest| oldest.major < 3)
        && (version.major > 2 || names_python_3(evidence).is_none());
    of_its_time && aside && allowed(&specifiers(&evidence.requires), version)
}

/// Whether the evidence asks for a Python that is older than what uv drives, and not Python 2.
fn is_asked_for(evidence: &PythonEvidence, version: PythonVersion) -> bool {
    let specifiers = specifiers(&evidence.requires);
    let plain = version.without_patch();
    let chosen = evidence
        .named
        .iter()
        .filter(|sighting| CHOICES.contains(&sighting.kind.as_str()))
        .any(|sighting| version_in(&sighting.text) == Some(plain));
    let newer_may_do = (OLDEST.minor..20)
        .any(|minor| allowed(&specifiers, PythonVersion::minor(OLDEST.major, minor)));
    version.major == OLDEST.major
        && (chosen
            || evidence.at_most.is_some_and(|newest| newest.without_patch() == plain)
            || (!newer_may_do && allowed(&specifiers, version)))
}

fn asked_for(wanted: PythonVersion, available: &[PythonVersion]) -> Result<PythonChoice, NoPython> {
    let found: Vec<_> = available.iter().copied().filter(|v| v.satisfies(wanted)).collect();
    if found.is_empty() {
        return Err(NoPython::NotAvailable { wanted, available: list(available) });
    }
    Ok(PythonChoice {
        ranked: found,
        reason: "it was asked for".into(),
        wanted,
        deviations: Vec::new(),
    })
}

/// Names Pythons, one after the other.
pub(crate) fn list(versions: &[PythonVersion]) -> String {
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn syntax_allows(evidence: &PythonEvidence, version: PythonVersion) -> bool {
    let version = version.without_patch();
    evidence.at_least.is_none_or(|oldest| version >= oldest.without_patch())
        && evidence.at_most.is_none_or(|newest| version <= newest.without_patch())
}

fn syntax_words(evidence: &PythonEvidence) -> String {
    match (evidence.at_least, evidence.at_most) {
        (Some(oldest), Some(newest)) => format!("a Python from {oldest} to {newest} by its syntax"),
        (Some(oldest), None) => format!("Python {oldest} or newer by its syntax"),
        (None, Some(newest)) => format!("Python {newest} or older by its syntax"),
        (None, None) => "another Python".to_owned(),
    }
}

/// Reads what can be read of `requires-python`; the rest binds nobody.
fn specifiers(requires: &[Sighting]) -> Vec<VersionSpecifiers> {
    requires.iter().filter_map(|sighting| sighting.text.parse().ok()).collect()
}

fn allowed(specifiers: &[VersionSpecifiers], version: PythonVersion) -> bool {
    let number = |part: u8| u64::from(part);
    // without a patch release, whichever is newest stands for the minor version
    let patch = version.patch.unwrap_or(99);
    let version = Version::new([number(version.major), number(version.minor), number(patch)]);
    specifiers.iter().all(|specifiers| specifiers.contains(&version))
}

/// Files in which a version is a choice, not a remark.
const CHOICES: &[&str] =
    &["python_version", "runtime_txt", "pipfile", "environment_yml", "dockerfile", "conda_list"];

/// Returns the version that the evidence asks for, and why.
fn preferred(
    evidence: &PythonEvidence,
    date: Option<Timestamp>,
    usable: &[PythonVersion],
) -> (PythonVersion, String) {
    for kind in CHOICES {
        let named = evidence.named.iter().filter(|sighting| sighting.kind == *kind);
        let mut versions: Vec<_> =
            named.filter_map(|sighting| Some((version_in(&sighting.text)?, sighting))).collect();
        versions.retain(|(version, _)| version.major == 3);
        if let Some((version, sighting)) = versions.into_iter().max_by_key(|(version, _)| *version)
        {
            return (version, format!("`{}` names it", sighting.path));
        }
    }
    let remarks: Vec<_> = evidence
        .named
        .iter()
        .filter(|sighting| !CHOICES.contains(&sighting.kind.as_str()))
        .filter_map(|sighting| Some((version_in(&sighting.text)?, sighting)))
        .filter(|(version, _)| version.major == 3)
        .filter(|(version, sighting)| !is_left_behind(sighting, *version, date))
        .collect();
    let oldest = remarks.iter().map(|(version, _)| *version).min();
    // "3.4 or newer" says nothing of the newest
    let exact = remarks.iter().filter(|(_, sighting)| !sighting.text.contains('>'));
    let newest = exact.map(|(version, _)| *version).max();
    let Some(date) = date else {
        return match newest {
            Some(version) => (version, "it is the newest that the authors name".to_owned()),
            None => (
                usable.iter().copied().max().unwrap_or(OLDEST),
                "nothing dates the code".to_owned(),
            ),
        };
    };
    let era = era::python_of(date);
    let year = date.strftime("%Y");
    let by_date = (era, format!("code of {year} was usually written for it"));
    match (oldest, newest) {
        (Some(oldest), _) if era < oldest => {
            (oldest, "it is the oldest that the authors name".to_owned())
        }
        (_, Some(newest)) if era.minor > newest.minor + 1 => {
            (newest, "it is the newest that the authors name".to_owned())
        }
        _ => by_date,
    }
}

/// What no author wrote: a notebook says by which Python it was run last, a workflow which there were
/// when it was set up.
const BY_PROGRAMS: &[&str] = &["notebook", "workflow"];

/// Whether a program's remark is of a time long before the code was last changed.
fn is_left_behind(sighting: &Sighting, version: PythonVersion, date: Option<Timestamp>) -> bool {
    BY_PROGRAMS.contains(&sighting.kind.as_str())
        && date.is_some_and(|date| era::python_of(date).minor > version.minor + 3)
}

/// Finds a version such as `3.7` or `python-3.6.9` in a text; `3` alone says too little.
fn version_in(text: &str) -> Option<PythonVersion> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let number = text[start..]
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .next()?
        .trim_end_matches('.');
    let mut parts = number.split('.');
    let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    matches!(major, 2 | 3).then(|| PythonVersion::minor(major, minor))
}

fn distance(version: PythonVersion, wanted: PythonVersion) -> u8 {
    let minor = |version: PythonVersion| if version.major < 3 { 0 } else { version.minor };
    minor(version).abs_diff(minor(wanted))
}

#[cfg(test)]
mod tests;
