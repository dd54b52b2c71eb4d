//! What installs and is imported, and stops when it comes to work: `knowledge/conflicts.toml`,
//! `knowledge/removed.toml` and `knowledge/companions.toml`.

use std::sync::LazyLock;

use serde::Deserialize;
use sizar_model::PythonVersion;

pub(super) const CONFLICTS: &str = include_str!("../../../../knowledge/conflicts.toml");
pub(super) const REMOVED: &str = include_str!("../../../../knowledge/removed.toml");
pub(super) const COMPANIONS: &str = include_str!("../../../../knowledge/companions.toml");

/// A row of `knowledge/conflicts.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// Normalised.
    pub package: String,
    pub versions: String,
    /// One of these distributions.
    pub beside: Vec<String>,
    pub beside_versions: String,
    pub cause: String,
    pub constrain: Vec<String>,
    pub python_at_most: Option<PythonVersion>,
    #[serde(default)]
    pub instead: Vec<String>,
    /// How it is known.
    pub source: String,
}

/// A row of `knowledge/removed.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Normalised, or `python`.
    pub distribution: String,
    /// The first release without the names.
    pub since: String,
    /// The first release that has them again.
    pub until: Option<String>,
    #[serde(default)]
    pub names: Vec<String>,
    pub module: Option<String>,
    #[serde(default)]
    pub methods: Vec<String>,
    pub shim: Option<String>,
    #[serde(default)]
    pub constrain: Vec<String>,
    pub python_at_most: Option<PythonVersion>,
    #[serde(default)]
    pub unless: Vec<String>,
    /// How it is known.
    pub source: String,
}

/// A row of `knowledge/companions.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Companion {
    /// Normalised.
    pub distribution: String,
    pub versions: Option<String>,
    #[serde(default)]
    pub names: Vec<String>,
    pub module: Option<String>,
    #[serde(default)]
    pub methods: Vec<String>,
    /// The requirement that is missing.
    pub add: String,
    #[serde(default)]
    pub beside: Vec<String>,
    pub cause: String,
    /// How it is known.
    pub source: String,
}

impl Removed {
    /// Whether a sighting is one of this row's names.
    pub fn is_of(&self, kind: &str) -> bool {
        is_among(kind, &self.names, self.module.as_deref(), &self.methods)
    }
}

impl Companion {
    /// Whether a sighting is one of this row's names.
    pub fn is_of(&self, kind: &str) -> bool {
        is_among(kind, &self.names, self.module.as_deref(), &self.methods)
    }
}

fn is_among(kind: &str, names: &[String], module: Option<&str>, methods: &[String]) -> bool {
    names.iter().any(|name| name == kind)
        || kind.split_once(':').is_some_and(|(of, method)| {
            module == Some(of) && methods.iter().any(|known| known == method)
        })
}

#[derive(Deserialize)]
struct Conflicts {
    conflict: Vec<Conflict>,
}

#[derive(Deserialize)]
struct Names {
    removed: Vec<Removed>,
}

#[derive(Deserialize)]
struct Companions {
    companion: Vec<Companion>,
}

/// Returns the releases that do not work together.
pub fn conflicts() -> &'static [Conflict] {
    static TABLE: LazyLock<Vec<Conflict>> = LazyLock::new(|| {
        let table: Conflicts = toml::from_str(CONFLICTS).expect("a test reads the table");
        table.conflict
    });
    &TABLE
}

/// Returns the names that releases removed.
pub fn removed() -> &'static [Removed] {
    static TABLE: LazyLock<Vec<Removed>> = LazyLock::new(|| {
        let table: Names = toml::from_str(REMOVED).expect("a test reads the table");
        table.removed
    });
    &TABLE
}

/// Returns what libraries load only when a function is called.
pub fn companions() -> &'static [Companion] {
    static TABLE: LazyLock<Vec<Companion>> = LazyLock::new(|| {
        let table: Companions = toml::from_str(COMPANIONS).expect("a test reads the table");
        table.companion
    });
    &TABLE
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use uv_pep440::{Version, VersionSpecifiers};

    use super::*;

    #[test]
    fn rows_are_whole() {
        for row in conflicts() {
            assert!(VersionSpecifiers::from_str(&row.versions).is_ok(), "{row:?}");
            assert!(VersionSpecifiers::from_str(&row.beside_versions).is_ok(), "{row:?}");
            assert!(!row.beside.is_empty() && !row.constrain.is_empty(), "{row:?}");
            assert!(row.source.starts_with("https://") || row.source.starts_with("reproduced "));
        }
        for row in removed() {
            assert!(Version::from_str(&row.since).is_ok(), "{row:?}");
            assert!(!row.names.is_empty() || !row.methods.is_empty(), "{row:?}");
            assert_eq!(row.methods.is_empty(), row.module.is_none(), "{row:?}");
            assert_eq!(row.shim.is_some(), row.constrain.is_empty(), "{row:?}");
            assert!(row.names.iter().all(|name| name.contains('.')), "{row:?}");
            if let Some(shim) = &row.shim {
                assert!(!crate::shims::files(std::slice::from_ref(shim)).is_empty(), "{row:?}");
            }
            assert!(row.source.starts_with("https://"), "{row:?}");
        }
        for row in companions() {
            let versions = row.versions.as_deref().unwrap_or(">=0");
            assert!(VersionSpecifiers::from_str(versions).is_ok(), "{row:?}");
            assert_eq!(row.methods.is_empty(), row.module.is_none(), "{row:?}");
            assert!(row.source.starts_with("https://"), "{row:?}");
        }
    }

    #[test]
    fn methods_are_of_their_module() {
        let row = removed().iter().find(|row| row.module.as_deref() == Some("networkx")).unwrap();
        assert!(row.is_of("networkx:node") && !row.is_of("ast:node") && !row.is_of("node"));
        assert!(row.is_of("networkx.connected_component_subgraphs"));
    }
}
