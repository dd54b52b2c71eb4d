//! The verdict over many files.

use sizar_model::PythonVersion;
use sizar_model::inspection::{PythonEvidence, Sighting};

use super::{FileVersions, Limit};

/// What a set of files is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Files that one program imports: one that Python 3 cannot read stops it.
    Closure,
    /// All files of a tree, of which some may be left over from before.
    Tree,
}

/// The most sightings that are kept of each kind.
const SIGHTINGS_OF_A_KIND: usize = 3;

/// Returns which Pythons read `files`, with the evidence.
///
/// Where some files are Python 2 and others cannot be, the larger side decides, and the other is
/// left out. In a tree, a tenth of the files must be Python 2 for the tree to be.
pub fn verdict<'a>(
    files: impl IntoIterator<Item = &'a FileVersions>,
    scope: Scope,
) -> PythonEvidence {
    let files: Vec<&FileVersions> = files.into_iter().collect();
    let python_3 = PythonVersion::minor(3, 0);
    let twos = files.iter().filter(|file| file.is_python_2()).count();
    let is_three = |file: &FileVersions| file.at_least.is_some_and(|version| version >= python_3);
    let threes = files.iter().filter(|file| is_three(file) && !file.is_python_2()).count();
    let is_two = twos > threes
        && match scope {
            Scope::Closure => true,
            Scope::Tree => twos * 10 >= files.len(),
        };
    let mut evidence = PythonEvidence::default();
    let mut soft: Option<PythonVersion> = None;
    let counted: Vec<_> = files
        .iter()
        .filter(
            |file| if is_two { !is_three(file) || file.is_python_2() } else { !file.is_python_2() },
        )
        .collect();
    for file in &counted {
        if !is_two {
            evidence.at_least = evidence.at_least.max(file.at_least);
        }
        evidence.at_most = least(evidence.at_most, file.at_most);
        soft = least(soft, file.soft_at_most);
    }
    if let (Some(oldest), Some(newest)) = (evidence.at_least, evidence.at_most)
        && oldest > newest
    {
        settle(&mut evidence, &counted);
    }
    let decisive = |sighting: &Sighting| {
        let limit = |name: Limit, version: Option<PythonVersion>| {
            version.is_some_and(|version| sighting.kind == format!("{}:{version}", name.name()))
        };
        limit(Limit::AtLeast, evidence.at_least)
            || limit(Limit::AtMost, evidence.at_most)
            || sighting.kind.starts_with(Limit::SoftAtMost.name())
    };
    let mut syntax: Vec<Sighting> = Vec::new();
    for sighting in counted.iter().flat_map(|file| &file.sightings).filter(|s| decisive(s)) {
        if syntax.iter().filter(|s| s.kind == sighting.kind).count() < SIGHTINGS_OF_A_KIND {
            syntax.push(sighting.clone());
        }
    }
    // Files on the other side are named too, so that nobody is surprised by them.
    if !is_two {
        let others = files.iter().filter(|file| file.is_python_2());
        let named = others.filter_map(|file| {
            file.sightings.iter().find(|sighting| sighting.kind.starts_with("at_most"))
        });
        syntax.extend(
            named
                .take(SIGHTINGS_OF_A_KIND)
                .map(|sighting| Sighting { kind: "left_out:2.7".to_owned(), ..sighting.clone() }),
        );
    }
    evidence.syntax = syntax;
    evidence
}

/// Drops the limit that fewer files set.
fn settle(evidence: &mut PythonEvidence, files: &[&&FileVersions]) {
    let (oldest, newest) = (evidence.at_least, evidence.at_most);
    let new = files.iter().filter(|file| file.at_least.is_some() && file.at_least > newest).count();
    let old = files.iter().filter(|file| file.at_most.is_some() && file.at_most < oldest).count();
    if new >= old {
        evidence.at_most = files
            .iter()
            .filter(|file| file.at_most >= oldest)
            .filter_map(|file| file.at_most)
            .min();
    } else {
        evidence.at_least =
            files.iter().filter(|file| file.at_least <= newest).filter_map(|f| f.at_least).max();
    }
}

fn least(a: Option<PythonVersion>, b: Option<PythonVersion>) -> Option<PythonVersion> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
