//! Which Python belongs to which date, and what must not be resolved as of an earlier one.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde::Deserialize;
use sizar_model::{Installer, PythonVersion};

/// `knowledge/eras.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eras {
    era: Vec<Era>,
    release: Vec<Release>,
    floor: Vec<Floor>,
    first_wheels: Vec<FirstWheels>,
    build_limit: Vec<BuildLimit>,
}

/// The Python of a time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Era {
    pub until: Timestamp,
    pub python: PythonVersion,
}

/// When a Python was first released.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub python: PythonVersion,
    pub date: Timestamp,
}

/// A package that is never resolved as of an earlier date.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    pub package: String,
    pub date: Timestamp,
    /// The engine that it holds for; both where it is left out.
    #[serde(default)]
    pub installer: Option<Installer>,
    pub reason: String,
    pub source: String,
}

/// Packages that have wheels for Linux and Python 2.7 from a date on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstWheels {
    pub date: Timestamp,
    pub packages: Vec<String>,
    pub source: String,
}

/// A limit on a build requirement of what was published before a date.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildLimit {
    pub before: Timestamp,
    pub constraint: String,
    pub reason: String,
    pub source: String,
}

static ERAS: LazyLock<Eras> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../knowledge/eras.toml"))
        .expect("a test reads the table that is compiled in")
});

/// Returns the table of Pythons by date, oldest first.
pub fn eras() -> &'static [Era] {
    &ERAS.era
}

/// Returns when each Python was released.
pub fn releases() -> &'static [Release] {
    &ERAS.release
}

/// Returns the packages that are never resolved as of an earlier date.
pub fn floors() -> &'static [Floor] {
    &ERAS.floor
}

/// Returns from when on packages have wheels for Linux and Python 2.7.
pub fn first_wheels() -> &'static [FirstWheels] {
    &ERAS.first_wheels
}

/// Returns the limits on build requirements by date.
pub fn build_limits() -> &'static [BuildLimit] {
    &ERAS.build_limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        assert!(eras().is_sorted_by_key(|era| era.until));
        assert!(eras().is_sorted_by_key(|era| era.python));
        let known =
            |source: &str| ["https://", "reproduced "].iter().any(|it| source.starts_with(it));
        assert!(floors().iter().all(|floor| known(&floor.source)));
        assert!(first_wheels().iter().all(|row| row.source.starts_with("https://")));
        assert!(first_wheels().is_sorted_by_key(|row| row.date));
        assert!(build_limits().iter().all(|limit| limit.source.starts_with("https://")));
    }
}
