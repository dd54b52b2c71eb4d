//! The shelf of environments: `envs/<digest>`, each whole or not there.
//!
//! A virtual environment cannot be moved, so it is built under its final name; `ready.json`,
//! written last and by renaming, says that it is whole. A folder without it is what a killed
//! sizar left, and is removed by the next one that wants the name.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sizar_env::lock;
use sizar_model::{Digest, EnvLock, PythonVersion};

use super::SetupError;
use super::builds_cache;
use super::error::io;
use super::inside;
use super::memory;
use super::stage;
use super::workshop::is_system;
use crate::home::{Home, Lock};

/// The file that says that an environment is whole.
const READY: &str = "ready.json";
/// The folder's own copy of its lock, for people.
const LOCK: &str = lock::FILE_NAME;

/// An environment on the shelf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The folder's name: the first digits of the lock's digest.
    pub name: String,
    pub path: Utf8PathBuf,
    pub locator: String,
    pub revision: Option<String>,
    pub python: PythonVersion,
    pub packages: usize,
    pub made: Timestamp,
    /// Bytes on disk.
    #[serde(default)]
    pub size: u64,
}

#[derive(Serialize, Deserialize)]
struct Ready {
    version: u32,
    digest: Digest,
    kept: Kept,
    /// The folder of the interpreter, where it is not the system's.
    #[serde(default)]
    python_root: Option<Utf8PathBuf>,
}

/// A folder that may be filled.
pub struct Building {
    prefix: Utf8PathBuf,
    lock: Lock,
}

/// What was found under a lock's name.
pub enum Claim {
    Ready(Utf8PathBuf),
    Build(Building),
}

/// Returns the folder that a lock's environment has.
pub fn prefix(home: &Home, lock: &EnvLock) -> Result<Utf8PathBuf, SetupError> {
    Ok(home.folder("envs")?.join(lock::digest(lock).short()))
}

/// Whether the folder holds a whole environment whose interpreter is still there.
pub fn is_ready(prefix: &Utf8Path) -> bool {
    prefix.join(READY).is_file() && prefix.join("bin/python").exists()
}

/// Takes the right to fill a lock's folder, or finds it filled.
pub fn claim(home: &Home, lock: &EnvLock, waiting: impl FnOnce()) -> Result<Claim, SetupError> {
    let prefix = prefix(home, lock)?;
    // before the look: a sweep that looked earlier sees it
    if let Ok(ready) = fs::File::open(prefix.join(READY)) {
        let _ = ready.file().set_modified(std::time::SystemTime::now());
    }
    if is_ready(&prefix) {
        return Ok(Claim::Ready(prefix));
    }
    let name = prefix.file_name().unwrap_or_default();
    let held = home.lock(&format!("env-{name}"), waiting)?;
    // whoever held it may have made what we want
    if is_ready(&prefix) {
        return Ok(Claim::Ready(prefix));
    }
    remove_tree(&prefix)?;
    fs::create_dir_all(&prefix).map_err(io(&prefix))?;
    Ok(Claim::Build(Building { prefix, lock: held }))
}

fn remove_tree(path: &Utf8Path) -> Result<(), SetupError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(path)(error)),
        _ => Ok(()),
    }
}

impl Building {
    pub fn prefix(&self) -> &Utf8Path {
        &self.prefix
    }

    /// Gives up: nothing half-made is left.
    pub fn abandon(self) -> Result<(), SetupError> {
        remove_tree(&self.prefix)
    }

    /// Says that the environment is whole.
    pub fn finish(self, lock: &EnvLock, python_root: &Utf8Path) -> Result<Utf8PathBuf, SetupError> {
        inside::write(&self.prefix, LOCK.into(), lock::write(lock)?.as_bytes())?;
        let ready = Ready {
            version: 1,
            digest: lock::digest(lock),
            kept: Kept {
                name: self.prefix.file_name().unwrap_or_default().to_owned(),
                path: self.prefix.clone(),
                locator: lock.source.locator.clone(),
                revision: lock.source.revision.clone(),
                python: lock.python,
                packages: lock.package_count(),
                made: Timestamp::now(),
                size: size_of(&self.prefix),
            },
            python_root: Some(python_root.to_owned()).filter(|root| !is_system(root)),
        };
        let text = serde_json::to_vec(&ready).expect("names and numbers have a form in JSON");
        if !self.lock.is_held() {
            // whoever took it over makes the same folder
            let lost = std::io::Error::other("another sizar took over this folder");
            return Err(io(&self.prefix)(lost));
        }
        inside::write(&self.prefix, READY.into(), &text)?;
        Ok(self.prefix)
    }
}

/// Writes an environment's copy of its lock again, with what was seen to work.
pub fn record(prefix: &Utf8Path, lock: &EnvLock) -> Result<(), SetupError> {
    let path = prefix.join(LOCK);
    let mut part = tempfile::NamedTempFile::new_in(prefix).map_err(io(prefix))?;
    let text = lock::write(lock)?;
    std::io::Write::write_all(&mut part, text.as_bytes()).map_err(io(&path))?;
    part.persist(&path).map_err(|error| io(&path)(error.error))?;
    Ok(())
}

