//! What a tree holds, path by path, and what changed since it was sent.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sizar_inspect::packaging::recognise;
use sizar_inspect::python::{decode, traits};
use sizar_model::Digest;

use super::ElsewhereError;
use crate::home::Home;
use crate::tree_digest::{SETTLE, TreeDigester, TreeEntryKind};

/// Larger files are no code of the authors'.
const LARGEST_CODE: u64 = 4 << 20;

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    #[serde(rename = "f")]
    File,
    #[serde(rename = "x")]
    Program,
    #[serde(rename = "l")]
    Link,
    /// A folder with nothing in it.
    #[serde(rename = "d")]
    Folder,
}

/// One path of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "k")]
    pub kind: Kind,
    #[serde(rename = "s", default)]
    pub size: u64,
    /// Of the content, or of what a link leads to.
    #[serde(rename = "b")]
    pub digest: Digest,
}

/// What a tree holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub entries: BTreeMap<String, Entry>,
    /// What each Python file asks of an environment, where that was looked at.
    #[serde(default)]
    pub code: BTreeMap<String, Digest>,
}

/// What has to be done to make one tree of another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// The tree that is there, by its name.
    pub base: String,
    pub removed: Vec<String>,
    /// What is new or different.
    pub entries: BTreeMap<String, Entry>,
}

impl Manifest {
    /// Lists the tree `root`: all but what no run needs, such as git's own folder.
    ///
    /// # Errors
    ///
    /// [`ElsewhereError::EscapingLink`] for a symbolic link out of the tree: what it leads to is
    /// not there on the target.
    pub fn of(home: &Home, root: &Utf8Path) -> Result<Self, ElsewhereError> {
        let caches = home.folder("cache/trees").ok();
        let name = Digest::of(root.as_str().as_bytes()).short();
        let cache = caches.map(|folder| folder.join(format!("{name}.json")));
        let digester =
            TreeDigester { without: Some(home.root()), cache: cache.as_deref(), settle: SETTLE };
        let contents = digester
            .contents(root)
            .map_err(|error| ElsewhereError::File { path: error.path, source: error.source })?;
        let mut entries = BTreeMap::new();
        for (entry, digest) in contents {
            let Ok(path) = Utf8PathBuf::try_from(entry.path) else { continue };
            let entry = match (entry.kind, digest) {
                (TreeEntryKind::File(stat), Some(digest)) => {
                    let kind = if stat.executable { Kind::Program } else { Kind::File };
                    Entry { kind, size: stat.size, digest }
                }
                (TreeEntryKind::Link(to), _) => {
                    let to = to.to_string_lossy().into_owned();
                    check_link(&path, Utf8Path::new(&to))?;
                    Entry { kind: Kind::Link, size: 0, digest: Digest::of(to.as_bytes()) }
                }
                (TreeEntryKind::EmptyFolder, _) => {
                    Entry { kind: Kind::Folder, size: 0, digest: Digest::of(&[]) }
                }
                // what cannot be read was said when the source was looked at
                _ => continue,
            };
            entries.insert(path.into_string(), entry);
        }
        Ok(Self { entries, code: BTreeMap::new() })
    }

    /// Returns the name of the tree, after its content.
    pub fn name(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (path, entry) in &self.entries {
            let kind = match entry.kind {
                Kind::File => b"f",
                Kind::Program => b"x",
                Kind::Link => b"l",
                Kind::Folder => b"d",
            };
            hasher.update(path.as_bytes()).update(&[0]).update(kind);
            hasher.update(entry.digest.as_bytes());
        }
        Digest::from_bytes(*hasher.finalize().as_bytes()).short()
    }

    pub fn bytes(&self) -> u64 {
        self.entries.values().map(|entry| entry.size).sum()
    }

    /// Looks at what each Python file asks of an environment.
    pub fn read_code(&mut self, root: &Utf8Path) {
        let files: Vec<&String> = self
            .entries
            .iter()
            .filter(|(path, entry)| is_code(path, entry))
            .map(|(p, _)| p)
            .collect();
        self.code = files
            .into_par_iter()
            .filter_map(|path| Some((path.clone(), code_of(root, path)?)))
            .collect();
    }

    /// Returns what makes this tree of `base`.
    pub fn since(&self, base: &Self) -> Change {
        let removed =
            base.entries.keys().filter(|path| !self.entries.contains_key(*path)).cloned().collect();
        let entries = self
            .entries
            .iter()
            .filter(|(path, entry)| base.entries.get(*path) != Some(entry))
            .map(|(path, entry)| (path.clone(), *entry))
            .collect();
        Change { base: base.name(), removed, entries }
    }
}

impl Change {
    pub fn bytes(&self) -> u64 {
        self.entries.values().map(|entry| entry.size).sum()
    }

