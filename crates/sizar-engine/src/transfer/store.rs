//! Contents on a target, each once, named by its digest.
//!
//! `store/blobs/AB/DIGEST` is a content, `….x` the same as a program: links of one file share its
//! mode. A name is given only to what is whole and was digested. Everything in the store is read only
//! and has one and the same time of change ([`SEALED`]), so that whatever was written to since is
//! found by a `stat`, and digested again. `store/parts` holds what has come of large contents.
//!
//! No locks: what is made is made under a name of its own and renamed, and whoever renames second
//! renames the same.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rayon::prelude::*;
use rustix::fs::{Timespec, Timestamps, futimens};
use sizar_model::Digest;

use super::manifest::{Content, Manifest};
use super::segment::{CHUNK, SMALL};
use crate::file_system::tells_late;
use crate::sparse::digest_of;
use crate::tree_digest::write_by_rename;

/// When everything in the store says that it was changed: 2000-01-01.
pub(super) const SEALED: i64 = 946_684_800;
/// After how long a part of another client is taken for left behind.
const LEFT: Duration = Duration::from_mins(10);

/// A content of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Blob {
    pub digest: Digest,
    pub program: bool,
    pub size: u64,
}

/// Lists the contents of a tree, each once, with the first entry that has it; both ends of a
/// transfer list them alike. Nothing is not listed: an empty file is made without.
pub(super) fn blobs_of(manifest: &Manifest) -> Vec<(Blob, usize)> {
    let mut seen = HashSet::new();
    let mut blobs = Vec::new();
    for (number, entry) in manifest.entries().iter().enumerate() {
        if let Content::File { size, digest, program } = entry.content
            && size > 0
        {
            let blob = Blob { digest, program, size };
            if seen.insert((digest, program)) {
                blobs.push((blob, number));
            }
        }
    }
    blobs
}

/// The contents and trees below one root.
#[derive(Clone, Debug)]
pub struct Store {
    root: Utf8PathBuf,
}

