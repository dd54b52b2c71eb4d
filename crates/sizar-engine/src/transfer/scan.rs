//! Makes the manifest of a tree here, in one parallel walk.
//!
//! A file that is as it was is not read again. One that changed within [`SETTLE`] before the walk is
//! not remembered, because it may change again without a new time.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use fs_err as fs;
use rayon::prelude::*;
use sizar_model::progress::Unit;
use sizar_model::resources::ByteSize;
use sizar_model::{Activity, Digest, Progress, Silent};

use super::TransferError;
use super::manifest::{Content, Entry, Manifest, stays_inside};
use super::stat_cache::{Known, Remembering, Stat};
use crate::sparse::digest_telling;
use crate::tree_digest::{SETTLE, is_excluded};

/// What of a tree counts.
#[derive(Clone, Copy)]
pub enum Rules<'a> {
    /// Of code: all but what tools make of it and git's own folder, and what `leave` says.
    ///
    /// `leave` is told each path, and whether it is a folder.
    Code { leave: &'a (dyn Fn(&Path, bool) -> bool + Sync) },
    /// Of data: all but git's own folder.
    Data,
    /// Of a folder: the file of this name alone.
    Only(&'a OsStr),
}

/// A tree to be listed.
#[derive(Clone, Copy)]
pub struct Scan<'a> {
    pub root: &'a Path,
    pub rules: Rules<'a>,
    /// Where the digests of unchanged files are remembered.
    pub cache: Option<&'a Utf8Path>,
    /// See [`SETTLE`].
    pub settle: Duration,
    pub progress: &'a dyn Progress,
}

/// From how many bytes on it is said that files are read: about a second's work.
const TOLD: u64 = 512 << 20;
/// How often it is said how much has been read.
const STEP: u64 = 64 << 20;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    pub manifest: Manifest,
    /// How many files had to be read.
    pub hashed: usize,
    /// What could not be read, and sockets and devices: they do not go along.
    pub left_out: Vec<String>,
}

/// An entry before its content was looked at.
struct Found {
    path: Box<[u8]>,
    kind: Kind,
}

enum Kind {
    File {
        stat: Stat,
        program: bool,
    },
    Link(Box<[u8]>),
    Folder,
    /// It cannot be read, or is no file.
    Other,
}

impl<'a> Scan<'a> {
    /// Lists `root` as data.
    pub fn data(root: &'a Path) -> Self {
        Self { root, rules: Rules::Data, cache: None, settle: SETTLE, progress: &Silent }
    }

    /// Lists the tree.
    ///
    /// # Errors
    ///
    /// [`TransferError::EscapingLink`] for a symbolic link out of the tree: what it leads to is not
    /// there on the target. [`TransferError::File`] where the root cannot be read.
    pub fn run(&self) -> Result<Scanned, TransferError> {
        let now = SystemTime::now();
        let mut found =
            self.folder(Path::new("")).map_err(|source| TransferError::file(self.root, source))?;
        found.par_sort_unstable_by(|one, other| one.path.cmp(&other.path));
        let mut known = self.cache.map(Known::read).unwrap_or_default();
        let mut digests: Vec<Option<Digest>> = found
            .iter()
            .map(|found| match &found.kind {
                Kind::File { stat, .. } => known.digest(&found.path, stat),
                _ => None,
            })
            .collect();
        drop(known);
        let unread = |(found, digest): &(&mut Found, &mut Option<Digest>)| {
            matches!(found.kind, Kind::File { .. }) && digest.is_none()
        };
        let reading = Reading::of(self, &found, &digests);
        let hashed = found
            .par_iter_mut()
            .zip(&mut digests)
            .with_min_len(16)
            .filter(unread)
            .map(|(found, digest)| self.read(found, digest, &reading))
            .count();
        reading.end();
        self.remember(now, hashed, &found, &digests);
        let mut scanned = Scanned { hashed, ..Scanned::default() };
        let mut entries = Vec::with_capacity(found.len());
        for (Found { path, kind }, digest) in found.into_iter().zip(digests) {
            let name = || String::from_utf8_lossy(&path).into_owned();
            let content = match (kind, digest) {
                (Kind::File { stat, program }, Some(digest)) => {
                    Content::File { size: stat.size, digest, program }
                }
                (Kind::Link(target), _) => {
                    if !stays_inside(&path, &target) {
                        let to = String::from_utf8_lossy(&target).into_owned();
                        return Err(TransferError::EscapingLink { path: name(), to });
                    }
                    Content::Link(target)
                }
                (Kind::Folder, _) => Content::Folder,
                _ => {
                    scanned.left_out.push(name());
                    continue;
                }
            };
            entries.push(Entry { path, content });
        }
        scanned.manifest = Manifest::new(entries);
        Ok(scanned)
    }

    /// Lists the files with their sizes, and reads none.
    ///
    /// # Errors
    ///
    /// [`TransferError::File`] where the root cannot be read.
    pub fn sizes(&self) -> Result<Vec<(PathBuf, u64)>, TransferError> {
        let found = self.folder(Path::new(""));
        let found = found.map_err(|source| TransferError::file(self.root, source))?;
        let size = |found: Found| match found.kind {
            Kind::File { stat, .. } => {
                Some((PathBuf::from(OsStr::from_bytes(&found.path)), stat.size))
            }
            _ => None,
        };
        Ok(found.into_iter().filter_map(size).collect())
    }

