//! Lays trees out of the store: as links of what is read only, else as clones or copies.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8PathBuf;
use fs_err as fs;
use fs_err::os::unix::fs::{OpenOptionsExt as _, symlink};
use rayon::prelude::*;
use rustix::fs::ioctl_ficlone;
use rustix::io::Errno;

use super::manifest::{Content, Manifest};
use super::store::{Blob, Store, seal, token, write_sealed};

/// Why a tree is not there.
#[derive(Debug)]
pub enum Bad {
    /// Contents are missing that were there a moment ago.
    Missing,
    Failed(io::Error),
}

impl From<io::Error> for Bad {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Makes the tree of `manifest` under its name, of contents that are in the store.
///
/// It appears whole, by one rename; two that make it at once do no harm.
///
/// # Errors
///
/// [`Bad::Missing`] where contents have to be sent again.
pub fn lay_out(store: &Store, manifest: &Manifest) -> Result<String, Bad> {
    Laying::begin(store, manifest)?.finish()
}

/// A tree that is being made, out of sight.
///
/// A content that arrives is written where the tree has it, and the store gets a link of it: one
/// rename less for each small file than the other way about.
pub(super) struct Laying<'a> {
    store: &'a Store,
    manifest: &'a Manifest,
    staging: Utf8PathBuf,
    /// Which entries are there already.
    placed: Vec<AtomicBool>,
}

impl<'a> Laying<'a> {
    pub fn begin(store: &'a Store, manifest: &'a Manifest) -> io::Result<Self> {
        fs::create_dir_all(store.trees())?;
        let staging = store.trees().join(format!(".new-{}", token()));
        fs::create_dir(&staging)?;
        let placed = manifest.entries().iter().map(|_| AtomicBool::new(false)).collect();
        let laying = Self { store, manifest, staging, placed };
        laying.folders()?;
        Ok(laying)
    }

    fn folders(&self) -> io::Result<()> {
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        for entry in self.manifest.entries() {
            let path = entry.path();
            let folder = if entry.content == Content::Folder { Some(path) } else { path.parent() };
            if let Some(folder) = folder.filter(|folder| !folders.contains(*folder)) {
                folders.insert(folder.to_owned());
            }
        }
        let to = self.staging.as_std_path();
        folders.iter().try_for_each(|folder| fs::create_dir_all(to.join(folder)))
    }

    /// Keeps a content whose digest was taken, which the entry `number` is the first to have.
    pub fn put(&self, blob: &Blob, number: usize, bytes: &[u8]) -> io::Result<()> {
        let entry = &self.manifest.entries()[number];
        let path = self.staging.as_std_path().join(entry.path());
        let linked = match write_sealed(&path, blob.program, bytes) {
            // two names that this file system does not tell apart: it is said in the end
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            written => written.and_then(|()| self.store.link(blob, &path)).inspect_err(|_| {
                let _ = fs::remove_file(&path);
            }),
        };
        match linked {
            Ok(()) => self.placed[number].store(true, Ordering::Relaxed),
            Err(error) if is_full(&error) => return Err(error),
            // no links, another was faster, or somebody cleared up: the other way about
            Err(_) => self.store.put(blob, bytes)?,
        }
        Ok(())
    }

    /// Puts what is missing into the tree and gives it its name.
    pub fn finish(self) -> Result<String, Bad> {
        let (store, name) = (self.store, self.manifest.name());
        let tree = store.tree(&name);
        self.fill()?;
        store.write_manifest(&name, self.manifest)?;
        store.want(&name)?;
        match fs::rename(&self.staging, &tree) {
            // another was faster
            Err(_) if tree.is_dir() && store.has_tree(&name) => {}
            Err(_) if !tree.exists() => fs::rename(&self.staging, &tree)?,
            named => named?,
        }
        Ok(name)
    }

