//! `sizar cancel`.

use sizar_engine::elsewhere;
use sizar_engine::queue::{self, Cancellation, QueueError};
use sizar_engine::store::Journal;
use sizar_model::{EventKind, Run};

use crate::elsewhere::{is_elsewhere, place, refresh};
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::session::Session;
use crate::sweeps::{self, is_sweep};

/// Stop runs: politely, then by force
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar cancel 7x2k
  sizar cancel 7x2k 9ab3")]
pub struct CancelArgs {
    /// The runs' or sweeps' names, or their beginnings
    #[arg(required = true)]
    runs: Vec<String>,
}

pub fn cancel(session: &Session, args: &CancelArgs) -> CommandResult {
    let mut journal = session.journal()?;
    for run in &args.runs {
        if is_sweep(run) {
            let sweep = journal.find_sweep(run)?;
            sweeps::cancel(session, &mut journal, &sweep)?;
            continue;
        }
        let id = journal.find(run)?;
        let found = journal.get(id.as_str())?;
        if is_elsewhere(&found) && cancel_elsewhere(session, &mut journal, &found)? {
            continue;
        }
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

/// Ends the job of a run on a target; false where its scheduler never had one.
fn cancel_elsewhere(session: &Session, journal: &mut Journal, run: &Run) -> CommandResult<bool> {
    let known = elsewhere::known(journal, &run.id)?;
    if known.state.is_final() || known.job.is_none() {
        return Ok(false);
    }
    journal.append(&run.id, &EventKind::CancelRequested)?;
    let mut place = place(session, &run.target)?;
    elsewhere::cancel(&mut place, &[known])?;
    drop(place);
    refresh(session, journal, &run.target)?;
    let state = journal.state(&run.id)?;
    if state.is_final() {
        session.say(&format!("{} is {state}", run.id));
    } else {
        session.say(&format!("{} is being stopped on {}", run.id, run.target));
    }
    Ok(true)
}
