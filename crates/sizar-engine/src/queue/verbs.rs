//! What a user does with runs: submit, cancel, wait, read logs.

use std::io::{Read as _, Seek as _, SeekFrom, Write};
use std::time::Duration;

use fs_err as fs;
use sizar_model::{EventKind, RunId, RunState};

use super::recover::recover_in;
use super::{Attendant, Capacity, QueueError, ensure_supervisor};
use crate::home::Home;
use crate::run::Attempt;
use crate::store::{Journal, NewRun, StoreError};

/// How often a run is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// How far a cancellation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// The run will not start.
    Done,
    /// Its program was asked to stop.
    Asked,
}

/// Queues runs that are prepared, all or none, and sees to it that they are executed.
///
/// # Errors
///
/// [`QueueError::TooLarge`] where one asks for more than this machine has; nothing is queued then.
pub fn submit(
    home: &Home,
    journal: &mut Journal,
    runs: &[NewRun],
) -> Result<Vec<RunId>, QueueError> {
    let machine = Capacity::of_this_machine();
    for run in runs {
        machine.check(&run.job.resources)?;
    }
    let ids = journal.create_many(runs)?;
    ensure_supervisor(home)?;
    Ok(ids)
}

/// Ends a run: one that waits at once, one that runs politely, then harder.
///
/// # Errors
///
/// [`QueueError::NothingToCancel`] where it has ended.
pub fn cancel(home: &Home, journal: &mut Journal, run: &RunId) -> Result<Cancellation, QueueError> {
    recover_in(home, journal)?;
    let watcher = journal.active()?.into_iter().find(|active| active.run == *run);
    let before = journal.append(run, &EventKind::Cancelled);
    match before {
        Ok(_) => {
            // whoever prepares it finds that out when it writes its next event
            if let Some(preparer) = watcher.and_then(|active| active.watcher)
                && !preparer.is_me()
            {
                preparer.interrupt();
            }
            return Ok(Cancellation::Done);
        }
        Err(StoreError::Illegal { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    match journal.append(run, &EventKind::CancelRequested) {
        Ok(_) => {}
        Err(StoreError::Illegal { source, .. }) => {
            return Err(QueueError::NothingToCancel { run: run.clone(), state: source.state });
        }
        Err(error) => return Err(error.into()),
    }
    // after the event: a program that starts in between has its watcher in the journal by now
    let active = journal.active()?.into_iter().find(|active| active.run == *run);
    if let Some(watcher) = active.and_then(|active| active.watcher) {
        watcher.interrupt();
    }
    Ok(Cancellation::Asked)
}

/// Waits until all `runs` have ended, and returns their states in the same order.
///
/// # Errors
///
/// [`QueueError::Store`] where the journal cannot be read.
pub fn wait(home: &Home, runs: &[RunId]) -> Result<Vec<RunState>, QueueError> {
    let mut journal = Journal::open(home)?;
    // one for all of them, so that what it has started is known to the next
    let mut attendant = Attendant::default();
    let mut states = Vec::new();
    for run in runs {
        states.push(wait_for(home, &mut journal, run, &mut attendant, &mut || Ok(()))?);
    }
    Ok(states)
}

fn wait_for(
    home: &Home,
    journal: &mut Journal,
    run: &RunId,
    attendant: &mut Attendant,
    meanwhile: &mut dyn FnMut() -> Result<(), QueueError>,
) -> Result<RunState, QueueError> {
    loop {
        // before looking at the state: what came before the end is then seen by `meanwhile`
        let state = journal.state(run)?;
        meanwhile()?;
        if state.is_final() || matches!(state, RunState::Unknown(_)) {
            return Ok(state);
        }
        // whatever is queued: others may be waited for after this one
        attendant.look(home, journal)?;
        std::thread::sleep(LOOK);
        recover_in(home, journal)?;
    }
}

/// Writes what a run printed to `to`; with `follow`, also what it prints until it ends.
///
/// # Errors
///
/// [`QueueError::NoLog`] where the program never started.
pub fn logs(home: &Home, run: &RunId, follow: bool, to: &mut dyn Write) -> Result<(), QueueError> {
    let mut journal = Journal::open(home)?;
    let failed = |source| QueueError::Log { run: run.clone(), source };
    let mut attempts = journal.attempts(run)?;
    let mut position = 0;
    let mut found = false;
    let copy = |attempt: u32, position: &mut u64, to: &mut dyn Write| -> std::io::Result<bool> {
        let path = Attempt::of(home, run, attempt).log();
        let mut log = match fs::File::open(&path) {
            Ok(log) => log,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        log.seek(SeekFrom::Start(*position))?;
        let mut buffer = vec![0u8; 64 << 10];
        loop {
            let count = log.read(&mut buffer)?;
            if count == 0 {
                to.flush()?;
                return Ok(true);
            }
            to.write_all(buffer.get(..count).unwrap_or_default())?;
            *position += count as u64;
        }
    };
    if follow && !journal.state(run)?.is_final() {
        let reading = Journal::open(home)?;
        wait_for(home, &mut journal, run, &mut Attendant::default(), &mut || {
            let now = reading.attempts(run)?;
            if now != attempts {
                (attempts, position) = (now, 0);
            }
            found |= copy(attempts, &mut position, to).map_err(failed)?;
            Ok(())
        })?;
    }
    found |= copy(attempts, &mut position, to).map_err(failed)?;
    // the newest attempt may have ended before its program could print
    for attempt in (1..attempts).rev() {
        if !found {
            found |= copy(attempt, &mut 0, to).map_err(failed)?;
        }
    }
    if found { Ok(()) } else { Err(QueueError::NoLog { run: run.clone() }) }
}