    fn fill(&self) -> Result<(), Bad> {
        let to = self.staging.as_std_path();
        let entries = self.manifest.entries();
        entries.par_iter().zip(&self.placed).with_min_len(32).try_for_each(
            |(entry, placed)| -> Result<(), Bad> {
                let Content::File { size, digest, program } = entry.content else { return Ok(()) };
                let path = to.join(entry.path());
                match size {
                    _ if placed.load(Ordering::Relaxed) => Ok(()),
                    0 => Ok(empty(&path, program)?),
                    _ => place(self.store, &Blob { digest, program, size }, &path),
                }
            },
        )?;
        // last, so that nothing is written through them
        for entry in entries {
            if let Content::Link(target) = &entry.content {
                symlink(Path::new(std::ffi::OsStr::from_bytes(target)), to.join(entry.path()))?;
            }
        }
        Ok(())
    }
}

impl Drop for Laying<'_> {
    fn drop(&mut self) {
        // named by now, unless something failed
        if self.staging.exists() {
            let _ = fs::remove_dir_all(&self.staging);
        }
    }
}

/// Makes an empty file.
fn empty(path: &Path, program: bool) -> io::Result<()> {
    let mode = if program { 0o555 } else { 0o444 };
    fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map(drop)
}

/// Puts a content at a place: as a link, else as a clone, else as a copy.
fn place(store: &Store, blob: &Blob, to: &Path) -> Result<(), Bad> {
    let from = store.blob(blob);
    let Err(error) = fs::hard_link(&from, to) else { return Ok(()) };
    match error.kind() {
        io::ErrorKind::NotFound => return Err(Bad::Missing),
        io::ErrorKind::AlreadyExists => {
            return Err(Bad::Failed(io::Error::other(format!(
                "`{}` is there twice: the file system does not tell apart names that differ in case",
                to.display()
            ))));
        }
        // what holds a link has no room for a copy either
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => return Err(error.into()),
        // too many links, another disk, or a file system without links
        _ => tracing::trace!(%error, "a content is copied"),
    }
    let source = fs::File::open(&from).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Bad::Missing,
        _ => Bad::Failed(error),
    })?;
    let mut copy = fs::OpenOptions::new().write(true).create_new(true).open(to)?;
    if ioctl_ficlone(copy.file(), source.file()).is_err() {
        io::copy(&mut source.into_file(), copy.file_mut())?;
    }
    Ok(seal(&copy, blob.program)?)
}

/// Returns whether an error says that a disk or a quota is full.
pub fn is_full(error: &io::Error) -> bool {
    let kind = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    kind || matches!(code, Some(Errno::NOSPC | Errno::DQUOT))
}

#[cfg(test)]
mod tests {
    use super::super::scan::Scan;
    use super::super::store::blobs_of;
    use super::*;

    #[test]
    fn a_tree_is_whole_or_not_there_and_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let code = root.join("code");
        fs::create_dir_all(code.join("a/empty")).unwrap();
        for (path, text) in [("a/x.py", "1"), ("a/y.py", "1"), ("none", "")] {
            fs::write(code.join(path), text).unwrap();
        }
        symlink("x.py", code.join("a/link")).unwrap();
        let manifest = Scan::data(code.as_std_path()).run().unwrap().manifest;
        let store = Store::at(root.join("there"));
        let missing = lay_out(&store, &manifest);
        assert!(matches!(missing, Err(Bad::Missing)));
        assert!(fs::read_dir(store.trees()).unwrap().next().is_none(), "nothing is left behind");
        for (blob, _) in blobs_of(&manifest) {
            store.put(&blob, b"1").unwrap();
        }
        let name = lay_out(&store, &manifest).unwrap();
        assert_eq!(lay_out(&store, &manifest).unwrap(), name);
        let tree = store.tree(&name);
        let again = Scan::data(tree.as_std_path()).run().unwrap().manifest;
        assert_eq!(again, manifest);
        assert!(store.has_tree(&name));
        // one content, one file
        use std::os::unix::fs::MetadataExt as _;
        let file = fs::metadata(tree.join("a/x.py")).unwrap();
        assert_eq!((file.nlink(), file.mode() & 0o222), (3, 0));
        // who writes into it nonetheless is found out
        fs::remove_file(tree.join("a/x.py")).unwrap();
        fs::write(tree.join("a/x.py"), "2").unwrap();
        assert!(!store.has_tree(&name) && !tree.exists());
        assert_eq!(lay_out(&store, &manifest).unwrap(), name);
    }
}
