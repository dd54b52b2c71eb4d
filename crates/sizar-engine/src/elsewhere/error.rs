//! Why a run on a target could not be made, followed or brought home.

use camino::Utf8PathBuf;
use sizar_model::resources::ByteSize;
use sizar_model::{RunId, SafeUrl};

use crate::dataset::DatasetError;
use crate::home::HomeError;
use crate::run::{PrepareError, RunError};
use crate::scheduler::{Refusal, SchedulerError, ScriptError};
use crate::store::StoreError;
use crate::target::TargetError;
use crate::transfer::{TransferError, make_room};
use crate::transport::TransportError;

/// A run on a target that could not be made, followed or brought home.
#[derive(Debug, thiserror::Error)]
pub enum ElsewhereError {
    #[error("the site does not take this request: {}", refusals(.0))]
    Refused(Vec<Refusal>),
    #[error("the scheduler refused the job: {message}")]
    NotSubmitted { message: String, later: bool },
    #[error("it is not known whether the scheduler took the job `{name}`")]
    Unsure {
        name: String,
        #[source]
        source: Box<ElsewhereError>,
    },
    #[error("`{step}` failed there: {message}")]
    Step { step: &'static str, message: String },
    #[error("what the job builds on is not there any more: {message}")]
    NotThere { message: String },
    #[error("sizar cannot run there: {message}")]
    NotExecutable { message: String },
    #[error("{address} could not be fetched on {target}: {message}")]
    Unfetched { target: String, address: SafeUrl, message: String, hints: Vec<String> },
    #[error("the environment could not be made there: {message}")]
    Environment { message: String, hints: Vec<String> },
    #[error("{words}; nothing was queued")]
    Rehearsal { words: String },
    #[error("`{path}` cannot be read or written")]
    File {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("what came back of run {run} is not what its receipt says: {message}")]
    Corrupt { run: RunId, message: String },
    #[error("the disk here is full: {here} of {all} of the results of run {run} are here")]
    DiskFull { run: RunId, here: ByteSize, all: ByteSize },
    #[error("`{what}` that came back cannot be read")]
    Json {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("it cannot come after {run}: {why}")]
    Predecessor { run: RunId, why: String },
    #[error("run {run} is on the target `{target}`, and not on `{here}`")]
    OtherTarget { run: RunId, target: String, here: String },
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Prepare(Box<PrepareError>),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// Returns whether a program says that a disk or a quota is full.
fn says_full(message: &str) -> bool {
    let words = ["no space left", "quota exceeded"];
    words.iter().any(|words| message.to_ascii_lowercase().contains(words))
}

fn refusals(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<PrepareError> for ElsewhereError {
    fn from(error: PrepareError) -> Self {
        Self::Prepare(Box::new(error))
    }
}

impl ElsewhereError {
    /// Returns what the reader can do next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Refused(refusals) => refusals.iter().filter_map(Refusal::hint).collect(),
            Self::NotSubmitted { later: true, .. } => {
                vec!["it may be taken when others of your jobs have ended".to_owned()]
            }
            Self::Unsure { .. } => {
                vec!["`sizar resume` looks it up before it submits anything".to_owned()]
            }
            Self::Predecessor { run, .. } => {
                vec![format!("`sizar show {run}` tells of it, `sizar wait {run}` waits for it")]
            }
            Self::DiskFull { run, .. } => vec![format!(
                "free some space, then `sizar resume {run}` brings the rest; nothing was \
                     deleted there"
            )],
            Self::NotThere { .. } => vec!["`sizar resume` sends it anew".to_owned()],
            Self::Unfetched { hints, .. } | Self::Environment { hints, .. } => hints.clone(),
            Self::Rehearsal { .. } => {
                vec!["`--no-rehearsal` queues it nonetheless".to_owned()]
            }
            Self::Dataset(error) => error.hints(),
            Self::Step { message, .. } if says_full(message) => vec![make_room(None)],
            Self::Target(error) => error.hints(),
            Self::Transport(error) => error.hints(),
            Self::Transfer(error) => error.hints(),
            _ => Vec::new(),
        }
    }

    /// Returns whether the connection broke, so that trying again may help.
    pub fn is_connection(&self) -> bool {
        matches!(
            self,
            Self::Transport(_)
                | Self::Target(TargetError::Transport(_))
                | Self::Transfer(TransferError::Transport(_) | TransferError::Protocol(_))
        )
    }
}
