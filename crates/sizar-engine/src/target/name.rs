//! What targets are called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a target: letters, digits, `-`, `_` and `.`; `local` is this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetName(String);

/// A text that is no target's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTargetName {
    #[error("`{0}` cannot be a target's name: letters, digits, `-`, `_` and `.` can, up to 64")]
    Form(String),
    #[error("`local` is this machine, which needs no name")]
    Local,
}

/// The longest name.
const LONGEST: usize = 64;

impl TargetName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TargetName {
    type Err = InvalidTargetName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if text == "local" {
            Err(InvalidTargetName::Local)
        } else if begins && text.len() <= LONGEST && text.chars().all(letter) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTargetName::Form(text.to_owned()))
        }
    }
}

impl TryFrom<String> for TargetName {
    type Error = InvalidTargetName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TargetName> for String {
    fn from(name: TargetName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless_words() {
        assert_eq!("tours-2".parse::<TargetName>().unwrap().as_str(), "tours-2");
        for text in ["", "..", "-x", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(
                matches!(text.parse::<TargetName>(), Err(InvalidTargetName::Form(_))),
                "{text}"
            );
        }
        assert_eq!("local".parse::<TargetName>(), Err(InvalidTargetName::Local));
    }
}
