//! The digest of a tree of files, and the walk that everyone shares who copies or reads one.
//!
//! # What is digested
//!
//! BLAKE3 over the entries in ascending order of their paths' bytes. Each entry is its path
//! relative to the root (with `/`), a zero byte, one byte for its kind, and:
//!
//! - `f` a file, `x` an executable file: its size (64 bits, little endian) and the BLAKE3 digest
//!   of its content;
//! - `l` a symbolic link: the length (64 bits, little endian) and the bytes of its target;
//! - `u` a file that cannot be read, `o` anything else (a socket, a device): nothing more.
//!
//! Folders count only by what is in them, as for git; owners, times and other modes do not count.
//! So a folder and a checkout of the commit that it holds have the same digest.
//!
//! What is made by tools and differs between two uses of the same code is left out: see
//! [`is_excluded`]; so are virtual environments (folders with a `pyvenv.cfg`).
//!
//! # The cache
//!
//! With a cache file, the content of a file is read again only if its size, inode, or times of
//! change differ from last time. A file that changed within [`SETTLE`] before it was read is not
//! remembered: it may change again without a new time.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use jiff::Timestamp;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sizar_model::Digest;

/// How long a file must have been left alone before its digest is remembered: file systems
/// keep times in steps of up to two seconds.
pub const SETTLE: Duration = Duration::from_secs(2);

/// The format of the cache file.
const CACHE_FORMAT: u32 = 1;

/// The names of folders and files that are never part of a tree.
const EXCLUDED: &[&str] =
    &[".git", "__pycache__", "node_modules", ".tox", ".nox", ".mypy_cache", ".ipynb_checkpoints"];

/// Returns whether an entry with this name is no part of any tree.
pub fn is_excluded(name: &OsStr) -> bool {
    EXCLUDED.iter().any(|excluded| name == *excluded)
}

/// A tree that cannot be walked.
#[derive(Debug, thiserror::Error)]
#[error("the folder `{path}` cannot be read")]
pub struct UnreadableTree {
    pub path: Utf8PathBuf,
    #[source]
    pub source: io::Error,
}

/// What is digested, and how.
#[derive(Clone, Debug)]
pub struct TreeDigester<'a> {
    /// A folder inside the tree that is left out, such as sizar's own.
    pub without: Option<&'a Utf8Path>,
    /// Where the digests of unchanged files are remembered.
    pub cache: Option<&'a Utf8Path>,
    /// See [`SETTLE`].
    pub settle: Duration,
}

/// What a digest was made of.
#[derive(Clone, Debug)]
pub struct TreeDigest {
    pub digest: Digest,
    pub files: usize,
    /// The sizes of all files together.
    pub bytes: u64,
    /// How many files had to be read.
    pub hashed: usize,
    /// The newest time of change of a file.
    pub newest: Option<Timestamp>,
    /// The files and folders that could not be read, relative to the root.
    pub unreadable: Vec<String>,
}

/// An entry of a tree: everything but folders.
#[derive(Clone, Debug)]
pub struct TreeEntry {
    /// Relative to the root.
    pub path: PathBuf,
    pub kind: TreeEntryKind,
}

/// What an entry is.
#[derive(Clone, Debug)]
pub enum TreeEntryKind {
    File(FileStat),
    /// A symbolic link and its target.
    Link(PathBuf),
    /// Something whose kind or content is hidden from us.
    Unreadable,
    /// A socket, a pipe or a device.
    Other,
    /// A folder with nothing in it, where those were asked for; no part of the digest.
    EmptyFolder,
}

/// By what a file is recognised as unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    pub size: u64,
    pub inode: u64,
    /// Nanoseconds since 1970.
    pub modified: i128,
    /// The inode's own time of change, which programs cannot set.
    pub changed: i128,
    pub executable: bool,
}

impl FileStat {
    /// Takes them from `metadata`.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        let time = |seconds: i64, nanoseconds: i64| {
            i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
        };
        Self {
            size: metadata.len(),
            inode: metadata.ino(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
            executable: metadata.mode() & 0o100 != 0,
        }
    }

    /// Returns whether nothing changed the file for `settle` before `now`.
    pub fn is_settled(&self, now: SystemTime, settle: Duration) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i128::try_from(now.saturating_sub(settle).as_nanos())
            .is_ok_and(|limit| self.changed.max(self.modified) <= limit)
    }
}

/// Lists the entries of a tree, sorted by the bytes of their paths.
///
/// Links are not followed. What is excluded is skipped; a folder that cannot be read is listed as
/// unreadable.
///
/// # Errors
///
/// [`UnreadableTree`] if the root cannot be read.
pub fn walk(root: &Utf8Path, without: Option<&Utf8Path>) -> Result<Vec<TreeEntry>, UnreadableTree> {
    walk_with(root, without, false)
}

