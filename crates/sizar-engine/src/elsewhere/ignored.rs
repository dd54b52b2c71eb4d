//! What a `.gitignore` names goes along only where something refers to it.
//!
//! Last year's checkpoints and a folder of logs are no part of a run; a data set, a compiled module
//! or settings that git does not keep are. What the arguments name goes, and what the code names by
//! its file's name or the first part of it: an import, a path. Where it is not sure, it goes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use fs_err as fs;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Extensions of files that name others.
const NAMING: [&str; 12] =
    ["py", "sh", "yaml", "yml", "json", "toml", "cfg", "ini", "ipynb", "txt", "m", "jl"];
/// Larger files are no code of the authors'.
const LARGEST: u64 = 1 << 20;
/// How many are named.
const MOST: usize = 5;

/// What git ignores in a tree that it keeps.
pub(super) struct Ignored<'a> {
    root: &'a Path,
    args: &'a [String],
    is_repository: bool,
    matchers: Mutex<BTreeMap<PathBuf, Gitignore>>,
    words: OnceLock<HashSet<String>>,
    left: Mutex<BTreeSet<PathBuf>>,
    sent: Mutex<BTreeSet<PathBuf>>,
}

impl<'a> Ignored<'a> {
    pub fn of(root: &'a Path, args: &'a [String]) -> Self {
        Self {
            root,
            args,
            is_repository: root.join(".git").exists(),
            matchers: Mutex::default(),
            words: OnceLock::new(),
            left: Mutex::default(),
            sent: Mutex::default(),
        }
    }

    /// Returns whether a path does not go along. Paths come from the root on.
    pub fn leaves(&self, path: &Path, is_folder: bool) -> bool {
        if !self.is_repository || !self.is_ignored(path, is_folder) {
            return false;
        }
        let within = |set: &Mutex<BTreeSet<PathBuf>>| {
            let set = set.lock().unwrap_or_else(PoisonError::into_inner);
            path.ancestors().skip(1).any(|above| set.contains(above))
        };
        if within(&self.sent) {
            return false;
        }
        let referred = self.is_referred_to(path);
        let set = if referred { &self.sent } else { &self.left };
        set.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        !referred
    }

    fn is_ignored(&self, path: &Path, is_folder: bool) -> bool {
        let mut matchers = self.matchers.lock().unwrap_or_else(PoisonError::into_inner);
        // the rules of the nearest folder win
        for folder in path.ancestors().skip(1) {
            let matcher = matchers
                .entry(folder.to_owned())
                .or_insert_with(|| matcher(&self.root.join(folder), folder.as_os_str().is_empty()));
            match matcher.matched(self.root.join(path), is_folder) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        false
    }

    fn is_referred_to(&self, path: &Path) -> bool {
        let by_args = self.args.iter().any(|arg| {
            let value = arg.split_once('=').map_or(arg.as_str(), |(_, value)| value);
            let value: PathBuf = Path::new(value)
                .components()
                .filter(|part| !matches!(part, Component::CurDir))
                .collect();
            let value = value.strip_prefix(self.root).unwrap_or(&value);
            !value.as_os_str().is_empty() && (value.starts_with(path) || path.starts_with(value))
        });
        if by_args {
            return true;
        }
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return true };
        let words = self.words.get_or_init(|| self.words());
        let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or(name);
        words.contains(name) || words.contains(stem)
    }

    /// Collects the words of all files that may name others.
    fn words(&self) -> HashSet<String> {
        let mut words = HashSet::new();
        let walk = ignore::WalkBuilder::new(self.root).hidden(false).require_git(false).build();
        for entry in walk.flatten() {
            let path = entry.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            let names = extension.is_some_and(|extension| NAMING.contains(&extension));
            let small = entry.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST);
            // what git itself reads names what it ignores
            if !names || !small || path.components().any(|part| part.as_os_str() == ".git") {
                continue;
            }
            let text = fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let part = |letter: char| letter.is_alphanumeric() || "_-.".contains(letter);
            for word in text.split(|letter| !part(letter)).filter(|word| !word.is_empty()) {
                if !words.contains(word) {
                    words.insert(word.to_owned());
                }
                // a dotted name is an import of each of its parts
                for part in word.split('.').filter(|part| !part.is_empty()) {
                    if !words.contains(part) {
                        words.insert(part.to_owned());
                    }
                }
            }
        }
        words
    }

    /// Says what went and what did not.
    pub fn sentences(&self) -> Vec<String> {
        let set = |set: &Mutex<BTreeSet<PathBuf>>| {
            let set = set.lock().unwrap_or_else(PoisonError::into_inner);
            let mut names: Vec<String> =
                set.iter().take(MOST).map(|path| format!("`{}`", path.display())).collect();
            if set.len() > MOST {
                names.push(format!("{} more", set.len() - MOST));
            }
            names.join(", ")
        };
        let mut sentences = Vec::new();
        let (sent, left) = (set(&self.sent), set(&self.left));
        if !sent.is_empty() {
            sentences.push(format!("git ignores {sent}, and it goes along: the code names it"));
        }
        if !left.is_empty() {
            sentences.push(format!(
                "git ignores {left}, nothing names it, and it stays here; `--data PATH:PATH` shows it \
                 to the run"
            ));
        }
        sentences
    }
}

/// Reads the rules of one folder.
fn matcher(folder: &Path, is_root: bool) -> Gitignore {
    let mut builder = GitignoreBuilder::new(folder);
    if is_root {
        let _ = builder.add(folder.join(".git/info/exclude"));
    }
    // rules that cannot be read ignore nothing
    let _ = builder.add(folder.join(".gitignore"));
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in [".git", "old-runs", "data/raw", "weights", "pkg", "given", "logs"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let ignore = "old-runs/\n/data\nweights\n*.so\ngiven\n*.log\n!keep.log\n_version.py\n";
        for (path, text) in [
            (".gitignore", ignore),
            ("train.py", "import pkg.fast\nopen('data/raw/x.csv')\nfrom pkg import _version\n"),
            ("pkg/.gitignore", "deep.txt\n"),
        ] {
            fs::write(root.join(path), text).unwrap();
        }
        folder
    }

    #[test]
    fn what_is_named_goes_and_what_is_not_stays_and_both_is_said() {
        let folder = tree();
        let args = vec!["--weights=./weights/best.pth".to_owned(), "given".to_owned()];
        let ignored = Ignored::of(folder.path(), &args);
        let leaves = |path: &str, folder| ignored.leaves(Path::new(path), folder);
        assert!(leaves("old-runs", true));
        assert!(
            !leaves("data", true) && !leaves("data/raw", true) && !leaves("data/raw/x.csv", false)
        );
        assert!(!leaves("weights", true) && !leaves("given", true));
        // a compiled module, and a generated one
        assert!(!leaves("pkg/fast.cpython-38-x86_64-linux-gnu.so", false));
        assert!(!leaves("pkg/_version.py", false));
        assert!(leaves("pkg/deep.txt", false) && !leaves("deep.txt", false));
        assert!(leaves("logs/a.log", false) && !leaves("logs/keep.log", false));
        let said = ignored.sentences().join("\n");
        assert!(said.contains("`old-runs`") && said.contains("`data`"), "{said}");
        assert!(!said.contains("x.csv"), "{said}");
        // where git does not keep the tree, a `.gitignore` says nothing
        fs::remove_dir(folder.path().join(".git")).unwrap();
        assert!(!Ignored::of(folder.path(), &[]).leaves(Path::new("old-runs"), true));
    }
}
