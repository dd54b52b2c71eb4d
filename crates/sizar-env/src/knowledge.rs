//! What is known about the world: the tables of `knowledge/`, as types.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use regex::Regex;
use serde::Deserialize;
use sizar_model::PythonVersion;

/// `knowledge/eras.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eras {
    era: Vec<Era>,
    release: Vec<Release>,
    floor: Vec<Floor>,
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
    pub reason: String,
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

/// `knowledge/renames.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renames {
    pub rename: BTreeMap<String, String>,
    pub drop: BTreeMap<String, String>,
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
    pub torchvision: String,
    pub torchaudio: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    pair: Vec<Pair>,
}

/// Where an environment failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Choosing versions.
    Resolve,
    /// Building a package, the source itself included.
    Build,
    /// Putting packages in place.
    Install,
    /// Importing what the driver imports.
    Import,
    /// Asking the driver for help.
    Answer,
}

impl Stage {
    /// Returns the stage's name, as [`Attempt`](sizar_model::Attempt) has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Build => "build",
            Self::Install => "install",
            Self::Import => "import",
            Self::Answer => "answer",
        }
    }
}

/// A row of `knowledge/breakages.toml`: a symptom, its cause and what mends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakage {
    pub id: String,
    /// The stages it is seen at; empty for all.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// A regular expression over what the failed command printed.
    #[serde(deserialize_with = "regex_of_text")]
    pub symptom: Regex,
    /// One sentence for people. `{name}` stands for the symptom's group of that name.
    pub cause: String,
    /// Only where the environment's Python is at least this one.
    #[serde(default)]
    pub from_python: Option<PythonVersion>,
    /// What to do, all of it together; empty where nothing can be done from here.
    #[serde(default)]
    pub repair: Vec<Action>,
    /// What a person may do where sizar cannot.
    #[serde(default)]
    pub advice: Option<String>,
    pub source: String,
    /// The captured output below `fixtures/breakages/` that shows the symptom.
    #[serde(default)]
    pub fixture: Option<String>,
}

/// What a repair does to a specification.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Go to the newest available Python that is not newer.
    PythonAtMost(PythonVersion),
    /// Go to the oldest available Python that is not older.
    PythonAtLeast(PythonVersion),
    /// Install this too.
    Add(String),
    /// Keep a package within limits, if it is installed at all.
    Constrain(String),
    /// Do without a requirement.
    Drop(String),
    /// Take another distribution for a requirement.
    Rename { from: String, to: String },
    /// Give a build what it does not declare; `{package}` is the one that failed.
    BuildRequirement(String),
    /// Keep a build requirement within limits.
    BuildConstraint(String),
    /// Take a package that cannot be built, and the interpreter with it, from conda.
    CondaBinary(String),
    /// Put the source on the path, and do not build it.
    OnPath,
    /// Load a start-up shim of this name; the last resort, always recorded.
    Shim(String),
    /// Start programs with `NAME=VALUE`.
    Variable { name: String, value: String },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Breakages {
    breakage: Vec<Breakage>,
}

fn regex_of_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    let text = String::deserialize(deserializer)?;
    Regex::new(&text).map_err(serde::de::Error::custom)
}

static ERAS: LazyLock<Eras> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../knowledge/eras.toml"))
        .expect("a test reads the table that is compiled in")
});

static RENAMES: LazyLock<Renames> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../knowledge/renames.toml"))
        .expect("a test reads the table that is compiled in")
});

static PAIRS: LazyLock<Pairs> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../knowledge/pairs.toml"))
        .expect("a test reads the table that is compiled in")
});

static BREAKAGES: LazyLock<Breakages> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../knowledge/breakages.toml"))
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

/// Returns the limits on build requirements by date.
pub fn build_limits() -> &'static [BuildLimit] {
    &ERAS.build_limit
}

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

/// Returns the known breakages, specific before general.
pub fn breakages() -> &'static [Breakage] {
    &BREAKAGES.breakage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_well_formed() {
        assert!(eras().is_sorted_by_key(|era| era.until));
        assert!(eras().is_sorted_by_key(|era| era.python));
        assert!(floors().iter().all(|floor| floor.source.starts_with("https://")));
        assert!(build_limits().iter().all(|limit| limit.source.starts_with("https://")));
        assert!(pairs().len() > 10);
        let mut ids: Vec<_> = breakages().iter().map(|row| row.id.as_str()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "a breakage's id names one row");
        for row in breakages() {
            assert!(
                row.repair.is_empty() == row.advice.is_some() || !row.repair.is_empty(),
                "{}: what sizar cannot mend needs an advice",
                row.id
            );
        }
    }

    #[test]
    fn a_family_is_found_by_any_member() {
        assert!(renames().family("opencv-python").contains(&"opencv-python-headless"));
        assert_eq!(renames().family("numpy"), ["numpy"]);
    }
}
