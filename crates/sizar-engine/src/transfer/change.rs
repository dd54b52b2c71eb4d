//! What makes a tree of one that the other end has: a list of a million files need not go twice.

use super::manifest::{InvalidManifest, Manifest, pull, push};

/// What has to be done to a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Paths that are in it no more.
    pub gone: Vec<Box<[u8]>>,
    /// What is new or different.
    pub new: Manifest,
}

impl Change {
    /// Returns what makes `tree` of `base`.
    pub fn between(base: &Manifest, tree: &Manifest) -> Self {
        let (gone, new) = tree.since(base);
        Self { gone, new }
    }

    /// Returns the tree that it makes of `base`.
    pub fn of(&self, base: &Manifest) -> Manifest {
        base.with(&self.gone, &self.new)
    }

    /// Writes the number of paths that are gone (32 bits, little endian), these, and the rest in the
    /// form of a tree.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = (self.gone.len() as u32).to_le_bytes().to_vec();
        for path in &self.gone {
            push(&mut bytes, path);
        }
        self.new.pieces(1 << 20).for_each(|piece| bytes.extend_from_slice(&piece));
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// As [`Manifest::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        let torn = || InvalidManifest("what changed of it is cut off".to_owned());
        let (count, mut rest) = bytes.split_first_chunk::<4>().ok_or_else(torn)?;
        let mut gone = Vec::new();
        for _ in 0..u32::from_le_bytes(*count) {
            gone.push(pull(&mut rest).ok_or_else(torn)?.into());
        }
        Ok(Self { gone, new: Manifest::from_bytes(rest)? })
    }
}

#[cfg(test)]
mod tests {
    use sizar_model::Digest;

    use super::super::manifest::{Content, Entry};
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Manifest {
        let entry = |(path, text): &(&str, &str)| Entry {
            path: path.as_bytes().into(),
            content: Content::File {
                size: text.len() as u64,
                digest: Digest::of(text.as_bytes()),
                program: false,
            },
        };
        Manifest::new(files.iter().map(entry).collect())
    }

    #[test]
    fn a_tree_is_made_of_the_one_before() {
        let base = tree(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let next = tree(&[("a", "1"), ("c", "4"), ("d", "5")]);
        let change = Change::between(&base, &next);
        assert_eq!((change.gone.len(), change.new.entries().len()), (1, 2));
        let bytes = change.to_bytes();
        let read = Change::from_bytes(&bytes).unwrap();
        assert_eq!(read.of(&base), next);
        for at in 0..bytes.len() - 1 {
            let torn = Change::from_bytes(&bytes[..at]).ok();
            assert!(torn.is_none_or(|torn| torn.of(&base) != next), "{at}");
        }
        assert_eq!(Change::between(&base, &base).of(&base), base);
    }
}
