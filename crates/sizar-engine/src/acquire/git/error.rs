//! Why git does not give a tree.

use std::io;

use camino::Utf8PathBuf;
use sizar_model::SafeUrl;

use crate::acquire::tree_writer::TreeError;
use crate::home::HomeError;

/// A git repository that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("the program `git` could not be started")]
    Start(#[source] io::Error),
    #[error("`{url}` would be read by git as an option, not as an address")]
    Option { url: SafeUrl },
    #[error("`{url}` uses the protocol `{protocol}`, which sizar does not let git use")]
    Protocol { url: SafeUrl, protocol: String },
    #[error("there is no repository `{path}`")]
    Missing { path: Utf8PathBuf },
    #[error("git could not fetch `{url}`{}", lines_of(said))]
    Fetch {
        url: SafeUrl,
        /// The last lines that git printed.
        said: Vec<String>,
    },
    #[error("`{url}` has no branch, tag or commit `{revision}`")]
    UnknownRevision {
        url: SafeUrl,
        revision: String,
        /// The branches and tags whose names come closest.
        nearest: Vec<String>,
    },
    #[error("`{url}` has no commits")]
    Empty { url: SafeUrl },
    #[error("`git {command}` failed{}", lines_of(said))]
    Command { command: String, said: Vec<String> },
    #[error("`git {command}` printed what cannot be understood")]
    Output { command: &'static str },
    #[error("the connection to `git {command}` broke")]
    Pipe {
        command: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the tree of `{url}` is refused")]
    Tree {
        url: SafeUrl,
        #[source]
        source: TreeError,
    },
    #[error("`{path}` cannot be written")]
    Write {
        path: Utf8PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{url}` is not in the cache, and sizar may not ask for it")]
    Offline { url: SafeUrl },
    #[error(transparent)]
    Home(#[from] HomeError),
}

fn lines_of(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| format!("{text}\n  git: {line}"))
}

impl GitError {
    /// Returns what a person may do next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Start(_) => vec!["install git, such as by `apt install git`".into()],
            Self::Fetch { url, .. } => {
                vec![format!("`git ls-remote {url}` shows whether the address answers")]
            }
            Self::UnknownRevision { nearest, url, .. } if nearest.is_empty() => {
                vec![format!("`git ls-remote {url}` lists branches and tags")]
            }
            Self::UnknownRevision { nearest, .. } => {
                let names: Vec<_> = nearest.iter().map(|name| format!("`{name}`")).collect();
                vec![format!("the nearest names are {}", names.join(", "))]
            }
            Self::Protocol { .. } => {
                vec!["use an address that begins with `https://` or `ssh://`".into()]
            }
            Self::Tree { source, .. } => match source {
                TreeError::TooLarge { .. } => {
                    vec!["if you trust it, raise the limit: `SIZAR_MAX_UNPACKED_BYTES`".into()]
                }
                TreeError::TooMany { .. } => {
                    vec!["if you trust it, raise the limit: `SIZAR_MAX_MEMBERS`".into()]
                }
                TreeError::Write { .. } => vec![SPACE.into()],
                _ => vec!["if you trust it, clone it yourself and give sizar the folder".into()],
            },
            Self::Write { .. } | Self::Home(_) => vec![SPACE.into()],
            Self::Offline { .. } => vec!["run it once without `--offline`".into()],
            _ => Vec::new(),
        }
    }
}

const SPACE: &str = "free some space, or set `SIZAR_HOME` to a folder that you can write to";
