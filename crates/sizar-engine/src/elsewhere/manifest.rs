//! What a source's tree holds, and what changed since it was sent.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use camino::Utf8Path;
use fs_err as fs;
use rayon::prelude::*;
use sizar_inspect::packaging::recognise;
use sizar_inspect::python::{decode, traits};
use sizar_model::{Digest, Progress, Silent};

use super::ElsewhereError;
use super::ignored::Ignored;
use crate::home::Home;
use crate::transfer::{self, Content, Entry, Rules, Scan};
use crate::tree_digest::SETTLE;

/// Larger files are no code of the authors'.
const LARGEST_CODE: u64 = 4 << 20;

/// What a source's tree holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Manifest {
    pub tree: transfer::Manifest,
    /// What each Python file asks of an environment, where that was looked at.
    pub code: BTreeMap<String, Digest>,
}

/// What has to be done to make one tree of another.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change {
    /// The tree that is there, by its name.
    pub base: String,
    pub gone: Vec<Box<[u8]>>,
    /// What is new or different.
    pub new: transfer::Manifest,
}

/// Returns the file in which the digests of a tree here are remembered.
pub(super) fn cache(home: &Home, root: &Utf8Path) -> Option<camino::Utf8PathBuf> {
    let name = Digest::of(root.as_str().as_bytes()).short();
    home.folder("cache/trees").ok().map(|folder| folder.join(format!("{name}.stat")))
}

/// Looks at the tree `root` as code; returns what came of it, and sentences about what git ignores.
pub(super) fn code<T>(
    home: &Home,
    root: &Utf8Path,
    args: &[String],
    cache: Option<&Utf8Path>,
    look: impl FnOnce(Scan<'_>) -> Result<T, ElsewhereError>,
) -> Result<(T, Vec<String>), ElsewhereError> {
    let ignored = Ignored::of(root.as_std_path(), args);
    let own = home.root().strip_prefix(root).ok().map(Utf8Path::as_std_path);
    let leave = |path: &std::path::Path, folder| own == Some(path) || ignored.leaves(path, folder);
    let looked = look(Scan {
        root: root.as_std_path(),
        rules: Rules::Code { leave: &leave },
        cache,
        settle: SETTLE,
        progress: &Silent,
    })?;
    Ok((looked, ignored.sentences()))
}

impl Manifest {
    /// Lists the tree `root`: all but what no run needs, such as git's own folder, and what its
    /// `.gitignore` names and neither `args` nor the code refers to. Returns sentences about that.
    ///
    /// # Errors
    ///
    /// [`TransferError::EscapingLink`](transfer::TransferError::EscapingLink) for a symbolic link out
    /// of the tree: what it leads to is not there on the target.
    pub fn of(
        home: &Home,
        root: &Utf8Path,
        args: &[String],
        progress: &dyn Progress,
    ) -> Result<(Self, Vec<String>), ElsewhereError> {
        let cache = cache(home, root);
        code(home, root, args, cache.as_deref(), |scan| {
            // what cannot be read was said when the source was looked at
            let tree = Scan { progress, ..scan }.run()?.manifest;
            Ok(Self { tree, code: BTreeMap::new() })
        })
    }

    /// Returns the name of the tree, after its content.
    pub fn name(&self) -> String {
        self.tree.name()
    }

    /// Looks at what each Python file asks of an environment.
    pub fn read_code(&mut self, root: &Utf8Path) {
        self.code = self
            .tree
            .entries()
            .par_iter()
            .filter(|entry| is_code(entry))
            .filter_map(|entry| Some((entry.name(), code_of(root, entry)?)))
            .collect();
    }

    /// Returns what makes this tree of `base`.
    pub fn since(&self, base: &Self) -> Change {
        let (gone, new) = self.tree.since(&base.tree);
        Change { base: base.name(), gone, new }
    }
}

impl Change {
    pub fn is_nothing(&self) -> bool {
        self.gone.is_empty() && self.new.entries().is_empty()
    }

    /// Returns whether the tree at `root`, of which this makes it different, works in the same
    /// environment as `base`: whatever else changed, nothing that decides one did.
    pub fn asks_the_same(&self, base: &Manifest, root: &Utf8Path) -> bool {
        self.gone.iter().all(|path| is_inert(&String::from_utf8_lossy(path)))
            && self.new.entries().iter().all(|entry| {
                let path = entry.name();
                is_inert(&path)
                    || (is_code(entry)
                        && base.tree.get(&entry.path).is_some()
                        && recognise(&path).is_none()
                        && base
                            .code
                            .get(&path)
                            .is_some_and(|code| code_of(root, entry) == Some(*code)))
            })
    }

    /// Writes it for the target.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\n{}\n", self.base, self.gone.len()).into_bytes();
        for path in &self.gone {
            bytes.extend_from_slice(&(path.len() as u32).to_le_bytes());
            bytes.extend_from_slice(path);
        }
        bytes.extend_from_slice(&self.new.to_bytes());
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let line = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            let text = std::str::from_utf8(&bytes[..end]).ok()?.to_owned();
            Some((text, bytes[end + 1..].to_vec()))
        };
        let (base, rest) = line(bytes)?;
        let (count, rest) = line(&rest)?;
        let mut rest = rest.as_slice();
        let mut gone = Vec::new();
        for _ in 0..count.parse::<usize>().ok()? {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (path, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            gone.push(path.into());
            rest = after;
        }
        Some(Self { base, gone, new: transfer::Manifest::from_bytes(rest).ok()? })
    }
}

