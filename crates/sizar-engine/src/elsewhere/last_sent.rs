//! What was last sent to a target from a place here: of the next tree from there only what changed
//! need go.
//!
//! It is a guess at what the target has, and nothing depends on it: a target that has it no more asks
//! for the whole list.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::Digest;

use crate::home::Home;
use crate::transfer::Manifest;
use crate::tree_digest::write_by_rename;

/// Longer lists are not remembered: two of them take more memory than one of them time.
const MOST: usize = 300_000;

/// Where is remembered what was sent.
pub(super) struct LastSent(Option<Utf8PathBuf>);

impl LastSent {
    /// Takes what the target is called, and the place here.
    ///
    /// What sizar keeps itself has another place whenever it is another: nothing is remembered of that.
    pub fn of(home: &Home, target: &str, from: &Utf8Path) -> Self {
        if from.starts_with(home.root()) {
            return Self(None);
        }
        let name = Digest::of(format!("{target}\n{from}").as_bytes()).short();
        Self(home.folder("cache/trees").ok().map(|folder| folder.join(format!("{name}.sent"))))
    }

    /// Returns the tree that was sent last.
    pub fn read(&self) -> Option<Manifest> {
        Manifest::from_bytes(&fs::read(self.0.as_ref()?).ok()?).ok()
    }

    /// Notes that a tree was sent.
    pub fn write(&self, tree: &Manifest) {
        let Some(path) = &self.0 else { return };
        let written = if tree.entries().len() > MOST {
            // what is older is further away than nothing
            fs::remove_file(path)
        } else {
            write_by_rename(path, &tree.to_bytes())
        };
        if let Err(error) = written {
            tracing::debug!(%error, "the next list goes whole");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_its_own_and_a_torn_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        LastSent::of(&home, "tours", &home.root().join("sources/x")).write(&Manifest::default());
        assert!(!home.root().join("cache").exists());
        let last = |target, from: &str| LastSent::of(&home, target, Utf8Path::new(from));
        let tree = Manifest::default();
        last("tours", "/data").write(&tree);
        assert_eq!(last("tours", "/data").read(), Some(tree));
        assert_eq!(last("orleans", "/data").read(), None);
        assert_eq!(last("tours", "/other").read(), None);
        fs::write(last("tours", "/data").0.unwrap(), "torn").unwrap();
        assert_eq!(last("tours", "/data").read(), None);
    }
}