    /// Returns whether the tree at `root`, of which this makes it different, works in the same
    /// environment as `base`: whatever else changed, nothing that decides one did.
    pub fn asks_the_same(&self, base: &Manifest, root: &Utf8Path) -> bool {
        self.removed.iter().all(|path| is_inert(path))
            && self.entries.iter().all(|(path, entry)| {
                is_inert(path)
                    || (is_code(path, entry)
                        && base.entries.contains_key(path)
                        && recognise(path).is_none()
                        && base
                            .code
                            .get(path)
                            .is_some_and(|code| code_of(root, path) == Some(*code)))
            })
    }
}

fn is_code(path: &str, entry: &Entry) -> bool {
    let plain = matches!(entry.kind, Kind::File | Kind::Program);
    plain && Utf8Path::new(path).extension() == Some("py") && entry.size <= LARGEST_CODE
}

fn code_of(root: &Utf8Path, path: &str) -> Option<Digest> {
    let bytes = fs::read(root.join(path)).ok()?;
    Some(Digest::of(traits(path, decode(&bytes)).as_bytes()))
}

/// Extensions of files that say nothing of an environment: data, settings, figures, prose.
const INERT: &[&str] = &[
    "bib", "css", "csv", "dat", "gif", "h5", "hdf5", "html", "jpeg", "jpg", "js", "json", "log",
    "md", "npy", "npz", "parquet", "pdf", "pkl", "png", "rst", "svg", "tex", "tsv", "wav", "xml",
    "yaml", "yml",
];

fn is_inert(path: &str) -> bool {
    let extension = Utf8Path::new(path).extension().unwrap_or_default().to_ascii_lowercase();
    INERT.contains(&extension.as_str()) && recognise(path).is_none()
}

/// Refuses a link that leads out of the tree.
pub(super) fn check_link(link: &Utf8Path, to: &Utf8Path) -> Result<(), ElsewhereError> {
    let escaping = || ElsewhereError::EscapingLink { path: link.to_owned(), to: to.to_owned() };
    let mut depth = link.components().count() as i64 - 1;
    if to.is_absolute() {
        return Err(escaping());
    }
    for part in to.components() {
        match part {
            camino::Utf8Component::ParentDir => depth -= 1,
            camino::Utf8Component::Normal(_) => depth += 1,
            _ => {}
        }
        if depth < 0 {
            return Err(escaping());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(folder: &tempfile::TempDir) -> (Home, Utf8PathBuf) {
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let code = root.join("code");
        fs::create_dir_all(code.join(".git/objects")).unwrap();
        fs::create_dir_all(code.join("a/empty")).unwrap();
        fs::write(code.join("a/x.py"), "import numpy\nx = 1\n").unwrap();
        fs::write(code.join(".gitignore"), "*.py").unwrap();
        std::os::unix::fs::symlink("../a/x.py", code.join("a/y.py")).unwrap();
        (Home::at(root.join("home")), code)
    }

    #[test]
    fn git_stays_here_and_links_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        let (home, root) = tree(&folder);
        let manifest = Manifest::of(&home, &root).unwrap();
        let paths: Vec<_> = manifest.entries.keys().map(String::as_str).collect();
        assert_eq!(paths, [".gitignore", "a/empty", "a/x.py", "a/y.py"]);
        std::os::unix::fs::symlink("../../etc", root.join("a/z")).unwrap();
        let error = Manifest::of(&home, &root).unwrap_err();
        assert!(matches!(error, ElsewhereError::EscapingLink { .. }), "{error}");
    }

    #[test]
    fn only_what_changed_goes_and_only_imports_ask_for_another_environment() {
        let folder = tempfile::tempdir().unwrap();
        let (home, root) = tree(&folder);
        let mut before = Manifest::of(&home, &root).unwrap();
        before.read_code(&root);
        let changed = |path: &str, text: &str| {
            fs::write(root.join(path), text).unwrap();
            let change = Manifest::of(&home, &root).unwrap().since(&before);
            let same = change.asks_the_same(&before, &root);
            (change.entries.keys().cloned().collect::<Vec<_>>(), same)
        };
        assert_eq!(changed("a/x.py", "import numpy\nx = 2\n"), (vec!["a/x.py".to_owned()], true));
        assert!(!changed("a/x.py", "import scipy\nx = 2\n").1);
        assert!(changed("a/x.py", "import numpy\nx = 3\n").1);
        assert!(changed("a/settings.yaml", "rate: 1\n").1);
        assert!(!changed("requirements.txt", "numpy<2\n").1);
        fs::remove_file(root.join("requirements.txt")).unwrap();
        assert!(changed("a/x.py", "import numpy\nx = 3\n").1);
        // a module that was not there may be what another file imports
        assert!(!changed("a/numpy.py", "x = 1\n").1);
    }

    #[test]
    fn what_is_removed_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (home, root) = tree(&folder);
        let before = Manifest::of(&home, &root).unwrap();
        fs::remove_file(root.join("a/y.py")).unwrap();
        fs::write(root.join("a/empty/new"), "").unwrap();
        let change = Manifest::of(&home, &root).unwrap().since(&before);
        assert_eq!(change.removed, ["a/empty", "a/y.py"]);
        assert_eq!(change.entries.keys().collect::<Vec<_>>(), ["a/empty/new"]);
    }
}
