//! Unpacks an archive of either kind.

use std::io::{BufReader, Read, Seek};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use jiff::Timestamp;
use sizar_model::progress::Unit;
use sizar_model::{Activity, Progress};

use super::format::Format;
use super::{ArchiveError, tar, zip};
use crate::acquire::limits::Limits;
use crate::acquire::tree_writer::{EscapingLinks, TreeWriter};

/// A tree that was in an archive.
#[derive(Debug)]
pub struct Unpacked {
    /// The folder with the tree: the target, or the only folder in it.
    pub tree: Utf8PathBuf,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The newest time of change of a file.
    pub newest: Option<Timestamp>,
    /// The commit that the archive was made from, if `git archive` made it.
    pub commit: Option<String>,
}

/// What the reader of a format found beside the members.
#[derive(Debug, Default)]
pub(super) struct Aside {
    pub commit: Option<String>,
    pub notes: Vec<String>,
}

/// The work on one archive.
pub(super) struct Job<'a> {
    /// The archive's name in messages.
    pub archive: &'a str,
    pub limits: Limits,
    pub writer: TreeWriter,
    pub progress: &'a dyn Progress,
    pub total: Option<u64>,
    /// Members that were left out because they are `.git` folders or leftovers of macOS.
    pub left_out: usize,
    done: u64,
}

impl Job<'_> {
    /// Tells whoever watches that one more member is done, now and then.
    pub(super) fn advance(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(128) {
            let (done, total) = (self.done, self.total);
            self.progress.report(Activity::Advanced { done, total, unit: Unit::Items });
        }
    }
}

/// Unpacks the file `path` into the empty folder `into`; messages call it `archive`.
///
/// # Errors
///
/// [`ArchiveError`]; what was written until then stays in `into`, which the caller drops.
pub fn unpack(
    path: &Utf8Path,
    archive: &str,
    into: &Utf8Path,
    limits: Limits,
    progress: &dyn Progress,
) -> Result<Unpacked, ArchiveError> {
    let unreadable = |source| ArchiveError::Read { path: path.to_owned(), source };
    let mut file = fs::File::open(path).map_err(unreadable)?;
    let mut beginning = Vec::with_capacity(Format::BEGINNING);
    file.by_ref().take(Format::BEGINNING as u64).read_to_end(&mut beginning).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    if beginning.is_empty() {
        return Err(ArchiveError::Empty { archive: archive.to_owned() });
    }
    let format = Format::of(&beginning).map_err(|looks_like| ArchiveError::NotAnArchive {
        archive: archive.to_owned(),
        looks_like,
    })?;
    let writer = TreeWriter::new(into, limits);
    let mut job = Job { archive, limits, writer, progress, total: None, left_out: 0, done: 0 };
    let file = BufReader::with_capacity(128 * 1024, file);
    let aside = match format {
        Format::Zip => zip::read(&mut job, file)?,
        Format::Tar(packing) => tar::read(&mut job, packing, file)?,
    };
    let left_out = job.left_out;
    let written = job
        .writer
        .finish(true, EscapingLinks::Refuse)
        .map_err(|source| ArchiveError::of_tree(archive, source))?;
    if written.files == 0 {
        return Err(ArchiveError::NoFiles { archive: archive.to_owned() });
    }
    let mut notes = aside.notes;
    if left_out > 0 {
        notes.push(format!("{left_out} members in `.git` or `__MACOSX` folders were left out"));
    }
    notes.extend(written.pointers.note());
    notes.extend(collision_note(&written.case_collisions));
    Ok(Unpacked { tree: written.path, notes, newest: written.newest, commit: aside.commit })
}

/// Says that names differ in case only.
pub(in crate::acquire) fn collision_note(collisions: &[(String, String)]) -> Option<String> {
    let (one, other) = collisions.first()?;
    let more = match collisions.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more such pairs"),
    };
    Some(format!("`{one}` and `{other}` differ in case only{more}"))
}

/// Returns whether a member is left out without a word about it alone.
pub(super) fn is_left_out(path: &str) -> bool {
    crate::acquire::member::is_in_git_folder(path)
        || path == "__MACOSX"
        || path.starts_with("__MACOSX/")
}

/// Reads a commit from the comment that `git archive` leaves.
pub(super) fn commit_in(comment: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(comment).ok()?.trim();
    let is_commit = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_commit.then(|| text.to_ascii_lowercase())
}
