//! Which Python: the evidence, strongest first, against what is available.

use jiff::Timestamp;
use sizar_model::inspection::{Driver, Inspection, PythonEvidence, Sighting};
use sizar_model::{Deviation, PythonVersion};
use uv_pep440::{Version, VersionSpecifiers};

use crate::era;

/// The oldest Python that uv can make environments for.
pub const OLDEST: PythonVersion = PythonVersion::minor(3, 6);

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
    #[error("the code is written for Python 2, which uv cannot make environments for")]
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

/// Returns the evidence that counts for `driver`: the grammar of what it imports rather than of the
/// whole tree, in which files may be left over from Python 2.
pub fn evidence(inspection: &Inspection, driver: Option<&Driver>) -> PythonEvidence {
    let mut evidence = inspection.python.clone();
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
    let mut available: Vec<_> = available.iter().copied().filter(|v| *v >= OLDEST).collect();
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
    if evidence.at_most.is_some_and(|newest| newest.major < 3) {
        // a tree may hold its Python 2 beside its Python 3, or tools that were never converted
        let Some(said) = names_python_3(evidence) else { return Err(NoPython::Python2) };
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
    evidence.named.iter().chain(&evidence.requires).find(|sighting| {
        let digits = sighting.text.trim_start_matches(|c: char| !c.is_ascii_digit());
        digits.starts_with('3') && !sighting.text.contains('<')
    })
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

fn list(versions: &[PythonVersion]) -> String {
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
mod tests {
    use super::*;

    fn versions(minors: &[u8]) -> Vec<PythonVersion> {
        minors.iter().map(|minor| PythonVersion::minor(3, *minor)).collect()
    }

    fn named(kind: &str, text: &str) -> Sighting {
        Sighting { kind: kind.into(), text: text.into(), path: kind.into(), line: 1 }
    }

    fn day(text: &str) -> Option<Timestamp> {
        format!("{text}T00:00:00Z").parse().ok()
    }

    #[test]
    fn the_date_decides_where_nothing_else_does() {
        let choice =
            choose(&PythonEvidence::default(), day("2018-11-14"), &versions(&[13, 6, 7]), None)
                .unwrap();
        assert_eq!(choice.ranked, versions(&[6, 7, 13]));
        assert!(choice.deviations.is_empty());
    }

    #[test]
    fn what_the_authors_chose_wins_over_the_date() {
        let evidence = PythonEvidence {
            named: vec![named("runtime_txt", "python-3.8.5")],
            ..Default::default()
        };
        let choice = choose(&evidence, day("2018-11-14"), &versions(&[6, 8, 12]), None).unwrap();
        assert_eq!(choice.ranked[0], PythonVersion::minor(3, 8));
    }

    #[test]
    fn limits_of_packaging_and_syntax_hold() {
        let evidence = PythonEvidence {
            requires: vec![named("setup_py", ">=3.7, <3.10")],
            at_least: Some(PythonVersion::minor(3, 8)),
            ..Default::default()
        };
        let choice =
            choose(&evidence, day("2024-01-01"), &versions(&[6, 7, 8, 9, 10, 12]), None).unwrap();
        assert_eq!(choice.ranked, versions(&[9, 8]));
        assert_eq!(choice.deviations[0].rule, "nearest-python");
    }

    #[test]
    fn the_nearest_is_taken_and_said() {
        let choice =
            choose(&PythonEvidence::default(), day("2018-01-01"), &versions(&[8, 11]), None)
                .unwrap();
        assert_eq!(choice.ranked[0], PythonVersion::minor(3, 8));
        assert_eq!(choice.deviations[0].rule, "nearest-python");
    }

    #[test]
    fn only_what_is_asked_for_and_can_be_had_is_fetched() {
        let fetched = |date: &str, available: &[u8], requested: Option<u8>| {
            let requested = requested.map(|minor| PythonVersion::minor(3, minor));
            worth_fetching(&PythonEvidence::default(), day(date), &versions(available), requested)
        };
        assert_eq!(fetched("2022-05-01", &[9, 12], None), None);
        assert_eq!(fetched("2022-05-01", &[12], None), Some(PythonVersion::minor(3, 9)));
        assert_eq!(fetched("2018-05-01", &[12], None), None, "uv has no 3.6");
        assert_eq!(fetched("2018-05-01", &[12], Some(10)), Some(PythonVersion::minor(3, 10)));
        assert_eq!(fetched("2022-05-01", &[], None), Some(PythonVersion::minor(3, 9)));
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        let python2 =
            PythonEvidence { at_most: Some(PythonVersion::minor(2, 7)), ..Default::default() };
        assert_eq!(choose(&python2, None, &versions(&[8]), None), Err(NoPython::Python2));
        let newer =
            PythonEvidence { at_least: Some(PythonVersion::minor(3, 12)), ..Default::default() };
        assert!(matches!(
            choose(&newer, None, &versions(&[8]), None),
            Err(NoPython::OutOfRange { .. })
        ));
        assert!(matches!(
            choose(
                &PythonEvidence::default(),
                None,
                &versions(&[8]),
                Some(PythonVersion::minor(3, 9))
            ),
            Err(NoPython::NotAvailable { .. })
        ));
    }

    #[test]
    fn python_2_beside_python_3_is_no_obstacle() {
        let evidence = PythonEvidence {
            at_most: Some(PythonVersion::minor(2, 7)),
            named: vec![named("readme", "2.7"), named("readme", ">=3.4")],
            ..Default::default()
        };
        let choice = choose(&evidence, day("2019-01-01"), &versions(&[6, 7]), None).unwrap();
        assert_eq!(choice.ranked[0], PythonVersion::minor(3, 7));
        assert_eq!(choice.deviations[0].rule, "python-2-aside");
    }

    #[test]
    fn the_newest_named_version_limits_the_date() {
        let evidence =
            PythonEvidence { named: vec![named("classifier", "3.6")], ..Default::default() };
        let choice = choose(&evidence, day("2023-05-01"), &versions(&[6, 8, 10]), None).unwrap();
        assert_eq!(choice.ranked[0], PythonVersion::minor(3, 6));
    }
}
