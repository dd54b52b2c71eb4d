//! The environment inside the cache's folder into which wheels are installed first, as links.
//!
//! A cache may serve more than one home of sizar's, so what says that a stage is in use lies in the
//! cache: a lock that all stages share, and that only whoever sweeps takes alone.

use std::fs::TryLockError;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::SetupError;
use super::error::io;
use crate::home::locks_by_leases;

/// How the folders of stages begin.
const PREFIX: &str = "stage-";
/// The lock in the cache's folder.
const LOCK: &str = "sizar-stages.lock";

/// A place in the cache's folder, removed with what is left in it.
pub struct Stage {
    prefix: Utf8PathBuf,
    // removed before the lock is let go
    _folder: tempfile::TempDir,
    _lock: fs::File,
}

impl Stage {
    /// Makes a place for an environment in `cache`; what killed setups left there is removed.
    ///
    /// # Errors
    ///
    /// [`SetupError::Io`] where the cache's folder cannot be used.
    pub fn open(cache: &Utf8Path) -> Result<Self, SetupError> {
        sweep(cache)?;
        let (lock, path) = lock_of(cache)?;
        if !locks_by_leases() {
            lock.file().lock_shared().map_err(io(&path))?;
        }
        let folder =
            tempfile::Builder::new().prefix(PREFIX).tempdir_in(cache).map_err(io(cache))?;
        // the cache's folder has a name in UTF-8, and so has what we make in it
        let prefix = Utf8PathBuf::from(folder.path().to_string_lossy().into_owned()).join("env");
        Ok(Self { prefix, _folder: folder, _lock: lock })
    }

    /// Returns where the environment lies; nothing is there at first.
    pub fn prefix(&self) -> &Utf8Path {
        &self.prefix
    }
}

fn lock_of(cache: &Utf8Path) -> Result<(fs::File, Utf8PathBuf), SetupError> {
    let path = cache.join(LOCK);
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
    Ok((file, path))
}

/// Removes the stages of killed setups, unless another is in use just now.
///
/// # Errors
///
/// [`SetupError::Io`] where something cannot be removed.
pub fn sweep(cache: &Utf8Path) -> Result<(), SetupError> {
    if locks_by_leases() {
        return Ok(());
    }
    let (lock, path) = lock_of(cache)?;
    match lock.file().try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(io(&path)(error)),
    }
    for entry in fs::read_dir(cache).map_err(io(cache))? {
        let entry = entry.map_err(io(cache))?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_dir_all(entry.path()).map_err(io(cache))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_setup_left_goes_and_what_is_in_use_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Utf8Path::from_path(folder.path()).unwrap();
        let left = cache.join("stage-left/env");
        fs::create_dir_all(&left).unwrap();
        fs::create_dir(cache.join("archive-v0")).unwrap();
        let first = Stage::open(cache).unwrap();
        assert!(!left.exists());
        fs::create_dir(first.prefix()).unwrap();
        let second = Stage::open(cache).unwrap();
        sweep(cache).unwrap();
        assert!(first.prefix().is_dir());
        assert_ne!(first.prefix(), second.prefix());
        drop((first, second));
        let names = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["archive-v0", LOCK]);
    }
}
