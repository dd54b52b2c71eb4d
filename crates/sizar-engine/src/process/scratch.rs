//! Folders for what one execution needs outside its sandbox.

use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::ProcessError;

const PREFIX: &str = "sizar-run-";
/// How old a folder must be to count as left behind: longer than it takes to lock a new one.
const OLD: Duration = Duration::from_mins(1);

/// A folder that goes when it is dropped; if this process is killed, a later one removes it.
#[derive(Debug)]
pub struct Scratch {
    _folder: tempfile::TempDir,
    path: Utf8PathBuf,
    /// The lock says that the folder is in use, in whatever process namespace.
    _lock: fs::File,
}

impl Scratch {
    /// Makes one, with a short path: a socket's has at most 107 bytes.
    pub fn new() -> Result<Self, ProcessError> {
        static SWEPT: OnceLock<()> = OnceLock::new();
        let usual = std::env::temp_dir();
        let parent = if usual.as_os_str().len() <= 70 { usual } else { PathBuf::from("/tmp") };
        SWEPT.get_or_init(|| sweep(&parent, OLD));
        Self::within(&parent).map_err(|source| ProcessError::Unusable {
            path: Utf8PathBuf::from(parent.to_string_lossy().into_owned()),
            source,
        })
    }

    fn within(parent: &Path) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = fs::File::open(folder.path())?;
        match lock.file().try_lock() {
            // where `TMPDIR` is on a file system without locks, nobody sweeps
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => return Err(std::io::ErrorKind::WouldBlock.into()),
        }
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned())
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidFilename))?;
        Ok(Self { _folder: folder, path, _lock: lock })
    }

    /// Returns its path.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }
}

/// Removes the folders of processes that were killed. What belongs to other users stays, because
/// it cannot be opened.
fn sweep(parent: &Path, old: Duration) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        let age =
            entry.metadata().and_then(|data| data.modified()).ok().and_then(|t| t.elapsed().ok());
        if !ours || age.is_none_or(|age| age < old) {
            continue;
        }
        if let Ok(folder) = fs::File::open(entry.path())
            && folder.file().try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_behind_goes_and_what_is_in_use_stays() {
        let parent = tempfile::tempdir().unwrap();
        let used = Scratch::within(parent.path()).unwrap();
        let left = parent.path().join(format!("{PREFIX}left"));
        let other = parent.path().join("other");
        fs::create_dir_all(left.join("etc")).unwrap();
        fs::create_dir(&other).unwrap();
        sweep(parent.path(), OLD);
        assert!(left.exists());
        sweep(parent.path(), Duration::ZERO);
        assert!(!left.exists() && other.exists() && used.path().exists());
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }
}
