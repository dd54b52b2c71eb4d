//! What can go wrong with detached runs.

use sizar_model::{RunId, RunState};

use super::TooLarge;
use crate::home::HomeError;
use crate::run::RunError;
use crate::store::StoreError;

/// A queue that cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error("the process that executes detached runs could not be started")]
    Supervisor {
        #[source]
        source: std::io::Error,
    },
    #[error("this program cannot be its own supervisor, and `SIZAR_HELPER` names no other")]
    NoHelper,
    #[error("run {run} is {state}: there is nothing to cancel")]
    NothingToCancel { run: RunId, state: RunState },
    #[error("run {run} is {state}: only a run that ended without completing is resumed")]
    NotResumable { run: RunId, state: RunState },
    #[error("run {run} has no log: its program was never started")]
    NoLog { run: RunId },
    #[error("the log of run {run} cannot be shown")]
    Log {
        run: RunId,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl QueueError {
    /// Returns what the reader can do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotResumable { run, state: RunState::Completed } => {
                Some(format!("`sizar fetch {run}` brings its results"))
            }
            Self::NotResumable { run, .. } => {
                Some(format!("`sizar wait {run}` waits for its end, `sizar cancel {run}` ends it"))
            }
            Self::NoLog { run } => Some(format!("`sizar show {run}` says what happened to it")),
            Self::Run(error) => error.hint(),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}
