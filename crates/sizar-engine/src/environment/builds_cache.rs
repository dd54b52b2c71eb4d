//! The caches that foreign builds of one source write to.
//!
//! What a build leaves in a cache may be anything, so that it must not reach environments of other
//! sources: each source has caches of its own, below `cache/builds`. They are kept, so that a later
//! setup need not build again, and removed when nobody has used them for a while or when the last
//! environment of their source goes.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::Digest;

use super::SetupError;
use super::error::io;
use crate::home::{Home, Lock};

const FOLDER: &str = "cache/builds";
/// Its date says when the caches were last used.
const USED: &str = "used";
/// How long unused caches are kept.
const KEPT: Duration = Duration::from_hours(24 * 30);

/// The caches of one source, in use until it is dropped.
pub struct BuildsCache {
    pub uv: Utf8PathBuf,
    pub pip: Utf8PathBuf,
    _lock: Lock,
}

impl BuildsCache {
    /// Opens the caches of the source that `locator` names, and removes those that nobody uses.
    pub fn open(home: &Home, locator: &str) -> Result<Self, SetupError> {
        let name = name_of(locator);
        let lock = home.share(&lock_of(&name))?;
        let shelf = home.folder(FOLDER)?;
        remove_where(home, &shelf, |folder| {
            let used = fs::metadata(folder.join(USED)).and_then(|used| used.modified());
            let age = used.ok().and_then(|used| SystemTime::now().duration_since(used).ok());
            age.is_some_and(|age| age > KEPT)
        })?;
        let folder = home.folder(&format!("{FOLDER}/{name}"))?;
        let used = folder.join(USED);
        fs::write(&used, locator).map_err(io(&used))?;
        let [uv, pip] = ["uv", "pip"].map(|tool| folder.join(tool));
        for path in [&uv, &pip] {
            fs::create_dir_all(path).map_err(io(path))?;
        }
        Ok(Self { uv, pip, _lock: lock })
    }
}

/// Removes the caches of all sources but those that `locators` name; what is in use stays.
pub fn keep_only<'l>(
    home: &Home,
    locators: impl Iterator<Item = &'l str>,
) -> Result<(), SetupError> {
    let kept: BTreeSet<String> = locators.map(name_of).collect();
    let shelf = home.folder(FOLDER)?;
    remove_where(home, &shelf, |folder| folder.file_name().is_some_and(|name| !kept.contains(name)))
}

fn remove_where(
    home: &Home,
    shelf: &Utf8Path,
    goes: impl Fn(&Utf8Path) -> bool,
) -> Result<(), SetupError> {
    for entry in fs::read_dir(shelf).map_err(io(shelf))? {
        let entry = entry.map_err(io(shelf))?;
        let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else { continue };
        let name = path.file_name().unwrap_or_default();
        if goes(&path)
            && let Some(_held) = home.try_lock(&lock_of(name))?
        {
            fs::remove_dir_all(&path).map_err(io(&path))?;
        }
    }
    Ok(())
}

fn name_of(locator: &str) -> String {
    Digest::of(locator.as_bytes()).short()
}

fn lock_of(name: &str) -> String {
    format!("builds-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_go_when_nobody_uses_them() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        let old = BuildsCache::open(&home, "old").unwrap();
        let used = old.uv.parent().unwrap().join(USED);
        let file = fs::File::options().write(true).open(&used).unwrap();
        file.file().set_modified(SystemTime::now() - KEPT - Duration::from_secs(9)).unwrap();
        let new = BuildsCache::open(&home, "new").unwrap();
        assert_ne!(old.uv, new.uv);
        assert!(old.uv.is_dir(), "it is in use");
        let gone = old.uv.clone();
        drop(old);
        let other = BuildsCache::open(&home, "other").unwrap();
        assert!(!gone.exists());
        keep_only(&home, ["other"].into_iter()).unwrap();
        assert!(new.uv.is_dir(), "it is in use");
        let gone = new.uv.clone();
        drop(new);
        keep_only(&home, ["other"].into_iter()).unwrap();
        assert!(!gone.exists() && other.uv.is_dir());
        assert!(BuildsCache::open(&home, "new").is_ok());
    }
}
