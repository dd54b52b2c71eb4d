//! Fetches data from where they lie.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::{Digest, Progress, SafeUrl};

use super::address::{Address, RecordFile, files_of};
use crate::home::{Home, HomeError};
use crate::http::{Client, Download, HttpError, Patience, Reach};

/// The most bytes of what is said of a record.
const RECORD: u64 = 16 << 20;
/// Where Zenodo's records are.
const ZENODO: &str = "https://zenodo.org";

/// Where records are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// The address of a server that answers as Zenodo does.
    pub zenodo: String,
}

impl Archive {
    /// Takes Zenodo's own, or the one that `SIZAR_ZENODO` names: its sandbox, or another InvenioRDM.
    pub fn from_environment() -> Self {
        let named = std::env::var("SIZAR_ZENODO").ok().filter(|named| !named.is_empty());
        let zenodo = named.unwrap_or_else(|| ZENODO.to_owned());
        Self { zenodo: zenodo.trim_end_matches('/').to_owned() }
    }

    /// Returns where what lies at an address is kept; another archive's records are others.
    fn key(&self, text: &str, address: &Address) -> String {
        match address {
            Address::Zenodo { .. } if self.zenodo != ZENODO => {
                Digest::of(format!("{}\0{text}", self.zenodo).as_bytes()).short()
            }
            _ => Digest::of(text.as_bytes()).short(),
        }
    }
}

/// What may be asked for data, and how much may come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub reach: Reach,
    /// The most bytes of a file; nothing where the user asked for it, however large it is.
    pub most: Option<u64>,
}

