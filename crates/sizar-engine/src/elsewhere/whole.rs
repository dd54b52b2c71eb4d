//! Makes a tree of one that is there and what changed: on the target.
//!
//! What changed lies in `patches/NAME`: the list of it, and the files.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::Layout;
use super::manifest::Change;
use crate::transfer::{Bad, Store, lay_out};

/// The file that says what changed, and the folder of what is new.
pub(super) const CHANGE: &str = "change";
pub(super) const FILES: &str = "files";

/// Makes sure that the tree at `path` is there, if it is one of ours.
///
/// # Errors
///
/// What is missing, for people.
pub(super) fn whole(layout: &Layout, path: &Utf8Path) -> Result<(), String> {
    if path.parent() != Some(&layout.trees()) {
        return Ok(());
    }
    let Some(name) = path.file_name() else { return Ok(()) };
    let store = Store::at(layout.root());
    // that it is wanted is a courtesy to who sweeps
    let _ = store.want(name);
    if path.exists() {
        return Ok(());
    }
    make(layout, &store, name)
        .map_err(|error| format!("the source `{name}` cannot be put together: {error}"))
}

fn make(layout: &Layout, store: &Store, name: &str) -> io::Result<()> {
    let patch = layout.patch(name);
    let change = Change::from_bytes(&fs::read(patch.join(CHANGE))?)
        .ok_or_else(|| io::Error::other("the list of what changed is torn"))?;
    let _ = store.want(&change.base);
    let base = store
        .read_manifest(&change.base)
        .ok_or_else(|| io::Error::other(format!("`{}` is not there", change.base)))?;
    let manifest = base.with(&change.gone, &change.new);
    if manifest.name() != name {
        return Err(io::Error::other("what changed makes another of it"));
    }
    for (number, entry) in change.new.entries().iter().enumerate() {
        let path = patch.join(FILES).join(number.to_string());
        store.keep(&entry.content, path.as_std_path()).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                io::Error::other(format!("`{}` did not arrive as it was sent", entry.name()))
            }
            _ => error,
        })?;
    }
    match lay_out(store, &manifest) {
        Ok(_) => Ok(()),
        Err(Bad::Missing) => Err(io::Error::other("contents of it are gone")),
        Err(Bad::Failed(error)) => Err(error),
    }
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
    use sizar_model::Silent;

    use super::*;
    use crate::home::Home;

    #[test]
    fn a_tree_is_made_of_another_and_what_changed() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let (home, layout) = (Home::at(root.join("home")), Layout::at(root.join("there")));
        let store = Store::at(layout.root());
        let of = |path: &Utf8Path| Manifest::of(&home, path, &[], &Silent).unwrap().0;
        let code = root.join("code");
        fs::create_dir_all(code.join("a/empty")).unwrap();
        fs::create_dir_all(code.join("gone")).unwrap();
        for (path, text) in [("a/x.py", "1"), ("a/y.py", "1"), ("gone/z.py", "1")] {
            fs::write(code.join(path), text).unwrap();
        }
        std::os::unix::fs::symlink("x.py", code.join("a/link")).unwrap();
        let before = of(&code);
        for entry in before.tree.entries() {
            store.keep(&entry.content, &code.as_std_path().join(entry.path())).unwrap();
        }
        lay_out(&store, &before.tree).unwrap();
        fs::remove_dir_all(code.join("gone")).unwrap();
        fs::write(code.join("a/x.py"), "2").unwrap();
        fs::write(code.join("a/empty/new.py"), "3").unwrap();
        let after = of(&code);
        let change = after.since(&before);
        let patch = layout.patch(&after.name());
        fs::create_dir_all(patch.join(FILES)).unwrap();
        for (number, entry) in change.new.entries().iter().enumerate() {
            let to = patch.join(FILES).join(number.to_string());
            fs::copy(code.as_std_path().join(entry.path()), to).unwrap();
        }
        fs::write(patch.join(CHANGE), change.to_bytes()).unwrap();
        let made = layout.tree(&after.name());
        whole(&layout, &made).unwrap();
        assert_eq!(of(&made).name(), after.name());
        assert!(!made.join("gone").exists());
        // the tree that it was made of is as it was
        assert_eq!(of(&layout.tree(&before.name())).name(), before.name());
        // what is not as it was sent is not used
        fs::remove_dir_all(&made).unwrap();
        fs::write(patch.join(FILES).join("1"), "4").unwrap();
        let error = whole(&layout, &made).unwrap_err();
        assert!(error.contains("a/x.py") || error.contains("new.py"), "{error}");
        assert!(!made.exists());
    }
}