    /// Reads the content of a file that is not known.
    fn read(&self, found: &mut Found, digest: &mut Option<Digest>, reading: &Reading<'_>) {
        let path = self.root.join(OsStr::from_bytes(&found.path));
        match (digest_telling(&path, &|bytes| reading.read(bytes)), &mut found.kind) {
            (Ok((size, read)), Kind::File { stat, .. }) => {
                if size != stat.size {
                    // it changes just now: what was read counts, and is not remembered
                    *stat = Stat { size, changed: i64::MAX, ..*stat };
                }
                *digest = Some(read);
            }
            (_, kind) => *kind = Kind::Other,
        }
    }

    fn remember(
        &self,
        now: SystemTime,
        hashed: usize,
        found: &[Found],
        digests: &[Option<Digest>],
    ) {
        let Some(cache) = self.cache.filter(|_| hashed > 0) else { return };
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let limit = i64::try_from(now.saturating_sub(self.settle).as_nanos()).unwrap_or(i64::MAX);
        let write = || -> std::io::Result<()> {
            let mut remembering = Remembering::at(cache)?;
            for (found, digest) in found.iter().zip(digests) {
                if let (Kind::File { stat, .. }, Some(digest)) = (&found.kind, digest)
                    && stat.changed.max(stat.modified) <= limit
                {
                    remembering.add(&found.path, stat, digest)?;
                }
            }
            remembering.finish(cache)
        };
        // without it the next walk only takes longer
        if let Err(error) = write() {
            tracing::debug!(%cache, %error, "the digests of a tree are not remembered");
        }
    }

    /// Lists a folder with all that is below it.
    fn folder(&self, below: &Path) -> std::io::Result<Vec<Found>> {
        let mut found = Vec::new();
        let mut folders: Vec<PathBuf> = Vec::new();
        let mut is_empty = true;
        for entry in fs::read_dir(self.root.join(below))? {
            let entry = entry?;
            is_empty = false;
            let name = entry.file_name();
            if self.rules.excludes(&name) {
                continue;
            }
            // a virtual environment, unless it is the tree itself
            let code = matches!(self.rules, Rules::Code { .. });
            if code && name == "pyvenv.cfg" && !below.as_os_str().is_empty() {
                return Ok(Vec::new());
            }
            let path = below.join(&name);
            if self.rules.leaves(&path, entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                continue;
            }
            let metadata = entry.metadata();
            let kind = match metadata {
                Ok(metadata) if metadata.is_dir() => {
                    folders.push(path);
                    continue;
                }
                Ok(metadata) if metadata.is_file() => Kind::File {
                    stat: Stat::of(&metadata),
                    program: metadata.permissions().mode() & 0o100 != 0,
                },
                Ok(metadata) if metadata.is_symlink() => match fs::read_link(entry.path()) {
                    Ok(target) => Kind::Link(target.into_os_string().into_vec().into()),
                    Err(_) => Kind::Other,
                },
                _ => Kind::Other,
            };
            found.push(Found { path: bytes(path), kind });
        }
        if is_empty && !below.as_os_str().is_empty() {
            found.push(Found { path: bytes(below.to_owned()), kind: Kind::Folder });
        }
        let inner: Vec<Vec<Found>> = folders
            .into_par_iter()
            .map(|folder| {
                self.folder(&folder)
                    .unwrap_or_else(|_| vec![Found { path: bytes(folder), kind: Kind::Other }])
            })
            .collect();
        found.reserve_exact(inner.iter().map(Vec::len).sum());
        for mut inner in inner {
            found.append(&mut inner);
        }
        Ok(found)
    }
}

/// Files that are read because nothing is known of them.
struct Reading<'a> {
    progress: &'a dyn Progress,
    total: u64,
    done: AtomicU64,
}

impl<'a> Reading<'a> {
    fn of(scan: &Scan<'a>, found: &[Found], digests: &[Option<Digest>]) -> Self {
        let size = |(found, digest): (&Found, &Option<Digest>)| match &found.kind {
            Kind::File { stat, .. } if digest.is_none() => stat.size,
            _ => 0,
        };
        let reading = Self {
            progress: scan.progress,
            total: found.iter().zip(digests).map(size).sum(),
            done: AtomicU64::new(0),
        };
        if reading.is_told() {
            let name = match scan.rules {
                Rules::Only(name) => name,
                Rules::Code { .. } | Rules::Data => scan.root.file_name().unwrap_or_default(),
            };
            let name = name.to_string_lossy();
            reading.progress.begin(format!("reading `{name}` ({})", ByteSize(reading.total)));
        }
        reading
    }

    fn is_told(&self) -> bool {
        self.total >= TOLD
    }

    fn read(&self, bytes: u64) {
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        let done = before + bytes;
        if self.is_told() && before / STEP != done / STEP {
            let total = Some(self.total);
            self.progress.report(Activity::Advanced { done, total, unit: Unit::Bytes });
        }
    }

    fn end(&self) {
        if self.is_told() {
            self.progress.end(format!("read {}", ByteSize(self.total)));
        }
    }
}

impl Rules<'_> {
    fn excludes(&self, name: &OsStr) -> bool {
        match self {
            Self::Code { .. } => is_excluded(name),
            Self::Data => name == ".git",
            Self::Only(one) => name != *one,
        }
    }

    fn leaves(&self, path: &Path, is_folder: bool) -> bool {
        match self {
            Self::Code { leave } => leave(path, is_folder),
            Self::Data | Self::Only(_) => false,
        }
    }
}

fn bytes(path: PathBuf) -> Box<[u8]> {
    path.into_os_string().into_vec().into()
}

#[cfg(test)]
mod tests;