impl Bounds {
    /// Returns where what came within them is kept.
    fn key(&self, key: String) -> String {
        match &self.reach {
            Reach::Anywhere => key,
            reach @ Reach::Public { .. } => {
                Digest::of(format!("{}\0{key}", reach.word()).as_bytes()).short()
            }
        }
    }
}

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
    #[error("record {record} of Zenodo has a file `{name}`, which would lie outside its folder")]
    Name { record: String, name: String },
    #[error("`{path}` cannot be read or written")]
    File {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{address} is fetched by another process, which took this one for dead")]
    Late { address: SafeUrl },
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl DatasetError {
    /// Returns what the reader can do next.
    pub fn hints(&self) -> Vec<String> {
        let Self::Http(error) = self else { return Vec::new() };
        match error {
            HttpError::Full { .. } => vec![
                "make room, or set `SIZAR_HOME` to a folder with room: what has come stays, and the \
                 same command goes on from there"
                    .to_owned(),
            ],
            HttpError::Status { status: 401 | 403, .. } => vec![
                "only what everybody may read can be fetched: fetch it with your own login, and give \
                 the file with `--data FILE:THERE`"
                    .to_owned(),
            ],
            HttpError::WrongDigest { .. }
            | HttpError::WrongMd5 { .. }
            | HttpError::WrongSize { .. } => {
                vec!["nothing of it was kept; ask its publisher which one is right".to_owned()]
            }
            HttpError::Inner { .. } => vec![
                "it is not asked because foreign code names it; `SIZAR_WEIGHTS_HOSTS=HOST` allows one"
                    .to_owned(),
            ],
            HttpError::Downgraded { .. } => {
                vec!["say what it must hold with `#sha256=DIGEST` at the end".to_owned()]
            }
            HttpError::Interrupted { .. } | HttpError::Unreachable { .. } => {
                vec!["the same command goes on from where it was".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// Returns whether the server was not reached, so that another machine may reach it.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Http(error) if error.is_unreachable())
    }

    /// Returns whether the disk has no room for it.
    pub fn is_full(&self) -> bool {
        let kind = |source: &std::io::Error| {
            matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            )
        };
        match self {
            Self::Http(HttpError::Full { .. }) => true,
            Self::Http(HttpError::Write { source, .. }) | Self::File { source, .. } => kind(source),
            _ => false,
        }
    }
}

/// Fetches what lies at an address, unless it is here; returns the file, or the folder of a record.
///
/// What `bounds` let come is kept apart from what the user fetched.
///
/// It appears under its name when all of it is here, read only, and has the digests and the lengths
/// that it should have. The time of its folder says when it was last wanted.
///
/// # Errors
///
/// [`DatasetError`] of the file that could not be fetched; what has come of it is continued.
pub fn fetch(
    home: &Home,
    text: &str,
    (archive, bounds): (&Archive, &Bounds),
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, DatasetError> {
    let address: Address = text.parse()?;
    let key = bounds.key(archive.key(text, &address));
    let folder = home.folder(FOLDER)?.join(&key);
    let whole = match address.name() {
        Some(name) => folder.join(name),
        None => folder.clone(),
    };
    if is_here(&folder) {
        return Ok(whole);
    }
    let lock = home.lock(&format!("data-{key}"), || {
        progress.note("another sizar fetches the same; this one waits for it");
    })?;
    if is_here(&folder) {
        return Ok(whole);
    }
    // what has come stays for the next try
    let coming = Utf8PathBuf::from(format!("{folder}{COMING}"));
    let failed = |source| DatasetError::File { path: coming.clone(), source };
    fs::create_dir_all(&coming).map_err(failed)?;
    let client = Client::within(bounds.reach.clone(), Patience::default());
    let shown = SafeUrl::new(text);
    progress.begin(format!("fetching {shown}"));
    match &address {
        Address::Web { url, sha256 } => {
            let to = coming.join(address.name().unwrap_or("data"));
            if !to.exists() {
                let url = SafeUrl::new(url);
                let limit = bounds.most.unwrap_or(u64::MAX);
                let sha256 = sha256.as_deref();
                let wanted = Download { sha256, limit, ..Download::of(&url, &to) };
                client.download(&wanted, progress)?;
            }
        }
        Address::Zenodo { record } => {
            let url = SafeUrl::new(format!("{}/api/records/{record}", archive.zenodo));
            let said = client.get(&url, "application/json", RECORD)?;
            let files = files_of(&said.body)
                .map_err(|source| DatasetError::Record { record: record.clone(), source })?;
            if files.is_empty() {
                return Err(DatasetError::Empty { record: record.clone() });
            }
            for file in &files {
                one(&client, record, file, &coming, progress)?;
            }
        }
    }
    seal(&coming).map_err(failed)?;
    // who stood still for so long that another fetches it now is late
    if !lock.is_held() {
        return Err(DatasetError::Late { address: shown });
    }
    fs::rename(&coming, &folder).map_err(failed)?;
    progress.end(format!("fetched {shown}"));
    Ok(whole)
}

/// Where what was fetched is kept, below a home.
pub(crate) const FOLDER: &str = "cache/data";
/// How the names end of what has not come whole.
pub(crate) const COMING: &str = ".coming";

/// Returns whether what was fetched is here; notes that it is wanted now.
fn is_here(folder: &Utf8Path) -> bool {
    let now = std::time::SystemTime::now();
    // before it is used: a sweep that looked earlier sees it
    match fs::File::open(folder) {
        Ok(file) => {
            if let Err(error) = file.file().set_modified(now) {
                tracing::debug!(%error, "that data are wanted could not be noted");
            }
            true
        }
        Err(_) => false,
    }
}

/// Makes all files below a folder read only: what is kept by its address is not written to.
fn seal(folder: &Utf8Path) -> std::io::Result<()> {
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            seal(entry.path())?;
        } else {
            let mut permissions = entry.metadata()?.permissions();
            permissions.set_readonly(true);
            fs::set_permissions(entry.path(), permissions)?;
        }
    }
    Ok(())
}

/// Fetches a file of a record.
fn one(
    client: &Client,
    record: &str,
    file: &RecordFile,
    folder: &Utf8Path,
    progress: &dyn Progress,
) -> Result<(), DatasetError> {
    let plain = Utf8Path::new(&file.name)
        .components()
        .all(|part| matches!(part, camino::Utf8Component::Normal(_)));
    if !plain || file.name.is_empty() {
        return Err(DatasetError::Name { record: record.to_owned(), name: file.name.clone() });
    }
    let to = folder.join(&file.name);
    let failed = |source| DatasetError::File { path: to.clone(), source };
    // under its name it was checked
    if to.exists() {
        return Ok(());
    }
    fs::create_dir_all(to.parent().unwrap_or(folder)).map_err(failed)?;
    let url = SafeUrl::new(&file.url);
    let wanted = Download { md5: file.md5.as_deref(), size: file.size, ..Download::of(&url, &to) };
    client.download(&wanted, progress)?;
    Ok(())
}
