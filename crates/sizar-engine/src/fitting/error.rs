//! Why a data set is not laid out.

use camino::Utf8PathBuf;
use sizar_formats::FormatError;

use super::Unknown;
use crate::home::HomeError;

/// Why a data set is not laid out.
#[derive(Debug, thiserror::Error)]
pub enum FittingError {
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// The data cannot be read, or not be written in the format.
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("`{data}` has no {what}, and {title} reads nothing else")]
    Lacks { data: String, what: &'static str, title: String },
    #[error("no file of the {count} images that `{data}` names is there, such as `{example}`")]
    NoImages { data: String, count: usize, example: String },
    #[error("`{name}` is there twice, and {title} has one folder for all images")]
    Collision { name: String, title: String },
    #[error("`{path}` cannot be read or written")]
    File {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl FittingError {
    /// Returns what the reader can do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown(unknown) => Some(unknown.hint()),
            Self::Format(error) => error.hint().map(std::borrow::Cow::into_owned),
            Self::Lacks { data, .. } => {
                Some(format!("`sizar data inspect {data}` shows what it has"))
            }
            Self::NoImages { data, .. } => Some(format!(
                "put them beside the annotations, or make a data set that has them: `sizar data \
                 convert {data} OUT --to FORMAT --images-in FOLDER`"
            )),
            Self::Collision { .. } => Some("rename one of them".to_owned()),
            Self::File { .. } | Self::Home(_) => None,
        }
    }
}
