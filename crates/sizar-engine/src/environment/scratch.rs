//! A copy of a tree for foreign code to write into.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::SetupError;
use super::error::io;

/// Copies the tree at `from` to `to`, which must not exist. Links stay links.
///
/// The copies can be written to, and share nothing with what they were copied from.
pub fn copy_tree(from: &Utf8Path, to: &Utf8Path) -> Result<(), SetupError> {
    fs::create_dir_all(to).map_err(io(to))?;
    let entries = fs::read_dir(from).map_err(io(from))?;
    for entry in entries {
        let entry = entry.map_err(io(from))?;
        // a name that is not UTF-8 belongs to no Python package
        let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else { continue };
        let Some(name) = path.file_name() else { continue };
        let target = to.join(name);
        let kind = entry.file_type().map_err(io(&path))?;
        if kind.is_symlink() {
            let link = fs::read_link(&path).map_err(io(&path))?;
            fs_err::os::unix::fs::symlink(link, &target).map_err(io(&target))?;
        } else if kind.is_dir() {
            // a build may ask git for the version, but never needs a cache
            if !matches!(name, "__pycache__" | ".tox" | ".venv") {
                copy_tree(&path, &target)?;
            }
        } else if kind.is_file() {
            copy_file(&path, &target)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Utf8Path, to: &Utf8Path) -> Result<(), SetupError> {
    use std::os::unix::fs::PermissionsExt as _;
    // `std::io::copy` behind this shares the blocks where the file system can
    fs::copy(from, to).map_err(io(to))?;
    let mode = fs::metadata(to).map_err(io(to))?.permissions().mode();
    // checkouts are read-only, copies are for writing
    fs::set_permissions(to, std::fs::Permissions::from_mode(mode | 0o600)).map_err(io(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_writable_and_apart() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let from = root.join("from");
        fs::create_dir_all(from.join("a/__pycache__")).unwrap();
        fs::write(from.join("a/x"), "1").unwrap();
        fs_err::os::unix::fs::symlink("x", from.join("a/link")).unwrap();
        let mut mode = fs::metadata(from.join("a/x")).unwrap().permissions();
        mode.set_readonly(true);
        fs::set_permissions(from.join("a/x"), mode).unwrap();
        let to = root.join("to");
        copy_tree(&from, &to).unwrap();
        fs::write(to.join("a/x"), "2").unwrap();
        assert_eq!(fs::read_to_string(from.join("a/x")).unwrap(), "1");
        assert_eq!(fs::read_link(to.join("a/link")).unwrap().to_str(), Some("x"));
        assert!(!to.join("a/__pycache__").exists());
    }
}
