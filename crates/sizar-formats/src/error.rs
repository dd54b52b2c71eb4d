//! What can go wrong with a file, and where in it.

use std::borrow::Cow;
use std::fmt;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub file: Utf8PathBuf,
    pub place: Place,
}

/// Where in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    #[default]
    Whole,
    /// A line and a column, both from 1; the column counts bytes.
    Line { line: u64, column: u64 },
    /// A byte of a binary file, from 0.
    Byte(u64),
    /// An element by its path, like `annotations[17].bbox`.
    Element(Box<str>),
}

impl Position {
    pub fn whole(file: impl AsRef<Utf8Path>) -> Self {
        Self { file: file.as_ref().to_owned(), place: Place::Whole }
    }

    pub fn line(file: impl AsRef<Utf8Path>, line: u64, column: u64) -> Self {
        Self { file: file.as_ref().to_owned(), place: Place::Line { line, column } }
    }

    pub fn element(file: impl AsRef<Utf8Path>, element: impl Into<Box<str>>) -> Self {
        Self { file: file.as_ref().to_owned(), place: Place::Element(element.into()) }
    }

    /// The line and column of the byte `offset` of `text`.
    pub fn of_offset(file: impl AsRef<Utf8Path>, text: &[u8], offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
        let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        Self::line(file, line, (before.len() - start) as u64 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Whole => write!(f, "{}", self.file),
            Place::Line { line, column } => write!(f, "{}:{line}:{column}", self.file),
            Place::Byte(byte) => write!(f, "{}, byte {byte}", self.file),
            Place::Element(element) => write!(f, "{}, {element}", self.file),
        }
    }
}

/// Why a data set can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file breaks its format's rules.
    #[error("{at}: {what}")]
    Malformed { at: Position, what: Cow<'static, str>, hint: Option<Cow<'static, str>> },
    /// The file asks for more than a reader gives it, or for what no reader should give.
    #[error("{at}: refused: {what}")]
    Refused { at: Position, what: Cow<'static, str> },
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no such file or folder.
    #[error("`{path}` does not exist")]
    Missing { path: Utf8PathBuf },
    /// No format knows this file or folder.
    #[error("no format that sizar knows is found in `{path}`")]
    Unrecognised { path: Utf8PathBuf, looked_for: String },
    /// There is no such format.
    #[error("there is no format `{name}`")]
    UnknownFormat { name: String, known: String },
    /// The format is only read.
    #[error("{format} is read, not written")]
    NotWritten { format: &'static str },
    /// The target can't hold all, and nothing may be lost.
    #[error("{format} can't hold this data set without loss: {lost}")]
    Lossy { format: &'static str, lost: String },
    /// What would be written breaks a rule of the target.
    #[error("{what}")]
    CannotWrite { what: Cow<'static, str>, hint: Option<Cow<'static, str>> },
    /// The output is there already.
    #[error("`{path}` exists")]
    Exists { path: Utf8PathBuf },
}

impl FormatError {
    pub fn malformed(at: Position, what: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed { at, what: what.into(), hint: None }
    }

    pub fn refused(at: Position, what: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused { at, what: what.into() }
    }

    pub fn cannot_write(what: impl Into<Cow<'static, str>>) -> Self {
        Self::CannotWrite { what: what.into(), hint: None }
    }

    /// Adds the next step.
    pub fn with_hint(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        if let Self::Malformed { hint, .. } | Self::CannotWrite { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// Returns what to do next.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Malformed { hint, .. } | Self::CannotWrite { hint, .. } => hint.clone(),
            Self::Unrecognised { path, .. } if path.extension() == Some("zip") => {
                Some("unpack it, and name the folder".into())
            }
            Self::Unrecognised { looked_for, .. } => {
                Some(format!("name it with `--from FORMAT`; known are {looked_for}").into())
            }
            Self::Missing { path } => Some(nearest(path).into()),
            Self::UnknownFormat { known, .. } => Some(format!("known are {known}").into()),
            Self::Lossy { .. } => Some("leave out `--lossless`, or choose a richer format".into()),
            Self::Exists { .. } => Some("choose another name, or remove it first".into()),
            Self::Refused { .. } | Self::Io(_) | Self::NotWritten { .. } => None,
        }
    }

    /// Where in which file, if that is known.
    pub fn position(&self) -> Option<&Position> {
        match self {
            Self::Malformed { at, .. } | Self::Refused { at, .. } => Some(at),
            _ => None,
        }
    }
}

/// Says up to where a path that leads nowhere exists, or where it was looked for.
fn nearest(path: &Utf8Path) -> String {
    let above =
        path.ancestors().skip(1).find(|folder| folder.as_str().is_empty() || folder.exists());
    match above {
        Some(folder) if !folder.as_str().is_empty() => {
            format!("`{folder}` does: `ls {folder}` shows what is in it")
        }
        _ => "a path is read from the folder in which you are: `ls` shows what is in it".to_owned(),
    }
}

/// What a reader or a writer returns.
pub type Result<T, E = FormatError> = std::result::Result<T, E>;