fn is_code(entry: &Entry) -> bool {
    let plain = matches!(entry.content, Content::File { .. });
    plain && entry.path.ends_with(b".py") && entry.size() <= LARGEST_CODE
}

fn code_of(root: &Utf8Path, entry: &Entry) -> Option<Digest> {
    let bytes = fs::read(root.as_std_path().join(OsStr::from_bytes(&entry.path))).ok()?;
    let text = decode(&bytes);
    // what is fetched beforehand is decided here, too
    let mut code: String = text.lines().filter(|line| may_download(line)).collect();
    code.push_str(&traits(&entry.name(), text));
    Some(Digest::of(code.as_bytes()))
}

/// Returns whether a line may say what the code downloads.
fn may_download(line: &str) -> bool {
    ["://", "load_url", "load_state_dict_from_url"].iter().any(|mark| line.contains(mark))
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

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    fn tree(folder: &tempfile::TempDir) -> (Home, Utf8PathBuf) {
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let code = root.join("code");
        fs::create_dir_all(code.join("a/empty")).unwrap();
        fs::write(code.join("a/x.py"), "import numpy\nx = 1\n").unwrap();
        std::os::unix::fs::symlink("../a/x.py", code.join("a/y.py")).unwrap();
        (Home::at(root.join("home")), code)
    }

    fn of(home: &Home, root: &Utf8Path) -> Manifest {
        Manifest::of(home, root, &[], &Silent).unwrap().0
    }

    #[test]
    fn only_what_changed_goes_and_only_imports_ask_for_another_environment() {
        let folder = tempfile::tempdir().unwrap();
        let (home, root) = tree(&folder);
        let mut before = of(&home, &root);
        before.read_code(&root);
        let changed = |path: &str, text: &str| {
            fs::write(root.join(path), text).unwrap();
            let change = of(&home, &root).since(&before);
            assert_eq!(Change::from_bytes(&change.to_bytes()).unwrap(), change);
            let same = change.asks_the_same(&before, &root);
            (change.new.entries().iter().map(Entry::name).collect::<Vec<_>>(), same)
        };
        assert_eq!(changed("a/x.py", "import numpy\nx = 2\n"), (vec!["a/x.py".to_owned()], true));
        assert!(!changed("a/x.py", "import scipy\nx = 2\n").1);
        assert!(changed("a/x.py", "import numpy\nx = 3\n").1);
        assert!(!changed("a/x.py", "import numpy\nx = 'https://x.org/a.pth'\n").1);
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
        let before = of(&home, &root);
        fs::remove_file(root.join("a/y.py")).unwrap();
        fs::write(root.join("a/empty/new"), "").unwrap();
        let change = of(&home, &root).since(&before);
        assert_eq!(
            change.gone,
            [b"a/empty".as_slice().into(), b"a/y.py".as_slice().into()] as [Box<[u8]>; 2]
        );
        assert_eq!(change.new.entries().len(), 1);
        assert_eq!(Change::from_bytes(&change.to_bytes()), Some(change));
    }
}
