//! Bytes to text, as the tools of the authors wrote it.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Match, Regex, Replacer};

/// Decodes a packaging file: UTF-16 (PowerShell's `pip freeze > requirements.txt`), UTF-8, or
/// Latin-1. Nothing fails.
pub(super) fn decode(bytes: Vec<u8>) -> String {
    match &*bytes {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes),
        // without a mark: Latin text in UTF-16 has a zero in every second byte
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => utf_16(&bytes, u16::from_le_bytes),
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => utf_16(&bytes, u16::from_be_bytes),
        _ => crate::python::into_text(bytes),
    }
}

fn utf_16(bytes: &[u8], join: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(join));
    char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect()
}

/// Replaces what word processors and web pages put in the place of ASCII: dashes, quotes, spaces.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let replaced: String = text.chars().filter_map(plain_char).collect();
    if replaced == text { Cow::Borrowed(text) } else { Cow::Owned(replaced) }
}

fn plain_char(c: char) -> Option<char> {
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{ff0d}' => Some('-'),
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{2032}' => Some('\''),
        '\u{201c}'..='\u{201e}' | '\u{2033}' => Some('"'),
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => Some(' '),
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => None,
        '\u{ff1d}' => Some('='),
        '\u{ff1e}' => Some('>'),
        '\u{ff1c}' => Some('<'),
        other => Some(other),
    }
}

/// Cuts user names and passwords out of addresses, so that no secret leaves a file.
pub(super) fn without_secrets(text: &str) -> Cow<'_, str> {
    pattern!(SECRET, r"(?i)\b([a-z][a-z0-9+.-]*://)([^/\s@'\x22]+)@", needs["@"]);
    SECRET.replace_all(text, |found: &Captures<'_>| {
        let user = found.get(2).map_or("", |user| user.as_str());
        // `ssh://git@host` names an account that everybody has
        if user == "git" {
            found.get(0).map_or_else(String::new, |all| all.as_str().to_owned())
        } else {
            found.get(1).map_or_else(String::new, |scheme| scheme.as_str().to_owned())
        }
    })
}

/// Cuts `text` to what fits on a line of a report.
pub(super) fn shorten(text: &str) -> String {
    const LONGEST: usize = 300;
    let line = without_secrets(text.trim());
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into_owned(),
    }
}

/// Declares a regular expression that is compiled once, when a text is first looked at.
///
/// With `needs`, it is compiled when a text first has one of these words, in letters of any size:
/// compiling costs more than looking through the packaging of a whole tree.
macro_rules! pattern {
    ($name:ident, $source:expr) => {
        pattern!($name, $source, needs []);
    };
    ($name:ident, $source:expr, needs $words:expr) => {
        static $name: $crate::packaging::text::Pattern = $crate::packaging::text::Pattern {
            needs: &$words,
            regex: std::sync::LazyLock::new(|| $crate::packaging::text::compile($source)),
        };
    };
}
pub(super) use pattern;

/// A regular expression, with words of which every match has one.
pub(super) struct Pattern {
    pub(super) needs: &'static [&'static str],
    pub(super) regex: LazyLock<Regex>,
}

impl Pattern {
    fn may_match(&self, text: &str) -> bool {
        self.needs.is_empty() || self.needs.iter().any(|word| holds(text, word))
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.may_match(text) && self.regex.is_match(text)
    }

    pub(super) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        if self.may_match(text) { self.regex.captures(text) } else { None }
    }

    pub(super) fn captures_iter<'t>(&self, text: &'t str) -> impl Iterator<Item = Captures<'t>> {
        self.may_match(text).then(|| self.regex.captures_iter(text)).into_iter().flatten()
    }

    pub(super) fn find_iter<'t>(&self, text: &'t str) -> impl Iterator<Item = Match<'t>> {
        self.may_match(text).then(|| self.regex.find_iter(text)).into_iter().flatten()
    }

    pub(super) fn split<'t>(&self, text: &'t str) -> regex::Split<'_, 't> {
        self.regex.split(text)
    }

    pub(super) fn replace<'t>(&self, text: &'t str, by: impl Replacer) -> Cow<'t, str> {
        if self.may_match(text) { self.regex.replace(text, by) } else { Cow::Borrowed(text) }
    }

    pub(super) fn replace_all<'t>(&self, text: &'t str, by: impl Replacer) -> Cow<'t, str> {
        if self.may_match(text) { self.regex.replace_all(text, by) } else { Cow::Borrowed(text) }
    }
}

/// Returns whether an ASCII `word` is in `text`, in letters of any size.
pub(super) fn holds(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let Some(first) = word.first() else { return true };
    memchr::memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), text)
        .any(|at| text.get(at..at + word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word)))
}

/// Returns what `\b` of a [`pattern!`] stands around: runs of ASCII letters, digits and `_`, and
/// nothing where two other characters meet.
pub(super) fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
}

/// Compiles a pattern of this crate, whose classes mean ASCII: those of Unicode cost a hundred
/// times more to compile, and the formats are ASCII where the patterns look.
pub(super) fn compile(source: &str) -> Regex {
    let mut ascii = String::with_capacity(source.len());
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            ascii.push(c);
            continue;
        }
        match chars.next() {
            Some('w') => ascii.push_str("[0-9A-Za-z_]"),
            Some('d') => ascii.push_str("[0-9]"),
            Some('s') => ascii.push_str("[ \\t\\r\\n\\x0b\\x0c]"),
            Some('S') => ascii.push_str("[^ \\t\\r\\n\\x0b\\x0c]"),
            Some('b') => ascii.push_str("(?-u:\\b)"),
            Some(escaped) => ascii.extend(['\\', escaped]),
            None => ascii.push('\\'),
        }
    }
    Regex::new(&ascii).expect("the pattern is valid")
}

/// Returns the text of the group `index`, or nothing.
pub(super) fn group<'t>(found: &Captures<'t>, index: usize) -> &'t str {
    found.get(index).map_or("", |group| group.as_str())
}

/// Returns the line of a byte offset, from 1.
pub(super) fn line_at(text: &str, offset: usize) -> u32 {
    1 + text.get(..offset).unwrap_or(text).matches('\n').count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_powershell_freeze_is_utf_16() {
        let text = "numpy==1.19.5\r\ntorch==1.7.1\r\n";
        let mut bytes = vec![0xff, 0xfe];
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(decode(bytes[2..].to_vec()), text);
        assert_eq!(decode(bytes), text);
        let big: Vec<u8> = [0xfe, 0xff]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_be_bytes))
            .collect();
        assert_eq!(decode(big), text);
    }

    #[test]
    fn words_are_found_in_letters_of_any_size() {
        assert!(holds("PyTorch 1.4", "torch") && holds("x", "") && holds("a @", "@"));
        assert!(!holds("torc", "torch") && !holds("", "a") && !holds("tor ch", "torch"));
    }

    #[test]
    fn secrets_are_cut_from_addresses() {
        assert_eq!(
            without_secrets("git+https://x:ghp_123@github.com/a/b and ssh://git@github.com/a"),
            "git+https://github.com/a/b and ssh://git@github.com/a"
        );
    }
}
