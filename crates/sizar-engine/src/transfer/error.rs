//! Why something could not be moved.

use camino::Utf8PathBuf;

use super::manifest::InvalidManifest;
use super::wire::Room;
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
    There { message: String },
    #[error("{room}")]
    Full {
        /// What the place is called, where that is known.
        target: Option<String>,
        room: Room,
    },
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

    /// Says which target an error is of.
    pub fn on(self, name: &str) -> Self {
        match self {
            Self::Full { room, .. } => Self::Full { target: Some(name.to_owned()), room },
            other => other,
        }
    }

    /// Returns what the reader can do next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Changed { .. } => {
                vec!["send it when nothing writes to it any more".to_owned()]
            }
            Self::Full { target, .. } => vec![make_room(target.as_deref())],
            Self::EscapingLink { .. } => vec![
                "show what it leads to with `--data HERE:THERE`, or replace the link".to_owned(),
            ],
            Self::Transport(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}

/// Says what to do where a target has no room.
pub(crate) fn make_room(target: Option<&str>) -> String {
    let name = target.unwrap_or("TARGET");
    format!(
        "make room there: `sizar target gc {name}` and `sizar target clean {name}` remove what no run \
         uses, and `root` in its profile names another folder; what has come stays, and the same \
         command goes on from there"
    )
}
