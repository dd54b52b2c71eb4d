//! Why a scheduler's answer tells nothing of the jobs.

use sizar_model::Output;

/// An answer that tells nothing of what was asked.
///
/// None of these ever means that there are no jobs.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    #[error("`{program}` gave no answer in time")]
    NoAnswer { program: String },
    #[error("the scheduler cannot be reached: {message}")]
    ControllerUnreachable { message: String },
    #[error("the scheduler's accounting cannot be reached: {message}")]
    AccountingUnreachable { message: String },
    #[error("this site keeps no accounting")]
    NoAccounting,
    #[error("there is no program `{program}` in the `PATH` there")]
    NotInstalled { program: String },
    #[error("`{program}` failed with code {code}: {message}")]
    Failed { program: String, code: i32, message: String },
    #[error("the answer of `{program}` cannot be read at `{line}`")]
    Unreadable { program: String, line: String },
    #[error("the answer of `{program}` is no JSON")]
    Json {
        program: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("an answer of `{program}` is missing")]
    Missing { program: String },
}

impl SchedulerError {
    /// Returns whether asking again later may help.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::NoAnswer { .. }
                | Self::ControllerUnreachable { .. }
                | Self::AccountingUnreachable { .. }
        )
    }

    /// Returns what the reader can do next.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NoAnswer { .. } | Self::ControllerUnreachable { .. } => {
                "this says nothing of the jobs: what runs goes on; ask again in a few minutes"
            }
            Self::AccountingUnreachable { .. } => {
                "the queue may still answer; ask again in a few minutes"
            }
            Self::NoAccounting => {
                "`sizar show RUN` tells what a run of yours used: the jobs measure it themselves"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }

    pub(super) fn unreadable(program: &str, line: &str) -> Self {
        Self::Unreadable { program: program.to_owned(), line: line.chars().take(120).collect() }
    }
}

/// Returns the answer number `index` of several.
pub(super) fn answer<'a>(
    outputs: &'a [Output],
    index: usize,
    program: &str,
) -> Result<&'a Output, SchedulerError> {
    outputs.get(index).ok_or_else(|| SchedulerError::Missing { program: program.to_owned() })
}

/// Returns the last line of what a program said of its failure, without its own name.
pub(super) fn last_words(output: &Output) -> String {
    let text = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("").to_owned()
}
