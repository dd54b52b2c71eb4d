//! Copies on a node's own disk that the jobs of one account share.
//!
//! One job makes a copy, under the kernel's lock of its name, and those that want it meanwhile wait.
//! Who uses one holds that lock with others: it ends with the process, however that ends. What
//! nobody uses may go. The folder is for this account alone, and a copy that was made before the
//! node was started anew counts for nothing: nobody knows how much of it reached the disk.

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// How often a copy is looked for again that went, or was locked, just then; and how long after.
const TRIES: u32 = 500;
const MOMENT: Duration = Duration::from_millis(20);
/// How the name of a lock ends.
const LOCK: &str = "lock";

/// The folder with this account's copies.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    folder: Utf8PathBuf,
    /// Names the time since this node was started.
    boot: String,
}

/// A copy that is in use.
#[derive(Debug)]
pub(super) struct Held {
    path: Utf8PathBuf,
    lock: fs::File,
    lock_path: Utf8PathBuf,
}

impl Shelf {
    /// Takes, or makes, the one below `scratch`.
    ///
    /// # Errors
    ///
    /// What the operating system says, and where somebody else has taken the name.
    pub fn below(scratch: &Utf8Path) -> io::Result<Self> {
        let account = rustix::process::getuid().as_raw();
        let folder = scratch.join(format!("sizar-kept-{account}"));
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let shelf = Self { folder, boot: boot.trim().to_owned() };
        shelf.make()?;
        Ok(shelf)
    }

