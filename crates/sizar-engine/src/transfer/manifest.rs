//! What a tree holds, path by path, in one canonical form; its digest names the tree.
//!
//! # The form
//!
//! The line `sizar tree 1`, then the entries in ascending order of their paths' bytes. Each is the
//! length of its path (32 bits, little endian) and the path relative to the root (with `/`), one
//! byte for its kind, and:
//!
//! - `f` a file, `x` an executable file: its size (64 bits) and the BLAKE3 digest of its content;
//! - `l` a symbolic link: the length (32 bits) and the bytes of its target;
//! - `d` a folder with nothing in it.
//!
//! Of the mode only whether a file can be executed counts, as for git: the rest is the umask of who
//! made it. Owners and times do not count.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sizar_model::Digest;

const MAGIC: &[u8] = b"sizar tree 1\n";

/// One path of a tree: everything but folders that have something in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root; any bytes.
    pub path: Box<[u8]>,
    pub content: Content,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    File {
        size: u64,
        digest: Digest,
        /// Whether it can be executed.
        program: bool,
    },
    /// A symbolic link, and what it leads to.
    Link(Box<[u8]>),
    /// A folder with nothing in it.
    Folder,
}

/// What a tree holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// In ascending order of their paths.
    entries: Vec<Entry>,
}

/// Bytes that are no manifest, or one of a tree that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list of a tree is not one: {0}")]
pub struct InvalidManifest(pub String);

impl Entry {
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// Returns the path for people.
    pub fn name(&self) -> String {
        self.path().to_string_lossy().into_owned()
    }

    pub fn size(&self) -> u64 {
        match self.content {
            Content::File { size, .. } => size,
            Content::Link(_) | Content::Folder => 0,
        }
    }

    /// Returns how many bytes [`Self::write`] adds.
    fn length(&self) -> usize {
        let content = match &self.content {
            Content::File { digest, .. } => size_of::<u64>() + digest.as_bytes().len(),
            Content::Link(target) => size_of::<u32>() + target.len(),
            Content::Folder => 0,
        };
        size_of::<u32>() + self.path.len() + 1 + content
    }

    fn write(&self, to: &mut Vec<u8>) {
        push(to, &self.path);
        match &self.content {
            Content::File { size, digest, program } => {
                to.push(if *program { b'x' } else { b'f' });
                to.extend_from_slice(&size.to_le_bytes());
                to.extend_from_slice(digest.as_bytes());
            }
            Content::Link(target) => {
                to.push(b'l');
                push(to, target);
            }
            Content::Folder => to.push(b'd'),
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let path = pull(from)?.into();
        let content = match take::<1>(from)? {
            [kind @ (b'f' | b'x')] => Content::File {
                size: u64::from_le_bytes(take(from)?),
                digest: Digest::from_bytes(take(from)?),
                program: kind == b'x',
            },
            [b'l'] => Content::Link(pull(from)?.into()),
            [b'd'] => Content::Folder,
            _ => return None,
        };
        Some(Self { path, content })
    }
}

pub(super) fn push(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    to.extend_from_slice(bytes);
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = from.split_at_checked(N)?;
    *from = rest;
    head.try_into().ok()
}

pub(super) fn pull<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(from)?) as usize;
    let (head, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(head)
}

impl Manifest {
    /// Takes entries in any order; of two with one path the first counts.
    pub fn new(mut entries: Vec<Entry>) -> Self {
        if !entries.is_sorted_by(|one, other| one.path < other.path) {
            entries.sort_by(|one, other| one.path.cmp(&other.path));
            entries.dedup_by(|one, other| one.path == other.path);
        }
        Self { entries }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the entry at a path.
    pub fn get(&self, path: &[u8]) -> Option<&Entry> {
        let index = self.entries.binary_search_by(|entry| (*entry.path).cmp(path)).ok()?;
        self.entries.get(index)
    }

    /// Returns the sizes of all files together.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(Entry::size).sum()
    }

