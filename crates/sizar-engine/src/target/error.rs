//! Why a target cannot be used.

use camino::Utf8PathBuf;

use super::InvalidTargetName;
use crate::home::HomeError;
use crate::scheduler::SchedulerError;
use crate::transport::{InvalidAddress, TransportError};

/// A target that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error(transparent)]
    Name(#[from] InvalidTargetName),
    #[error("there is no target `{name}`")]
    NoSuchTarget { name: String, known: Vec<String> },
    #[error("there is a target `{name}` already")]
    Exists { name: String },
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error("`{path}` cannot be read as a target's profile")]
    Profile {
        path: Utf8PathBuf,
        #[source]
        source: toml::de::Error,
    },
    #[error("`{path}` sets `{key}`, which a project may not: it decides where your code goes")]
    NotForProjects { path: Utf8PathBuf, key: String },
    #[error("`{path}` cannot be read or written")]
    File {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the profile cannot be written as TOML")]
    Unwritable(#[from] toml::ser::Error),
    #[error("no answer of `{name}` says what machine it is")]
    Unreadable { name: String },
    #[error(
        "`{name}` has no batch scheduler that sizar knows: neither `sbatch` nor `oarsub` is in the `PATH` there"
    )]
    NoScheduler { name: String },
    #[error("`{name}` was never looked at")]
    NotProbed { name: String },
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl TargetError {
    /// Returns what the reader can do next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NoSuchTarget { known, .. } if known.is_empty() => {
                vec!["`sizar target add NAME ssh://user@host` makes one".to_owned()]
            }
            Self::NoSuchTarget { known, .. } => {
                let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                vec![format!("there is {}", names.join(", "))]
            }
            Self::Exists { name } => vec![
                format!("`sizar target check {name}` looks at it again"),
                format!("`sizar target remove {name}` forgets it"),
            ],
            Self::NoScheduler { .. } => vec![
                "if only login shells find it, add its folder to `PATH` in the start-up file that \
                 plain `ssh HOST command` reads (`~/.bashrc`)"
                    .to_owned(),
            ],
            Self::NotProbed { name } => vec![format!("`sizar target check {name}` does that")],
            Self::Transport(error) => error.hints(),
            Self::Scheduler(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}
