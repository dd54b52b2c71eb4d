//! Sweeps: one wish for many runs that differ in their parameters.

use std::fmt;
use std::str::FromStr;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::RunId;

/// What every name of a sweep begins with: no run's name does.
const PREFIX: &str = "s-";

/// The name of a sweep: `s-` and eight letters, such as `s-7x2kq9ab`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SweepId(RunId);

impl SweepId {
    /// Makes an id from 40 random bits (the lowest of `bits`).
    pub fn from_bits(bits: u64) -> Self {
        Self(RunId::from_bits(bits))
    }

    /// Returns the letters behind `s-`, which name the sweep's folder on a target: no run has the
    /// same.
    pub fn folder(&self) -> &RunId {
        &self.0
    }

    /// Returns whether a text means a sweep and no run.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }
}

impl fmt::Display for SweepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{PREFIX}{}", self.0))
    }
}

impl fmt::Debug for SweepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SweepId({PREFIX}{})", self.0)
    }
}

/// A text that is not a sweep's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a sweep's name: `s-` and 8 letters and digits")]
pub struct InvalidSweepId(pub String);

impl FromStr for SweepId {
    type Err = InvalidSweepId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSweepId(text.to_owned());
        let id = text.strip_prefix(PREFIX).ok_or_else(invalid)?;
        Ok(Self(id.parse().map_err(|_| invalid())?))
    }
}

impl Serialize for SweepId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SweepId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The place of a run in a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub sweep: SweepId,
    /// From 0, in the order of the parameter sets.
    pub number: u32,
    pub parameters: Parameters,
}

/// One set of parameters: names and values, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(pub Vec<(String, String)>);

impl Parameters {
    /// Returns the value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// For people: `lr=0.1 seed=3`.
impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, value)) in self.0.iter().enumerate() {
            let blank = if number == 0 { "" } else { " " };
            write!(f, "{blank}{name}={value}")?;
        }
        Ok(())
    }
}

/// An object with the values as texts.
impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Parameters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Parameters(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_told_from_a_run() {
        let id = SweepId::from_bits(0x12_3456_789a);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id.clone()));
        assert!(text.parse::<RunId>().is_err());
        assert!(id.folder().to_string().parse::<SweepId>().is_err());
        assert!(SweepId::is_meant("s-7") && !SweepId::is_meant("s7"));
    }

    #[test]
    fn parameters_keep_their_order() {
        let text = r#"{"lr":"0.1","arch":"a","b":"2"}"#;
        let parameters: Parameters = serde_json::from_str(text).unwrap();
        assert_eq!(parameters.to_string(), "lr=0.1 arch=a b=2");
        assert_eq!(serde_json::to_string(&parameters).unwrap(), text);
        assert_eq!(parameters.get("arch"), Some("a"));
    }
}
