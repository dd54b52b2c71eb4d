//! Environments share the bytes of their packages with the cache.
//!
//! uv itself cannot make hard links in the sandbox: there, the cache and the environment are two
//! mounts, and the kernel links nothing across mounts (Landlock would have to be told to allow it).
//! So uv makes symbolic links, which lead to a cache that foreign builds see read only; when the
//! last of them has ended, this puts a hard link, or a copy where the file system gives none, in
//! the place of each. From then on foreign code has the environment read only.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::SetupError;
use super::error::io;

/// Puts hard links, or copies, in the place of the symbolic links below `prefix` that lead to files
/// in `cache`; other links stay. Nothing foreign may run meanwhile.
///
/// # Errors
///
/// [`SetupError::Io`] where a file can neither be linked nor copied.
pub fn settle(prefix: &Utf8Path, cache: &Utf8Path) -> Result<(), SetupError> {
    let cache = cache.canonicalize_utf8().map_err(io(cache))?;
    let mut open = vec![prefix.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(io(&folder))? {
            let entry = entry.map_err(io(&folder))?;
            // uv gives files the names that their wheels have
            let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else { continue };
            let kind = entry.file_type().map_err(io(&path))?;
            if kind.is_dir() {
                open.push(path);
                continue;
            }
            if !kind.is_symlink() {
                continue;
            }
            // what leads nowhere leads nowhere in runs too
            let Ok(target) = path.canonicalize_utf8() else { continue };
            if target.is_file() && target.starts_with(&cache) {
                fs::remove_file(&path).map_err(io(&path))?;
                if fs::hard_link(&target, &path).is_err() {
                    fs::copy(&target, &path).map_err(io(&path))?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn links_into_the_cache_become_its_files_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        for name in ["shared/a", "outside/c", "env/lib/x"] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
        }
        let env = root.join("env");
        symlink(root.join("shared/a"), env.join("lib/a")).unwrap();
        symlink(root.join("outside/c"), env.join("lib/c")).unwrap();
        symlink("lib", env.join("lib64")).unwrap();
        symlink(root.join("shared"), env.join("whole")).unwrap();
        symlink(root.join("nowhere"), env.join("lost")).unwrap();
        settle(&env, &root.join("shared")).unwrap();
        let inode = |path: &str| fs::symlink_metadata(root.join(path)).unwrap().ino();
        assert_eq!(inode("env/lib/a"), inode("shared/a"));
        for still in ["lib/c", "lib64", "whole", "lost"] {
            assert!(env.join(still).is_symlink(), "{still}");
        }
    }

    #[test]
    fn what_cannot_be_linked_is_copied() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm"));
        let there = there.unwrap();
        let [cache, env] =
            [&here, &there].map(|folder| Utf8Path::from_path(folder.path()).unwrap());
        fs::write(cache.join("a"), "bytes").unwrap();
        symlink(cache.join("a"), env.join("a")).unwrap();
        settle(env, cache).unwrap();
        assert!(!env.join("a").is_symlink());
        assert_eq!(fs::read_to_string(env.join("a")).unwrap(), "bytes");
    }
}
