//! `--after`: runs that begin when others have completed.

use sizar_engine::elsewhere::{self, not_run};
use sizar_engine::queue;
use sizar_engine::store::Journal;
use sizar_model::{EventKind, RunId, RunState};

use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::session::Session;
use crate::sweeps::is_sweep;

/// Finds the runs that were named; a sweep's name stands for all its tasks.
pub fn named(session: &Session, names: &[String]) -> CommandResult<Vec<RunId>> {
    let mut runs = Vec::new();
    for name in names {
        let journal = session.journal_with(name)?;
        if is_sweep(name) {
            let sweep = journal.find_sweep(name)?;
            runs.extend(journal.tasks(&sweep.id)?.into_iter().map(|task| task.run));
        } else {
            runs.push(journal.find(name)?);
        }
    }
    Ok(runs)
}

/// Refuses at once what could never run on this machine.
pub fn check_here(journal: &Journal, after: &[RunId]) -> CommandResult<()> {
    elsewhere::dependencies(journal, "local", after)?;
    Ok(())
}

/// Waits for the runs that `run` comes after; where one does not complete, `run` is not run.
pub fn wait_for(session: &Session, journal: &mut Journal, run: &RunId) -> CommandResult<()> {
    let before = journal.predecessors(run)?;
    if before.is_empty() {
        return Ok(());
    }
    let runs: Vec<RunId> = before.into_iter().map(|(run, _)| run).collect();
    session.say(&format!("{run} waits for {}", list(&runs)));
    queue::wait(&session.home, &runs)?;
    let failed =
        journal.predecessors(run)?.into_iter().find(|(_, state)| *state != RunState::Completed);
    let Some((before, state)) = failed else { return Ok(()) };
    let reason = not_run(&before, &state);
    journal.append(run, &EventKind::Failed { reason: reason.clone() })?;
    Err(Failure::new(ExitCode::Run, anyhow::anyhow!("{reason}"))
        .hint(format!("`sizar logs {before}` shows what that one printed")))
}

fn list(runs: &[RunId]) -> String {
    match runs {
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => String::new(),
    }
}
