//! A run's own copy of the checkout, and what was in it before the program started.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::{OpenOptionsExt as _, symlink};
use rayon::prelude::*;
use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_OMIT, futimens, ioctl_ficlone};
use sizar_model::RunId;
use sizar_model::resources::ByteSize;

use super::Attempt;

/// What no program needs, and what would only cost time.
const JUNK: [&str; 12] = [
    ".git",
    ".hg",
    ".svn",
    "__pycache__",
    ".venv",
    "node_modules",
    ".tox",
    ".nox",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".ipynb_checkpoints",
];

/// Files from this size on are not copied for each run, where they can be shown instead.
pub(super) const LARGE: u64 = 256 << 20;

/// Files up to this size are copied through memory in one piece.
const SMALL: u64 = 64 << 10;

/// How many notes of one kind are kept.
const NOTES: usize = 10;

/// What was in a working copy before its program started.
#[derive(Debug, Default)]
pub struct Baseline {
    /// By paths relative to the working copy.
    pub(super) files: HashMap<PathBuf, Stamp>,
    /// By paths relative to the run's home folder.
    pub(super) home: HashMap<PathBuf, Stamp>,
    /// Large files that are shown read only in place of a copy, by paths relative to the tree.
    pub(super) shown: Vec<PathBuf>,
    /// What a person should know: links that were left out, files that are no files.
    pub notes: Vec<String>,
}

/// What changes when a file is written to.
///
/// The time of the last change of status is included: a program can set the time of modification
/// back, but not this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
}

impl Stamp {
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

impl Baseline {
    /// Describes a single file that was copied.
    pub(super) fn of_file(metadata: &std::fs::Metadata) -> Self {
        let files = HashMap::from([(PathBuf::new(), Stamp::of(metadata))]);
        Self { files, ..Self::default() }
    }

    /// Takes in what was copied to `there`, in the working copy or the home of `attempt`.
    pub(super) fn adopt(&mut self, copied: Self, there: &Utf8Path, attempt: &Attempt) {
        let (files, below) = if let Ok(below) = there.strip_prefix(attempt.work()) {
            (&mut self.files, below.to_owned())
        } else if let Ok(below) = there.strip_prefix(attempt.home()) {
            (&mut self.home, below.to_owned())
        } else {
            return;
        };
        let below = below.as_std_path();
        files.retain(|path, _| !path.starts_with(below));
        files.extend(copied.files.into_iter().map(|(path, stamp)| {
            // joining an empty path would add a slash
            let whole = if path.as_os_str().is_empty() { below.into() } else { below.join(path) };
            (whole, stamp)
        }));
    }
}

/// How a tree is copied.
#[derive(Clone, Copy, Debug)]
pub struct Copying {
    /// Files from this size on get an empty place instead, over which the file is mounted.
    pub(super) shown_from: Option<u64>,
}

/// What is to be copied, by paths relative to the tree.
#[derive(Default)]
struct Tree {
    files: Vec<PathBuf>,
    links: Vec<(PathBuf, PathBuf)>,
    notes: Vec<String>,
}

/// Copies the tree `from` into `to`, which is made.
///
/// Modes, times and links are kept; links that leave the tree are not, nor are version control,
/// virtual environments and caches.
///
/// # Errors
///
/// The first error of the file system, which names its path.
pub fn copy_tree(from: &Utf8Path, to: &Utf8Path) -> std::io::Result<Baseline> {
    copy_tree_by(from, to, Copying { shown_from: None })
}

/// As [`copy_tree`], where large files may be shown instead.
pub(super) fn copy_tree_by(
    from: &Utf8Path,
    to: &Utf8Path,
    copying: Copying,
) -> std::io::Result<Baseline> {
    let (from, to) = (from.as_std_path(), to.as_std_path());
    let root = fs::canonicalize(from)?;
    let mut tree = Tree::default();
    fs::create_dir_all(to)?;
    scan(&root, Path::new(""), to, &mut tree)?;
    let cloning = AtomicBool::new(true);
    let copied: Vec<(PathBuf, Copied)> = tree
        .files
        .into_par_iter()
        .with_min_len(16)
        .map(|path| {
            let copied = copy_file(&root.join(&path), &to.join(&path), &cloning, copying)?;
            Ok((path, copied))
        })
        .collect::<std::io::Result<_>>()?;
    let mut baseline = Baseline { notes: tree.notes, ..Baseline::default() };
    for (path, copied) in copied {
        match copied {
            Copied::Whole(stamp) => {
                baseline.files.insert(path, stamp);
            }
            Copied::Place { size } => {
                baseline.notes.push(format!(
                    "`{}` ({}) is shown read only, and not copied",
                    path.display(),
                    ByteSize(size)
                ));
                baseline.shown.push(path);
            }
        }
    }
    for (path, target) in tree.links {
        symlink(target, to.join(path))?;
    }
    Ok(baseline)
}

/// Lists a folder's contents and makes its folders in `to`.
fn scan(root: &Path, below: &Path, to: &Path, tree: &mut Tree) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name();
        if is_junk(&name) {
            continue;
        }
        let path = below.join(&name);
        let kind = entry.file_type()?;
        if kind.is_file() {
            tree.files.push(path);
        } else if kind.is_dir() {
            if entry.path().join("pyvenv.cfg").exists() {
                continue;
            }
            fs::create_dir(to.join(&path))?;
            scan(root, &path, to, tree)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path())?;
            if stays_inside(root, &entry.path(), &path, &target) {
                tree.links.push((path, target));
            } else if tree.notes.len() < NOTES {
                tree.notes.push(format!(
                    "the link `{}` leads out of the source and was left out",
                    path.display()
                ));
            }
        } else if tree.notes.len() < NOTES {
            tree.notes.push(format!("`{}` is neither file nor folder", path.display()));
        }
    }
    Ok(())
}

