//! Names that sizar gives.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The letters of a run id: Crockford's base 32 in lower case, without `i`, `l`, `o` and `u`.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The name of a run: eight letters of Crockford's base 32, such as `7x2kq9ab`.
///
/// Any unambiguous beginning of it is accepted where a person types one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

impl RunId {
    /// Makes an id from 40 random bits (the lowest of `bits`).
    pub fn from_bits(bits: u64) -> Self {
        Self((0..8).map(|i| LETTERS[(bits >> (5 * i) & 31) as usize] as char).collect())
    }

    /// Returns the id's letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({})", self.0)
    }
}

/// A text that is not a run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id of 8 letters and digits")]
pub struct InvalidRunId(pub String);

impl FromStr for RunId {
    type Err = InvalidRunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = text.len() == 8 && text.bytes().all(|byte| LETTERS.contains(&byte));
        valid.then(|| Self(text.to_owned())).ok_or_else(|| InvalidRunId(text.to_owned()))
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = RunId::from_bits(0x12_3456_789a);
        assert_eq!(id.as_str().len(), 8);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("../../et".parse::<RunId>().is_err());
    }
}
