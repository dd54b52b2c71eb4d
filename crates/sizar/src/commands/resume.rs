//! `sizar resume`.

use std::collections::BTreeSet;

use sizar_engine::elsewhere;
use sizar_engine::queue::{self, QueueError, Resumption};
use sizar_engine::run::RunRequest;
use sizar_engine::store::{Filter, Journal};
use sizar_model::{Locator, Run, RunId, RunState};

use crate::commands::repaired;
use crate::commands::run::prepare;
use crate::commands::run_elsewhere::{Onward, Sending, ended_unfinished, go_on_from, submit_again};
use crate::elsewhere::{is_elsewhere, place, refresh, refresh_all};
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::interrupt::Interrupt;
use crate::session::Session;
use crate::sweeps::{self, in_words, is_sweep};

/// Go on where something stopped
///
/// Without a name, finds out what became of every run, and lets queued runs go on. With one, does
/// that run again: a run that was lost, failed, cancelled or timed out gets another attempt.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar resume                    after a crash or a reboot
  sizar resume 7x2k               another attempt of this run
  sizar resume 7x2k --repair      in an environment without what made it stop")]
pub struct ResumeArgs {
    /// Make another environment first, without what made its program stop, where that is known
    #[arg(long, requires = "runs")]
    repair: bool,
    /// The runs' or sweeps' names, or their beginnings
    runs: Vec<String>,
}

pub fn resume(session: &Session, args: &ResumeArgs) -> CommandResult {
    let mut journal = session.journal()?;
    if args.repair {
        for name in &args.runs {
            let id = journal.find(name)?;
            repaired::resume(session, &mut journal, &id)?;
        }
        return Ok(ExitCode::Success);
    }
    let resumed = if args.runs.is_empty() {
        resume_all_elsewhere(session, &mut journal)?;
        queue::resume_all(&session.home, &mut journal)?
    } else {
        let (of_sweeps, of_runs): (Vec<&String>, Vec<&String>) =
            args.runs.iter().partition(|name| is_sweep(name));
        for name in of_sweeps {
            resume_sweep(session, &mut journal, name)?;
        }
        let ids = of_runs.iter().map(|run| journal.find(run)).collect::<Result<Vec<_>, _>>()?;
        // a run that waits, runs or completed is where it should be
        let mut resumed = Vec::new();
        for id in ids {
            let found = journal.get(id.as_str())?;
            if let Some(task) = found.job.task.as_ref().filter(|_| is_elsewhere(&found)) {
                let sweep = journal.find_sweep(&task.sweep.to_string())?;
                let mut place = sweeps::place(session, &sweep)?;
                let place = place.as_mut();
                let count = sweeps::retry(session, &mut journal, place, &sweep, Some(&id))?;
                let is = journal.state(&id)?;
                session.say(&format!("{id} is {is}{}", if count == 0 { " already" } else { "" }));
                continue;
            }
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
    let mut of_sweeps = BTreeSet::new();
    for resumption in resumed {
        let id = match resumption {
            Resumption::Queued(id) => id,
            Resumption::NeedsPreparation(id) if let Some(sweep) = sweep_of(&journal, &id)? => {
                // what it shares with the others of its sweep is there
                journal.enqueue(&id)?;
                of_sweeps.insert(sweep);
                continue;
            }
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
    for sweep in of_sweeps {
        resume_sweep(session, &mut journal, &sweep)?;
    }
    queue::ensure_supervisor(&session.home)?;
    Ok(ExitCode::Success)
}

/// Returns the sweep that a run on a target is part of.
fn sweep_of(journal: &Journal, id: &RunId) -> CommandResult<Option<String>> {
    let run = journal.get(id.as_str())?;
    Ok(run.job.task.as_ref().filter(|_| is_elsewhere(&run)).map(|task| task.sweep.to_string()))
}

/// Goes on with a sweep: prepares it, or hands over what waits.
fn resume_sweep(session: &Session, journal: &mut Journal, name: &str) -> CommandResult<()> {
    let sweep = journal.find_sweep(name)?;
    let mut place = sweeps::place(session, &sweep)?;
    sweeps::resume(session, journal, place.as_mut(), &sweep)?;
    let states = in_words(&journal.sweep_states(&sweep.id)?);
    session.say(&format!("{}: {states}; `sizar wait {}` follows it", sweep.id, sweep.id));
    Ok(())
}

/// Reads what the journal keeps of how a run was wished for.
pub fn request_of(journal: &Journal, id: &RunId) -> CommandResult<RunRequest> {
    let request = journal.request(id)?.ok_or_else(|| {
        let error = anyhow::anyhow!("the journal does not say how {id} was prepared");
        Failure::new(ExitCode::Request, error).hint("start it anew with `sizar run`")
    })?;
    let mut request: RunRequest = serde_json::from_value(request)?;
    // a later attempt may ask for more than was typed
    request.job.resources = journal.get(id.as_str())?.job.resources;
    Ok(request)
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
        let onward = Onward { run: id, last: run.attempts, resume: false, raised: None };
        return go_on_from(session, journal, &mut place, onward);
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
    for sweep in journal.sweeps(None)? {
        let open = journal.tasks(&sweep.id)?;
        let waits = open.iter().any(|task| task.state == RunState::Queued && task.job.is_none());
        if (waits && sweep.target != "local") || (open.is_empty() && sweep.failed.is_none()) {
            resume_sweep(session, journal, &sweep.id.to_string())?;
        }
    }
    let states = vec![RunState::Queued];
    for run in journal.list(&Filter { states, ..Filter::default() })? {
        if run.sweep.is_none()
            && run.target != "local"
            && elsewhere::known(journal, &run.id)?.job.is_none()
        {
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
