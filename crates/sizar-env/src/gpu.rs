//! Graphics processors, and which releases of the frameworks have code for them.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde::Deserialize;
use sizar_model::PythonVersion;

/// A graphics processor of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Its compute capability, major and minor, where the driver or its name tells.
    pub capability: Option<(u8, u8)>,
}

/// A row of `knowledge/gpus.toml`: a generation of GPUs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    pub name: String,
    /// The lowest compute capability of it.
    pub capability: String,
    /// Words of the names of its cards.
    pub models: Vec<String>,
    /// The first CUDA that compiles for it.
    #[serde(default)]
    pub cuda: Option<String>,
    /// The first release of torch on the index with code for it.
    #[serde(default)]
    pub torch: Option<FirstRelease>,
    /// The first release of TensorFlow on the index with code for it.
    #[serde(default)]
    pub tensorflow: Option<FirstRelease>,
    pub source: String,
}

/// The first release of a framework with code for a generation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstRelease {
    pub version: String,
    /// By when it was on the index.
    pub date: Timestamp,
    /// The Pythons that it has wheels for.
    pub python: Vec<PythonVersion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    generation: Vec<Generation>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../knowledge/gpus.toml"))
        .expect("a test reads the table that is compiled in")
});

/// Returns the generations, oldest first.
pub fn generations() -> &'static [Generation] {
    &TABLE.generation
}

/// Reads a compute capability such as `9.0`.
pub fn capability(text: &str) -> Option<(u8, u8)> {
    let (major, minor) = text.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Gpu {
    /// Returns the generation, by the capability or else by the name.
    pub fn generation(&self) -> Option<&'static Generation> {
        if let Some(own) = self.capability {
            return generations()
                .iter()
                .rev()
                .find(|row| capability(&row.capability).is_some_and(|of_row| of_row <= own));
        }
        // the longest word decides: `RTX A` is no `A100`, and `A10` is none either
        let words = |row: &'static Generation| {
            row.models.iter().filter(|model| self.is_named(model)).map(String::len).max()
        };
        generations().iter().filter(|row| words(row).is_some()).max_by_key(|row| words(row))
    }

    fn is_named(&self, model: &str) -> bool {
        self.name.match_indices(model).any(|(at, _)| {
            let before = self.name[..at].chars().next_back();
            !before.is_some_and(char::is_alphanumeric)
        })
    }

    /// Returns the first release of a framework that has code for it, where there was one before.
    pub fn first_release(&self, framework: &str) -> Option<&'static FirstRelease> {
        let own = self.generation()?;
        // what has code for a later generation was not needed by an earlier one
        generations().iter().rev().skip_while(|row| row.name != own.name).find_map(|row| {
            match framework {
                "torch" => row.torch.as_ref(),
                "tensorflow" => row.tensorflow.as_ref(),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(name: &str, capability: Option<(u8, u8)>) -> Gpu {
        Gpu { name: name.into(), capability }
    }

    #[test]
    fn the_table_is_in_order_and_has_sources() {
        let numbers: Vec<_> =
            generations().iter().map(|row| capability(&row.capability).unwrap()).collect();
        assert!(numbers.is_sorted());
        assert!(generations().iter().all(|row| row.source.starts_with("https://")));
        assert!(generations().iter().all(|row| !row.models.is_empty()));
    }

    #[test]
    fn a_generation_is_told_by_capability_or_name() {
        let generation =
            |name, capability| gpu(name, capability).generation().unwrap().name.clone();
        assert_eq!(generation("NVIDIA H100 PCIe", None), "Hopper");
        assert_eq!(generation("whatever", Some((8, 9))), "Ampere");
        assert_eq!(generation("NVIDIA GeForce RTX 3090", None), "Ampere");
        assert_eq!(generation("Tesla V100-SXM2-32GB", None), "Volta");
        assert_eq!(generation("NVIDIA GeForce RTX 5090", Some((12, 0))), "Blackwell");
        assert!(gpu("a card of tomorrow", None).generation().is_none());
    }

    #[test]
    fn a_framework_needs_a_release_that_knows_the_card() {
        let torch = |capability| {
            gpu("x", Some(capability)).first_release("torch").unwrap().version.as_str()
        };
        assert_eq!(torch((9, 0)), "2.1.0");
        assert_eq!(torch((8, 6)), "1.13.0");
        assert_eq!(torch((7, 5)), "1.0.0");
    }
}
