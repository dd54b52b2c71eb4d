//! The walk over a source tree: which files there are, and what they are written in.
//!
//! The walk follows no links, opens nothing but regular files, and stops at limits, so that a
//! hostile or enormous tree costs a bounded amount of time and memory.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use ignore::{DirEntry, WalkBuilder};

/// The most files that are listed.
pub const MAX_FILES: usize = 200_000;
/// The largest file of code that is read, in bytes.
pub const MAX_CODE: u64 = 8 << 20;
/// The largest notebook that is read, in bytes.
pub const MAX_NOTEBOOK: u64 = 20 << 20;
/// The deepest folder that is entered.
const MAX_DEPTH: usize = 64;

/// Folders that hold nothing the authors wrote.
const JUNK: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    "__pycache__",
    "node_modules",
    "site-packages",
    ".tox",
    ".nox",
    ".eggs",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".ipynb_checkpoints",
    "__MACOSX",
];

/// A tree that cannot be walked.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("`{path}` is not a folder that can be read")]
    Unreadable {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{path}` is a file, not a folder")]
    NotAFolder { path: Utf8PathBuf },
}

/// A regular file of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    /// The path relative to the root, joined by `/`; what is not UTF-8 in it is replaced.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// The name on disk, where `path` is not it.
    disk: Option<PathBuf>,
}

impl TreeFile {
    /// Returns the last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Returns the extension in lower case, without the dot; empty where there is none.
    pub fn extension(&self) -> String {
        match self.name().rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => extension.to_ascii_lowercase(),
            _ => String::new(),
        }
    }
}

/// The files of a tree, sorted by path.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    root: Utf8PathBuf,
    files: Vec<TreeFile>,
    folders: BTreeSet<String>,
    /// Whether a limit stopped the walk.
    pub truncated: bool,
    /// Symbolic links whose target is not there.
    pub broken_links: Vec<String>,
}

impl Tree {
    /// Walks the tree under `root`.
    ///
    /// # Errors
    ///
    /// [`TreeError`] where `root` is not a readable folder. A part of the tree that cannot be
    /// read is left out.
    pub fn walk(root: &Utf8Path) -> Result<Self, TreeError> {
        let unreadable = |source| TreeError::Unreadable { path: root.to_owned(), source };
        let metadata = fs::metadata(root).map_err(unreadable)?;
        if !metadata.is_dir() {
            return Err(TreeError::NotAFolder { path: root.to_owned() });
        }
        fs::read_dir(root).map_err(unreadable)?;
        let mut tree = Self { root: root.to_owned(), ..Self::default() };
        let walk = WalkBuilder::new(root)
            .standard_filters(false)
            .follow_links(false)
            .max_depth(Some(MAX_DEPTH))
            .filter_entry(|entry| entry.depth() == 0 || !is_junk(entry))
            .build();
        for entry in walk.filter_map(Result::ok).filter(|entry| entry.depth() > 0) {
            if tree.files.len() >= MAX_FILES || tree.folders.len() >= MAX_FILES {
                tree.truncated = true;
                break;
            }
            tree.add(&entry);
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        tree.broken_links.sort();
        Ok(tree)
    }

    fn add(&mut self, entry: &DirEntry) {
        let Ok(relative) = entry.path().strip_prefix(&self.root) else { return };
        let path = joined(relative);
        let Some(kind) = entry.file_type() else { return };
        if kind.is_dir() {
            self.folders.insert(path);
        } else if kind.is_symlink() {
            if fs::metadata(entry.path()).is_err() {
                self.broken_links.push(path);
            }
        } else if kind.is_file() {
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            let disk = relative.to_str().is_none().then(|| relative.to_owned());
            self.files.push(TreeFile { path, size, disk });
        }
    }

    /// Returns the folder that was walked.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Returns the files, sorted by path.
    pub fn files(&self) -> &[TreeFile] {
        &self.files
    }

    /// Returns the folders, sorted by path.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(String::as_str)
    }

    /// Returns the file of that path.
    pub fn file(&self, path: &str) -> Option<&TreeFile> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(at)
    }

    /// Returns whether there is such a folder.
    pub fn has_folder(&self, path: &str) -> bool {
        self.folders.contains(path)
    }

    /// Returns the files under a folder.
    pub fn under<'a>(&'a self, folder: &str) -> impl Iterator<Item = &'a TreeFile> + use<'a> {
        let prefix = format!("{folder}/");
        let start = self.files.partition_point(|file| file.path.as_str() < prefix.as_str());
        self.files[start..].iter().take_while(move |file| file.path.starts_with(&prefix))
    }

    /// Returns the files directly in a folder; the root is the empty path.
    pub fn in_folder<'a>(&'a self, folder: &str) -> impl Iterator<Item = &'a TreeFile> + use<'a> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let start = self.files.partition_point(|file| file.path.as_str() < prefix.as_str());
        let skip = prefix.len();
        self.files[start..]
            .iter()
            .take_while(move |file| file.path.starts_with(&prefix))
            .filter(move |file| !file.path[skip..].contains('/'))
    }

    /// Returns whether the path is a file, or a folder with more in it than placeholders.
    pub fn holds(&self, path: &str) -> bool {
        const PLACEHOLDERS: &[&str] = &[".keep", ".gitkeep", ".gitignore", ".placeholder"];
        let filled = |folder: &str| {
            self.under(folder).any(|file| {
                let name = file.name();
                !PLACEHOLDERS.contains(&name) && !name.to_ascii_lowercase().starts_with("readme")
            })
        };
        self.file(path).is_some() || (self.has_folder(path) && filled(path))
    }

    /// Reads a file, at most `limit` bytes of it; `None` where it is larger or cannot be read.
    pub fn read(&self, file: &TreeFile, limit: u64) -> Option<Vec<u8>> {
        if file.size > limit {
            return None;
        }
        let handle = fs::File::open(self.disk_path(file)).ok()?;
        let mut bytes = Vec::with_capacity(file.size as usize + 1);
        // a file may grow between the walk and now, or be one of /proc's, whose size is 0
        // (by the inner file: into fs_err's, the room would be cleared before it is filled)
        handle.file().take(limit + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= limit).then_some(bytes)
    }

    /// Reads the first bytes of a file.
    pub fn head(&self, file: &TreeFile, length: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Ok(handle) = fs::File::open(self.disk_path(file)) {
            // what was read before an error is as good a head as any
            let _ = handle.take(length).read_to_end(&mut bytes);
        }
        bytes
    }

    fn disk_path(&self, file: &TreeFile) -> PathBuf {
        let relative = file.disk.as_deref().unwrap_or_else(|| Path::new(&file.path));
        self.root.as_std_path().join(relative)
    }
}

fn joined(relative: &Path) -> String {
    let mut path = String::new();
    for part in relative {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&part.to_string_lossy());
    }
    path
}

fn is_junk(entry: &DirEntry) -> bool {
    if !entry.file_type().is_some_and(|kind| kind.is_dir()) {
        return false;
    }
    let name = entry.file_name().to_string_lossy();
    if JUNK.contains(&&*name) || name.ends_with(".egg-info") {
        return true;
    }
    let environment = matches!(&*name, "venv" | ".venv" | "env" | ".env" | "virtualenv");
    environment && entry.path().join("pyvenv.cfg").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let tree = Tree::walk(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
        (folder, tree)
    }

    #[test]
    fn the_walk_is_sorted_and_leaves_junk_out() {
        let (_folder, tree) = tree(&[
            "b.py",
            "a/z.py",
            "a.py",
            ".git/config",
            "a/__pycache__/z.pyc",
            "venv/pyvenv.cfg",
            "venv/lib/x.py",
            "env/model.py",
            "x.egg-info/PKG-INFO",
            ".gitignore",
        ]);
        let paths: Vec<&str> = tree.files().iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [".gitignore", "a.py", "a/z.py", "b.py", "env/model.py"]);
        assert!(tree.has_folder("a") && tree.file("a/z.py").is_some());
    }

    #[test]
    fn a_folder_of_placeholders_holds_nothing() {
        let (_folder, tree) = tree(&["data/imgs/.keep", "data/masks/a.png"]);
        assert!(!tree.holds("data/imgs"));
        assert!(tree.holds("data/masks"));
        assert!(tree.holds("data/masks/a.png"));
        assert!(!tree.holds("data/other"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed_and_broken_ones_are_named() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("gone")).unwrap();
        let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.py"));
        fs::write(odd, "x = 1").unwrap();
        let tree = Tree::walk(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
        assert_eq!(tree.broken_links, ["gone"]);
        assert_eq!(tree.files().len(), 1);
        assert_eq!(tree.files()[0].path, "caf\u{fffd}.py");
        assert_eq!(tree.read(&tree.files()[0], 100).unwrap(), b"x = 1");
        assert!(tree.read(&tree.files()[0], 3).is_none());
    }

    #[test]
    fn a_file_is_no_tree() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Utf8Path::from_path(file.path()).unwrap();
        assert!(matches!(Tree::walk(path), Err(TreeError::NotAFolder { .. })));
        let gone = path.join("gone");
        assert!(matches!(Tree::walk(&gone), Err(TreeError::Unreadable { .. })));
    }
}
