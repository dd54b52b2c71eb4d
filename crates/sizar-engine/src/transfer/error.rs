//! Why something could not be moved.

use camino::Utf8PathBuf;

use super::manifest::InvalidManifest;
use crate::transport::TransportError;

/// A transfer that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("`{path}` cannot be read or written")]
    File {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{path}` changed while it was sent")]
    Changed { path: String },
    #[error("`{path}` leads out of the tree, to `{to}`")]
    EscapingLink { path: String, to: String },
    #[error("`{path}` came with another content than it should have")]
    Corrupt { path: String },
    #[error("the other end could not go on: {message}")]
    There { message: String, is_full: bool },
    #[error("the other end speaks another language: {0}")]
    Protocol(String),
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl TransferError {
    /// Returns whether the connection broke, so that going on from where it was may help.
    pub(super) fn is_broken_line(&self) -> bool {
        matches!(
            self,
            Self::Transport(TransportError::Lost { .. } | TransportError::Garbled { .. })
                | Self::Protocol(_)
        )
    }

    pub(super) fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_string_lossy().into_owned().into(), source }
    }

    /// Returns what the reader can do next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Changed { .. } => {
                vec!["send it when nothing writes to it any more".to_owned()]
            }
            Self::There { is_full: true, .. } => vec![
                "`sizar target gc TARGET` and `sizar target clean TARGET` free what old runs left; \
                 what has arrived stays"
                    .to_owned(),
            ],
            Self::EscapingLink { .. } => vec![
                "show what it leads to with `--data HERE:THERE`, or replace the link".to_owned(),
            ],
            Self::Transport(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}
