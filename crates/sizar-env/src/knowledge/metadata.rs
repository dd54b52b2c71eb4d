//! What releases require whose metadata is no longer read, or leaves out what they need:
//! `knowledge/metadata.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

pub(super) const TEXT: &str = include_str!("../../../../knowledge/metadata.toml");

/// A row of `knowledge/metadata.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Normalised.
    package: String,
    versions: Vec<String>,
    /// Requirements (PEP 508).
    pub requires: Vec<String>,
    /// What is wrong with what a release says itself, after its name.
    pub reason: String,
    /// How it is known.
    pub source: String,
}

#[derive(Deserialize)]
struct Table {
    release: Vec<Metadata>,
}

static TABLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(TEXT).expect("a test reads the table"));

/// Returns what is known of releases, by `name==version`.
pub fn metadata() -> &'static BTreeMap<String, &'static Metadata> {
    static BY_RELEASE: LazyLock<BTreeMap<String, &'static Metadata>> = LazyLock::new(|| {
        let rows = TABLE.release.iter();
        let releases = rows.flat_map(|row| row.versions.iter().map(move |version| (row, version)));
        releases.map(|(row, version)| (format!("{}=={version}", row.package), row)).collect()
    });
    &BY_RELEASE
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
        for (release, known) in metadata() {
            let (name, version) = release.split_once("==").unwrap();
            assert_eq!(name, crate::name::normalise(name));
            assert!(Version::from_str(version).is_ok(), "{release}");
            for one in &known.requires {
                assert!(Requirement::<VerbatimUrl>::from_str(one).is_ok(), "{release}: {one}");
            }
        }
        let versions: usize = TABLE.release.iter().map(|row| row.versions.len()).sum();
        // each release once
        assert_eq!(versions, metadata().len());
        let known = |row: &Metadata| {
            ["https://", "reproduced "].iter().any(|it| row.source.starts_with(it))
        };
        assert!(TABLE.release.iter().all(known));
    }
}
