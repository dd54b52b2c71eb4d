//! The folders of a run.

use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sizar_model::{Receipt, RunId};

use crate::home::{Home, HomeError};
use crate::queue::Watcher;

/// The folder of one attempt of a run.
///
/// It is made under a name of its maker's, and gets its own name only when the journal gave the
/// attempt to this process: that renaming succeeds once in the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    folder: Utf8PathBuf,
}

/// What the folder of an attempt is called while it is being made.
const UNBORN: &str = "preparing-";

impl Attempt {
    /// Returns the folder of attempt `number` of `run`, whether it is there or not.
    pub fn of(home: &Home, run: &RunId, number: u32) -> Self {
        Self { folder: run_folder(home, run).join(format!("attempt-{number}")) }
    }

    /// Makes a folder for an attempt that has no number yet, and clears away what processes that
    /// were killed left of theirs.
    pub(super) fn begin(home: &Home, run: &RunId) -> Result<Self, HomeError> {
        home.folder("runs")?;
        let parent = run_folder(home, run);
        let unusable = |source| HomeError::Unusable { path: parent.clone(), source };
        fs::create_dir_all(&parent).map_err(unusable)?;
        for entry in parent.read_dir_utf8().map_err(unusable)?.flatten() {
            if maker(entry.file_name()).is_some_and(|maker| !maker.is_alive() || maker.is_me()) {
                fs::remove_dir_all(entry.path()).map_err(unusable)?;
            }
        }
        let me = Watcher::current();
        let attempt = Self { folder: parent.join(format!("{UNBORN}{}-{}", me.pid, me.started)) };
        for folder in [attempt.home(), attempt.tmp(), attempt.notes()] {
            fs::create_dir_all(&folder)
                .map_err(|source| HomeError::Unusable { path: folder.clone(), source })?;
        }
        Ok(attempt)
    }

    /// Gives the folder its number; false if another process did that already.
    pub(super) fn take(&mut self, home: &Home, run: &RunId, number: u32) -> std::io::Result<bool> {
        let named = Self::of(home, run, number);
        match renameat_with(
            CWD,
            self.folder.as_std_path(),
            CWD,
            named.folder.as_std_path(),
            RenameFlags::NOREPLACE,
        ) {
            Ok(()) => {
                *self = named;
                Ok(true)
            }
            Err(rustix::io::Errno::EXIST) => Ok(false),
            // not every file system knows the flag; an attempt's folder is never empty, so that
            // plain renaming does not replace it either
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                match fs::rename(&self.folder, &named.folder) {
                    Ok(()) => {
                        *self = named;
                        Ok(true)
                    }
                    Err(_) if named.folder.exists() => Ok(false),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the folder; for attempts that never got their number.
    pub(super) fn abandon(&self) {
        // what is left is cleared away by the next attempt
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Returns the folder itself.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Returns the working copy.
    pub fn work(&self) -> Utf8PathBuf {
        self.folder.join("work")
    }

    /// Returns the run's home folder.
    pub fn home(&self) -> Utf8PathBuf {
        self.folder.join("home")
    }

    /// Returns the folder for temporary files.
    pub fn tmp(&self) -> Utf8PathBuf {
        self.folder.join("tmp")
    }

    /// Returns the folder for copies of data that are shown under absolute paths.
    pub(super) fn data(&self) -> Utf8PathBuf {
        self.folder.join("data")
    }

    /// Returns the folder for what start-up shims write down.
    pub(super) fn notes(&self) -> Utf8PathBuf {
        self.folder.join("notes")
    }

    /// Returns the file in which start-up shims write down the calls that they took over.
    pub fn ledger(&self) -> Utf8PathBuf {
        self.notes().join("shims.jsonl")
    }

    /// Returns the file with all that the program printed.
    pub fn log(&self) -> Utf8PathBuf {
        self.folder.join("log")
    }

    /// Returns the table of what the program used over time.
    pub fn usage(&self) -> Utf8PathBuf {
        self.folder.join("usage.csv")
    }

    /// Returns the path of a result on this machine.
    pub fn result(&self, path: &str) -> Utf8PathBuf {
        match path.strip_prefix("~/") {
            Some(path) => self.home().join(path),
            None => self.work().join(path),
        }
    }

    /// Reads the receipt; none where the attempt left none that is whole.
    pub fn receipt(&self) -> Option<Receipt> {
        let text = fs::read_to_string(self.folder.join("receipt.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes the receipt: whole and on the disk, or not at all.
    pub(crate) fn leave_receipt(&self, receipt: &Receipt) -> std::io::Result<()> {
        let path = self.folder.join("receipt.json");
        let unfinished = self.folder.join("receipt.json.part");
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(&serde_json::to_vec_pretty(receipt)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        fs::File::open(&self.folder)?.sync_all()
    }
}

/// Returns the folder of a run.
fn run_folder(home: &Home, run: &RunId) -> Utf8PathBuf {
    home.root().join("runs").join(run.as_str())
}

/// Reads who makes a folder from its name.
fn maker(name: &str) -> Option<Watcher> {
    let (pid, started) = name.strip_prefix(UNBORN)?.split_once('-')?;
    Some(Watcher { pid: pid.parse().ok()?, started: started.parse().ok()? })
}