impl Store {
    /// Takes the root of a target's sizar.
    pub fn at(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn blobs(&self) -> Utf8PathBuf {
        self.root.join("store/blobs")
    }

    pub(super) fn parts(&self) -> Utf8PathBuf {
        self.root.join("store/parts")
    }

    pub fn trees(&self) -> Utf8PathBuf {
        self.root.join("trees")
    }

    /// Returns the file with the list of the tree `name`, while contents of it arrive.
    pub(super) fn offered(&self, name: &str) -> Utf8PathBuf {
        self.parts().join(format!("{name}.list"))
    }

    /// Shows the list of a tree to conversations that help to bring it, until what is returned is
    /// dropped; without it there are none.
    pub(super) fn offer(&self, manifest: &Manifest) -> Offer {
        let path = self.offered(&manifest.name());
        if let Err(error) = write_by_rename(&path, &manifest.to_bytes()) {
            tracing::debug!(%path, %error, "no other conversation can help");
        }
        Offer(path)
    }

    /// Returns where the tree `name` lies; it is never changed.
    pub fn tree(&self, name: &str) -> Utf8PathBuf {
        self.trees().join(name)
    }

    /// Returns the file that says what the tree `name` holds.
    pub fn manifest(&self, name: &str) -> Utf8PathBuf {
        self.root.join("store/manifests").join(name)
    }

    /// Returns the file whose time says when the tree `name` was last wanted.
    pub fn mark(&self, name: &str) -> Utf8PathBuf {
        self.root.join("store/wanted").join(name)
    }

    /// Notes that the tree `name` is wanted now.
    pub fn want(&self, name: &str) -> io::Result<()> {
        let mark = self.mark(name);
        fs::create_dir_all(mark.parent().unwrap_or(Utf8Path::new(".")))?;
        let file = fs::OpenOptions::new().create(true).append(true).open(&mark)?;
        file.file().set_modified(std::time::SystemTime::now())
    }

    /// Reads what the tree `name` holds, if it is there.
    pub fn read_manifest(&self, name: &str) -> Option<Manifest> {
        let manifest = Manifest::from_bytes(&fs::read(self.manifest(name)).ok()?).ok()?;
        (manifest.name() == name).then_some(manifest)
    }

    pub(super) fn write_manifest(&self, name: &str, manifest: &Manifest) -> io::Result<()> {
        let path = self.manifest(name);
        fs::create_dir_all(path.parent().unwrap_or(Utf8Path::new(".")))?;
        write_by_rename(&path, &manifest.to_bytes())
    }

    /// Returns whether the tree `name` is there and nobody wrote into it; notes that it is wanted.
    ///
    /// One that was written into is removed.
    pub fn has_tree(&self, name: &str) -> bool {
        // before the look: a sweep that looked earlier sees it
        if let Err(error) = self.want(name) {
            tracing::debug!(%error, "that a tree is wanted could not be noted");
        }
        let tree = self.tree(name);
        if !tree.is_dir() {
            return false;
        }
        let whole = self.read_manifest(name).is_some_and(|manifest| {
            manifest.entries().par_iter().with_min_len(64).all(|entry| match &entry.content {
                Content::File { size, digest, .. } => {
                    let path = tree.as_std_path().join(entry.path());
                    *size == 0 || look(&path, *size, digest) == Some(true)
                }
                Content::Link(_) | Content::Folder => true,
            })
        });
        if !whole {
            let _ = self.remove_tree(name);
        }
        whole
    }

    /// Removes a tree, out of sight first.
    pub(super) fn remove_tree(&self, name: &str) -> io::Result<()> {
        let away = self.trees().join(format!(".gone-{name}-{}", token()));
        fs::rename(self.tree(name), &away)?;
        fs::remove_dir_all(away)
    }

    pub(super) fn blob(&self, blob: &Blob) -> Utf8PathBuf {
        let name = blob.digest.to_string();
        let end = if blob.program { ".x" } else { "" };
        self.blobs().join(&name[..2]).join(format!("{name}{end}"))
    }

    /// Returns whether a content is there and right; one that is not right is removed.
    pub(super) fn has(&self, blob: &Blob) -> bool {
        let path = self.blob(blob);
        let found = look(path.as_std_path(), blob.size, &blob.digest);
        if found == Some(false) {
            let _ = fs::remove_file(&path);
        }
        found == Some(true)
    }

    /// Keeps a content whose digest was taken.
    pub(super) fn put(&self, blob: &Blob, bytes: &[u8]) -> io::Result<()> {
        let path = self.blob(blob);
        let new = path.with_file_name(format!(".new-{}", token()));
        let written = match write_sealed(&new, blob.program, bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(path.parent().unwrap_or(Utf8Path::new(".")))?;
                write_sealed(&new, blob.program, bytes)
            }
            written => written,
        };
        let written = written.and_then(|()| fs::rename(&new, &path));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    }

