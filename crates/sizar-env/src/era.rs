//! What a date says: the Python of the time, and what builds of the time need.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sizar_model::{Installer, PythonVersion};

use crate::knowledge;

/// What was published up to this long after the code still counts as of its time: authors
/// upload a fix of a dependency, or the last commit was made before the release.
pub const SLACK: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Returns the Python that code of `date` was usually written with.
pub fn python_of(date: Timestamp) -> PythonVersion {
    knowledge::eras()
        .iter()
        .find(|era| date < era.until)
        .or(knowledge::eras().last())
        .map_or(PythonVersion::minor(3, 12), |era| era.python)
}

/// Returns whether packages published up to `cutoff` can have wheels for `python`.
pub fn was_released(python: PythonVersion, cutoff: Timestamp) -> bool {
    let release = knowledge::releases().iter().find(|r| python.satisfies(r.python));
    release.is_none_or(|release| release.date < cutoff)
}

/// How long after a Python's release the large packages had wheels for it.
const WHEELS_FOLLOW: SignedDuration = SignedDuration::from_hours(180 * 24);

/// Returns the date from which on there are wheels for `python`, if it is after `cutoff`.
pub fn wheels_from(python: PythonVersion, cutoff: Timestamp) -> Option<Timestamp> {
    let release = knowledge::releases().iter().find(|r| python.satisfies(r.python))?;
    let wheels = release.date.checked_add(WHEELS_FOLLOW).ok()?;
    (wheels > cutoff).then_some(wheels)
}

/// Returns the date up to which packages are taken for code of `date`.
pub fn cutoff(date: Timestamp) -> Timestamp {
    date.checked_add(SLACK).unwrap_or(date)
}

/// Returns the dates of the packages that cannot be taken as of `cutoff`, because `installer`
/// does not work with what there was, or because what there was for `python` had to be compiled
/// with much that nobody has.
pub fn package_dates(
    cutoff: Timestamp,
    installer: Installer,
    python: PythonVersion,
) -> BTreeMap<String, Timestamp> {
    let floors = knowledge::floors()
        .iter()
        .filter(|floor| cutoff < floor.date)
        .filter(|floor| floor.installer.is_none_or(|only| only == installer))
        .map(|floor| (floor.package.clone(), floor.date));
    let mut dates = BTreeMap::new();
    for (package, date) in floors.chain(first_wheels(cutoff, python)) {
        let known = dates.entry(package).or_insert(date);
        *known = date.max(*known);
    }
    dates
}

/// Returns the packages that have no wheel for `python` as of `cutoff`, each with when its first
/// came, where their builds are not to be hoped for.
pub fn first_wheels(cutoff: Timestamp, python: PythonVersion) -> BTreeMap<String, Timestamp> {
    // for later Pythons the date is one at which there are wheels already
    if !python.satisfies(PythonVersion::minor(2, 7)) {
        return BTreeMap::new();
    }
    knowledge::first_wheels()
        .iter()
        .filter(|row| cutoff < row.date)
        .flat_map(|row| row.packages.iter().map(|package| (package.clone(), row.date)))
        .collect()
}

/// Returns the limits on build requirements for what was published before `date` and is built
/// with `python`.
pub fn build_constraints(date: Timestamp, python: PythonVersion) -> Vec<String> {
    // setuptools before 66 does not start on Python 3.12: a newer Python was chosen on purpose
    let old_tools = python < PythonVersion::minor(3, 12);
    knowledge::build_limits()
        .iter()
        .filter(|limit| date < limit.before)
        .map(|limit| limit.constraint.clone())
        .filter(|constraint| old_tools || constraint != "setuptools<58")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Timestamp {
        format!("{text}T00:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_date_has_a_python() {
        assert_eq!(python_of(day("2018-11-14")), PythonVersion::minor(3, 6));
        assert_eq!(python_of(day("2020-02-01")), PythonVersion::minor(3, 7));
        assert_eq!(python_of(day("2099-01-01")), PythonVersion::minor(3, 13));
    }

    #[test]
    fn a_python_newer_than_the_code_brings_its_own_date() {
        let python = PythonVersion::minor(3, 6);
        assert!(wheels_from(python, day("2016-04-19")) > Some(day("2017-01-01")));
        assert_eq!(wheels_from(python, day("2018-11-28")), None);
    }

    #[test]
    fn build_tools_are_never_older_than_uv_can_use() {
        let python = PythonVersion::minor(3, 6);
        assert!(package_dates(day("2018-11-28"), Installer::Uv, python).contains_key("setuptools"));
        assert!(package_dates(day("2024-01-01"), Installer::Uv, python).is_empty());
    }

    #[test]
    fn what_had_no_wheels_for_python_2_is_taken_as_of_its_first() {
        let python = PythonVersion::minor(2, 7);
        let dates = first_wheels(day("2016-02-01"), python);
        assert!(dates["numpy"] < dates["pandas"] && dates["pandas"] < day("2016-08-01"));
        let later = first_wheels(day("2016-10-01"), python);
        assert!(!later.contains_key("numpy") && later.contains_key("numba"));
        assert!(first_wheels(day("2016-02-01"), PythonVersion::minor(3, 5)).is_empty());
        let all = package_dates(day("2016-02-01"), Installer::Pip, "2.7.18".parse().unwrap());
        assert!(all.contains_key("numpy") && all.contains_key("setuptools"));
    }

    #[test]
    fn old_code_gets_old_build_tools() {
        let old = build_constraints(day("2018-11-28"), PythonVersion::minor(3, 6));
        assert!(old.contains(&"setuptools<58".to_owned()) && old.contains(&"Cython<3".to_owned()));
        assert!(build_constraints(day("2026-06-01"), PythonVersion::minor(3, 13)).is_empty());
        let on_new = build_constraints(day("2018-11-28"), PythonVersion::minor(3, 12));
        assert!(!on_new.contains(&"setuptools<58".to_owned()));
    }
}
