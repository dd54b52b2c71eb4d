//! `sizar resume`.

use sizar_engine::queue::{self, QueueError, Resumption};
use sizar_engine::run::RunRequest;
use sizar_engine::store::Journal;
use sizar_model::{Locator, RunId};

use crate::commands::run::prepare;
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// Go on where something stopped
///
/// Without a name, finds out what became of every run, and lets queued runs go on. With one, does
/// that run again: a run that was lost, failed, cancelled or timed out gets another attempt.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar resume                    after a crash or a reboot
  sizar resume 7x2k               another attempt of this run")]
pub struct ResumeArgs {
    /// The runs' names, or their beginnings
    runs: Vec<String>,
}

pub fn resume(session: &Session, args: &ResumeArgs) -> CommandResult {
    let mut journal = session.journal()?;
    let resumed = if args.runs.is_empty() {
        queue::resume_all(&session.home, &mut journal)?
    } else {
        let ids = args.runs.iter().map(|run| journal.find(run)).collect::<Result<Vec<_>, _>>()?;
        // a run that waits, runs or completed is where it should be
        let mut resumed = Vec::new();
        for id in ids {
            match queue::resume(&session.home, &mut journal, &id) {
                Ok(resumption) => resumed.push(resumption),
                Err(QueueError::NotResumable { state, .. }) => {
                    session.say(&format!("{id} is {state} already"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        resumed
    };
    for resumption in resumed {
        let id = match resumption {
            Resumption::Queued(id) => id,
            Resumption::NeedsPreparation(id) => {
                prepare_again(session, &mut journal, &id)?;
                journal.enqueue(&id)?;
                id
            }
        };
        session.say(&format!("{id} is queued; `sizar wait {id}` waits for it"));
    }
    queue::ensure_supervisor(&session.home)?;
    Ok(ExitCode::Success)
}

fn prepare_again(session: &Session, journal: &mut Journal, id: &RunId) -> CommandResult<()> {
    let request = journal.request(id)?.ok_or_else(|| {
        let error = anyhow::anyhow!("the journal does not say how {id} was prepared");
        Failure::new(ExitCode::Request, error).hint("start it anew with `sizar run`")
    })?;
    let request: RunRequest = serde_json::from_value(request)?;
    let source: Locator = request.source.parse()?;
    let interrupt = Interrupt::watch(&session.home)?;
    interrupt.preparing(id);
    prepare(session, journal, id, &source, &request)?;
    interrupt.idle();
    Ok(())
}
