//! What can go wrong with the journal.

use camino::Utf8PathBuf;
use sizar_model::{IllegalEvent, RunId, SweepId};

use crate::home::HomeError;

/// A journal that cannot be used, or a run that is not in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the journal `{path}` was written by a newer sizar (its format is {found}, this sizar \
         knows {known})"
    )]
    Newer { path: Utf8PathBuf, found: i64, known: i64 },
    #[error("`{path}` is not a journal of sizar's, or it is damaged")]
    Damaged {
        path: Utf8PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("`{path}` is an SQLite file of another program, not a journal of sizar's")]
    Foreign { path: Utf8PathBuf },
    #[error("the journal `{path}` cannot be opened")]
    Open {
        path: Utf8PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the journal `{path}` cannot be written: it, or the disk it is on, is read-only")]
    ReadOnly { path: Utf8PathBuf },
    #[error("the journal `{path}` cannot be written: the disk is full")]
    DiskFull { path: Utf8PathBuf },
    #[error("the journal `{path}` is in use by another process that does not let go of it")]
    Busy { path: Utf8PathBuf },
    #[error("the journal `{path}` did not take or give what was asked")]
    Sql {
        path: Utf8PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the journal `{path}` holds something unreadable for run {run}")]
    Unreadable {
        path: Utf8PathBuf,
        run: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the journal `{path}` does not say how run {run} began")]
    Headless { path: Utf8PathBuf, run: String },
    #[error("a {what} cannot be written down as JSON")]
    Unwritable {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("the system gave no random number to name a run with")]
    Random(#[source] getrandom::Error),
    #[error("there is no run `{wanted}`")]
    NoSuchRun {
        wanted: String,
        /// The newest run, to show what an id looks like.
        newest: Option<RunId>,
    },
    #[error("`{wanted}` could be {}", join(candidates))]
    Ambiguous { wanted: String, candidates: Vec<RunId> },
    #[error("there is no sweep `{wanted}`")]
    NoSuchSweep {
        wanted: String,
        /// The newest sweep, to show what a name looks like.
        newest: Option<SweepId>,
    },
    #[error("`{wanted}` could be {}", join(candidates))]
    AmbiguousSweep { wanted: String, candidates: Vec<SweepId> },
    #[error("run {run} cannot go on")]
    Illegal {
        run: RunId,
        #[source]
        source: IllegalEvent,
    },
    #[error("run {run} was given to another supervisor")]
    Superseded { run: RunId },
    #[error("run {run} needs {wanted} GPUs, and {free} are free")]
    NoFreeGpu { run: RunId, wanted: u32, free: u32 },
    #[error(transparent)]
    Home(#[from] HomeError),
}

fn join<T: std::fmt::Display>(candidates: &[T]) -> String {
    let names: Vec<String> = candidates.iter().map(|id| format!("`{id}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

impl StoreError {
    /// Returns what the reader can do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Newer { .. } => {
                Some("update sizar, or name another folder with `SIZAR_HOME`".to_owned())
            }
            Self::Damaged { path, .. } | Self::Foreign { path } => Some(format!(
                "move `{path}` away, or name another folder with `SIZAR_HOME`; results of runs \
                 stay in the folder `runs` beside it"
            )),
            Self::NoSuchRun { newest: Some(newest), .. } => {
                Some(format!("`sizar runs` lists them; the newest is {newest}"))
            }
            Self::NoSuchRun { newest: None, .. } => Some("nothing was run yet".to_owned()),
            Self::NoSuchSweep { newest: Some(newest), .. } => {
                Some(format!("`sizar sweep list` lists them; the newest is {newest}"))
            }
            Self::NoSuchSweep { newest: None, .. } => {
                Some("`sizar sweep --help` shows how one is made".to_owned())
            }
            Self::Ambiguous { .. } | Self::AmbiguousSweep { .. } => {
                Some("type more of its letters".to_owned())
            }
            _ => None,
        }
    }

    /// Returns whether a state forbade the event: something else happened to the run first.
    pub fn is_illegal_event(&self) -> bool {
        matches!(self, Self::Illegal { .. })
    }

    /// Turns an error of SQLite into one that names the journal and the cause.
    pub(super) fn sql(path: &camino::Utf8Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => Self::Damaged { path, source },
            Some(Code::ReadOnly) => Self::ReadOnly { path },
            Some(Code::DiskFull) => Self::DiskFull { path },
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Busy { path },
            Some(Code::CannotOpen) => Self::Open { path, source },
            _ => Self::Sql { path, source },
        }
    }
}