    /// Returns the digest of the whole tree.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for piece in self.pieces(64 << 10) {
            hasher.update(&piece);
        }
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    /// Returns the name of the tree, after all that it holds.
    pub fn name(&self) -> String {
        self.digest().short()
    }

    /// Writes the canonical form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length());
        self.pieces(1 << 20).for_each(|piece| bytes.extend_from_slice(&piece));
        bytes
    }

    /// Returns how many bytes the canonical form has.
    pub fn length(&self) -> usize {
        MAGIC.len() + self.entries.iter().map(Entry::length).sum::<usize>()
    }

    /// Writes the canonical form piece by piece, each of a little more than `size` bytes: a list of
    /// a million files is never in memory a second time.
    pub fn pieces(&self, size: usize) -> impl Iterator<Item = Vec<u8>> {
        let mut entries = self.entries.iter();
        let mut first = Some(MAGIC);
        std::iter::from_fn(move || {
            let mut piece = first.take().unwrap_or_default().to_vec();
            for entry in entries.by_ref() {
                entry.write(&mut piece);
                if piece.len() > size {
                    break;
                }
            }
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// Reads the canonical form of a tree that can be laid out: what comes from elsewhere is not
    /// trusted.
    ///
    /// # Errors
    ///
    /// [`InvalidManifest`] also for paths and links that lead out of the tree.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        let torn = || InvalidManifest("it is cut off".to_owned());
        let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(torn)?;
        let mut entries: Vec<Entry> = Vec::new();
        while !rest.is_empty() {
            let entry = Entry::read(&mut rest).ok_or_else(torn)?;
            let name = || format!("`{}`", entry.name());
            if !is_inside(&entry.path) {
                return Err(InvalidManifest(format!("{} is no path of a tree", name())));
            }
            if let Content::Link(target) = &entry.content
                && !stays_inside(&entry.path, target)
            {
                return Err(InvalidManifest(format!("the link {} leads out of it", name())));
            }
            if entries.last().is_some_and(|last| last.path >= entry.path) {
                return Err(InvalidManifest(format!("{} is out of order", name())));
            }
            entries.push(entry);
        }
        Ok(Self { entries })
    }

    /// Returns what makes this tree of `base`: the paths that go, and the entries that come.
    pub fn since(&self, base: &Self) -> (Vec<Box<[u8]>>, Self) {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        let mut before = base.entries.iter().peekable();
        for entry in &self.entries {
            while let Some(old) = before.next_if(|old| old.path < entry.path) {
                gone.push(old.path.clone());
            }
            if before.next_if(|old| old.path == entry.path) != Some(entry) {
                new.push(entry.clone());
            }
        }
        gone.extend(before.map(|old| old.path.clone()));
        (gone, Self { entries: new })
    }

    /// Returns the tree with `new` in it, and without `gone`.
    pub fn with(&self, gone: &[Box<[u8]>], new: &Self) -> Self {
        let mut all: BTreeMap<&[u8], &Entry> =
            self.entries.iter().map(|entry| (&*entry.path, entry)).collect();
        for path in gone {
            all.remove(&**path);
        }
        all.extend(new.entries.iter().map(|entry| (&*entry.path, entry)));
        Self { entries: all.into_values().cloned().collect() }
    }
}

/// Returns whether a path leads to a place below its root, and says so in one way only.
fn is_inside(path: &[u8]) -> bool {
    let part = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    path.split(|byte| *byte == b'/').all(part)
}

/// Returns whether the link at `link` leads to a place in its tree, whatever else is in it.
pub(crate) fn stays_inside(link: &[u8], target: &[u8]) -> bool {
    if target.is_empty() || target.starts_with(b"/") || target.contains(&0) {
        return false;
    }
    let mut depth = link.iter().filter(|byte| **byte == b'/').count() as i64;
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(path: &[u8], text: &[u8]) -> Entry {
        let content = Content::File {
            size: text.len() as u64,
            digest: Digest::of(text),
            program: path.ends_with(b".sh"),
        };
        Entry { path: path.into(), content }
    }

    fn link(path: &[u8], target: &[u8]) -> Entry {
        Entry { path: path.into(), content: Content::Link(target.into()) }
    }

    #[test]
    fn what_counts_is_in_the_name_and_order_is_not() {
        let all = vec![file(b"b\n\xff", b"1"), file(b"a.sh", b"2"), link(b"l", b"a.sh")];
        let tree = Manifest::new(all.clone());
        let turned = Manifest::new(all.into_iter().rev().collect());
        assert_eq!(tree.name(), turned.name());
        assert_eq!(Manifest::from_bytes(&tree.to_bytes()).unwrap(), tree);
        let other = Manifest::new(vec![file(b"b\n\xff", b"1"), file(b"a.sh", b"2")]);
        assert_ne!(tree.name(), other.name());
        let (gone, new) = other.since(&tree);
        assert_eq!((gone.len(), new.entries().len()), (1, 0));
        assert_eq!(tree.with(&gone, &new), other);
        // what is written is what is digested
        assert_eq!(Digest::of(&tree.to_bytes()), tree.digest());
        assert_eq!(tree.length(), tree.to_bytes().len());
        assert_eq!(tree.pieces(1).flatten().collect::<Vec<_>>(), tree.to_bytes());
    }

    #[test]
    fn what_leads_out_of_a_tree_is_none() {
        for path in [&b"../x"[..], b"/x", b"a//b", b"a/./b", b"", b"a\0b"] {
            let bytes = Manifest { entries: vec![file(path, b"")] }.to_bytes();
            assert!(Manifest::from_bytes(&bytes).is_err(), "{path:?}");
        }
        for (path, to) in [(&b"a"[..], &b"../x"[..]), (b"a/b", b"../../x"), (b"a", b"/x")] {
            let bytes = Manifest { entries: vec![link(path, to)] }.to_bytes();
            assert!(Manifest::from_bytes(&bytes).is_err(), "{path:?}");
        }
        let inside = Manifest { entries: vec![link(b"a/b", b"../x/../y")] }.to_bytes();
        assert!(Manifest::from_bytes(&inside).is_ok());
        let twice = Manifest { entries: vec![file(b"a", b""), file(b"a", b"")] }.to_bytes();
        assert!(Manifest::from_bytes(&twice).is_err());
    }

    proptest! {
        /// Whatever comes, it is a tree or an error.
        #[test]
        fn torn_bytes_are_an_error(at in 0_usize..120, byte: u8) {
            let mut bytes =
                Manifest::new(vec![file(b"a/b", b"1"), link(b"c", b"a/b")]).to_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = Manifest::from_bytes(&bytes);
            prop_assert!(Manifest::from_bytes(&bytes[..at]).is_err() || at <= MAGIC.len() || at > 60);
        }
    }
}
