//! What a run reads, and the node gets a copy of: folders of its environment, the user's data.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::resources::ByteSize;
use sizar_model::{DataMode, Digest};

use super::copy::{copy_entries, copy_whole};
use super::packed::{self, Packed};
use super::relocate::{Move, relocate};
use super::shelf;
use crate::home::Home;
use crate::run::RunPlan;
use crate::transfer::{Entry, Store, is_full};

/// One of them.
#[derive(Debug)]
pub(super) struct Part {
    /// The folder that is copied.
    pub from: Utf8PathBuf,
    /// Names its copy on the node.
    pub key: String,
    pub need: Need,
    what: What,
}

#[derive(Debug)]
enum What {
    Folder(Option<Packed>),
    /// Of a tree of the store: each file must be what the tree's list says.
    Data(Vec<Entry>),
}

impl Part {
    /// Takes a folder of an environment, in its packed form where there is one.
    pub fn folder(shared: &Home, from: Utf8PathBuf) -> Self {
        let packed = Packed::find(shared, &from);
        let need = match &packed {
            Some(packed) => Need { bytes: packed.bytes(), files: packed.files() },
            None => Need::of(&from),
        };
        let name = match &packed {
            Some(packed) => packed.name(),
            None => packed::name_of(&from),
        };
        let key = name.unwrap_or_else(|_| Digest::of(from.as_str().as_bytes()).short());
        Self { from, key: format!("environment-{key}"), need, what: What::Folder(packed) }
    }

    /// Lists the trees of the store that a run reads, with what of them it does.
    pub fn data(store: &Store, plan: &RunPlan, shows_anywhere: bool) -> Vec<Self> {
        let mut read: BTreeMap<String, Vec<Utf8PathBuf>> = BTreeMap::new();
        for binding in plan.bindings().filter(|binding| binding.mode == DataMode::ReadOnly) {
            // what is to be seen under its own name can be seen there alone
            let own_name = binding.there == binding.here;
            let Ok(below) = binding.here.strip_prefix(store.trees()) else { continue };
            let mut parts = below.components();
            if let Some(tree) = parts.next().filter(|_| shows_anywhere || !own_name) {
                read.entry(tree.as_str().to_owned()).or_default().push(parts.as_path().to_owned());
            }
        }
        read.into_iter().filter_map(|(tree, parts)| Self::of_tree(store, &tree, parts)).collect()
    }

    fn of_tree(store: &Store, tree: &str, mut parts: Vec<Utf8PathBuf>) -> Option<Self> {
        parts.sort();
        let entries = store.read_manifest(tree)?;
        let wanted = |entry: &Entry| parts.iter().any(|part| entry.path().starts_with(part));
        let entries: Vec<Entry> = entries.entries().iter().filter(|e| wanted(e)).cloned().collect();
        let bytes = entries.iter().map(Entry::size).sum();
        let need = Need { bytes, files: entries.len() as u64 };
        let of_it = Digest::of(format!("{parts:?}").as_bytes()).short();
        let key = match parts.iter().any(|part| part.as_str().is_empty()) {
            true => format!("data-{tree}"),
            false => format!("data-{tree}-{of_it}"),
        };
        Some(Self { from: store.tree(tree), key, need, what: What::Data(entries) })
    }

    pub fn is_data(&self) -> bool {
        matches!(self.what, What::Data(_))
    }

    pub fn is_packed(&self) -> bool {
        matches!(self.what, What::Folder(Some(_)))
    }

    /// Brings it to `to`, with the places that `moves` renames; who copies an environment file by
    /// file leaves it packed for the next one.
    ///
    /// # Errors
    ///
    /// What the operating system says, and where something is not what it should be.
    pub fn bring(&self, shared: &Home, to: &Utf8Path, moves: &[Move]) -> io::Result<()> {
        match &self.what {
            What::Data(entries) => {
                return copy_entries(self.from.as_std_path(), entries, to.as_std_path());
            }
            What::Folder(packed) => self.environment(shared, packed.as_ref(), to)?,
        }
        if moves.is_empty() { Ok(()) } else { relocate(to, moves) }
    }

    fn environment(&self, shared: &Home, packed: Option<&Packed>, to: &Utf8Path) -> io::Result<()> {
        if let Some(packed) = packed {
            match packed.unpack(to) {
                Err(error) if !is_full(&error) => {
                    packed.remove_if_rotten(&error);
                    if !self.from.is_dir() {
                        return Err(error);
                    }
                    tracing::warn!(%error, "a packed environment is not whole");
                    shelf::remove(to)?;
                }
                unpacked => return unpacked,
            }
        }
        copy_whole(&self.from, to)?;
        if let Err(error) = packed::leave(shared, &self.from, to) {
            tracing::debug!(%error, "the environment was not packed");
        }
        Ok(())
    }
}

/// What is copied to the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    pub bytes: u64,
    pub files: u64,
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {} files were copied", ByteSize(self.bytes), self.files)
    }
}

impl Need {
    pub fn of(folder: &Utf8Path) -> Self {
        let mut need = Self::default();
        let walk = ignore::WalkBuilder::new(folder).standard_filters(false).build();
        for metadata in walk.flatten().filter_map(|entry| entry.metadata().ok()) {
            need.files += 1;
            need.bytes += if metadata.is_file() { metadata.len() } else { 0 };
        }
        need
    }

    pub fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, files: self.files + other.files }
    }
}

/// Returns the folders that an environment consists of, each once.
pub(super) fn folders(plan: &RunPlan) -> Vec<Utf8PathBuf> {
    let mut folders = vec![plan.prefix.clone()];
    for root in &plan.python_roots {
        // an interpreter of the node's system stays where it is
        let known = folders.iter().any(|folder| root.starts_with(folder));
        if !known && is_network_or_home(root, &plan.prefix) {
            folders.push(root.clone());
        }
    }
    folders
}

/// Returns the folders that are copied as one each: what was sent together stays together.
pub(super) fn units(shared: &Home, plan: &RunPlan) -> Vec<Utf8PathBuf> {
    let mut units: Vec<Utf8PathBuf> = Vec::new();
    for folder in folders(plan) {
        let unit = tree_of(shared, &folder).unwrap_or(folder);
        if !units.contains(&unit) {
            units.push(unit);
        }
    }
    units
}

/// Returns the tree that a folder was sent in.
pub(super) fn tree_of(shared: &Home, folder: &Utf8Path) -> Option<Utf8PathBuf> {
    let sent = shared.root().join(super::super::sent::FOLDER);
    let mut below = folder.strip_prefix(&sent).ok()?.components();
    let (name, tree) = (below.next()?, below.next()?);
    (tree.as_str() == packed::TREE).then(|| sent.join(name).join(tree))
}

/// Returns whether a folder lies where sizar keeps things, too.
fn is_network_or_home(folder: &Utf8Path, prefix: &Utf8Path) -> bool {
    let device = |path: &Utf8Path| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path).map(|metadata| metadata.dev()).ok()
    };
    // both may be in a packed form still
    super::is_network(folder) || device(folder) == device(prefix)
}