/// As [`walk`]; with `empty`, empty folders are listed too.
fn walk_with(
    root: &Utf8Path,
    without: Option<&Utf8Path>,
    empty: bool,
) -> Result<Vec<TreeEntry>, UnreadableTree> {
    let unreadable = |source| UnreadableTree { path: root.to_owned(), source };
    let mut entries = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let before = folders.len();
        match list(root, &folder, without, &mut folders) {
            Ok(listed) if listed.is_empty() && folders.len() == before && empty => {
                let nothing = fs::read_dir(root.as_std_path().join(&folder))
                    .is_ok_and(|mut entries| entries.next().is_none());
                if nothing && !folder.as_os_str().is_empty() {
                    entries.push(TreeEntry { path: folder, kind: TreeEntryKind::EmptyFolder });
                }
            }
            Ok(listed) => entries.extend(listed),
            Err(error) if folder.as_os_str().is_empty() => return Err(unreadable(error)),
            Err(_) => entries.push(TreeEntry { path: folder, kind: TreeEntryKind::Unreadable }),
        }
    }
    entries
        .sort_unstable_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    Ok(entries)
}

/// Lists one folder; its folders go to `folders`.
fn list(
    root: &Utf8Path,
    folder: &Path,
    without: Option<&Utf8Path>,
    folders: &mut Vec<PathBuf>,
) -> io::Result<Vec<TreeEntry>> {
    let mut entries = Vec::new();
    let mut inner = Vec::new();
    for entry in fs::read_dir(root.as_std_path().join(folder))? {
        let entry = entry?;
        let name = entry.file_name();
        if is_excluded(&name) {
            continue;
        }
        // a virtual environment, unless it is the tree itself
        if name == "pyvenv.cfg" && !folder.as_os_str().is_empty() {
            return Ok(Vec::new());
        }
        let path = folder.join(&name);
        let kind = match entry.file_type() {
            Err(_) => TreeEntryKind::Unreadable,
            Ok(kind) if kind.is_dir() => {
                if without.is_none_or(|without| entry.path() != *without) {
                    inner.push(path);
                }
                continue;
            }
            Ok(kind) if kind.is_symlink() => match fs::read_link(entry.path()) {
                Ok(target) => TreeEntryKind::Link(target),
                Err(_) => TreeEntryKind::Unreadable,
            },
            Ok(kind) if kind.is_file() => match entry.metadata() {
                Ok(metadata) => TreeEntryKind::File(FileStat::of(&metadata)),
                Err(_) => TreeEntryKind::Unreadable,
            },
            Ok(_) => TreeEntryKind::Other,
        };
        entries.push(TreeEntry { path, kind });
    }
    folders.append(&mut inner);
    Ok(entries)
}

