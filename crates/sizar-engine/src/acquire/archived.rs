//! Archives: source distributions, local files, downloads.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use jiff::Timestamp;
use sizar_model::{Digest, SafeUrl, Source};

use super::AcquireError;
use super::acquisition::Acquisition;
use super::archive::{ArchiveError, unpack};
use super::cache::{Found, Key, NewCheckout};
use super::lfs::in_words;
use super::limits::Limits;
use crate::failpoint;
use crate::http::{Client, Download, Downloaded, sha256_of};
use crate::index::Index;

/// A whole archive on this machine.
struct Archive<'a> {
    path: &'a Utf8Path,
    /// Its name in messages.
    name: &'a str,
    /// What identifies it: its content, and what the index says about it.
    identity: Key,
    /// The release, if it is one.
    release: Option<String>,
    date: Option<Timestamp>,
    notes: Vec<String>,
}

/// Brings the source distribution of a release.
pub(super) fn fetch_sdist(
    work: &Acquisition<'_>,
    index: &Index,
    project: &str,
    version: Option<&str>,
) -> Result<Found, AcquireError> {
    let progress = work.progress;
    progress.begin(format!("fetching {project} from the package index"));
    let release = index.project(project)?.sdist(version)?;
    let title = format!("{} {}", release.name, release.version);
    // the digest that the index promises names the download, so a refresh finds it again
    let name = match &release.sha256 {
        Some(sha256) if sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) => sha256.clone(),
        _ => Digest::of(release.url.expose().as_bytes()).to_string(),
    };
    let wanted = Wanted {
        url: &release.url,
        name: &name,
        sha256: release.sha256.as_deref(),
        anew: work.options.refresh && release.sha256.is_none(),
    };
    let downloaded = wanted.download(work, index.client())?;
    failpoint::hit("acquire:after-download");
    let mut notes = Vec::new();
    if release.sha256.is_none() {
        notes.push("the index promises no SHA-256 digest, so none was checked".to_owned());
    }
    let time = release.upload_time.map(|time| time.to_string()).unwrap_or_default();
    let identity = Key::new("sdist", &[&downloaded.sha256, &release.name, &release.version, &time]);
    let archive = Archive {
        path: &downloaded.path,
        name: &release.filename,
        identity,
        release: Some(release.version.clone()),
        date: release.upload_time,
        notes,
    };
    let found = archive.lay_out(work).inspect_err(|error| forget(&downloaded.path, error))?;
    progress.end(format!("fetched {title} ({})", in_words(downloaded.size)));
    Ok(found)
}

/// Brings an archive by its address.
pub(super) fn fetch_url(work: &Acquisition<'_>, url: &SafeUrl) -> Result<Found, AcquireError> {
    work.progress.begin(format!("fetching {url}"));
    let name = Digest::of(url.expose().as_bytes()).to_string();
    let wanted = Wanted { url, name: &name, sha256: None, anew: work.options.refresh };
    let downloaded = wanted.download(work, &Client::new())?;
    failpoint::hit("acquire:after-download");
    let archive = Archive {
        path: &downloaded.path,
        name: &work.name,
        identity: Key::new("archive", &[&downloaded.sha256]),
        release: None,
        date: None,
        notes: Vec::new(),
    };
    let found = archive.lay_out(work).inspect_err(|error| forget(&downloaded.path, error))?;
    work.progress.end(format!("fetched {url} ({})", in_words(downloaded.size)));
    Ok(found)
}

/// Unpacks an archive that is already here.
pub(super) fn open_file(work: &Acquisition<'_>, path: &Utf8Path) -> Result<Found, AcquireError> {
    work.progress.begin(format!("unpacking {path}"));
    let (sha256, _) =
        sha256_of(path).map_err(|source| AcquireError::Read { path: path.to_owned(), source })?;
    let archive = Archive {
        path,
        name: path.as_str(),
        identity: Key::new("archive", &[&sha256]),
        release: None,
        date: None,
        notes: Vec::new(),
    };
    let found = archive.lay_out(work)?;
    work.progress.end(format!("unpacked {path}"));
    Ok(found)
}

/// A download, under its name in the cache.
struct Wanted<'a> {
    url: &'a SafeUrl,
    name: &'a str,
    sha256: Option<&'a str>,
    /// Whether an earlier download does not count.
    anew: bool,
}

impl Wanted<'_> {
    fn download(
        &self,
        work: &Acquisition<'_>,
        client: &Client,
    ) -> Result<Downloaded, AcquireError> {
        let path = work.home.folder("cache/downloads")?.join(self.name);
        let short = self.name.get(..16).unwrap_or(self.name);
        let _lock = work.home.lock(&format!("download-{short}"), || {
            work.progress.note(format!("another sizar is fetching {}", self.url));
        })?;
        if !self.anew
            && let Ok((sha256, size)) = sha256_of(&path)
            && self.sha256.is_none_or(|expected| expected.eq_ignore_ascii_case(&sha256))
        {
            return Ok(Downloaded { path, sha256, size });
        }
        let wanted = Download {
            sha256: self.sha256,
            limit: Limits::from_environment().download,
            ..Download::of(self.url, &path)
        };
        client
            .download(&wanted, work.progress)
            .map_err(|source| AcquireError::Download { url: self.url.clone(), source })
    }
}

impl Archive<'_> {
    fn lay_out(self, work: &Acquisition<'_>) -> Result<Found, AcquireError> {
        if let Some(found) = work.cache.find(&self.identity, None) {
            return Ok(found);
        }
        let staging = work.home.staging()?;
        let stage = Utf8Path::from_path(staging.path()).unwrap_or(work.home.root());
        let into = stage.join("unpacked");
        fs::create_dir(&into)
            .map_err(|source| AcquireError::Write { path: into.clone(), source })?;
        let limits = Limits::from_environment();
        let unpacked = unpack(self.path, self.name, &into, limits, work.progress)?;
        let mut notes = self.notes;
        notes.extend(unpacked.notes);
        let source = Source {
            locator: work.name.clone(),
            revision: self.release.or(unpacked.commit),
            digest: Digest::of(&[]),
            date: self.date.or(unpacked.newest),
            code_date: None,
            tag: None,
            own: false,
        };
        let new = NewCheckout { tree: unpacked.tree, source, notes, incomplete: false };
        let found = work.cache.keep(stage, new)?;
        work.cache.remember(&self.identity, self.name, &found, None)?;
        Ok(found)
    }
}

/// Removes a download that turned out to be no archive, so that the next command asks again.
fn forget(path: &Utf8PathBuf, error: &AcquireError) {
    if let AcquireError::Archive(
        ArchiveError::Empty { .. }
        | ArchiveError::NotAnArchive { .. }
        | ArchiveError::Corrupt { .. }
        | ArchiveError::CorruptZip { .. },
    ) = error
    {
        let removed = fs::remove_file(path);
        tracing::debug!(%path, ?removed, "a download that is no archive");
    }
}
