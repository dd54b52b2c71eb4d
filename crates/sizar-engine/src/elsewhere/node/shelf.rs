//! Copies on a node's own disk that the jobs of one account share.
//!
//! One job makes a copy, and those that want it meanwhile wait at its gate. Who uses one shares the
//! kernel's lock of its mark: that ends with the process, however it ends. What nobody uses may go. The folder is for this account alone, and a copy that was made before the
//! node was started anew counts for nothing: nobody knows how much of it reached the disk.

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// How the names of the two files beside a copy end: the one that says that it is whole, which users
/// lock, and the one that is locked while it is made or removed.
const MARK: &str = "mark";
const GATE: &str = "gate";

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
    shelf: Shelf,
    key: String,
    mark: fs::File,
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

    fn mark_path(&self, key: &str) -> Utf8PathBuf {
        self.folder.join(format!("{key}.{MARK}"))
    }

    /// Returns whether a copy is there.
    pub fn has(&self, key: &str) -> bool {
        let marked = fs::read_to_string(self.mark_path(key));
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
        let gate = self.gate(key, true)?;
        let mark_path = self.mark_path(key);
        let mark = open(&mark_path)?;
        // who removes holds the gate, too: nobody is waited for here
        mark.file().lock_shared()?;
        let made = !self.has(key);
        if made {
            self.fill(key, &mark, &mut make)?;
        }
        // what clears away looks at the time
        let _ = mark.file().set_modified(SystemTime::now());
        drop(gate);
        Ok((Held { shelf: self.clone(), key: key.to_owned(), mark }, made))
    }

    /// Takes the right to make or remove the copy `key`; with `waits`, after whoever does either.
    fn gate(&self, key: &str, waits: bool) -> io::Result<fs::File> {
        let path = self.folder.join(format!("{key}.{GATE}"));
        loop {
            let gate = match open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.make()?;
                    continue;
                }
                gate => gate?,
            };
            if waits {
                gate.file().lock()?;
            } else {
                gate.file().try_lock().map_err(io::Error::from)?;
            }
            // whoever removed the copy removed this, too
            if is_at(&gate, &path) {
                return Ok(gate);
            }
        }
    }

    fn fill(
        &self,
        key: &str,
        mut mark: &fs::File,
        make: &mut impl FnMut(&Utf8Path) -> io::Result<()>,
    ) -> io::Result<()> {
        mark.set_len(0)?;
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
        mark.write_all(self.boot.as_bytes())
    }

    /// Removes what nobody uses and nobody took for so long.
    pub fn clear(&self, unused_for: Duration) {
        for (key, age) in self.by_age() {
            if age >= unused_for {
                let _ = self.remove_unused(&key, false);
            }
        }
    }

    /// Removes what nobody uses, the longest unused first, until there is room.
    pub fn make_room(&self, is_enough: impl Fn() -> bool) {
        for (key, _) in self.by_age() {
            if is_enough() {
                return;
            }
            let _ = self.remove_unused(&key, false);
        }
    }

    /// Lists the copies with how long ago each was taken last, the oldest first.
    fn by_age(&self) -> Vec<(String, Duration)> {
        let now = SystemTime::now();
        let mut all = Vec::new();
        for entry in self.folder.read_dir_utf8().into_iter().flatten().flatten() {
            let key = entry.path().file_stem().filter(|_| entry.path().extension() == Some(MARK));
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            if let (Some(key), Ok(modified)) = (key, modified) {
                all.push((key.to_owned(), now.duration_since(modified).unwrap_or_default()));
            }
        }
        all.sort_by_key(|(_, age)| std::cmp::Reverse(*age));
        all
    }

    /// Removes the copy `key`, unless somebody uses it.
    fn remove_unused(&self, key: &str, waits: bool) -> io::Result<()> {
        let gate = self.gate(key, waits)?;
        let mark_path = self.mark_path(key);
        let mark = open(&mark_path)?;
        mark.file().try_lock().map_err(io::Error::from)?;
        // what is half gone is no copy
        mark.set_len(0)?;
        remove(&self.folder.join(format!("{key}.new")))?;
        remove(&self.path(key))?;
        fs::remove_file(mark_path)?;
        fs::remove_file(gate.path())?;
        // only where nothing else lies in it
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}

impl Held {
    /// Ends the use; unless it is to stay, the last one that used it removes it.
    pub fn let_go(self, stays: bool) {
        let Self { shelf, key, mark } = self;
        drop(mark);
        if !stays && let Err(error) = shelf.remove_unused(&key, true) {
            tracing::debug!(%error, "a copy on the node was not removed");
        }
    }
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
                    assert_eq!(fs::read_to_string(shelf.path("env").join("x")).unwrap(), "1");
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
            held.mark.file().set_modified(then).unwrap();
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
