//! What releases require whose metadata is no longer read, or leaves out what they need:
//! `knowledge/metadata.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

pub(super) const TEXT: &str = include_str!("../../../../knowledge/metadata.toml");

/// A row of `knowledge/metadata.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Normalised.
    package: String,
    versions: Vec<String>,
    requires: Vec<String>,
    /// How it is known.
    #[allow(dead_code, reason = "who reads the table wants it")]
    source: String,
}

#[derive(Deserialize)]
struct Table {
    release: Vec<Row>,
}

/// Returns the requirements (PEP 508) of releases, by `name==version`.
pub fn metadata() -> &'static BTreeMap<String, Vec<String>> {
    static TABLE: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
        let table: Table = toml::from_str(TEXT).expect("a test reads the table");
        let releases = table.release.iter().flat_map(|row| {
            row.versions
                .iter()
                .map(|version| (format!("{}=={version}", row.package), row.requires.clone()))
        });
        releases.collect()
    });
    &TABLE
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use uv_pep440::Version;
    use uv_pep508::{Requirement, VerbatimUrl};

    use super::*;

    #[test]
    fn rows_are_read_today() {
        assert!(!metadata().is_empty());
        for (release, requires) in metadata() {
            let (name, version) = release.split_once("==").unwrap();
            assert_eq!(name, crate::name::normalise(name));
            assert!(Version::from_str(version).is_ok(), "{release}");
            for one in requires {
                assert!(Requirement::<VerbatimUrl>::from_str(one).is_ok(), "{release}: {one}");
            }
        }
        let table: Table = toml::from_str(TEXT).unwrap();
        let versions: usize = table.release.iter().map(|row| row.versions.len()).sum();
        // each release once
        assert_eq!(versions, metadata().len());
        let known =
            |row: &Row| ["https://", "reproduced "].iter().any(|it| row.source.starts_with(it));
        assert!(table.release.iter().all(known));
    }
}
