//! What the package index does not have, and where it was last seen: `knowledge/gone.toml`.

use std::str::FromStr as _;
use std::sync::LazyLock;

use serde::Deserialize;
use uv_pep440::{Version, VersionSpecifiers};

use crate::name;

/// A row of `knowledge/gone.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    pub names: Vec<String>,
    /// The releases that are meant; all where absent.
    #[serde(default)]
    pub versions: Option<String>,
    /// The modules that nothing else provides.
    pub modules: Vec<String>,
    pub last_seen: String,
    pub instead: String,
    pub source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    gone: Vec<Gone>,
}

static GONE: LazyLock<File> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../knowledge/gone.toml"))
        .expect("a test reads the table that is compiled in")
});

/// Returns everything that is known to be gone.
pub fn all() -> &'static [Gone] {
    &GONE.gone
}

/// Returns what is known of a distribution, or a release of it, that the index does not have.
pub fn distribution(name: &str, version: Option<&str>) -> Option<&'static Gone> {
    let name = name::normalise(name);
    all().iter().filter(|gone| gone.names.contains(&name)).find(|gone| {
        let Some(versions) = &gone.versions else { return true };
        let version = version.and_then(|version| Version::from_str(version).ok());
        let versions = VersionSpecifiers::from_str(versions).ok();
        version.zip(versions).is_some_and(|(version, versions)| versions.contains(&version))
    })
}

/// Returns what is known of a module that nothing on the index provides.
pub fn module(module: &str) -> Option<&'static Gone> {
    all().iter().find(|gone| {
        gone.modules.iter().any(|known| {
            module
                .strip_prefix(known.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        for gone in all() {
            assert!(gone.last_seen.starts_with("https://"), "{:?}", gone.names);
            assert!(gone.source.contains("asked 20"), "{:?}", gone.names);
            for name in &gone.names {
                assert_eq!(*name, name::normalise(name));
            }
            if let Some(versions) = &gone.versions {
                assert!(VersionSpecifiers::from_str(versions).is_ok(), "{versions}");
            }
        }
    }

    #[test]
    fn releases_and_modules_are_told_apart() {
        assert!(distribution("torch", Some("0.4.1")).is_some());
        assert!(distribution("torch", Some("1.0.0")).is_none());
        assert!(distribution("torch", None).is_none());
        assert!(distribution("Detectron2", None).is_some());
        assert!(module("detectron2.config").is_some());
        assert!(module("detectron2x").is_none());
    }
}