impl TreeDigester<'_> {
    /// Digests the tree under `root`.
    ///
    /// # Errors
    ///
    /// [`UnreadableTree`] if the root cannot be read.
    pub fn digest(&self, root: &Utf8Path) -> Result<TreeDigest, UnreadableTree> {
        let (entries, known) =
            rayon::join(|| walk(root, self.without), || self.cache.map(load).unwrap_or_default());
        let entries = entries?;
        let now = SystemTime::now();
        let contents = contents_of(root, &entries, &known);
        let mut tree = TreeDigest {
            digest: Digest::of(&[]),
            files: 0,
            bytes: 0,
            hashed: 0,
            newest: None,
            unreadable: Vec::new(),
        };
        let mut hasher = blake3::Hasher::new();
        let mut newest = None;
        for (entry, content) in entries.iter().zip(&contents) {
            hasher.update(entry.path.as_os_str().as_bytes()).update(&[0]);
            match (&entry.kind, content) {
                (TreeEntryKind::File(stat), Some(content)) => {
                    hasher
                        .update(if stat.executable { b"x" } else { b"f" })
                        .update(&content.size.to_le_bytes())
                        .update(&content.digest);
                    tree.files += 1;
                    tree.bytes += content.size;
                    tree.hashed += usize::from(content.fresh);
                    newest = newest.max(Some(stat.modified));
                }
                (TreeEntryKind::Link(target), _) => {
                    let target = target.as_os_str().as_bytes();
                    hasher.update(b"l").update(&(target.len() as u64).to_le_bytes()).update(target);
                }
                (TreeEntryKind::Other | TreeEntryKind::EmptyFolder, _) => {
                    hasher.update(b"o");
                }
                (TreeEntryKind::File(_) | TreeEntryKind::Unreadable, _) => {
                    hasher.update(b"u");
                    tree.unreadable.push(entry.path.to_string_lossy().into_owned());
                }
            }
        }
        tree.digest = Digest::from_bytes(*hasher.finalize().as_bytes());
        tree.newest = newest.and_then(|newest| Timestamp::from_nanosecond(newest).ok());
        if let Some(cache) = self.cache
            && (tree.hashed > 0 || known.len() != tree.files)
        {
            self.remember(cache, now, &entries, &contents);
        }
        Ok(tree)
    }

    /// Lists the tree under `root`, empty folders too, with the digest of each file's content.
    ///
    /// # Errors
    ///
    /// [`UnreadableTree`] if the root cannot be read.
    pub fn contents(
        &self,
        root: &Utf8Path,
    ) -> Result<Vec<(TreeEntry, Option<Digest>)>, UnreadableTree> {
        let entries = walk_with(root, self.without, true)?;
        let known = self.cache.map(load).unwrap_or_default();
        let now = SystemTime::now();
        let contents = contents_of(root, &entries, &known);
        let settled = |entry: &TreeEntry| match &entry.kind {
            TreeEntryKind::File(stat) => stat.is_settled(now, self.settle),
            _ => false,
        };
        let fresh = entries.iter().zip(&contents).any(|(entry, content)| {
            content.as_ref().is_some_and(|content| content.fresh) && settled(entry)
        });
        if let Some(cache) = self.cache.filter(|_| fresh) {
            self.remember(cache, now, &entries, &contents);
        }
        let digests = contents
            .into_iter()
            .map(|content| content.map(|content| Digest::from_bytes(content.digest)));
        Ok(entries.into_iter().zip(digests).collect())
    }

    /// Writes the cache; without one the next digest only takes longer, so failing is no error.
    fn remember(
        &self,
        cache: &Utf8Path,
        now: SystemTime,
        entries: &[TreeEntry],
        contents: &[Option<Content>],
    ) {
        let files: Vec<Remembered> = entries
            .iter()
            .zip(contents)
            .filter_map(|(entry, content)| match &entry.kind {
                TreeEntryKind::File(stat) if stat.is_settled(now, self.settle) => {
                    let digest = Digest::from_bytes(content.as_ref()?.digest);
                    Some((entry.path.to_str()?.to_owned(), *stat, digest))
                }
                _ => None,
            })
            .collect();
        let written = serde_json::to_vec(&Cache { format: CACHE_FORMAT, files })
            .map_err(io::Error::from)
            .and_then(|text| write_by_rename(cache, &text));
        if let Err(error) = written {
            tracing::debug!(%cache, %error, "the digests of the tree are not remembered");
        }
    }
}

/// The content of one file.
struct Content {
    size: u64,
    digest: [u8; 32],
    /// Whether it was read now.
    fresh: bool,
}

/// A file's path, state and content.
type Remembered = (String, FileStat, Digest);

#[derive(Serialize, Deserialize)]
struct Cache {
    format: u32,
    files: Vec<Remembered>,
}

type Known = HashMap<PathBuf, (FileStat, Digest)>;

fn load(cache: &Utf8Path) -> Known {
    let read = || serde_json::from_slice::<Cache>(&fs::read(cache).ok()?).ok();
    match read() {
        Some(Cache { format: CACHE_FORMAT, files }) => {
            files.into_iter().map(|(path, stat, digest)| (path.into(), (stat, digest))).collect()
        }
        _ => Known::new(),
    }
}

/// Returns the content of each entry that is a file, by what is known of it where that still holds.
fn contents_of(root: &Utf8Path, entries: &[TreeEntry], known: &Known) -> Vec<Option<Content>> {
    entries
        .par_iter()
        .with_min_len(16)
        .map(|entry| match &entry.kind {
            TreeEntryKind::File(stat) => content(root, &entry.path, *stat, known),
            _ => None,
        })
        .collect()
}

fn content(root: &Utf8Path, path: &Path, stat: FileStat, known: &Known) -> Option<Content> {
    if let Some((same, digest)) = known.get(path)
        && *same == stat
    {
        return Some(Content { size: stat.size, digest: *digest.as_bytes(), fresh: false });
    }
    let file = fs::File::open(root.as_std_path().join(path)).ok()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).ok()?;
    Some(Content { size: hasher.count(), digest: *hasher.finalize().as_bytes(), fresh: true })
}

/// Writes a file so that it is whole under its name or not there, whoever is killed.
///
/// It is not forced to the disk: after a power cut it may be empty, and its reader must take an
/// unreadable file for a missing one.
pub(crate) fn write_by_rename(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Utf8Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
