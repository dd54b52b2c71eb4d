//! Fetches data from where they lie.

use std::fmt::Write as _;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use md5::{Digest as _, Md5};
use sizar_model::{Digest, Progress, SafeUrl};

use super::address::{Address, RecordFile, files_of};
use crate::home::{Home, HomeError};
use crate::http::{Client, Download, HttpError};

/// The most bytes of what is said of a record.
const RECORD: u64 = 16 << 20;

/// Data that could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error(transparent)]
    Address(#[from] super::InvalidAddress),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("what Zenodo says of record {record} cannot be read")]
    Record {
        record: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("record {record} of Zenodo has no file that everybody may read")]
    Empty { record: String },
    #[error("`{name}` is not what its checksum says")]
    Checksum { name: String },
    #[error("`{path}` cannot be read or written")]
    File {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// Fetches what lies at an address, unless it is here; returns the file, or the folder of a record.
///
/// It appears under its name when all of it is here and has the digests that it should have.
///
/// # Errors
///
/// [`DatasetError`] of the file that could not be fetched; what has come of it is continued.
pub fn fetch(
    home: &Home,
    text: &str,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, DatasetError> {
    let address: Address = text.parse()?;
    let key = Digest::of(text.as_bytes()).short();
    let folder = home.folder("cache/data")?.join(&key);
    let whole = match address.name() {
        Some(name) => folder.join(name),
        None => folder.clone(),
    };
    if folder.exists() {
        return Ok(whole);
    }
    let _lock = home.lock(&format!("data-{key}"), || {
        progress.note("another sizar fetches the same; this one waits for it");
    })?;
    if folder.exists() {
        return Ok(whole);
    }
    // what has come stays for the next try
    let coming = Utf8PathBuf::from(format!("{folder}.coming"));
    let failed = |source| DatasetError::File { path: coming.clone(), source };
    fs::create_dir_all(&coming).map_err(failed)?;
    let client = Client::new();
    let shown = SafeUrl::new(text);
    progress.begin(format!("fetching {shown}"));
    match &address {
        Address::Web { url, sha256 } => {
            let to = coming.join(address.name().unwrap_or("data"));
            download(&client, url, &to, sha256.as_deref(), progress)?;
        }
        Address::Zenodo { record } => {
            let url = SafeUrl::new(format!("https://zenodo.org/api/records/{record}"));
            let said = client.get(&url, "application/json", RECORD)?;
            let files = files_of(&said.body)
                .map_err(|source| DatasetError::Record { record: record.clone(), source })?;
            if files.is_empty() {
                return Err(DatasetError::Empty { record: record.clone() });
            }
            for file in &files {
                one(&client, file, &coming, progress)?;
            }
        }
    }
    fs::rename(&coming, &folder).map_err(failed)?;
    progress.end(format!("fetched {shown}"));
    Ok(whole)
}

/// Fetches a file of a record.
fn one(
    client: &Client,
    file: &RecordFile,
    folder: &Utf8Path,
    progress: &dyn Progress,
) -> Result<(), DatasetError> {
    let plain = Utf8Path::new(&file.name)
        .components()
        .all(|part| matches!(part, camino::Utf8Component::Normal(_)));
    if !plain {
        return Err(DatasetError::Checksum { name: file.name.clone() });
    }
    let to = folder.join(&file.name);
    let failed = |source| DatasetError::File { path: to.clone(), source };
    if !to.exists() {
        fs::create_dir_all(to.parent().unwrap_or(folder)).map_err(failed)?;
        download(client, &file.url, &to, None, progress)?;
    }
    let Some(expected) = &file.md5 else { return Ok(()) };
    if md5_of(&to).map_err(failed)? != *expected {
        fs::remove_file(&to).map_err(failed)?;
        return Err(DatasetError::Checksum { name: file.name.clone() });
    }
    Ok(())
}

fn download(
    client: &Client,
    url: &str,
    to: &Utf8Path,
    sha256: Option<&str>,
    progress: &dyn Progress,
) -> Result<(), DatasetError> {
    let url = SafeUrl::new(url);
    client.download(&Download { url: &url, to, sha256, limit: u64::MAX }, progress)?;
    Ok(())
}

fn md5_of(path: &Utf8Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Md5::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    let mut text = String::with_capacity(32);
    for byte in hasher.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
