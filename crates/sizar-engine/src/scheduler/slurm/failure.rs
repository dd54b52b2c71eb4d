//! Slurm's ways of giving no answer.

use sizar_model::Output;

use crate::scheduler::SchedulerError;
use crate::scheduler::error::last_words;

/// What the clients of the controller say when it is away or too busy.
const CONTROLLER: [&str; 8] = [
    "Unable to contact slurm controller",
    "Unable to contact the slurm controller",
    "Socket timed out on send/recv operation",
    "Transport endpoint is not connected",
    "Zero Bytes were transmitted or received",
    "Connection reset by peer",
    "Unexpected message received",
    "Slurm temporarily unable to accept job",
];

/// What the clients of the accounting say when it is away.
const ACCOUNTING: [&str; 4] = [
    "failed to open persistent connection",
    "Sending PersistInit msg",
    "Problem talking to the database",
    "Unable to contact slurmdbd",
];

/// What they say where there is none.
const NO_ACCOUNTING: [&str; 3] = [
    "accounting storage is disabled",
    "not running a supported accounting_storage plugin",
    "Only 'accounting_storage/slurmdbd' is supported",
];

/// Returns what a program printed, if it is an answer.
pub(super) fn answer<'a>(program: &str, output: &'a Output) -> Result<&'a str, SchedulerError> {
    let program = program.to_owned();
    let says = |texts: &[&str]| texts.iter().any(|text| output.stderr.contains(text));
    if says(&NO_ACCOUNTING) {
        return Err(SchedulerError::NoAccounting);
    }
    match output.code {
        None => Err(SchedulerError::NoAnswer { program }),
        Some(0) => Ok(&output.stdout),
        // an accounting client says "Connection refused" of the database's daemon
        Some(_) if says(&ACCOUNTING) => {
            Err(SchedulerError::AccountingUnreachable { message: last_words(output) })
        }
        Some(_) if says(&CONTROLLER) => {
            Err(SchedulerError::ControllerUnreachable { message: last_words(output) })
        }
        Some(127) => Err(SchedulerError::NotInstalled { program }),
        Some(code) => Err(SchedulerError::Failed { program, code, message: last_words(output) }),
    }
}

/// Returns whether the controller may have taken what it was sent, though it did not say so.
pub(super) fn may_have_been_taken(output: &Output) -> bool {
    CONTROLLER.iter().any(|text| output.stderr.contains(text))
}

/// Returns whether the scheduler says that it does not know the job, and no more than that.
pub(super) fn is_invalid_job(failure: &SchedulerError) -> bool {
    matches!(
        failure,
        SchedulerError::Failed { message, .. }
            if message.contains("Invalid job id specified")
                || message.contains("Job/step already completing or completed")
    )
}
