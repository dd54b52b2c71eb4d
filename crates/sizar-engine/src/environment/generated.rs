//! Modules of the source's own package that only its build writes.
//!
//! A `setup.py` that writes `pkg/version.py` (`BasicSR`, `deepvoice3_pytorch`), setuptools-scm's
//! `write_to`, or a compiler of protocol buffers leave such files in what they install, and not in
//! the tree. A program that starts in the tree imports the package from there, so its modules are
//! kept beside the products of builds inside the tree, where the same finder sees them.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::{Checkout, EnvLock, ProjectInstall};

use super::SetupError;
use super::build::{metadata_folder, site_packages};
use super::error::io;
use super::inside;
use super::tree_build::FOLDER;

/// The largest file that is read, in bytes: what a build left is foreign.
const LARGEST: u64 = 8 << 20;

/// How many folders of a tree are looked at.
const FOLDERS: usize = 20_000;

/// Keeps what the source's build wrote into its packages, and the tree lacks.
///
/// # Errors
///
/// [`SetupError`] where the tree or what is installed cannot be read, or the environment's folder
/// not written to.
pub fn keep(
    checkout: &Checkout,
    lock: &EnvLock,
    package: Option<&str>,
    prefix: &Utf8Path,
) -> Result<(), SetupError> {
    let (ProjectInstall::Install, Some(package)) = (lock.source.install, package) else {
        return Ok(());
    };
    let Some(metadata) = metadata_folder(prefix, lock, package)? else { return Ok(()) };
    let site = site_packages(prefix, lock);
    let name = Utf8Path::new(metadata.file_name().unwrap_or_default());
    let Some(record) = regular(&site, &name.join("RECORD"))? else { return Ok(()) };
    let tree = Tree::read(&checkout.path)?;
    for module in tree.lacks(&String::from_utf8_lossy(&record)) {
        // a record is foreign: nothing outside is read
        let Some(text) = regular(&site, module)? else { continue };
        inside::write(prefix, &Utf8Path::new(FOLDER).join(module), &text)?;
    }
    Ok(())
}

/// Reads a file of a moderate size that no link leads to.
fn regular(site: &Utf8Path, module: &Utf8Path) -> Result<Option<Vec<u8>>, SetupError> {
    let path = site.canonicalize_utf8().map_err(io(site))?.join(module);
    let about = fs::symlink_metadata(&path);
    let is_small = about.is_ok_and(|about| about.is_file() && about.len() <= LARGEST);
    if !is_small || path.canonicalize_utf8().ok().as_ref() != Some(&path) {
        return Ok(None);
    }
    fs::read(&path).map(Some).map_err(io(&path))
}

/// The folders of a tree, by their last part, each with the names in it.
struct Tree(BTreeMap<String, Vec<(Utf8PathBuf, BTreeSet<String>)>>);

impl Tree {
    fn read(root: &Utf8Path) -> Result<Self, SetupError> {
        let mut folders: BTreeMap<String, Vec<_>> = BTreeMap::new();
        let mut open = vec![Utf8PathBuf::new()];
        let mut left = FOLDERS;
        while let Some(relative) = open.pop() {
            let folder = root.join(&relative);
            let mut names = BTreeSet::new();
            for entry in fs::read_dir(&folder).map_err(io(&folder))?.flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && name != ".git" && left > 0 {
                    left -= 1;
                    open.push(relative.join(&name));
                }
                names.insert(name);
            }
            if let Some(last) = relative.file_name() {
                folders.entry(last.to_owned()).or_default().push((relative, names));
            }
        }
        Ok(Self(folders))
    }

    /// Returns the modules of a `RECORD` whose folder the tree has, and themselves not:
    /// <https://packaging.python.org/en/latest/specifications/recording-installed-packages/>.
    fn lacks<'r>(&self, record: &'r str) -> Vec<&'r Utf8Path> {
        record
            .lines()
            // a path in quotes has a comma in it, and is no module's
            .filter_map(|line| line.split(',').next())
            .map(Utf8Path::new)
            .filter(|path| path.extension() == Some("py"))
            .filter(|path| {
                path.components().all(|part| matches!(part, camino::Utf8Component::Normal(_)))
            })
            .filter(|path| {
                let (Some(folder), Some(file), Some(stem)) =
                    (path.parent(), path.file_name(), path.file_stem())
                else {
                    return false;
                };
                let same = folder.file_name().and_then(|last| self.0.get(last));
                let mut same = same
                    .into_iter()
                    .flatten()
                    .filter(|(known, _)| known.ends_with(folder))
                    .peekable();
                same.peek().is_some()
                    && same.all(|(_, names)| !names.contains(file) && !names.contains(stem))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modules_beside_those_of_the_tree_are_lacking() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        for path in ["src/net/__init__.py", "src/net/ops/add.py", "other/ops/b.py", "build.py"] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let tree = Tree::read(root).unwrap();
        let record = "net/__init__.py,a,1\nnet/version.py,b,2\nnet/ops/add.py,,\n\
                      net/ops/made.py,,\nnet/ops.py,,\nnet/data.txt,,\nelse/where.py,,\n\
                      top.py,,\n../../../bin/net,,\n../net/out.py,,\n/net/out.py,,\n\
                      net-1.0.dist-info/RECORD,,\n\"net/a,b.py\",,\n";
        assert_eq!(tree.lacks(record), ["net/version.py", "net/ops/made.py"]);
    }
}
