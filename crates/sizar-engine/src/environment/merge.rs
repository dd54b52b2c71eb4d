//! Environments share the bytes of their wheels with the cache.
//!
//! The kernel makes hard links only within one mount, and the sandbox shows the cache and an
//! environment as two. So uv fills an environment inside the cache's folder, which nothing foreign
//! ever sees writable, and what it installed is moved into the real one when the last build there
//! has ended.

use std::io::{Error, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::SetupError;
use super::error::io;
use super::inside;

/// The longest beginning of a program that names its interpreter.
const HEAD: usize = 1024;

/// Moves the environment at `from` into the one at `to`. What is there already stays, and no link
/// there is followed. Nothing foreign may run meanwhile.
///
/// # Errors
///
/// [`SetupError::Io`] where something cannot be moved.
pub fn merge(from: &Utf8Path, to: &Utf8Path) -> Result<(), SetupError> {
    let bin = from.join("bin");
    for entry in fs::read_dir(&bin).map_err(io(&bin))? {
        let entry = entry.map_err(io(&bin))?;
        let name = entry.file_name();
        if let Some(name) = name.to_str() {
            name_interpreter(from, &Utf8Path::new("bin").join(name), to)?;
        }
    }
    merge_folder(from, to)
}

fn merge_folder(from: &Utf8Path, to: &Utf8Path) -> Result<(), SetupError> {
    for entry in fs::read_dir(from).map_err(io(from))? {
        let entry = entry.map_err(io(from))?;
        let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else {
            return Err(io(from)(Error::other("a package has a name that is not UTF-8")));
        };
        let target = to.join(path.file_name().unwrap_or_default());
        let is_folder = entry.file_type().map_err(io(&path))?.is_dir();
        match fs::symlink_metadata(&target) {
            Ok(found) if found.is_dir() && is_folder => merge_folder(&path, &target)?,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => place(&path, &target)?,
            Err(error) => return Err(io(&target)(error)),
        }
    }
    Ok(())
}

/// Moves one file or folder to where nothing is; across file systems it copies.
fn place(path: &Utf8Path, target: &Utf8Path) -> Result<(), SetupError> {
    match fs::rename(path, target) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {}
        moved => return moved.map_err(io(target)),
    }
    let kind = fs::symlink_metadata(path).map_err(io(path))?.file_type();
    if kind.is_dir() {
        fs::create_dir(target).map_err(io(target))?;
        return merge_folder(path, target);
    }
    if kind.is_symlink() {
        let leads = fs::read_link(path).map_err(io(path))?;
        return fs_err::os::unix::fs::symlink(leads, target).map_err(io(target));
    }
    fs::copy(path, target).map(|_| ()).map_err(io(target))
}

/// Lets a program that uv wrote, `relative` below `from`, name the interpreter below `to`.
fn name_interpreter(from: &Utf8Path, relative: &Utf8Path, to: &Utf8Path) -> Result<(), SetupError> {
    let path = from.join(relative);
    let found = fs::symlink_metadata(&path).map_err(io(&path))?;
    // what the cache has too is as its wheel had it
    if !found.is_file() || found.nlink() > 1 {
        return Ok(());
    }
    let bytes = fs::read(&path).map_err(io(&path))?;
    let (head, rest) = bytes.split_at(bytes.len().min(HEAD));
    let Ok(text) = std::str::from_utf8(head) else { return Ok(()) };
    let (old, new) = (format!("{from}/bin/"), format!("{to}/bin/"));
    if !text.starts_with("#!") || !text.contains(&old) {
        return Ok(());
    }
    let text = [text.replace(&old, &new).as_bytes(), rest].concat();
    inside::write(from, relative, &text)?;
    let mode = std::fs::Permissions::from_mode(found.mode());
    fs::set_permissions(&path, mode).map_err(io(&path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(root: &Utf8Path, files: &[&str]) {
        for name in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("of {root}")).unwrap();
        }
    }

    fn check(from: &Utf8Path, to: &Utf8Path, outside: &Utf8Path) {
        tree(from, &["bin/a", "lib/pkg/m.py", "lib/space/a.py", "lib/same.py", "share/x"]);
        tree(to, &["lib/space/b.py", "lib/same.py"]);
        let program = format!("#!{from}/bin/python\nprint()\n");
        fs::write(from.join("bin/prog"), &program).unwrap();
        fs::set_permissions(from.join("bin/prog"), std::fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(from.join("cached"), &program).unwrap();
        fs::hard_link(from.join("cached"), from.join("bin/linked")).unwrap();
        symlink("lib", from.join("lib64")).unwrap();
        // a build may have put a link where a folder should be
        symlink(outside, to.join("share")).unwrap();
        merge(from, to).unwrap();
        for there in ["bin/a", "lib/pkg/m.py", "lib/space/a.py", "lib/space/b.py"] {
            assert!(to.join(there).is_file(), "{there}");
        }
        assert_eq!(fs::read_to_string(to.join("lib/same.py")).unwrap(), format!("of {to}"));
        let text = fs::read_to_string(to.join("bin/prog")).unwrap();
        assert_eq!(text, format!("#!{to}/bin/python\nprint()\n"));
        assert_eq!(fs::metadata(to.join("bin/prog")).unwrap().mode() & 0o777, 0o755);
        assert_eq!(fs::read_to_string(to.join("bin/linked")).unwrap(), program);
        assert!(to.join("lib64").is_symlink());
        assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    }

    #[test]
    fn what_is_there_stays_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs::create_dir(root.join("outside")).unwrap();
        check(&root.join("from"), &root.join("to"), &root.join("outside"));
    }

    #[test]
    fn another_file_system_gets_copies() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm"));
        let there = there.unwrap();
        let [here, there] = [&here, &there].map(|dir| Utf8Path::from_path(dir.path()).unwrap());
        fs::create_dir(here.join("outside")).unwrap();
        check(&here.join("from"), &there.join("to"), &here.join("outside"));
    }
}
