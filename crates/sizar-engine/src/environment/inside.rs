//! Writing into folders that foreign code wrote to before.
//!
//! A build may leave links there that lead out of the folder, and a file may be a hard link that is
//! shared with the cache: neither is ever written through.

use std::io::{Error, Write as _};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::SetupError;
use super::error::io;

/// Returns the folder `relative` below `root`, made where it is not there.
///
/// # Errors
///
/// [`SetupError::Io`] where something else than a folder, such as a link, has a name on the way.
pub fn folder(root: &Utf8Path, relative: &Utf8Path) -> Result<Utf8PathBuf, SetupError> {
    let mut path = root.to_owned();
    for part in relative.components() {
        let Utf8Component::Normal(name) = part else {
            return Err(io(relative)(Error::other("it does not lie inside")));
        };
        path.push(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(io(&path)(Error::other("a build put something else there"))),
            Err(_) => fs::create_dir(&path).map_err(io(&path))?,
        }
    }
    Ok(path)
}

/// Writes the file `relative` below `root`; what had its name is replaced, not written to.
///
/// # Errors
///
/// As [`folder`], or where the file cannot be written.
pub fn write(root: &Utf8Path, relative: &Utf8Path, text: &[u8]) -> Result<(), SetupError> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder(root, relative.parent().unwrap_or_else(|| "".into()))?;
    let path = root.join(relative);
    let mut part = tempfile::NamedTempFile::new_in(&folder).map_err(io(&folder))?;
    part.write_all(text).map_err(io(&path))?;
    let readable = std::fs::Permissions::from_mode(0o644);
    part.as_file().set_permissions(readable).map_err(io(&path))?;
    part.persist(&path).map_err(|error| io(&path)(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_written_through_links() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let (env, cache) = (root.join("env"), root.join("cache"));
        fs::create_dir_all(env.join("lib")).unwrap();
        fs::create_dir(&cache).unwrap();
        fs::write(cache.join("a"), "kept").unwrap();
        symlink(&cache, env.join("lib/out")).unwrap();
        symlink(cache.join("a"), env.join("lib/soft")).unwrap();
        fs::hard_link(cache.join("a"), env.join("lib/hard")).unwrap();
        for name in ["lib/soft", "lib/hard", "lib/new/deep"] {
            write(&env, name.into(), b"ours").unwrap();
            assert_eq!(fs::read_to_string(env.join(name)).unwrap(), "ours");
        }
        assert_eq!(fs::read_to_string(cache.join("a")).unwrap(), "kept");
        assert!(write(&env, "lib/out/b".into(), b"ours").is_err());
        assert!(folder(&env, "../cache".into()).is_err());
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
    }
}