fn is_junk(name: &std::ffi::OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    // what `sizar fetch` made here earlier is no part of the source
    let fetched = name.strip_prefix("sizar-").is_some_and(|id| id.parse::<RunId>().is_ok());
    fetched || JUNK.contains(&name)
}

/// Returns whether a link leads to somewhere in its tree.
fn stays_inside(root: &Path, link: &Path, below: &Path, target: &Path) -> bool {
    if target.is_absolute() {
        return false;
    }
    if let Ok(real) = fs::canonicalize(link) {
        return real.starts_with(root);
    }
    // It leads nowhere yet; the program may make what it leads to. Other links on the way could
    // turn a `..` into anything, so none is allowed after a name.
    let mut depth = below.components().count() - 1;
    let mut named = false;
    for part in target.components() {
        match part {
            Component::Normal(_) => named = true,
            Component::ParentDir if named || depth == 0 => return false,
            Component::ParentDir => depth -= 1,
            _ => {}
        }
    }
    true
}

/// What became of one file.
enum Copied {
    Whole(Stamp),
    Place { size: u64 },
}

/// Copies one file, as a clone where the file system can.
fn copy_file(
    from: &Path,
    to: &Path,
    cloning: &AtomicBool,
    copying: Copying,
) -> std::io::Result<Copied> {
    let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
    let mut source = fs::OpenOptions::new().read(true).custom_flags(no_follow).open(from)?;
    let metadata = source.metadata()?;
    let mut copy = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(metadata.mode() & 0o777 | 0o600)
        .open(to)?;
    let cloned = cloning.load(Ordering::Relaxed) && metadata.len() > 0 && {
        let cloned = ioctl_ficlone(copy.file(), source.file()).is_ok();
        if !cloned {
            cloning.store(false, Ordering::Relaxed);
        }
        cloned
    };
    if !cloned {
        if copying.shown_from.is_some_and(|size| metadata.len() >= size) && to.to_str().is_some() {
            return Ok(Copied::Place { size: metadata.len() });
        }
        if metadata.len() <= SMALL {
            let mut content = Vec::with_capacity(metadata.len() as usize + 1);
            source.read_to_end(&mut content)?;
            copy.write_all(&content)?;
        } else {
            // the kernel copies, without the detour through memory
            crate::sparse::copy_into(&mut source, copy.file_mut())?;
        }
    }
    let modified = Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() };
    let unchanged = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    futimens(copy.file(), &Timestamps { last_access: unchanged, last_modification: modified })?;
    Ok(Copied::Whole(Stamp::of(&copy.metadata()?)))
}
