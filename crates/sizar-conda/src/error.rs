//! What can go wrong between a channel and a prefix.

use camino::Utf8PathBuf;

/// A conda environment that could not be solved or installed.
#[derive(Debug, thiserror::Error)]
pub enum CondaError {
    #[error("`{address}` is no address of a conda channel")]
    Address { address: String },
    #[error("conda's channels cannot be asked: no runtime or client could be made")]
    Runtime(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("`{platform}` is no platform that conda knows")]
    Platform { platform: String },
    #[error("the package list of a conda channel could not be read")]
    Channel(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing fits together; the sentence is the solver's.
    #[error("conda cannot fit these packages together: {reason}")]
    Unsolvable { reason: String },
    #[error("`{package}` has no SHA-256 in its channel, so what is fetched could not be checked")]
    NoDigest { package: String },
    #[error("the conda package `{package}` in the lock is damaged: {reason}")]
    Locked { package: String, reason: String },
    #[error("the conda package `{package}` could not be fetched")]
    Fetch {
        package: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the conda package `{package}` would write `{path}`, which is outside its prefix")]
    Escape { package: String, path: Utf8PathBuf },
    #[error("the conda package `{package}` says that it is `{says}`")]
    Impostor { package: String, says: String },
    #[error("conda packages could not be put into `{prefix}`")]
    Install {
        prefix: Utf8PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("`{path}` cannot be read")]
    Io {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl CondaError {
    /// Whether a channel failed, and not what was asked of it.
    pub fn is_channel(&self) -> bool {
        matches!(self, Self::Channel(_) | Self::Fetch { .. } | Self::Runtime(_))
    }

    /// Returns what a person may try next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Address { .. } => vec![
                "`SIZAR_CONDA_CHANNELS` takes names, addresses and `NAME=ADDRESS`, separated by spaces"
                    .to_owned(),
            ],
            Self::Channel(_) | Self::Fetch { .. } => vec![
                "`SIZAR_CONDA_MIRROR` and `SIZAR_CONDA_CHANNELS` name channels that can be reached"
                    .to_owned(),
            ],
            _ => Vec::new(),
        }
    }
}
