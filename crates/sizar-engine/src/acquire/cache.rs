//! What was fetched before.
//!
//! `sources/KEY.json` says which checkout a locator (or a commit, or an archive's content) meant;
//! `checkouts/NAME/` holds `tree/` and, written last, `checkout.json`. Both appear by a rename,
//! so what has its final name is whole, whenever a process was killed.

use std::io;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sizar_model::{Checkout, Digest, Source};

use super::AcquireError;
use crate::failpoint;
use crate::home::Home;
use crate::tree_digest::{FileStat, SETTLE, TreeDigester, write_by_rename};

const FORMAT: u32 = 1;
/// How old a staging folder is that nobody uses any more.
const ABANDONED: Duration = Duration::from_hours(24);

/// What identifies a thing that leads to a checkout: a few texts.
#[derive(Clone, Debug)]
pub(super) struct Key(Digest);

impl Key {
    /// Makes a key from its kind and parts; no part may be taken for two.
    pub fn new(kind: &str, parts: &[&str]) -> Self {
        let mut text = kind.to_owned();
        for part in parts {
            text.push('\0');
            text.push_str(part);
        }
        Self(Digest::of(text.as_bytes()))
    }

    /// Returns the name of the lock on it.
    pub fn lock(&self) -> String {
        format!("source-{}", self.0.short())
    }
}

/// What a key leads to.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    format: u32,
    /// For people who look into the folder; without secrets.
    about: String,
    checkout: String,
    /// The state of the archive's file when it was read.
    stat: Option<FileStat>,
}

/// The part of a checkout that is stored beside its tree.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    format: u32,
    source: Source,
    notes: Vec<String>,
    /// Whether something was missing that another time may be there.
    incomplete: bool,
}

/// A checkout that was fetched before.
#[derive(Debug)]
pub(super) struct Found {
    name: String,
    pub checkout: Checkout,
    pub incomplete: bool,
}

impl Found {
    /// Returns the checkout under the locator by which it is asked for now.
    pub fn under(mut self, locator: &str) -> Checkout {
        locator.clone_into(&mut self.checkout.source.locator);
        self.checkout
    }
}

/// A tree in a staging folder, to be kept.
#[derive(Debug)]
pub(super) struct NewCheckout {
    /// The tree; it is moved away.
    pub tree: Utf8PathBuf,
    /// The source, whose digest is yet to be computed.
    pub source: Source,
    pub notes: Vec<String>,
    pub incomplete: bool,
}

/// What was fetched before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cache<'a> {
    pub home: &'a Home,
}

impl Cache<'_> {
    /// Finds what `key` led to; with a state of a file, only if the file is still the same.
    pub fn find(self, key: &Key, stat: Option<FileStat>) -> Option<Found> {
        let text = fs::read(self.record(key)).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        if record.format != FORMAT || record.stat != stat || !is_name(&record.checkout) {
            return None;
        }
        let folder = self.home.root().join("checkouts").join(&record.checkout);
        let stored: Stored =
            serde_json::from_slice(&fs::read(folder.join("checkout.json")).ok()?).ok()?;
        let path = folder.join("tree");
        let usable = stored.format == FORMAT && path.is_dir();
        usable.then_some(Found {
            name: record.checkout,
            checkout: Checkout { source: stored.source, path, notes: stored.notes },
            incomplete: stored.incomplete,
        })
    }

    /// Remembers that `key` leads to `found`.
    pub fn remember(
        self,
        key: &Key,
        about: &str,
        found: &Found,
        stat: Option<FileStat>,
    ) -> Result<(), AcquireError> {
        self.home.folder("sources")?;
        let path = self.record(key);
        let checkout = found.name.clone();
        let record = Record { format: FORMAT, about: about.to_owned(), checkout, stat };
        serde_json::to_vec_pretty(&record)
            .map_err(io::Error::from)
            .and_then(|text| write_by_rename(&path, &text))
            .map_err(|source| AcquireError::Write { path, source })
    }

    /// Moves a new tree, which is in the staging folder `stage`, to its final place.
    pub fn keep(self, stage: &Utf8Path, new: NewCheckout) -> Result<Found, AcquireError> {
        let NewCheckout { tree, mut source, notes, incomplete } = new;
        let whole = stage.join("whole");
        let moved = whole.join("tree");
        fs::create_dir(&whole).map_err(|error| write_error(&whole, error))?;
        fs::rename(&tree, &moved).map_err(|error| write_error(&moved, error))?;
        let digester = TreeDigester { without: None, cache: None, settle: SETTLE };
        source.digest = digester.digest(&moved)?.digest;
        let stored = Stored { format: FORMAT, source, notes, incomplete };
        let description = whole.join("checkout.json");
        let text = serde_json::to_vec_pretty(&stored)
            .map_err(|error| write_error(&description, error.into()))?;
        write_by_rename(&description, &text).map_err(|error| write_error(&description, error))?;
        let name = Digest::of(&text).short();
        let folder = self.home.folder("checkouts")?.join(&name);
        failpoint::hit("acquire:before-rename");
        match fs::rename(&whole, &folder) {
            Ok(()) => {}
            // somebody else has just made the very same
            Err(error) if is_taken(&error) && folder.join("checkout.json").is_file() => {}
            Err(error) if is_taken(&error) => {
                return Err(AcquireError::BrokenCheckout { path: folder });
            }
            Err(error) => return Err(write_error(&folder, error)),
        }
        failpoint::hit("acquire:after-rename");
        let path = folder.join("tree");
        let checkout = Checkout { source: stored.source, path, notes: stored.notes };
        Ok(Found { name, checkout, incomplete })
    }

    /// Removes what killed processes left behind a day ago or longer.
    pub fn sweep(self) {
        let Ok(entries) = self.home.root().join("tmp").read_dir_utf8() else { return };
        for entry in entries.flatten().filter(|entry| entry.file_name().starts_with("stage-")) {
            let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            let age = modified.and_then(|time| SystemTime::now().duration_since(time).ok());
            if age.is_some_and(|age| age > ABANDONED) {
                let removed = fs::remove_dir_all(entry.path());
                tracing::debug!(path = %entry.path(), ?removed, "an abandoned staging folder");
            }
        }
    }

    fn record(self, key: &Key) -> Utf8PathBuf {
        self.home.root().join("sources").join(format!("{}.json", key.0.short()))
    }
}

/// Checks a name that was read from a file before it becomes part of a path.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
}

fn write_error(path: &Utf8Path, source: io::Error) -> AcquireError {
    AcquireError::Write { path: path.to_owned(), source }
}
