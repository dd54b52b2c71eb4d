//! Names of elements and moments, as XML's schemas want them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::CONTAINER;
use super::tree::level;
use crate::model::{AnnotationIx, Dataset, Level};

/// Tells whether `text` can be an `xs:ID`.
pub fn is_id(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
        && letters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The ids of the elements of one page, each once; the keys of annotations where they can be.
pub struct Ids {
    of: FxHashMap<AnnotationIx, String>,
    taken: FxHashSet<String>,
    counts: FxHashMap<&'static str, usize>,
}

impl Ids {
    /// Chooses an id for each annotation.
    pub fn of(dataset: &Dataset, annotations: &[AnnotationIx]) -> Self {
        let mut ids = Self {
            of: FxHashMap::default(),
            taken: FxHashSet::default(),
            counts: FxHashMap::default(),
        };
        for at in annotations {
            let more = dataset.annotations[*at as usize].more.as_ref();
            if let Some(key) = more.and_then(|more| more.key.as_deref())
                && is_id(key)
                && ids.taken.insert(key.to_owned())
            {
                ids.of.insert(*at, key.to_owned());
            }
        }
        for at in annotations {
            if !ids.of.contains_key(at) {
                let fresh = ids.fresh(match level(&dataset.annotations[*at as usize]) {
                    Level::Region => "r",
                    Level::Line => "l",
                    Level::Word => "w",
                    Level::Glyph => "g",
                });
                ids.of.insert(*at, fresh);
            }
        }
        ids
    }

    /// Returns the id of an annotation.
    pub fn of_annotation(&self, at: AnnotationIx) -> String {
        self.of.get(&at).cloned().unwrap_or_else(|| format!("a{at}"))
    }

    /// Returns the id of an annotation, or a new one for an element that is none.
    pub fn take(&mut self, at: Option<AnnotationIx>) -> String {
        match at {
            Some(at) => self.of_annotation(at),
            None => self.fresh("made"),
        }
    }

    /// Returns an id for a region that is made for lines without one: readers know it by that.
    pub fn container(&mut self) -> String {
        match self.taken.insert(CONTAINER.to_owned()) {
            true => CONTAINER.to_owned(),
            false => self.fresh(CONTAINER),
        }
    }

    /// Returns a new id.
    pub fn fresh(&mut self, prefix: &'static str) -> String {
        let count = self.counts.entry(prefix).or_insert(0);
        loop {
            *count += 1;
            let id = format!("{prefix}{count}");
            if self.taken.insert(id.clone()) {
                return id;
            }
        }
    }
}

/// Returns a moment as an `xs:dateTime`: what is said if it is one, else the beginning of 1970.
///
/// The clock is not asked, so that the same data set makes the same file.
pub fn date_time(said: Option<&str>) -> String {
    let said = said.map(str::trim).unwrap_or_default();
    let whole = match said.len() {
        10 => format!("{said}T00:00:00"),
        _ => said.replacen(' ', "T", 1),
    };
    if is_date_time(&whole) { whole } else { "1970-01-01T00:00:00".into() }
}

/// Tells whether `text` is an `xs:dateTime`.
pub fn is_date_time(text: &str) -> bool {
    let shape = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                _ => byte == wanted,
            })
    };
    let Some((moment, rest)) = text.split_at_checked(19) else { return false };
    if !shape(moment, "0000-00-00T00:00:00") {
        return false;
    }
    let number = |range: std::ops::Range<usize>| moment[range].parse::<u32>().unwrap_or(99);
    if !(1..=12).contains(&number(5..7))
        || !(1..=31).contains(&number(8..10))
        || number(11..13) > 23
        || number(14..16) > 59
        || number(17..19) > 59
    {
        return false;
    }
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            if end == 0 {
                return false;
            }
            &fraction[end..]
        }
        None => rest,
    };
    matches!(rest, "" | "Z") || shape(rest, "+00:00") || shape(rest, "-00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_kept_or_replaced() {
        for kept in ["2016-06-16T16:57:15.027+02:00", "2016-06-16T16:57:15", "2016-06-16T00:00:00Z"]
        {
            assert_eq!(date_time(Some(kept)), kept);
        }
        assert_eq!(date_time(Some("2016-06-16 16:57:15")), "2016-06-16T16:57:15");
        assert_eq!(date_time(Some("2016-06-16")), "2016-06-16T00:00:00");
        for odd in
            ["16.6.2016", "2016-13-16T16:57:15", "2016-06-16T16:57:15.", "2016-06-16T16:57:1é"]
        {
            assert_eq!(date_time(Some(odd)), "1970-01-01T00:00:00");
        }
    }

    #[test]
    fn ids_are_names() {
        assert!(is_id("r1") && is_id("_é-1.2") && !is_id("1r") && !is_id("a b") && !is_id(""));
    }
}
