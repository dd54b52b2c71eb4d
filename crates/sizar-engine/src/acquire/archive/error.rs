//! Why an archive is not unpacked.

use std::io;

use camino::Utf8PathBuf;

use crate::acquire::tree_writer::TreeError;

/// An archive that cannot be unpacked, or is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("`{archive}` is empty")]
    Empty { archive: String },
    #[error("`{archive}` is no zip or tar archive: it begins like {looks_like}")]
    NotAnArchive { archive: String, looks_like: &'static str },
    #[error("`{archive}` is corrupt or cut off {}", place(member.as_deref()))]
    Corrupt {
        archive: String,
        /// The last member that was begun.
        member: Option<String>,
        #[source]
        source: io::Error,
    },
    #[error("`{archive}` is corrupt or cut off {}", place(member.as_deref()))]
    CorruptZip {
        archive: String,
        member: Option<String>,
        #[source]
        source: ::zip::result::ZipError,
    },
    #[error("member `{member}` of `{archive}` is encrypted")]
    Encrypted { archive: String, member: String },
    #[error("member `{member}` of `{archive}` is packed by `{method}`, which sizar cannot unpack")]
    UnknownMethod { archive: String, member: String, method: String },
    #[error("`{archive}` holds no files")]
    NoFiles { archive: String },
    #[error("`{archive}` is refused")]
    Refused {
        archive: String,
        #[source]
        source: TreeError,
    },
    #[error("`{archive}` cannot be unpacked")]
    Write {
        archive: String,
        #[source]
        source: TreeError,
    },
    #[error("`{path}` cannot be read")]
    Read {
        path: Utf8PathBuf,
        #[source]
        source: io::Error,
    },
}

fn place(member: Option<&str>) -> String {
    member.map_or_else(|| "at its beginning".to_owned(), |member| format!("at `{member}`"))
}

impl ArchiveError {
    /// Tells a refusal from a disk that does not take the file.
    pub(super) fn of_tree(archive: &str, source: TreeError) -> Self {
        let archive = archive.to_owned();
        match source {
            TreeError::Write { .. } => Self::Write { archive, source },
            source => Self::Refused { archive, source },
        }
    }

    /// Returns what a person may do next.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Empty { .. } | Self::Corrupt { .. } | Self::CorruptZip { .. } => {
                "fetch it again: `--refresh`, or download it anew if the file is yours"
            }
            Self::NotAnArchive { looks_like, .. } if looks_like.contains("HTML") => {
                "the address shows a page; look there for the address of the download itself"
            }
            Self::NotAnArchive { .. } => {
                "sizar reads `.zip`, `.tar`, `.tar.gz`, `.tar.bz2`, `.tar.xz` and `.tar.zst`"
            }
            Self::Encrypted { .. } | Self::UnknownMethod { .. } => {
                "unpack it yourself and give sizar the folder"
            }
            Self::Refused { source, .. } => match source {
                TreeError::TooLarge { .. } => {
                    "if you trust it, raise the limit: `SIZAR_MAX_UNPACKED_BYTES`"
                }
                TreeError::TooMany { .. } => {
                    "if you trust it, raise the limit: `SIZAR_MAX_MEMBERS`"
                }
                _ => "if you trust it, unpack it yourself and give sizar the folder",
            },
            Self::Write { .. } => {
                "free some space, or set `SIZAR_HOME` to a folder that you can write to"
            }
            Self::NoFiles { .. } | Self::Read { .. } => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
