//! The way in: from what a person wrote to files on disk.

use std::io::Read;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::{Checkout, Locator, Progress, SafeUrl};

use super::archive::Format;
use super::cache::{Cache, Found, Key};
use super::{AcquireError, archived, folder, repository};
use crate::home::Home;
use crate::http::Client;
use crate::index::{Index, normalize};
use crate::tree_digest::{FileStat, SETTLE};

/// How a source is brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct AcquireOptions {
    /// Asks again what the locator means, instead of taking the remembered answer.
    pub refresh: bool,
    /// Never uses the network.
    pub offline: bool,
}

/// One source on its way.
pub(super) struct Acquisition<'a> {
    pub home: &'a Home,
    pub options: AcquireOptions,
    pub progress: &'a dyn Progress,
    pub cache: Cache<'a>,
    /// The locator, without secrets.
    pub name: String,
}

/// Brings the source that `locator` names, and says exactly which it is.
///
/// A folder is used where it lies. Everything else is fetched once; then it is taken from the
/// cache, without the network, until a refresh is asked for.
///
/// # Errors
///
/// [`AcquireError`]. Nothing half-made is left that a later call would trust.
pub fn acquire(
    home: &Home,
    locator: &Locator,
    options: &AcquireOptions,
    progress: &dyn Progress,
) -> Result<Checkout, AcquireError> {
    let path = match locator {
        Locator::Folder(path) => match on_disk(path) {
            Ok(OnDisk::Folder(path)) => return folder::describe(home, path),
            Ok(OnDisk::File(path)) if is_archive(&path) => Some(path),
            Ok(OnDisk::File(path)) => return Err(AcquireError::NotAFolder { path }),
            Err(None) => return Err(AcquireError::MissingFolder { path: path.clone() }),
            Err(Some(source)) => return Err(AcquireError::Read { path: path.clone(), source }),
        },
        Locator::ArchiveFile(path) => match on_disk(path) {
            // a folder may be called `data.zip`
            Ok(OnDisk::Folder(path)) => return folder::describe(home, path),
            Ok(OnDisk::File(path)) => Some(path),
            Err(None) => return Err(AcquireError::MissingArchive { path: path.clone() }),
            Err(Some(source)) => return Err(AcquireError::Read { path: path.clone(), source }),
        },
        _ => None,
    };
    let name = locator.to_string();
    let cache = Cache { home };
    let work = Acquisition { home, options: *options, progress, cache, name };
    match path {
        Some(path) => work.archive_file(&path),
        None => work.remote(locator),
    }
}

impl Acquisition<'_> {
    fn archive_file(&self, path: &Utf8Path) -> Result<Checkout, AcquireError> {
        let key = Key::new("file", &[path.as_str()]);
        let metadata = fs::metadata(path)
            .map_err(|source| AcquireError::Read { path: path.to_owned(), source })?;
        // a file that changes right now may change again within the same tick of the clock
        let stat =
            Some(FileStat::of(&metadata)).filter(|stat| stat.is_settled(SystemTime::now(), SETTLE));
        if stat.is_some()
            && !self.options.refresh
            && let Some(found) = self.cache.find(&key, stat)
        {
            return Ok(found.under(path.as_str()));
        }
        let _lock = self.home.lock(&key.lock(), || self.waiting())?;
        self.cache.sweep();
        let found = archived::open_file(self, path)?;
        if stat.is_some() {
            self.cache.remember(&key, path.as_str(), &found, stat)?;
        }
        Ok(found.under(path.as_str()))
    }

    fn remote(&self, locator: &Locator) -> Result<Checkout, AcquireError> {
        let index_url = Index::configured();
        let key = match locator {
            Locator::Git { url, rev } => {
                Key::new("git", &[url.expose(), rev.as_deref().unwrap_or_default()])
            }
            Locator::Pypi { name, version } => {
                pypi_key(&index_url, name, version.as_deref().unwrap_or_default())
            }
            Locator::ArchiveUrl(url) => Key::new("url", &[url.expose()]),
            Locator::Folder(path) | Locator::ArchiveFile(path) => {
                return Err(AcquireError::MissingFolder { path: path.clone() });
            }
        };
        let again = self.options.refresh && !self.options.offline;
        let known = || self.cache.find(&key, None).filter(|_| !again);
        if let Some(found) = known() {
            return Ok(found.under(&self.name));
        }
        if self.options.offline && !matches!(locator, Locator::Git { .. }) {
            return Err(AcquireError::Offline { locator: self.name.clone() });
        }
        let _lock = self.home.lock(&key.lock(), || self.waiting())?;
        // somebody else may have brought it while we waited
        if let Some(found) = known() {
            return Ok(found.under(&self.name));
        }
        self.cache.sweep();
        let found: Found = match locator {
            Locator::Git { url, rev } => repository::fetch(self, url, rev.as_deref())?,
            Locator::Pypi { name, version } => {
                let index = Index::at(index_url.clone(), Client::new());
                archived::fetch_sdist(self, &index, name, version.as_deref())?
            }
            Locator::ArchiveUrl(url) => archived::fetch_url(self, url)?,
            Locator::Folder(path) | Locator::ArchiveFile(path) => {
                return Err(AcquireError::MissingFolder { path: path.clone() });
            }
        };
        self.cache.remember(&key, &self.name, &found, None)?;
        // whoever later asks for this very release has it already
        if let Locator::Pypi { name, version: None } = locator
            && let Some(version) = &found.checkout.source.revision
        {
            let exact = pypi_key(&index_url, name, version);
            self.cache.remember(&exact, &format!("pypi:{name}=={version}"), &found, None)?;
        }
        Ok(found.under(&self.name))
    }

    fn waiting(&self) {
        self.progress.note(format!("another sizar is fetching {}", self.name));
    }
}

/// Makes the key of a release; another index may mean something else by the same name.
fn pypi_key(index: &SafeUrl, name: &str, version: &str) -> Key {
    Key::new("pypi", &[index.expose(), &normalize(name), version])
}

/// What lies at a path, under its real and absolute name.
enum OnDisk {
    Folder(Utf8PathBuf),
    File(Utf8PathBuf),
}

/// Looks what lies at `path`; nothing at all is `Err(None)`.
fn on_disk(path: &Utf8Path) -> Result<OnDisk, Option<std::io::Error>> {
    let real = path.canonicalize_utf8().map_err(|error| {
        let missing = matches!(
            error.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
        );
        (!missing).then_some(error)
    })?;
    Ok(if real.is_dir() { OnDisk::Folder(real) } else { OnDisk::File(real) })
}

fn is_archive(path: &Utf8Path) -> bool {
    let mut beginning = Vec::new();
    let read = fs::File::open(path)
        .and_then(|file| file.take(Format::BEGINNING as u64).read_to_end(&mut beginning));
    read.is_ok() && Format::of(&beginning).is_ok()
}
