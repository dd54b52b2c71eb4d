//! The program itself as the process of detached runs.

use std::process::ExitCode;

use crate::home::Home;
use crate::run::{RunError, chain, runner};

use super::{QueueError, supervisor};

/// The hidden first arguments.
pub(super) const SUPERVISE: &str = "__supervise";
pub(super) const EXECUTE: &str = "__execute";

/// Acts as supervisor or runner, if this process was started as one: then `main` returns what this
/// returns.
///
/// A program that queues runs calls it first in `main`, after
/// [`sandbox::helper::intercept`](crate::sandbox::helper::intercept) and before it reads its
/// arguments.
pub fn intercept() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    let result = match args.next()?.as_str() {
        SUPERVISE => Home::from_environment()
            .map_err(QueueError::from)
            .and_then(|home| supervisor::main(&home)),
        EXECUTE => {
            let run = args.next()?.parse().ok()?;
            let generation = args.next()?.parse().ok()?;
            Home::from_environment()
                .map_err(RunError::from)
                .and_then(|home| runner::main(&home, &run, generation))
                .map_err(QueueError::from)
        }
        _ => return None,
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // nobody reads what such a process prints; the journal tells what matters
            tracing::warn!(error = chain(&error), "a process of detached runs ended");
            ExitCode::FAILURE
        }
    })
}
