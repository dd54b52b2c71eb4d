//! `sizar cancel`.

use sizar_engine::queue::{self, Cancellation, QueueError};

use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::session::Session;

/// Stop runs: politely, then by force
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar cancel 7x2k
  sizar cancel 7x2k 9ab3")]
pub struct CancelArgs {
    /// The runs' names, or their beginnings
    #[arg(required = true)]
    runs: Vec<String>,
}

pub fn cancel(session: &Session, args: &CancelArgs) -> CommandResult {
    let mut journal = session.journal()?;
    for run in &args.runs {
        let id = journal.find(run)?;
        match queue::cancel(&session.home, &mut journal, &id) {
            Ok(Cancellation::Done) => session.say(&format!("{id} is cancelled")),
            Ok(Cancellation::Asked) => session.say(&format!("{id} is being stopped")),
            // what was wanted is the case
            Err(QueueError::NothingToCancel { state, .. }) => {
                session.say(&format!("{id} is {state} already"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ExitCode::Success)
}
