//! Runs that come after others: what their jobs wait for, and what becomes of them where one of
//! those did not complete.

use sizar_model::{Ending, JobReport, JobState, Receipt, RunId, RunState};

use super::{ElsewhereError, Layout, there};
use crate::scheduler::Dependency;
use crate::store::{Journal, StoreError};

/// Returns the jobs on `target` that have to end well before what comes after the runs `after`
/// may begin.
///
/// A run that has completed needs none, wherever it was; nor does one of this machine, whose queue
/// sees to it.
///
/// # Errors
///
/// [`ElsewhereError::Predecessor`] where one ended without completing, or has no job on `target`.
pub fn dependencies(
    journal: &Journal,
    target: &str,
    after: &[RunId],
) -> Result<Vec<Dependency>, ElsewhereError> {
    let mut jobs = Vec::new();
    for run in after {
        let known = super::known(journal, run)?;
        let refuse = |why: String| ElsewhereError::Predecessor { run: run.clone(), why };
        if known.state == RunState::Completed {
            continue;
        }
        if known.state.is_final() {
            return Err(refuse(format!("it is {}", known.state)));
        }
        let place = journal.get(run.as_str())?.target;
        if place != target {
            let place = if place == "local" { "this machine" } else { place.as_str() };
            return Err(refuse(format!("it is on {place}, and has not ended")));
        }
        if target == "local" {
            continue;
        }
        let job = known.job.ok_or_else(|| refuse("its scheduler does not have it yet".into()))?;
        jobs.push(Dependency { job, success: true });
    }
    Ok(whole_arrays(journal, after, jobs)?)
}

/// Puts an array in the place of its tasks, where all that have not ended are waited for.
fn whole_arrays(
    journal: &Journal,
    after: &[RunId],
    jobs: Vec<Dependency>,
) -> Result<Vec<Dependency>, StoreError> {
    let Some(first) = jobs.first().filter(|first| first.job.task.is_some() && jobs.len() > 1)
    else {
        return Ok(jobs);
    };
    let same = jobs.iter().all(|one| one.job.id == first.job.id);
    let Some(run) = after.first().filter(|_| same) else { return Ok(jobs) };
    let Some(task) = journal.get(run.as_str())?.job.task else { return Ok(jobs) };
    let all = journal.tasks(&task.sweep)?.len() == after.len();
    let job = sizar_model::JobHandle { task: None, ..first.job.clone() };
    Ok(if all { vec![Dependency { job, success: true }] } else { jobs })
}

/// Returns why a job must not run, on its node: a run that it comes after left no receipt of a
/// success. One that has no folder there completed elsewhere.
pub(super) fn obstacle(layout: &Layout, after: &[RunId]) -> Option<String> {
    after.iter().find_map(|run| {
        let folder = layout.run(run);
        let attempts = folder
            .read_dir_utf8()
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().strip_prefix("claim-")?.parse::<u32>().ok());
        let newest = attempts.max()?;
        let text = crate::stale::read_to_string(&layout.receipt(run, newest)).ok();
        let receipt = text.and_then(|text| serde_json::from_str::<Receipt>(&text).ok());
        match receipt {
            Some(receipt) if receipt.ending == (Ending::Exited { code: 0 }) => None,
            Some(_) => Some(format!("{run}, which it comes after, did not complete")),
            None => Some(format!("{run}, which it comes after, left no receipt")),
        }
    })
}

/// Returns whether a job ended because of what it was to come after.
pub(super) fn is_not_run(report: &JobReport) -> bool {
    match &report.state {
        JobState::Failed { code: Some(code), .. } => *code == i32::from(there::NOT_RUN),
        JobState::Pending { reason } => reason == "DependencyNeverSatisfied",
        JobState::Cancelled { .. } => report.never_ran(),
        _ => false,
    }
}

/// Returns why a run was not executed, where one that it comes after ended without completing.
///
/// # Errors
///
/// [`StoreError`] where the journal cannot be read.
pub(super) fn reason(journal: &Journal, run: &RunId) -> Result<Option<String>, StoreError> {
    let before = journal.predecessors(run)?;
    let failed = before.iter().find(|(_, state)| state.is_final() && *state != RunState::Completed);
    Ok(failed.map(|(run, state)| not_run(run, state)))
}

/// Says that a run was not executed because of another.
pub fn not_run(before: &RunId, state: &RunState) -> String {
    format!("it was not run: {before}, which it comes after, is {state}")
}
