//! `sizar resume`.

use sizar_engine::elsewhere;
use sizar_engine::queue::{self, QueueError, Resumption};
use sizar_engine::run::RunRequest;
use sizar_engine::store::{Filter, Journal};
use sizar_model::{Locator, Run, RunId, RunState};

use crate::commands::run::prepare;
use crate::commands::run_elsewhere::{Sending, ended_unfinished, go_on_from, submit_again};
use crate::elsewhere::{is_elsewhere, place, refresh, refresh_all};
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
        resume_all_elsewhere(session, &mut journal)?;
        queue::resume_all(&session.home, &mut journal)?
    } else {
        let ids = args.runs.iter().map(|run| journal.find(run)).collect::<Result<Vec<_>, _>>()?;
        // a run that waits, runs or completed is where it should be
        let mut resumed = Vec::new();
        for id in ids {
            let found = journal.get(id.as_str())?;
            if is_elsewhere(&found) && resume_elsewhere(session, &mut journal, &found)? {
                continue;
            }
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
            Resumption::NeedsPreparation(id) if is_elsewhere(&journal.get(id.as_str())?) => {
                start_elsewhere(session, &mut journal, &id)?;
                continue;
            }
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

/// Reads what the journal keeps of how a run was wished for.
pub fn request_of(journal: &Journal, id: &RunId) -> CommandResult<RunRequest> {
    let request = journal.request(id)?.ok_or_else(|| {
        let error = anyhow::anyhow!("the journal does not say how {id} was prepared");
        Failure::new(ExitCode::Request, error).hint("start it anew with `sizar run`")
    })?;
    Ok(serde_json::from_value(request)?)
}

/// Goes on with a run on a target that has not ended; false where it needs another attempt.
fn resume_elsewhere(session: &Session, journal: &mut Journal, run: &Run) -> CommandResult<bool> {
    if run.state.is_final() || !matches!(run.state, RunState::Queued | RunState::Running) {
        return Ok(false);
    }
    let known = elsewhere::known(journal, &run.id)?;
    if known.job.is_some() {
        refresh(session, journal, &run.target)?;
        session.say(&format!("{} is {}", run.id, journal.state(&run.id)?));
        return Ok(true);
    }
    // its submission was announced, and nobody knows what came of it
    let request = request_of(journal, &run.id)?;
    let mut place = place(session, &run.target)?;
    submit_again(session, journal, &mut place, &run.id, &request)?;
    Ok(true)
}

/// Gets a run on a target ready again, and hands it to the scheduler.
fn start_elsewhere(session: &Session, journal: &mut Journal, id: &RunId) -> CommandResult<()> {
    let request = request_of(journal, id)?;
    let source: Locator = request.source.parse()?;
    let run = journal.get(id.as_str())?;
    let mut place = place(session, &run.target)?;
    // work that its time was too short for goes on from its newest checkpoint
    let made = run.attempts > 0 && journal.plan(id)?.is_some();
    if made && ended_unfinished(journal, id)? {
        return go_on_from(session, journal, &mut place, id, run.attempts, false);
    }
    let interrupt = Interrupt::watch(&session.home)?;
    let place = &mut place;
    let mut sending = Sending { session, journal, place, interrupt: &interrupt };
    sending.start(id, &source, &request)?;
    interrupt.idle();
    Ok(())
}

/// Goes on with every submission on a target of which nothing is known.
fn resume_all_elsewhere(session: &Session, journal: &mut Journal) -> CommandResult<()> {
    refresh_all(session)?;
    let states = vec![RunState::Queued];
    for run in journal.list(&Filter { states, limit: None })? {
        if run.target != "local" && elsewhere::known(journal, &run.id)?.job.is_none() {
            let run = journal.get(run.id.as_str())?;
            resume_elsewhere(session, journal, &run)?;
        }
    }
    Ok(())
}

fn prepare_again(session: &Session, journal: &mut Journal, id: &RunId) -> CommandResult<()> {
    let request = request_of(journal, id)?;
    let source: Locator = request.source.parse()?;
    let interrupt = Interrupt::watch(&session.home)?;
    interrupt.preparing(id);
    prepare(session, journal, id, &source, &request)?;
    interrupt.idle();
    Ok(())
}