fn size_of(folder: &Utf8Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            if let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) {
                bytes += size_of(&path);
            }
        } else {
            bytes += metadata.len();
        }
    }
    bytes
}

/// Returns the folders of the interpreter that an environment was made with, which whatever runs
/// in it needs to see; none where they are the system's own.
pub fn python_roots(prefix: &Utf8Path) -> Vec<Utf8PathBuf> {
    let ready = fs::read(prefix.join(READY)).ok();
    let ready = ready.and_then(|bytes| serde_json::from_slice::<Ready>(&bytes).ok());
    // the program of a Python 2 environment is a copy, which leads nowhere
    if let Some(root) = ready.and_then(|ready| ready.python_root) {
        return vec![root];
    }
    let python = prefix.join("bin/python").canonicalize_utf8().ok();
    let root = python.as_deref().and_then(Utf8Path::parent).and_then(Utf8Path::parent);
    root.filter(|root| !is_system(root)).map(Utf8Path::to_owned).into_iter().collect()
}

/// Returns the environments on the shelf, newest first.
///
/// # Errors
///
/// [`SetupError::Home`] where sizar's folder cannot be used.
pub fn list(home: &Home) -> Result<Vec<Kept>, SetupError> {
    let shelf = home.folder("envs")?;
    let mut kept: Vec<Kept> = fs::read_dir(&shelf)
        .map_err(io(&shelf))?
        .filter_map(|entry| Utf8PathBuf::from_path_buf(entry.ok()?.path()).ok())
        .filter(|prefix| is_ready(prefix))
        .filter_map(|prefix| {
            let bytes = fs::read(prefix.join(READY)).ok()?;
            Some(serde_json::from_slice::<Ready>(&bytes).ok()?.kept)
        })
        .collect();
    kept.sort_by_key(|kept| std::cmp::Reverse(kept.made));
    Ok(kept)
}

fn find(home: &Home, name: &str) -> Result<Kept, SetupError> {
    let mut found = list(home)?.into_iter().filter(|kept| kept.name.starts_with(name));
    let first = found.next().ok_or_else(|| SetupError::NoSuchEnvironment(name.to_owned()))?;
    match found.next() {
        Some(_) if first.name != name => Err(SetupError::AmbiguousEnvironment(name.to_owned())),
        _ => Ok(first),
    }
}

/// Returns an environment and its lock, by its name or the beginning of it.
///
/// # Errors
///
/// [`SetupError::NoSuchEnvironment`], [`SetupError::AmbiguousEnvironment`], or an unreadable lock.
pub fn show(home: &Home, name: &str) -> Result<(Kept, EnvLock), SetupError> {
    let kept = find(home, name)?;
    let path = kept.path.join(LOCK);
    let lock = lock::read(&fs::read_to_string(&path).map_err(io(&path))?)?;
    Ok((kept, lock))
}

/// Removes an environment, by its name or the beginning of it.
///
/// # Errors
///
/// As [`show`]; [`SetupError::Io`] where something cannot be removed.
pub fn remove(home: &Home, name: &str) -> Result<Kept, SetupError> {
    let kept = find(home, name)?;
    let _held = home.lock(&format!("env-{}", kept.name), || {})?;
    // first it stops being an environment, then its files go
    let ready = kept.path.join(READY);
    fs::remove_file(&ready).map_err(io(&ready))?;
    remove_tree(&kept.path)?;
    memory::forget_gone(home)?;
    Ok(kept)
}

/// Removes an environment that turned out not to work.
pub fn discard(home: &Home, prefix: &Utf8Path) -> Result<(), SetupError> {
    let name = prefix.file_name().unwrap_or_default();
    let _held = home.lock(&format!("env-{name}"), || {})?;
    // first it stops being an environment, then its files go
    let ready = prefix.join(READY);
    match fs::remove_file(&ready) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io(&ready)(error));
        }
        _ => {}
    }
    remove_tree(prefix)
}

/// Removes what killed setups left, plans whose environment is gone, and caches of builds of sources
/// without an environment; returns the folders of environments.
///
/// # Errors
///
/// [`SetupError::Io`] where something cannot be removed.
pub fn collect_garbage(home: &Home) -> Result<Vec<Utf8PathBuf>, SetupError> {
    let shelf = home.folder("envs")?;
    let mut removed = Vec::new();
    for entry in fs::read_dir(&shelf).map_err(io(&shelf))? {
        let entry = entry.map_err(io(&shelf))?;
        let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else { continue };
        let name = path.file_name().unwrap_or_default().to_owned();
        // whoever builds it holds its lock
        if !is_ready(&path)
            && let Some(_held) = home.try_lock(&format!("env-{name}"))?
        {
            remove_tree(&path)?;
            removed.push(path);
        }
    }
    stage::sweep(&home.folder("cache/uv")?)?;
    memory::forget_gone(home)?;
    let kept = list(home)?;
    builds_cache::keep_only(home, kept.iter().map(|kept| kept.locator.as_str()))?;
    Ok(removed)
}