    /// Keeps a content that lies sealed at `path`, which stays there.
    pub(super) fn link(&self, blob: &Blob, path: &Path) -> io::Result<()> {
        let to = self.blob(blob);
        match fs::hard_link(path, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(to.parent().unwrap_or(Utf8Path::new(".")))?;
                fs::hard_link(path, &to)
            }
            linked => linked,
        }
    }

    /// Keeps the content of a file of the entry `content`, if it is what that says.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] where it is not.
    pub fn keep(&self, content: &Content, path: &Path) -> io::Result<()> {
        let Content::File { size, digest, program } = *content else { return Ok(()) };
        if size == 0 {
            return Ok(());
        }
        let bytes = fs::read(path)?;
        if Digest::of(&bytes) != digest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.put(&Blob { digest, program, size }, &bytes)
    }

    /// Gives a file that is whole and was digested its name in the store.
    pub(super) fn adopt(&self, blob: &Blob, path: &Utf8Path) -> io::Result<()> {
        let file = fs::File::open(path)?;
        seal(&file, blob.program)?;
        settle(&file)?;
        let to = self.blob(blob);
        fs::create_dir_all(to.parent().unwrap_or(Utf8Path::new(".")))?;
        fs::rename(path, to)
    }

    /// Returns the file in which a large content arrives in one conversation.
    pub(super) fn part(&self, blob: &Blob, who: &Who<'_>) -> Utf8PathBuf {
        self.parts().join(format!("{}{}.{}", part_of(blob), who.client, who.token))
    }

    /// Lists which of `blobs` are missing, each with how much of it has come; with `take_over` also
    /// in an earlier conversation.
    pub(super) fn missing(
        &self,
        blobs: &[(Blob, usize)],
        who: &Who<'_>,
        take_over: bool,
    ) -> Vec<(u32, u64)> {
        let one = |(number, (blob, _)): (usize, &(Blob, usize))| {
            if self.has(blob) {
                return None;
            }
            let have = if blob.size > SMALL { self.arrived(blob, who, take_over) } else { 0 };
            Some((number as u32, have))
        };
        blobs.par_iter().with_min_len(64).enumerate().filter_map(one).collect()
    }

    /// Returns how much of a large content has come, in whole chunks.
    ///
    /// What an earlier conversation of this client left is its own now, and so is what another
    /// client left behind: of those that rename it one succeeds.
    fn arrived(&self, blob: &Blob, who: &Who<'_>, take_over: bool) -> u64 {
        let part = self.part(blob, who);
        let length = |path: &Utf8Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        if take_over && !part.exists() {
            let (beginning, mine) = (part_of(blob), format!("{}{}.", part_of(blob), who.client));
            let is_old = |entry: &camino::Utf8DirEntry| {
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                modified.is_ok_and(|time| time.elapsed().is_ok_and(|elapsed| elapsed > LEFT))
            };
            let left =
                self.parts().read_dir_utf8().into_iter().flatten().flatten().filter(|entry| {
                    let name = entry.file_name();
                    name.starts_with(&beginning) && (name.starts_with(&mine) || is_old(entry))
                });
            if let Some(longest) = left.max_by_key(|entry| length(entry.path()))
                && fs::rename(longest.path(), &part).is_ok()
                && let Ok(file) = fs::OpenOptions::new().append(true).open(&part)
            {
                // nobody takes it for left behind now
                let _ = file.file().set_modified(std::time::SystemTime::now());
            }
        }
        // never all of it: the last piece is what has it digested, and named or removed
        length(&part).min(blob.size.saturating_sub(1)) / CHUNK as u64 * CHUNK as u64
    }
}

/// The list of a tree that is shown for a while.
pub(super) struct Offer(Utf8PathBuf);

impl Drop for Offer {
    fn drop(&mut self) {
        // a sweep takes what is left
        let _ = fs::remove_file(&self.0);
    }
}

/// Who sends: a home, and one conversation of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who<'a> {
    pub client: &'a str,
    pub token: &'a str,
}

/// Returns how the names of a content's parts begin.
fn part_of(blob: &Blob) -> String {
    format!("{}{}.", blob.digest, if blob.program { ".x" } else { "" })
}

/// Returns whether the file at `path` still holds what it was sealed with; nothing where there is none.
fn look(path: &Path, size: u64, digest: &Digest) -> Option<bool> {
    let metadata = fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    if metadata.len() != size {
        return Some(false);
    }
    if metadata.mtime() == SEALED && metadata.mode() & 0o222 == 0 {
        return Some(true);
    }
    // somebody wrote to it, or touched it: its content tells
    let right = digest_of(path).is_ok_and(|(_, found)| found == *digest);
    let seal = || fs::File::open(path).and_then(|file| seal(&file, metadata.mode() & 0o111 != 0));
    Some(right && seal().is_ok())
}

