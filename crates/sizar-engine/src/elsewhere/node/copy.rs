//! Copies from a shared file system to a node's own: many files at once, since each question to a
//! file server waits for its answer.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;
use fs_err as fs;
use ignore::{WalkBuilder, WalkState};
use rayon::prelude::*;

use crate::sparse;
use crate::transfer::{Content, Entry};

/// How many files are copied at once.
const AT_ONCE: usize = 16;

/// Copies a tree with all that is in it, links and times too: bytecode counts by the times of its
/// sources.
///
/// # Errors
///
/// What the operating system says of the first file that failed.
pub(super) fn copy_whole(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    let failed: Mutex<Option<io::Error>> = Mutex::new(None);
    let walk = WalkBuilder::new(from).standard_filters(false).threads(AT_ONCE).build_parallel();
    walk.run(|| {
        Box::new(|entry| {
            let one = || -> io::Result<()> {
                let entry = entry.map_err(io::Error::other)?;
                let below = entry.path().strip_prefix(from).map_err(io::Error::other)?;
                let kind = entry.file_type();
                copy_one(entry.path(), &to.as_std_path().join(below), kind)
            };
            match one() {
                Ok(()) => WalkState::Continue,
                Err(error) => {
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failed.get_or_insert(error);
                    WalkState::Quit
                }
            }
        })
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Copies one thing; a folder is seen before what lies in it.
fn copy_one(from: &Path, to: &Path, kind: Option<std::fs::FileType>) -> io::Result<()> {
    match kind {
        Some(kind) if kind.is_dir() => fs::create_dir_all(to),
        Some(kind) if kind.is_symlink() => fs_err::os::unix::fs::symlink(fs::read_link(from)?, to),
        Some(kind) if kind.is_file() => {
            sparse::copy(from, to)?;
            let modified = fs::metadata(from)?.modified()?;
            // a file that only its owner may read cannot be opened for writing everywhere
            match fs::File::open(to)?.file().set_modified(modified) {
                Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Copies entries of a tree of the store to the folder `to`; each must be what the tree's list says.
///
/// # Errors
///
/// What the operating system says, and [`io::ErrorKind::InvalidData`] for a file that is not what it
/// should be.
pub(super) fn copy_entries(tree: &Path, entries: &[Entry], to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut folders: Vec<&Path> = Vec::new();
    for entry in entries {
        let folder = match entry.content {
            Content::Folder => Some(entry.path()),
            _ => entry.path().parent(),
        };
        // they come in the order of their paths
        if let Some(folder) = folder.filter(|folder| folders.last() != Some(folder)) {
            folders.push(folder);
        }
    }
    folders.iter().try_for_each(|folder| fs::create_dir_all(to.join(folder)))?;
    let one = |entry: &Entry| -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt as _;
        let (source, target) = (tree.join(entry.path()), to.join(entry.path()));
        match &entry.content {
            Content::Folder => Ok(()),
            Content::Link(leads) => {
                fs_err::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(leads), target)
            }
            Content::File { size, digest, .. } => {
                sparse::copy(&source, &target)?;
                if sparse::digest_of(&target)? == (*size, *digest) {
                    return Ok(());
                }
                let message = format!("`{}` is not what was sent", source.display());
                Err(io::Error::new(io::ErrorKind::InvalidData, message))
            }
        }
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(AT_ONCE).build();
    let pool = pool.map_err(io::Error::other)?;
    pool.install(|| entries.par_iter().try_for_each(one))
}
