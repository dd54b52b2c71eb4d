//! Makes a tree of one that is there and what changed: on the target.
//!
//! What changed lies in `patches/NAME`: `change.json` and the files. The tree is made by links, in
//! one rename, so that nobody sees half of it and two that make it at once do no harm.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use rayon::prelude::*;

use super::Layout;
use super::manifest::{Change, Kind};
use crate::run::digest;

/// The file that says what changed, and the folder of what is new.
pub(super) const CHANGE: &str = "change.json";
pub(super) const FILES: &str = "files";

/// Makes sure that the tree at `path` is there, if it is one of ours.
///
/// # Errors
///
/// What is missing, for people.
pub(super) fn whole(layout: &Layout, path: &Utf8Path) -> Result<(), String> {
    if path.exists() || path.parent() != Some(&layout.trees()) {
        return Ok(());
    }
    let Some(name) = path.file_name() else { return Ok(()) };
    make(layout, name, path)
        .map_err(|error| format!("the source `{name}` cannot be put together: {error}"))
}

fn make(layout: &Layout, name: &str, path: &Utf8Path) -> io::Result<()> {
    let patch = layout.patch(name);
    let change: Change = serde_json::from_slice(&fs::read(patch.join(CHANGE))?)?;
    let base = layout.tree(&change.base);
    let staging = tempfile::Builder::new().prefix(".new-").tempdir_in(layout.trees())?;
    let to = staging.path().join("tree");
    let removed: BTreeSet<&str> = change.removed.iter().map(String::as_str).collect();
    let mut found = Found::default();
    list(base.as_std_path(), Path::new(""), &mut found)?;
    let stays = |path: &Path| {
        path.to_str()
            .is_none_or(|path| !removed.contains(path) && !change.entries.contains_key(path))
    };
    let files: Vec<PathBuf> = found.files.into_iter().filter(|path| stays(path)).collect();
    let links: Vec<PathBuf> = found.links.into_iter().filter(|path| stays(path)).collect();
    let empty: Vec<PathBuf> = found.empty.into_iter().filter(|path| stays(path)).collect();
    let mut folders = HashSet::new();
    fs::create_dir_all(&to)?;
    let new = change.entries.keys().map(Path::new);
    for path in files.iter().chain(&links).map(PathBuf::as_path).chain(new) {
        if let Some(parent) = path.parent().filter(|parent| folders.insert(parent.to_owned())) {
            fs::create_dir_all(to.join(parent))?;
        }
    }
    for path in &empty {
        fs::create_dir_all(to.join(path))?;
    }
    files.par_iter().with_min_len(64).try_for_each(|path| {
        let (from, to) = (base.as_std_path().join(path), to.join(path));
        // some file systems have no links of this kind
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))
    })?;
    for path in &links {
        symlink(fs::read_link(base.as_std_path().join(path))?, to.join(path))?;
    }
    for (path, entry) in &change.entries {
        let (from, to) = (patch.join(FILES).join(path), to.join(path));
        match entry.kind {
            Kind::Folder => fs::create_dir_all(&to)?,
            Kind::Link => symlink(fs::read_link(&from)?, &to)?,
            Kind::File | Kind::Program => {
                if digest(from.as_std_path())? != entry.digest {
                    return Err(io::Error::other(format!(
                        "`{path}` did not arrive as it was sent"
                    )));
                }
                fs::copy(&from, &to)?;
            }
        }
    }
    match fs::rename(&to, path) {
        // another job was faster
        Err(_) if path.exists() => Ok(()),
        made => made,
    }
}

/// What lies in a tree, relative to its root.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    links: Vec<PathBuf>,
    empty: Vec<PathBuf>,
}

fn list(root: &Path, below: &Path, found: &mut Found) -> io::Result<()> {
    let mut nothing = true;
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        nothing = false;
        let path = below.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(root, &path, found)?;
        } else if kind.is_symlink() {
            found.links.push(path);
        } else {
            found.files.push(path);
        }
    }
    if nothing && !below.as_os_str().is_empty() {
        found.empty.push(below.to_owned());
    }
    Ok(())
}

impl Layout {
    /// Returns the folder of all trees.
    pub fn trees(&self) -> Utf8PathBuf {
        self.root().join("trees")
    }

    /// Returns where the tree `name` lies; it is never changed.
    pub fn tree(&self, name: &str) -> Utf8PathBuf {
        self.trees().join(name)
    }

    /// Returns where what makes the tree `name` of another lies.
    pub fn patch(&self, name: &str) -> Utf8PathBuf {
        self.root().join("patches").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Manifest;
    use super::*;
    use crate::home::Home;

    #[test]
    fn a_tree_is_made_of_another_and_what_changed() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let (home, layout) = (Home::at(root.join("home")), Layout::at(root.join("there")));
        let code = root.join("code");
        fs::create_dir_all(code.join("a/empty")).unwrap();
        fs::create_dir_all(code.join("gone")).unwrap();
        for (path, text) in [("a/x.py", "1"), ("a/y.py", "1"), ("gone/z.py", "1")] {
            fs::write(code.join(path), text).unwrap();
        }
        symlink("x.py", code.join("a/link")).unwrap();
        let before = Manifest::of(&home, &code).unwrap();
        crate::run::copy_tree(&code, &layout.tree(&before.name())).unwrap();
        fs::remove_dir_all(code.join("gone")).unwrap();
        fs::write(code.join("a/x.py"), "2").unwrap();
        fs::write(code.join("a/empty/new.py"), "3").unwrap();
        let after = Manifest::of(&home, &code).unwrap();
        let change = after.since(&before);
        let patch = layout.patch(&after.name());
        for path in change.entries.keys() {
            let to = patch.join(FILES).join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(code.join(path), to).unwrap();
        }
        fs::write(patch.join(CHANGE), serde_json::to_vec(&change).unwrap()).unwrap();
        let made = layout.tree(&after.name());
        whole(&layout, &made).unwrap();
        assert_eq!(Manifest::of(&home, &made).unwrap().name(), after.name());
        assert!(!made.join("gone").exists());
        // the tree that it was made of is as it was
        let old = layout.tree(&before.name());
        assert_eq!(Manifest::of(&home, &old).unwrap().name(), before.name());
        // what is not as it was sent is not used
        fs::remove_dir_all(&made).unwrap();
        fs::write(patch.join(FILES).join("a/x.py"), "4").unwrap();
        assert!(whole(&layout, &made).unwrap_err().contains("a/x.py"));
        assert!(!made.exists());
    }
}