/// Makes a file read only, with the time of all that is sealed.
pub(super) fn seal(file: &fs::File, program: bool) -> io::Result<()> {
    let mode = if program { 0o555 } else { 0o444 };
    let allowed = file.metadata()?.permissions().mode() & 0o700 | mode & !umask();
    file.set_permissions(std::fs::Permissions::from_mode(allowed & 0o555))?;
    set_sealed_time(file)
}

/// Writes a new file that is sealed from its beginning.
pub(super) fn write_sealed(path: impl AsRef<Path>, program: bool, bytes: &[u8]) -> io::Result<()> {
    let mode = if program { 0o555 } else { 0o444 };
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path.as_ref())?;
    file.write_all(bytes)?;
    set_sealed_time(&file)?;
    settle(&file)
}

/// Returns what this process's files are kept from.
fn umask() -> u32 {
    static MASK: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *MASK.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o077)
    })
}

/// Waits until a file server has what was written, where it tells only then that it has no room.
fn settle(file: &fs::File) -> io::Result<()> {
    let late = rustix::fs::fstatfs(file.file()).is_ok_and(|system| tells_late(&system));
    if late { file.sync_all() } else { Ok(()) }
}

fn set_sealed_time(file: &fs::File) -> io::Result<()> {
    let time = Timespec { tv_sec: SEALED, tv_nsec: 0 };
    Ok(futimens(file.file(), &Timestamps { last_access: time, last_modification: time })?)
}

/// Returns a word that no other process on any machine has.
pub(super) fn token() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static RANDOM: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let random = RANDOM.get_or_init(|| {
        let mut bytes = [0; 8];
        // without chance, the process and the time have to do
        if getrandom::fill(&mut bytes).is_err() {
            return u64::from(std::process::id());
        }
        u64::from_le_bytes(bytes)
    });
    format!("{random:016x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        (folder, store)
    }

    fn blob(text: &[u8]) -> Blob {
        Blob { digest: Digest::of(text), program: false, size: text.len() as u64 }
    }

    #[test]
    fn what_rotted_is_found_and_what_was_touched_is_not_thrown_away() {
        let (_folder, store) = store();
        let one = blob(b"one");
        assert!(!store.has(&one));
        store.put(&one, b"one").unwrap();
        store.put(&one, b"one").unwrap();
        assert!(store.has(&one));
        let path = store.blob(&one);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o222, 0);
        // the same content with another time is right, and sealed again
        let touch = |path: &Utf8Path| {
            fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
            fs::OpenOptions::new().append(true).open(path).unwrap()
        };
        touch(&path).file().set_modified(std::time::SystemTime::now()).unwrap();
        assert!(store.has(&one));
        assert_eq!(fs::metadata(&path).unwrap().mtime(), SEALED);
        touch(&path);
        fs::write(&path, "two").unwrap();
        assert!(!store.has(&one) && !path.exists());
    }

    #[test]
    fn a_part_that_was_left_behind_is_taken_over() {
        let (_folder, store) = store();
        let big = Blob { size: 3 * CHUNK as u64, ..blob(b"big") };
        fs::create_dir_all(store.parts()).unwrap();
        let other = store.part(&big, &Who { client: "other", token: "1" });
        fs::write(&other, vec![0; CHUNK + 7]).unwrap();
        let missing = |client| store.missing(&[(big, 0)], &Who { client, token: "2" }, true);
        // somebody may still be writing to it
        assert_eq!(missing("me"), [(0, 0)]);
        let old = std::time::SystemTime::now() - 2 * LEFT;
        fs::File::options().write(true).open(&other).unwrap().set_modified(old).unwrap();
        assert_eq!(missing("me"), [(0, CHUNK as u64)]);
        assert!(!other.exists());
        // what one left oneself is taken at once
        assert_eq!(missing("other"), [(0, 0)]);
        let me = Who { client: "me", token: "3" };
        // not by a conversation that is under way already
        assert_eq!(store.missing(&[(big, 0)], &me, false), [(0, 0)]);
        assert_eq!(store.missing(&[(big, 0)], &me, true), [(0, CHUNK as u64)]);
    }
}
