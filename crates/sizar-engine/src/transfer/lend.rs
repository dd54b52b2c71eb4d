//! Contents that lab mates have on the same target: copied from their stores instead of sent.
//!
//! Nobody writes into another's store, and nobody is believed: a content is copied, and kept when its
//! digest is right.

use std::io;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rayon::prelude::*;

use super::store::{Blob, Store, token};
use crate::sparse::{copy_into, digest_of};

/// With whom a store is shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    /// Whether the account's group may read what comes.
    pub group: bool,
    /// The roots of stores that are read from.
    pub lenders: Vec<Utf8PathBuf>,
}

/// Says, before the roots of lenders, that the group may read.
const GROUP: &str = "group";
const ALONE: &str = "alone";

impl Sharing {
    /// Returns the words by which a target is told.
    pub fn words(&self) -> Vec<String> {
        let first = if self.group { GROUP } else { ALONE };
        let lenders = self.lenders.iter().map(|lender| lender.to_string());
        std::iter::once(first.to_owned()).chain(lenders).collect()
    }

    /// Reads them.
    pub fn of(words: impl IntoIterator<Item = String>) -> Self {
        let mut words = words.into_iter();
        let group = words.next().is_some_and(|word| word == GROUP);
        Self { group, lenders: words.map(Utf8PathBuf::from).collect() }
    }

    /// Returns what the files of a store are kept from.
    pub fn umask(&self) -> u32 {
        if self.group { 0o027 } else { 0o077 }
    }
}

/// Lets the group reach the contents of a store.
///
/// # Errors
///
/// What the operating system says.
pub(super) fn open_to_group(store: &Store, root: &Utf8Path) -> io::Result<()> {
    let blobs = store.blobs();
    fs::create_dir_all(&blobs)?;
    let above = blobs.parent().unwrap_or(root).to_owned();
    // the root holds more than the store: who knows a name below it may pass
    for (folder, more) in [(root.to_owned(), 0o010), (above, 0o050), (blobs, 0o050)] {
        let mode = fs::metadata(&folder)?.permissions().mode() & 0o7777;
        if mode & more != more {
            fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode | more))?;
        }
    }
    Ok(())
}

/// Copies what of `blobs` is missing and lenders have; what cannot be read there is sent.
pub(super) fn borrow(store: &Store, lenders: &[Utf8PathBuf], blobs: &[(Blob, usize)]) {
    if lenders.is_empty() {
        return;
    }
    blobs.par_iter().with_min_len(16).for_each(|(blob, _)| {
        if store.has(blob) {
            return;
        }
        for lender in lenders {
            match one(store, &Store::at(lender.clone()).blob(blob), blob) {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, %lender, "a content was not borrowed"),
            }
        }
    });
}

fn one(store: &Store, from: &Utf8Path, blob: &Blob) -> io::Result<bool> {
    let mut options = fs::OpenOptions::new();
    // no link to elsewhere, and no pipe that never says anything
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = options.read(true).custom_flags(flags.bits().cast_signed()).open(from);
    let mut source = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let metadata = source.metadata()?;
    if !metadata.is_file() || metadata.len() != blob.size {
        return Ok(false);
    }
    fs::create_dir_all(store.parts())?;
    let new = store.parts().join(format!("borrowed-{}", token()));
    let mut copied = || -> io::Result<bool> {
        let mut target = fs::File::create_new(&new)?;
        copy_into(&mut source, target.file_mut())?;
        if digest_of(new.as_std_path())?.1 != blob.digest {
            return Ok(false);
        }
        store.adopt(blob, &new).map(|()| true)
    };
    let copied = copied();
    if !matches!(copied, Ok(true)) {
        let _ = fs::remove_file(&new);
    }
    copied
}
