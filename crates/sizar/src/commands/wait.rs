//! `sizar wait`.

use std::collections::BTreeMap;

use sizar_engine::queue;
use sizar_engine::store::{Filter, SweepRecord};
use sizar_model::{Run, RunId, RunState};

use crate::commands::in_hand;
use crate::commands::repaired;
use crate::commands::run_elsewhere::follow_all_to_the_end;
use crate::commands::run_elsewhere::go_on;
use crate::elsewhere::{is_elsewhere, place};
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::session::Session;
use crate::sweeps::{self, in_words, is_sweep};

/// Wait until runs have ended
///
/// With one run the exit code is the run's own; with several it is 0 if all completed, else 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar wait                      until nothing is queued or running
  sizar wait 7x2k && sizar fetch 7x2k")]
pub struct WaitArgs {
    /// The runs' or sweeps' names, or their beginnings; without any, all that have not ended
    runs: Vec<String>,
}

pub fn wait(session: &Session, args: &WaitArgs) -> CommandResult<u8> {
    let mut journal = session.journal()?;
    let mut sweeps: Vec<SweepRecord> = Vec::new();
    let ids: Vec<RunId> = if args.runs.is_empty() {
        let runs = journal.list(&Filter { states: UNDER_WAY.to_vec(), ..Filter::default() })?;
        let mut names: Vec<_> = runs.iter().filter_map(|run| run.sweep.clone()).collect();
        names.sort();
        names.dedup();
        for name in names {
            sweeps.push(journal.find_sweep(&name.to_string())?);
        }
        runs.into_iter().filter(|run| run.sweep.is_none()).map(|run| run.id).collect()
    } else {
        let (of_sweeps, of_runs): (Vec<&String>, Vec<&String>) =
            args.runs.iter().partition(|name| is_sweep(name));
        for name in of_sweeps {
            sweeps.push(journal.find_sweep(name)?);
        }
        of_runs.into_iter().map(|run| journal.find(run)).collect::<Result<_, _>>()?
    };
    let mut here = Vec::new();
    let mut away: BTreeMap<String, Vec<RunId>> = BTreeMap::new();
    for id in &ids {
        let run = journal.get(id.as_str())?;
        match is_elsewhere(&run) {
            true => away.entry(run.target).or_default().push(id.clone()),
            false => here.push(id.clone()),
        }
    }
    for (target, runs) in away {
        let mut place = place(session, &target)?;
        for run in &runs {
            go_on(session, &mut journal, &mut place, run)?;
        }
        follow_all_to_the_end(session, &mut journal, &mut place, &runs)?;
    }
    let mut codes = Vec::new();
    for sweep in &sweeps {
        let mut place = sweeps::place(session, sweep)?;
        sweeps::resume(session, &mut journal, place.as_mut(), sweep)?;
        sweeps::follow(session, &mut journal, place.as_mut(), sweep)?;
        session.say(&format!("{}: {}", sweep.id, in_words(&journal.sweep_states(&sweep.id)?)));
        codes.push(sweeps::exit_code(&journal, &sweep.id)?);
    }
    // one that failed may be repaired by the process that runs it
    while queue::wait(&session.home, &here)?.contains(&RunState::Failed) && outlast(session, &here)?
    {
    }
    let states = ids.iter().map(|id| journal.state(id)).collect::<Result<Vec<_>, _>>()?;
    if args.runs.is_empty() && sweeps.is_empty() {
        session.say(&format!("{} runs have ended", ids.len()));
    } else {
        for (id, state) in ids.iter().zip(&states) {
            let next = match state {
                RunState::Failed => format!("; `sizar logs {id}` shows what it printed"),
                _ => String::new(),
            };
            session.say(&format!("{id} is {state}{next}"));
            let run = journal.get(id.as_str())?;
            if let Some((_, why)) = repaired::known(session, &journal, &run)? {
                repaired::say(session, &run, &why);
            }
        }
    }
    match (args.runs.as_slice(), ids.as_slice()) {
        ([_], [id]) => Ok(exit_code(&journal.get(id.as_str())?)),
        _ => Ok(u8::from(
            states.iter().any(|state| *state != RunState::Completed)
                || codes.iter().any(|code| *code != 0),
        )),
    }
}

/// Waits until nobody has one of these runs in hand; returns whether somebody had.
fn outlast(session: &Session, runs: &[RunId]) -> CommandResult<bool> {
    let mut had = false;
    for run in runs {
        let waiting = || session.say(&format!("{run} stopped; what started it may yet repair it"));
        had |= in_hand::outlast(&session.home, run, waiting)?;
    }
    Ok(had)
}

/// The states in which something will still happen.
const UNDER_WAY: [RunState; 4] =
    [RunState::Created, RunState::Preparing, RunState::Queued, RunState::Running];

/// Returns the exit code that stands for a run's end.
fn exit_code(run: &Run) -> u8 {
    match (&run.state, run.exit_code) {
        (RunState::Completed, _) => 0,
        (_, Some(code)) => u8::try_from(code).ok().filter(|&code| code != 0).unwrap_or(1),
        (_, None) => ExitCode::Run.number(),
    }
}
