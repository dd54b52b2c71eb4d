//! Why a run could not be executed, or its results not be brought.

use camino::Utf8PathBuf;
use sizar_model::RunId;

use crate::home::HomeError;
use crate::process::ProcessError;
use crate::store::StoreError;

/// A run that could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the run's plan cannot be written or read")]
    Plan {
        #[source]
        source: serde_json::Error,
    },
    #[error(
        "the run's plan was written by a newer sizar (its format is {found}, this sizar knows {known})"
    )]
    NewerPlan { found: u32, known: u32 },
    #[error("run {run} was never prepared")]
    Unprepared { run: RunId },
    #[error("the working copy could not be made")]
    Copy {
        #[source]
        source: std::io::Error,
    },
    #[error("the standard input could not be kept for the run")]
    Stdin {
        #[source]
        source: std::io::Error,
    },
    #[error("`{here}` could not be shown to the program as `{there}`")]
    Binding {
        here: Utf8PathBuf,
        there: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{there}` can only be shown inside bubblewrap, which does not work on this machine")]
    NeedsBubblewrap { there: Utf8PathBuf },
    #[error("run {run} is not to be started by this process: {reason}")]
    NotMine { run: RunId, reason: String },
    #[error("the run was cancelled before its program started")]
    CancelledBefore,
    #[error("attempt {attempt} of run {run} was executed already")]
    Claimed { run: RunId, attempt: u32 },
    #[error("the program could not be run")]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl RunError {
    /// Returns what the reader can do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NeedsBubblewrap { .. } => Some(
                "install bubblewrap (`sizar doctor` says how), or show the data under a path \
                 relative to the source"
                    .to_owned(),
            ),
            Self::NewerPlan { .. } => Some("update sizar".to_owned()),
            Self::Unprepared { run } => Some(format!("`sizar resume {run}` prepares it again")),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}

/// Returns an error with all its causes as one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
