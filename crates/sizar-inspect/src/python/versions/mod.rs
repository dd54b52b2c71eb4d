//! Which Pythons read a file, by its syntax; and what it calls that newer Pythons removed.
//!
//! [`FileVersions`] is the verdict over one file, [`verdict`] the one over many.

mod python2;
mod removed_api;
mod syntax;
mod verdict;

use sizar_model::PythonVersion;
use sizar_model::inspection::Sighting;

use super::facts::FileFacts;
use super::source_file::SourceFile;
pub use verdict::{Scope, verdict};

/// Python 2.7, which ends the second line.
pub(crate) const PYTHON_2: PythonVersion = PythonVersion::minor(2, 7);

/// Which Pythons read one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileVersions {
    pub path: String,
    /// The oldest Python whose grammar reads the file, where it is newer than 2.7.
    pub at_least: Option<PythonVersion>,
    /// The newest Python whose grammar reads the file.
    pub at_most: Option<PythonVersion>,
    /// The newest Python that has all that the file imports and calls.
    ///
    /// Softer than `at_most`: the call may never be reached.
    pub soft_at_most: Option<PythonVersion>,
    /// What decided: kinds are `at_least:3.8`, `at_most:2.7`, `soft_at_most:3.9`.
    pub sightings: Vec<Sighting>,
}

impl FileVersions {
    /// Reads the syntax of `file`.
    pub fn read(file: &SourceFile, facts: &FileFacts) -> Self {
        let mut found = Found { file, versions: Self::default() };
        found.versions.path.clone_from(&file.path);
        let met = syntax::newer(&mut found);
        python2::older(&mut found);
        removed_api::imports(&mut found, facts);
        removed_api::met(&mut found, met);
        found.versions
    }

    /// Returns whether only Python 2 reads the file.
    pub fn is_python_2(&self) -> bool {
        self.at_most.is_some_and(|version| version < PythonVersion::minor(3, 0))
    }
}

/// The limit that something sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    AtLeast,
    AtMost,
    SoftAtMost,
}

impl Limit {
    /// The name as sightings have it.
    fn name(self) -> &'static str {
        match self {
            Self::AtLeast => "at_least",
            Self::AtMost => "at_most",
            Self::SoftAtMost => "soft_at_most",
        }
    }
}

/// The verdict while it is made: each limit keeps its first sighting.
struct Found<'a> {
    file: &'a SourceFile,
    versions: FileVersions,
}

impl Found<'_> {
    fn see(&mut self, limit: Limit, version: PythonVersion, text: &str, line: u32) {
        let (slot, newer) = match limit {
            Limit::AtLeast => (&mut self.versions.at_least, true),
            Limit::AtMost => (&mut self.versions.at_most, false),
            Limit::SoftAtMost => (&mut self.versions.soft_at_most, false),
        };
        *slot = Some(match *slot {
            Some(known) if newer => known.max(version),
            Some(known) => known.min(version),
            None => version,
        });
        let kind = format!("{}:{version}", limit.name());
        let sightings = &mut self.versions.sightings;
        if sightings.iter().any(|seen| seen.kind == kind && seen.text == text) {
            return;
        }
        sightings.push(Sighting {
            kind,
            text: text.to_owned(),
            path: self.file.path.clone(),
            line,
        });
    }
}
