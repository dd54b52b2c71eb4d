//! The folder in which sizar keeps everything.

mod lease;

use std::sync::atomic::{AtomicBool, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::resources::ByteSize;

use lease::Lease;
pub(crate) use lease::machine;

/// Everything that sizar keeps, under one folder: `SIZAR_HOME`, or the user's data folder.
///
/// What is made appears under its final name only when it is whole: it is built in
/// [`Home::staging`], on the same file system, and then renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: Utf8PathBuf,
}

/// A folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("neither `SIZAR_HOME` nor `HOME` names a folder to keep things in")]
    Unset,
    #[error("`{path}` cannot be used to keep sizar's files")]
    Unusable {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the lock `{name}` cannot be taken")]
    Lock {
        name: String,
        #[source]
        source: std::io::Error,
    },
}

/// A lock between processes, held until it is dropped.
///
/// On this machine the kernel frees it when its holder dies; on file systems that several machines
/// share it is a [`Lease`].
#[derive(Debug)]
pub struct Lock {
    held: Held,
}

#[derive(Debug)]
enum Held {
    File(#[expect(dead_code, reason = "it is open as long as the lock is held")] fs::File),
    Lease(Lease),
    /// Nothing: who shares on such a file system is not kept from it.
    Nothing,
}

impl Lock {
    /// Returns whether nobody took it over meanwhile, as from a process that stood still for long.
    pub fn is_held(&self) -> bool {
        match &self.held {
            Held::Lease(lease) => lease.is_held(),
            Held::File(_) | Held::Nothing => true,
        }
    }
}

/// Whether the locks of this process are leases.
static LEASES: AtomicBool = AtomicBool::new(false);

/// Makes the locks of this process leases: its home is on a file system that machines share.
pub fn lock_by_leases() {
    LEASES.store(true, Ordering::Relaxed);
}

/// Returns whether the locks of this process are leases.
pub fn locks_by_leases() -> bool {
    LEASES.load(Ordering::Relaxed)
}

impl Home {
    /// Finds the folder: `SIZAR_HOME`, else `$XDG_DATA_HOME/sizar`, else `~/.local/share/sizar`.
    ///
    /// # Errors
    ///
    /// [`HomeError::Unset`] where no variable names one.
    pub fn from_environment() -> Result<Self, HomeError> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let root = variable("SIZAR_HOME")
            .map(Utf8PathBuf::from)
            .or_else(|| variable("XDG_DATA_HOME").map(|data| Utf8PathBuf::from(data).join("sizar")))
            .or_else(|| {
                variable("HOME").map(|home| Utf8PathBuf::from(home).join(".local/share/sizar"))
            })
            .ok_or(HomeError::Unset)?;
        let root = camino::absolute_utf8(&root)
            .map_err(|source| HomeError::Unusable { path: root.clone(), source })?;
        Ok(Self { root })
    }

    /// Takes `root` as the folder.
    pub fn at(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the folder.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Returns the path of the journal.
    pub fn journal(&self) -> Utf8PathBuf {
        self.root.join("journal.sqlite")
    }

    /// Returns, and makes, a folder under the root, such as `checkouts` or `cache/git`.
    ///
    /// # Errors
    ///
    /// [`HomeError::Unusable`] where it cannot be made: a read-only or full disk.
    pub fn folder(&self, name: &str) -> Result<Utf8PathBuf, HomeError> {
        let path = self.root.join(name);
        fs::create_dir_all(&path)
            .map_err(|source| HomeError::Unusable { path: path.clone(), source })?;
        Ok(path)
    }

    /// Makes a temporary folder on the same file system, removed when dropped.
    ///
    /// # Errors
    ///
    /// [`HomeError::Unusable`] where it cannot be made.
    pub fn staging(&self) -> Result<tempfile::TempDir, HomeError> {
        let path = self.folder("tmp")?;
        tempfile::Builder::new()
            .prefix("stage-")
            .tempdir_in(&path)
            .map_err(|source| HomeError::Unusable { path, source })
    }

    /// Takes the lock `name`, waiting for whoever holds it; calls `waiting` once if it must.
    ///
    /// # Errors
    ///
    /// [`HomeError::Lock`] where the file system refuses.
    pub fn lock(&self, name: &str, waiting: impl FnOnce()) -> Result<Lock, HomeError> {
        let failed = |source| HomeError::Lock { name: name.to_owned(), source };
        if locks_by_leases() {
            let folder = self.folder("locks")?;
            let lease = Lease::take(&folder, name, waiting).map_err(failed)?;
            return Ok(Lock { held: Held::Lease(lease) });
        }
        let file = self.lock_file(name)?;
        match file.file().try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                waiting();
                file.file().lock().map_err(failed)?;
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(Lock { held: Held::File(file) })
    }

    /// Takes the lock `name` beside others that share it, waiting for whoever holds it alone.
    ///
    /// # Errors
    ///
    /// [`HomeError::Lock`] where the file system refuses.
    pub fn share(&self, name: &str) -> Result<Lock, HomeError> {
        if locks_by_leases() {
            return Ok(Lock { held: Held::Nothing });
        }
        let file = self.lock_file(name)?;
        let failed = |source| HomeError::Lock { name: name.to_owned(), source };
        file.file().lock_shared().map_err(failed)?;
        Ok(Lock { held: Held::File(file) })
    }

    fn lock_file(&self, name: &str) -> Result<fs::File, HomeError> {
        let path = self.folder("locks")?.join(name);
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).open(path);
        file.map_err(|source| HomeError::Lock { name: name.to_owned(), source })
    }

    /// Takes the lock `name` if nobody holds it.
    ///
    /// # Errors
    ///
    /// [`HomeError::Lock`] where the file system refuses.
    pub fn try_lock(&self, name: &str) -> Result<Option<Lock>, HomeError> {
        // what is done only where nobody minds can wait for a machine of one's own
        if locks_by_leases() {
            return Ok(None);
        }
        let file = self.lock_file(name)?;
        let failed = |source| HomeError::Lock { name: name.to_owned(), source };
        match file.file().try_lock() {
            Ok(()) => Ok(Some(Lock { held: Held::File(file) })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// Returns how many bytes are free for this user on the disk that `path`, or the nearest folder
/// above it that exists, lies on.
pub fn free_bytes(path: &Utf8Path) -> Option<ByteSize> {
    let existing = path.ancestors().find(|folder| folder.exists())?;
    let disk = rustix::fs::statvfs(existing.as_std_path()).ok()?;
    Some(ByteSize(disk.f_bavail.saturating_mul(disk.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        let held = home.lock("x", || panic!("nobody holds it")).unwrap();
        assert!(home.try_lock("x").unwrap().is_none());
        drop(held);
        assert!(home.try_lock("x").unwrap().is_some());
    }
}
