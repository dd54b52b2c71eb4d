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

/// What is kept free for the receipt: one with some hundred results.
const RESERVED: usize = 64 << 10;

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
        let unfinished = self.unfinished_receipt();
        let mut text = serde_json::to_vec_pretty(receipt)?;
        text.push(b'\n');
        write_over(&unfinished, &text)?;
        fs::rename(&unfinished, &path)?;
        fs::File::open(&self.folder)?.sync_all()
    }

    /// Takes up the room that the receipt will need, also where the program uses up a quota of bytes
    /// or of files.
    pub(super) fn reserve_receipt(&self) -> std::io::Result<()> {
        write_over(&self.unfinished_receipt(), &vec![b' '; RESERVED])
    }

    fn unfinished_receipt(&self) -> Utf8PathBuf {
        self.folder.join("receipt.json.part")
    }

    /// Returns whether nothing more can be written here: the disk is full, or a quota used up.
    pub(super) fn is_full(&self) -> bool {
        let probe = self.folder.join("full.part");
        let tried = write_over(&probe, &[0; 4096]);
        let _ = fs::remove_file(&probe);
        let full = [std::io::ErrorKind::StorageFull, std::io::ErrorKind::QuotaExceeded];
        tried.is_err_and(|error| full.contains(&error.kind()))
    }
}

/// Writes a file from its start, in the room that it has, so that it is on the disk.
fn write_over(path: &Utf8Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
    file.write_all(bytes)?;
    file.file().set_len(bytes.len() as u64)?;
    file.sync_all()
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
