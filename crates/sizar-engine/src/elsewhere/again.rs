//! Another attempt that goes on from the last one's results.

use camino::Utf8Path;
use sizar_model::{Ending, Progress, Resources, RunId};

use super::prepare::put;
use super::{ElsewhereError, Layout, plain};
use crate::home::Home;
use crate::run::checkpoint::{is_whole, newest, resume_arguments};
use crate::run::{self, Attempt, RunPlan};
use crate::store::Journal;
use crate::target::Place;

/// What stands for the newest checkpoint in `--restart-args`.
const CHECKPOINT: &str = "{checkpoint}";

/// Returns whether a run ended before its work was done, through no fault of its program.
pub fn is_unfinished(ending: &Ending) -> bool {
    matches!(
        ending,
        Ending::TimedOut | Ending::OutOfMemory | Ending::Preempted | Ending::NodeFailed
    )
}

/// The attempt that follows attempt `last`.
#[derive(Clone, Copy, Debug)]
pub struct NextAttempt<'a> {
    pub run: &'a RunId,
    pub last: u32,
    /// What it asks for, which may be more than the last one had.
    pub resources: &'a Resources,
    /// What executes it there.
    pub program: &'a Utf8Path,
}

/// Writes the plan of another attempt: the same, gone on from what the last one made.
///
/// Code, data and environment are there already. The driver is told of the newest whole checkpoint
/// by what the user said, else by an option of its own, where it has one.
///
/// # Errors
///
/// [`ElsewhereError::Run`] where the run has no plan, [`ElsewhereError::Step`] where it cannot be
/// written there.
pub fn again(
    home: &Home,
    journal: &Journal,
    place: &mut Place,
    next: &NextAttempt<'_>,
    progress: &dyn Progress,
) -> Result<RunPlan, ElsewhereError> {
    let NextAttempt { run, last, resources, program } = *next;
    let text = journal.plan(run)?.ok_or_else(|| run::RunError::Unprepared { run: run.clone() })?;
    let mut plan = RunPlan::from_json(&text)?;
    plan.carry_from = Some(last);
    plan.job.resources = resources.clone();
    let checkpoint = checkpoint_of(home, run, last);
    let known = journal.get(run.as_str())?;
    // what an earlier restart added is made anew
    let job = known.job.clone();
    let added = arguments(home, &plan, &job, checkpoint.as_deref());
    let typed = plan.args.len().min(plan.job.args.len());
    plan.args.truncate(typed);
    if let Some(checkpoint) = &checkpoint {
        progress.note(format!("it goes on from `{checkpoint}` {}", added.join(" ")));
    }
    plan.args.extend(added);
    let layout = Layout::at(place.root());
    if plain::is_plain(program) {
        let text = plain::script_of_next(home, &plan, run, &layout)?;
        put(place, program, text, "write the script that executes the run")?;
    }
    put(place, &layout.plan(run), plan.to_json()?, "write the plan")?;
    Ok(plan)
}

/// Finds the newest whole checkpoint among what an attempt made.
fn checkpoint_of(home: &Home, run: &RunId, attempt: u32) -> Option<String> {
    let attempt = Attempt::of(home, run, attempt);
    let receipt = attempt.receipt()?;
    let whole: Vec<&str> = receipt
        .results
        .iter()
        .map(|result| result.path.as_str())
        .filter(|path| is_whole(&attempt.result(path)).unwrap_or(false))
        .collect();
    newest(whole).map(str::to_owned)
}

/// Returns what is added to the driver's arguments.
fn arguments(
    home: &Home,
    plan: &RunPlan,
    job: &sizar_model::JobSpec,
    checkpoint: Option<&str>,
) -> Vec<String> {
    if !job.restart_args.is_empty() {
        let name = checkpoint.unwrap_or_default();
        return match checkpoint.is_none() && job.restart_args.iter().any(|a| a.contains(CHECKPOINT))
        {
            // there is none to go on from yet: it starts as the first time
            true => Vec::new(),
            false => job.restart_args.iter().map(|arg| arg.replace(CHECKPOINT, name)).collect(),
        };
    }
    let Some(checkpoint) = checkpoint else { return Vec::new() };
    driver(home, plan)
        .map(|driver| resume_arguments(&driver, &plan.job.args, checkpoint))
        .unwrap_or_default()
}

/// Reads the driver of a plan again, from the source as it is here.
fn driver(home: &Home, plan: &RunPlan) -> Option<sizar_model::inspection::Driver> {
    let locator = plan.locator.parse().ok()?;
    let options = crate::acquire::AcquireOptions { offline: true, ..Default::default() };
    let checkout = crate::acquire::acquire(home, &locator, &options, &sizar_model::Silent).ok()?;
    let inspection = run::inspect(&checkout).ok()?;
    let wanted = plan.job.driver.as_str();
    inspection
        .drivers
        .into_iter()
        .find(|driver| driver.path == wanted || driver.name.as_deref() == Some(wanted))
}
