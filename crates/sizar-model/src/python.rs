//! Versions of the Python language.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A minor version of Python, such as 3.7, or a full one, such as 3.7.16.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PythonVersion {
    /// 2 or 3.
    pub major: u8,
    /// The minor version, which decides wheels and syntax.
    pub minor: u8,
    /// The patch release, when it is known or asked for.
    pub patch: Option<u8>,
}

impl PythonVersion {
    /// Makes a version without a patch release.
    pub const fn minor(major: u8, minor: u8) -> Self {
        Self { major, minor, patch: None }
    }

    /// Returns the version without its patch release.
    pub const fn without_patch(self) -> Self {
        Self::minor(self.major, self.minor)
    }

    /// Returns whether `self` is the release asked for by `wanted` (which may lack a patch).
    pub fn satisfies(self, wanted: Self) -> bool {
        self.without_patch() == wanted.without_patch()
            && (wanted.patch.is_none() || wanted.patch == self.patch)
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        self.patch.map_or(Ok(()), |patch| write!(f, ".{patch}"))
    }
}

/// A text that is not a Python version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Python version such as 3.8 or 3.8.18")]
pub struct InvalidPythonVersion(pub String);

impl FromStr for PythonVersion {
    type Err = InvalidPythonVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidPythonVersion(text.to_owned());
        let mut parts = text.trim().split('.');
        let mut number = || parts.next().map(|part| part.parse::<u8>().map_err(|_| invalid()));
        let major = number().ok_or_else(invalid)??;
        let minor = number().ok_or_else(invalid)??;
        let patch = number().transpose()?;
        if parts.next().is_some() {
            return Err(invalid());
        }
        Ok(Self { major, minor, patch })
    }
}

impl Serialize for PythonVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PythonVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_by_number() {
        let parse = |text: &str| text.parse::<PythonVersion>().expect("a version");
        assert!(parse("3.9") < parse("3.10"));
        assert!(parse("3.7.16").satisfies(parse("3.7")));
        assert!(!parse("3.7.16").satisfies(parse("3.7.9")));
        assert!("3".parse::<PythonVersion>().is_err());
        assert!("3.7.1.2".parse::<PythonVersion>().is_err());
    }
}
