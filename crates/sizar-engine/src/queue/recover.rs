//! What became of runs whose process was killed.

use sizar_model::{EventKind, RunId, RunState};

use super::{QueueError, Watcher};
use crate::home::Home;
use crate::run::{RunPlan, receipt_of};
use crate::store::{Active, Filter, Journal, StoreError};

/// What was found out about runs whose process is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// These had ended; their receipts say how.
    pub ended: Vec<RunId>,
    /// These left no receipt, or were never prepared.
    pub lost: Vec<RunId>,
}

/// What a run that is resumed needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Nothing more: it waits for a place.
    Queued(RunId),
    /// The caller prepares it again, from [`Journal::request`]; the journal says that this process
    /// does.
    NeedsPreparation(RunId),
}

/// Finds out what became of every run that the journal thinks is under way.
///
/// A receipt is the first witness. Where there is none and the process is gone, the run is lost,
/// and nothing is guessed.
///
/// # Errors
///
/// [`QueueError::Store`] where the journal cannot be read or written.
pub fn recover(home: &Home) -> Result<Recovery, QueueError> {
    // most of the time nothing is under way, and then nothing is written or locked
    let Some(reading) = Journal::open_reading(home)? else { return Ok(Recovery::default()) };
    if reading.active()?.iter().all(|active| active.watcher.is_some_and(Watcher::is_alive)) {
        return Ok(Recovery::default());
    }
    drop(reading);
    let found = Journal::open(home)
        .map_err(QueueError::from)
        .and_then(|mut journal| recover_in(home, &mut journal));
    match found {
        // what cannot be written down is found out again where it can
        Err(QueueError::Store(StoreError::ReadOnly { .. } | StoreError::Open { .. })) => {
            Ok(Recovery::default())
        }
        found => found,
    }
}

/// As [`recover`], with a journal that is open.
pub(super) fn recover_in(home: &Home, journal: &mut Journal) -> Result<Recovery, QueueError> {
    let mut recovery = Recovery::default();
    for active in journal.active()? {
        if active.watcher.is_some_and(Watcher::is_alive) {
            continue;
        }
        match settle(home, journal, &active)? {
            Some(RunState::Lost) => recovery.lost.push(active.run),
            Some(_) => recovery.ended.push(active.run),
            None => {}
        }
    }
    Ok(recovery)
}

/// Writes down what became of one run whose process is gone; none if somebody was faster.
pub(super) fn settle(
    home: &Home,
    journal: &mut Journal,
    active: &Active,
) -> Result<Option<RunState>, QueueError> {
    let event = if active.state == RunState::Running {
        match receipt_of(home, &active.run, active.attempts) {
            Some(receipt) => EventKind::Ended { receipt },
            None => EventKind::Lost {
                reason: "the process that watched it ended without leaving a receipt".to_owned(),
            },
        }
    } else {
        EventKind::Lost { reason: "it was interrupted while it was being prepared".to_owned() }
    };
    match journal.append_if(&active.run, &event, active) {
        Ok(state) => Ok(state),
        Err(StoreError::Illegal { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives a run that ended without completing another attempt.
///
/// What it was made from is used again where it is still there; else the caller prepares it.
///
/// # Errors
///
/// [`QueueError::NotResumable`] where it completed, waits or runs.
pub fn resume(home: &Home, journal: &mut Journal, run: &RunId) -> Result<Resumption, QueueError> {
    recover_in(home, journal)?;
    match journal.resume(run) {
        Ok(_) => {}
        Err(StoreError::Illegal { .. }) => {
            return Err(QueueError::NotResumable { run: run.clone(), state: journal.state(run)? });
        }
        Err(error) => return Err(error.into()),
    }
    let usable = journal
        .plan(run)?
        .and_then(|plan| RunPlan::from_json(&plan).ok())
        .is_some_and(|plan| plan.is_usable());
    // what lies on a target is prepared from here
    let here = journal.get(run.as_str())?.target == "local";
    if !usable || !here {
        return Ok(Resumption::NeedsPreparation(run.clone()));
    }
    journal.enqueue(run)?;
    Ok(Resumption::Queued(run.clone()))
}

/// Recovers all runs, gives every lost one another attempt, and sees to it that what waits is
/// executed.
///
/// # Errors
///
/// [`QueueError`] where the journal cannot be written or the supervisor not be started.
pub fn resume_all(home: &Home, journal: &mut Journal) -> Result<Vec<Resumption>, QueueError> {
    recover_in(home, journal)?;
    let lost = journal.list(&Filter { states: vec![RunState::Lost], ..Filter::default() })?;
    let mut resumed = Vec::new();
    // the oldest first, as they came
    for run in lost.into_iter().rev() {
        match resume(home, journal, &run.id) {
            Ok(resumption) => resumed.push(resumption),
            // another `resume` was faster
            Err(QueueError::NotResumable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if !journal.waiting(1)?.is_empty() {
        super::ensure_supervisor(home)?;
    }
    Ok(resumed)
}
