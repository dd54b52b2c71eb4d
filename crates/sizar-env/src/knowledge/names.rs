//! Names that are not the distribution's, and releases that belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

/// `knowledge/renames.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renames {
    pub rename: BTreeMap<String, String>,
    pub drop: BTreeMap<String, String>,
    /// The names that distributions had on the index before.
    pub former: BTreeMap<String, String>,
    same: Vec<Same>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Same {
    names: Vec<String>,
}

/// A row of `knowledge/pairs.toml`: minor releases that were built against each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    pub torch: String,
    pub torchvision: Option<String>,
    pub torchaudio: Option<String>,
    pub torchtext: Option<String>,
}

impl Pair {
    /// Returns each member that the row has, with its minor release.
    pub fn members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("torch", Some(&self.torch)),
            ("torchvision", self.torchvision.as_ref()),
            ("torchaudio", self.torchaudio.as_ref()),
            ("torchtext", self.torchtext.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, minor)| Some((name, minor?.as_str())))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    pair: Vec<Pair>,
}

static RENAMES: LazyLock<Renames> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../knowledge/renames.toml"))
        .expect("a test reads the table that is compiled in")
});

static PAIRS: LazyLock<Pairs> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../knowledge/pairs.toml"))
        .expect("a test reads the table that is compiled in")
});

/// Returns the table of names that are not the distribution's.
pub fn renames() -> &'static Renames {
    &RENAMES
}

impl Renames {
    /// Returns the distributions that provide the same modules as `name`, itself included.
    pub fn family<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        self.same
            .iter()
            .find(|same| same.names.iter().any(|other| other == name))
            .map_or_else(|| vec![name], |same| same.names.iter().map(String::as_str).collect())
    }
}

/// Returns the releases that were built against each other.
pub fn pairs() -> &'static [Pair] {
    &PAIRS.pair
}

/// `knowledge/popular.toml`, as far as planning asks.
#[derive(Debug, Deserialize)]
struct Popular {
    popular: BTreeSet<String>,
}

/// Returns whether `distribution` (normalised) is one that the index has and everybody means by
/// that name.
pub fn is_popular(distribution: &str) -> bool {
    static TABLE: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let table: Popular = toml::from_str(include_str!("../../../../knowledge/popular.toml"))
            .expect("a test reads the table");
        table.popular
    });
    TABLE.contains(distribution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_found_by_any_member() {
        assert!(renames().family("opencv-python").contains(&"opencv-python-headless"));
        assert_eq!(renames().family("numpy"), ["numpy"]);
        assert!(pairs().len() > 10);
    }
}
