//! OAR's ways of giving no answer.

use sizar_model::Output;

use crate::scheduler::SchedulerError;
use crate::scheduler::error::last_words;

/// What the commands say when the server or its database is away.
const UNREACHABLE: [&str; 7] = [
    "Cannot connect to executor",
    "Could not connect to the socket",
    "DB connection error",
    "connect failed",
    "could not connect to server",
    "Can't connect to MySQL server",
    "Connection refused",
];

/// Returns what a program printed, if it is an answer.
pub(super) fn answer<'a>(program: &str, output: &'a Output) -> Result<&'a str, SchedulerError> {
    let program = program.to_owned();
    match output.code {
        None => Err(SchedulerError::NoAnswer { program }),
        Some(0) => Ok(&output.stdout),
        Some(_) if is_unreachable(output) => {
            Err(SchedulerError::ControllerUnreachable { message: last_words(output) })
        }
        Some(127) => Err(SchedulerError::NotInstalled { program }),
        Some(code) => Err(SchedulerError::Failed { program, code, message: last_words(output) }),
    }
}

pub(super) fn is_unreachable(output: &Output) -> bool {
    UNREACHABLE.iter().any(|text| output.stderr.contains(text) || output.stdout.contains(text))
}
