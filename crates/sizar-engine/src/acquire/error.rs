//! Why a locator leads to no checkout.

use std::io;

use camino::Utf8PathBuf;
use sizar_model::SafeUrl;

use super::archive::ArchiveError;
use super::git::GitError;
use crate::home::HomeError;
use crate::http::HttpError;
use crate::index::IndexError;
use crate::tree_digest::UnreadableTree;

/// A source that cannot be brought here.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    #[error("there is no folder `{path}`")]
    MissingFolder { path: Utf8PathBuf },
    #[error("`{path}` is a file, neither a folder nor an archive")]
    NotAFolder { path: Utf8PathBuf },
    #[error("there is no archive `{path}`")]
    MissingArchive { path: Utf8PathBuf },
    #[error("`{locator}` is not in the cache, and sizar may not use the network")]
    Offline { locator: String },
    #[error("`{url}` could not be downloaded")]
    Download {
        url: SafeUrl,
        #[source]
        source: HttpError,
    },
    #[error("`{path}` cannot be written")]
    Write {
        path: Utf8PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` cannot be read")]
    Read {
        path: Utf8PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` holds a checkout that is not whole")]
    BrokenCheckout { path: Utf8PathBuf },
    #[error(transparent)]
    Tree(#[from] UnreadableTree),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl AcquireError {
    /// Returns what a person may do next, in lower case, with backticks round commands.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::MissingFolder { path } => missing_folder(path.as_str()),
            Self::NotAFolder { path } => {
                let folder = path.parent().filter(|parent| !parent.as_str().is_empty());
                let folder = folder.map_or(".", |folder| folder.as_str());
                vec![format!("give its folder: `{folder}`")]
            }
            Self::MissingArchive { .. } => {
                vec!["give the path of the file, or an address that begins with `https://`".into()]
            }
            Self::Offline { .. } => vec!["run it once without `--offline`".into()],
            Self::Download { source, .. } => http(source),
            Self::Write { .. } | Self::Home(_) => vec![
                "free some space, or set `SIZAR_HOME` to a folder that you can write to".into(),
            ],
            Self::BrokenCheckout { path } => vec![format!("remove it: `rm -r {path}`")],
            Self::Read { .. } | Self::Tree(_) => Vec::new(),
            Self::Git(error) => error.hints(),
            Self::Archive(error) => error.hints(),
            Self::Index(error) => index(error),
        }
    }
}

/// Guesses what else a path may have meant.
fn missing_folder(path: &str) -> Vec<String> {
    let parts: Vec<_> = path.trim_end_matches('/').split('/').collect();
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    match parts.as_slice() {
        [host, _, ..] if matches!(*host, "github.com" | "gitlab.com" | "codeberg.org") => {
            vec![format!("if you mean the repository, write `https://{path}`")]
        }
        [owner, name] if plain(owner) && plain(name) => {
            vec![format!("if you mean the repository on GitHub, write `github:{owner}/{name}`")]
        }
        [name] if plain(name) => {
            vec![format!("if you mean the package on the Python index, write `pypi:{name}`")]
        }
        _ => Vec::new(),
    }
}

fn http(error: &HttpError) -> Vec<String> {
    let hint = match error {
        HttpError::Unreachable { .. } | HttpError::Interrupted { .. } => {
            "check the connection, and `HTTPS_PROXY` if you need a proxy; what arrived is kept, \
             and the same command goes on from there"
        }
        HttpError::Status { status: 401 | 403, .. } => "the server wants a login",
        HttpError::Status { status: 404 | 410, .. } => "check the address in a browser",
        HttpError::Write { .. } => {
            "free some space, or set `SIZAR_HOME` to a folder that you can write to"
        }
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

fn index(error: &IndexError) -> Vec<String> {
    match error {
        IndexError::UnknownPackage { name, .. } => {
            vec![format!("`https://pypi.org/search/?q={name}` finds packages by words")]
        }
        IndexError::UnknownVersion { nearest, .. } if !nearest.is_empty() => {
            vec![format!("the nearest releases are {}", nearest.join(", "))]
        }
        IndexError::WheelsOnly { name } | IndexError::Withdrawn { name } => vec![format!(
            "`https://pypi.org/project/{name}` links its repository; give sizar that address"
        )],
        IndexError::WheelOnlyRelease { name, newest, .. } => {
            vec![format!("`pypi:{name}=={newest}` takes that one")]
        }
        IndexError::Fetch { source, .. } => http(source),
        IndexError::Empty { .. }
        | IndexError::Unreadable { .. }
        | IndexError::NotAnIndex { .. }
        | IndexError::Address { .. } => {
            vec!["check `UV_DEFAULT_INDEX`, `PIP_INDEX_URL` and `pip config list`".into()]
        }
        _ => Vec::new(),
    }
}