    /// Makes the folder, if it is not there: the last one that uses a copy removes it.
    fn make(&self) -> io::Result<()> {
        match std::fs::DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let metadata = fs::symlink_metadata(&self.folder)?;
        if !metadata.is_dir() || metadata.uid() != rustix::process::getuid().as_raw() {
            return Err(io::Error::other(format!("`{}` is somebody else's", self.folder)));
        }
        if metadata.mode() & 0o077 != 0 {
            fs::set_permissions(&self.folder, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    /// Returns where the copy `key` lies, if it is there or will be.
    pub fn path(&self, key: &str) -> Utf8PathBuf {
        self.folder.join(key)
    }

    fn lock_path(&self, key: &str) -> Utf8PathBuf {
        self.folder.join(format!("{key}.{LOCK}"))
    }

    /// Returns whether a copy is there.
    pub fn has(&self, key: &str) -> bool {
        let marked = fs::read_to_string(self.lock_path(key));
        marked.is_ok_and(|boot| boot == self.boot) && self.path(key).is_dir()
    }

    /// Takes the copy `key`, which `make` makes at a path that does not exist where it is not there;
    /// says whether it had to.
    ///
    /// # Errors
    ///
    /// What `make` or the operating system says; nothing has the copy's name then.
    pub fn take(
        &self,
        key: &str,
        mut make: impl FnMut(&Utf8Path) -> io::Result<()>,
    ) -> io::Result<(Held, bool)> {
        let mut made = false;
        for _ in 0..TRIES {
            let lock_path = self.lock_path(key);
            let lock = match open(&lock_path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.make()?;
                    continue;
                }
                lock => lock?,
            };
            lock.file().lock_shared()?;
            if is_at(&lock, &lock_path) && self.has(key) {
                // what clears away looks at the time
                let _ = lock.file().set_modified(SystemTime::now());
                return Ok((Held { path: self.path(key), lock, lock_path }, made));
            }
            lock.file().unlock()?;
            // whoever waits for it alone would wait until the last user has ended
            match lock.file().try_lock() {
                Err(std::fs::TryLockError::WouldBlock) => {
                    std::thread::sleep(MOMENT);
                    continue;
                }
                locked => locked?,
            }
            if is_at(&lock, &lock_path) && !self.has(key) {
                self.fill(key, &lock, &mut make)?;
                made = true;
            }
        }
        Err(io::Error::other(format!("the copy `{key}` goes as often as it is made")))
    }

    fn fill(
        &self,
        key: &str,
        mut lock: &fs::File,
        make: &mut impl FnMut(&Utf8Path) -> io::Result<()>,
    ) -> io::Result<()> {
        lock.set_len(0)?;
        let (new, path) = (self.folder.join(format!("{key}.new")), self.path(key));
        // of one that was killed, and of before the node was started
        for old in [&new, &path] {
            remove(old)?;
        }
        if let Err(error) = make(&new) {
            let _ = remove(&new);
            return Err(error);
        }
        fs::rename(&new, &path)?;
        lock.write_all(self.boot.as_bytes())
    }

    /// Removes what nobody uses and nobody took for so long.
    pub fn clear(&self, unused_for: Duration) {
        for (key, age) in self.by_age() {
            if age >= unused_for {
                let _ = self.remove_unused(&key);
            }
        }
    }

    /// Removes what nobody uses, the longest unused first, until there is room.
    pub fn make_room(&self, is_enough: impl Fn() -> bool) {
        for (key, _) in self.by_age() {
            if is_enough() {
                return;
            }
            let _ = self.remove_unused(&key);
        }
    }

    /// Lists the copies with how long ago each was taken last, the oldest first.
    fn by_age(&self) -> Vec<(String, Duration)> {
        let now = SystemTime::now();
        let mut all = Vec::new();
        for entry in self.folder.read_dir_utf8().into_iter().flatten().flatten() {
            let key = entry.path().file_stem().filter(|_| entry.path().extension() == Some(LOCK));
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            if let (Some(key), Ok(modified)) = (key, modified) {
                all.push((key.to_owned(), now.duration_since(modified).unwrap_or_default()));
            }
        }
        all.sort_by_key(|(_, age)| std::cmp::Reverse(*age));
        all
    }

    fn remove_unused(&self, key: &str) -> io::Result<()> {
        let lock_path = self.lock_path(key);
        let lock = fs::OpenOptions::new().read(true).write(true).open(&lock_path)?;
        lock.file().try_lock().map_err(io::Error::from)?;
        if is_at(&lock, &lock_path) {
            remove(&self.folder.join(format!("{key}.new")))?;
            remove_copy(&self.path(key), &lock, &lock_path)?;
        }
        Ok(())
    }
}

impl Held {
    /// Ends the use; unless it is to stay, the last one that used it removes it.
    pub fn let_go(self, stays: bool) {
        if stays || self.lock.file().unlock().is_err() || self.lock.file().try_lock().is_err() {
            return;
        }
        if is_at(&self.lock, &self.lock_path)
            && let Err(error) = remove_copy(&self.path, &self.lock, &self.lock_path)
        {
            tracing::debug!(%error, "a copy on the node was not removed");
        }
        if let Some(shelf) = self.path.parent() {
            // only where nothing else lies in it
            let _ = fs::remove_dir(shelf);
        }
    }
}

/// Removes a copy, under its lock.
fn remove_copy(path: &Utf8Path, lock: &fs::File, lock_path: &Utf8Path) -> io::Result<()> {
    // what is half gone is no copy
    lock.set_len(0)?;
    remove(path)?;
    fs::remove_file(lock_path)
}

fn open(path: &Utf8Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Returns whether a path still leads to a file that was opened.
fn is_at(file: &fs::File, path: &Utf8Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

/// Removes a folder with all that is in it, also where its owner may not write to parts of it.
pub(super) fn remove(folder: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let walk = ignore::WalkBuilder::new(folder).standard_filters(false).build();
            for entry in walk.flatten().filter(|e| e.file_type().is_some_and(|kind| kind.is_dir()))
            {
                let own = std::fs::Permissions::from_mode(0o700);
                let _ = fs::set_permissions(entry.path(), own);
            }
            fs::remove_dir_all(folder)
        }
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn shelf(folder: &tempfile::TempDir) -> Shelf {
        Shelf::below(Utf8Path::from_path(folder.path()).unwrap()).unwrap()
    }

    fn one_file(to: &Utf8Path) -> io::Result<()> {
        fs::create_dir(to)?;
        fs::write(to.join("x"), "1")
    }

    #[test]
    fn of_many_at_once_one_makes_the_copy_and_the_last_removes_it() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(&folder);
        let (made, together) = (AtomicU32::new(0), Barrier::new(6));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let make = |to: &Utf8Path| {
                        made.fetch_add(1, Ordering::SeqCst);
                        one_file(to)
                    };
                    let (held, _) = shelf.take("env", make).unwrap();
                    assert_eq!(fs::read_to_string(held.path.join("x")).unwrap(), "1");
                    together.wait();
                    held.let_go(false);
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
        assert!(!shelf.has("env"));
        assert!(!shelf.folder.exists(), "nothing is left behind");
        // one that is to stay is there for the next
        shelf.take("env", one_file).unwrap().0.let_go(true);
        assert!(!shelf.take("env", |_| unreachable!()).unwrap().1);
    }

    #[test]
    fn what_is_used_stays_and_the_longest_unused_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(&folder);
        let (used, _) = shelf.take("used", one_file).unwrap();
        for (key, seconds) in [("old", 100), ("older", 200), ("used", 300)] {
            let (held, _) = shelf.take(key, one_file).unwrap();
            let then = SystemTime::now() - Duration::from_secs(seconds);
            held.lock.file().set_modified(then).unwrap();
        }
        shelf.make_room(|| !shelf.has("older"));
        assert!(shelf.has("old") && shelf.has("used"));
        shelf.clear(Duration::from_secs(50));
        assert!(!shelf.has("old") && shelf.has("used"));
        used.let_go(false);
        assert!(!shelf.has("used"));
    }

    #[test]
    fn what_failed_was_torn_or_is_of_before_the_start_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(&folder);
        let fails = |to: &Utf8Path| {
            one_file(to)?;
            Err(io::Error::other("the disk is full"))
        };
        assert!(shelf.take("env", fails).is_err());
        assert!(!shelf.has("env") && !shelf.folder.join("env.new").exists());
        // killed in the middle
        one_file(&shelf.folder.join("env.new")).unwrap();
        assert!(shelf.take("env", one_file).unwrap().1);
        let later = Shelf { boot: "another".to_owned(), ..shelf.clone() };
        assert!(!later.has("env"));
        assert!(later.take("env", one_file).unwrap().1);
        assert!(later.has("env"));
    }

    #[test]
    fn a_name_that_somebody_took_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let account = rustix::process::getuid().as_raw();
        fs_err::os::unix::fs::symlink("/tmp", root.join(format!("sizar-kept-{account}"))).unwrap();
        assert!(Shelf::below(root).is_err());
    }
}
