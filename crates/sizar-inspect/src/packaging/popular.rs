//! Distributions that everybody uses, by `knowledge/popular.toml`: what prose calls them, and which
//! of them a slip of the pen meant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::requirement::normalise;
use crate::python::distributions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Popular {
    popular: BTreeSet<String>,
    strangers: BTreeSet<String>,
    words: BTreeSet<String>,
    spoken: BTreeMap<String, String>,
}

static TABLE: LazyLock<Popular> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../knowledge/popular.toml"))
        .expect("a test reads the table")
});

/// Names of `knowledge/renames.toml`, which are mended when an environment is planned.
static RENAMED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let table: toml::Table = toml::from_str(include_str!("../../../../knowledge/renames.toml"))
        .expect("a test reads the table");
    let keys = |name: &str| {
        let section = table.get(name).and_then(toml::Value::as_table);
        section.into_iter().flat_map(|rows| rows.keys().cloned()).collect::<Vec<_>>()
    };
    keys("rename").into_iter().chain(keys("drop")).collect()
});

/// The shortest name in which one letter is not half of it.
const SHORTEST: usize = 5;

/// Returns the popular distribution that `name` (normalised) was meant to be, where it is none that
/// anybody knows and exactly one popular name is one letter away.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let table = &*TABLE;
    if name.len() < SHORTEST
        || table.popular.contains(name)
        || table.strangers.contains(name)
        || RENAMED.contains(name)
        || distributions::is_named(name)
    {
        return None;
    }
    let close = |known: &&String| {
        known.len() >= SHORTEST
            && known.len().abs_diff(name.len()) <= 1
            // releases count up: `detectron` is no slip of `detectron2`
            && !differs_in_a_digit(known, name)
            && strsim::osa_distance(known, name) == 1
    };
    let mut found = table.popular.iter().filter(close);
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn differs_in_a_digit(a: &str, b: &str) -> bool {
    a.bytes().filter(u8::is_ascii_digit).ne(b.bytes().filter(u8::is_ascii_digit))
}

/// Returns the distribution that a word or phrase of prose means.
pub(super) fn spoken(phrase: &str) -> Option<&'static str> {
    let lower = phrase.to_ascii_lowercase();
    let table = &*TABLE;
    if let Some(distribution) = table.spoken.get(lower.as_str()) {
        return Some(distribution);
    }
    table.popular.get(normalise(&lower).as_str()).map(String::as_str)
}

/// Whether a distribution's name is a word that prose also uses for something else.
pub(super) fn is_a_word(distribution: &str) -> bool {
    TABLE.words.contains(distribution)
}

/// Returns the names that consist of several words, in lower case.
pub(super) fn phrases() -> impl Iterator<Item = &'static str> {
    TABLE.spoken.keys().map(String::as_str).filter(|phrase| phrase.contains(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        assert!(TABLE.words.iter().all(|word| TABLE.popular.contains(word)));
        assert!(TABLE.spoken.keys().all(|phrase| *phrase == phrase.to_lowercase()));
        assert!(TABLE.popular.iter().all(|name| *name == normalise(name)));
    }

    #[test]
    fn one_letter_away_from_a_popular_name_is_a_slip() {
        for (written, is) in [
            ("opencv-pyhton", "opencv-python"),
            ("scikit-lern", "scikit-learn"),
            ("numpyy", "numpy"),
            ("requets", "requests"),
            ("tensoflow", "tensorflow"),
            ("matplotlb", "matplotlib"),
        ] {
            assert_eq!(meant(written), Some(is), "{written}");
        }
        // known by a table, too short, well used by others, or another release's name
        for written in
            ["sklearn", "cv2", "tqd", "torchtext", "pytorch", "numpydoc", "detectron", "request-id"]
        {
            assert_eq!(meant(written), None, "{written}");
        }
    }
}
