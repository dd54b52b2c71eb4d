//! What an expression of a `setup.py` stands for.

use std::rc::Rc;

use super::condition::Condition;

/// A value, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(Located),
    List(Vec<Value>),
    Dict(Vec<(String, Value)>),
    /// An open file, or a path: relative to the root of the tree.
    File(String),
    /// `find_packages(…)`, with the folder it looks in.
    FindPackages(String),
    Bool(bool),
    None,
    Unknown,
}

/// A text and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Located {
    pub text: String,
    /// The file it was read from; absent for the `setup.py` itself.
    pub path: Option<Rc<str>>,
    /// The line of its first character.
    pub line: u32,
    /// When it applies.
    pub condition: Option<Condition>,
}

/// Texts longer than this are not kept: no list of requirements is.
const LONGEST_TEXT: usize = 1 << 20;
/// Lists longer than this are cut.
const LONGEST_LIST: usize = 5000;

impl Located {
    /// Returns the same place with another text.
    pub(super) fn with(&self, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..self.clone() }
    }

    /// Returns the part that starts at byte `start` of the text, with its own line.
    pub(super) fn part(&self, start: usize, text: &str) -> Self {
        let before = self.text.get(..start).unwrap_or_default();
        let passed = before.matches('\n').count() as u32;
        Self { text: text.to_owned(), line: self.line + passed, ..self.clone() }
    }

    /// Splits into pieces that `split` gives as slices of the text.
    pub(super) fn split<'t>(&'t self, split: impl Iterator<Item = &'t str>) -> Value {
        let mut passed = 0;
        let mut line = self.line;
        let mut pieces = Vec::new();
        for piece in split.take(LONGEST_LIST) {
            let start = (piece.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
            let between = self.text.get(passed..start).unwrap_or_default();
            line += between.matches('\n').count() as u32;
            passed = passed.max(start);
            pieces.push(Value::Text(Self { text: piece.to_owned(), line, ..self.clone() }));
        }
        Value::List(pieces)
    }
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(located) => Some(&located.text),
            Self::File(path) => Some(path),
            _ => None,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Dict(entries) => {
                entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    pub(super) fn set(&mut self, key: &str, value: Self) {
        if let Self::Dict(entries) = self {
            let full = entries.len() >= LONGEST_LIST;
            match entries.iter_mut().find(|(name, _)| name == key) {
                Some((_, old)) => *old = value,
                None if !full => entries.push((key.to_owned(), value)),
                None => {}
            }
        }
    }

    /// Returns what iterating gives.
    pub(super) fn items(&self) -> Vec<Self> {
        match self {
            Self::List(items) => items.clone(),
            Self::Dict(entries) => entries
                .iter()
                .map(|(key, _)| {
                    Self::Text(Located { text: key.clone(), path: None, line: 1, condition: None })
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Returns all texts in it, at any depth; the keys of dictionaries are no texts.
    pub(super) fn texts(&self) -> Vec<&Located> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(items) => items.iter().flat_map(Self::texts).collect(),
            Self::Dict(entries) => entries.iter().flat_map(|(_, value)| value.texts()).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns whether a part of it is not known.
    pub(super) fn is_partly_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::List(items) => items.iter().any(Self::is_partly_unknown),
            _ => false,
        }
    }

    /// `self + other`
    pub(super) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::List(mut left), Self::List(right)) => {
                left.extend(right);
                left.truncate(LONGEST_LIST);
                Self::List(left)
            }
            (Self::List(mut left), other) => {
                left.push(other);
                left.truncate(LONGEST_LIST);
                Self::List(left)
            }
            (Self::Unknown, Self::List(mut right)) => {
                right.push(Self::Unknown);
                Self::List(right)
            }
            (Self::Text(mut left), Self::Text(right)) => {
                if left.text.len() + right.text.len() > LONGEST_TEXT {
                    return Self::Unknown;
                }
                left.text.push_str(&right.text);
                Self::Text(left)
            }
            (Self::FindPackages(folder), _) => Self::FindPackages(folder),
            _ => Self::Unknown,
        }
    }

    /// Returns the value as it is under `condition`.
    pub(super) fn under(self, condition: Option<&Condition>) -> Self {
        let Some(condition) = condition else { return self };
        match self {
            Self::Text(mut text) => {
                text.condition = Some(condition.clone().and(text.condition.take()));
                Self::Text(text)
            }
            Self::List(items) => {
                Self::List(items.into_iter().map(|item| item.under(Some(condition))).collect())
            }
            Self::Dict(entries) => Self::Dict(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, value.under(Some(condition))))
                    .collect(),
            ),
            other => other,
        }
    }
}
