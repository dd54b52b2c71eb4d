//! Another attempt that goes on from the last one's results.

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::{Ending, Progress, Resources, RunId};

use super::carry::Carrier;
use super::prepare::put;
use super::{ElsewhereError, Layout, plain, sent};
use crate::dataset;
use crate::home::Home;
use crate::run::checkpoint::{is_whole, newest, resume_arguments};
use crate::run::{self, Attempt, RunPlan};
use crate::store::Journal;
use crate::target::Place;
use crate::transport::Step;

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
    /// The plan to go on with, where what the last one built on had to be sent anew.
    pub anew: Option<&'a RunPlan>,
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
    let NextAttempt { run, last, resources, program, anew } = *next;
    let mut plan = match anew {
        Some(plan) => plan.clone(),
        None => plan_of(journal, run)?,
    };
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

fn plan_of(journal: &Journal, run: &RunId) -> Result<RunPlan, ElsewhereError> {
    let text = journal.plan(run)?.ok_or_else(|| run::RunError::Unprepared { run: run.clone() })?;
    Ok(RunPlan::from_json(&text)?)
}

/// Returns whether all that the last attempt of a run built on is still there, and sound: its code,
/// its data, its environment. What a sweep took is to be prepared anew.
///
/// # Errors
///
/// [`ElsewhereError::Run`] where the run has no plan; [`ElsewhereError`] of the connection.
pub fn is_still_there(
    home: &Home,
    journal: &Journal,
    place: &mut Place,
    (run, program): (&RunId, &Utf8Path),
    progress: &dyn Progress,
) -> Result<bool, ElsewhereError> {
    let plan = plan_of(journal, run)?;
    let layout = Layout::at(place.root());
    let (trees, paths) = builds_on(&plan, &layout, plain::is_plain(program));
    let program = Some(program).filter(|program| !plain::is_plain(program));
    let carrier = Carrier { home, layout: &layout, program, progress };
    if !carrier.has(place, &layout.run(run), &trees)?.into_iter().all(|has| has) {
        return Ok(false);
    }
    let step = Step::script(ALL_THERE).args(paths.iter().map(|path| path.as_str()));
    let answers = place.transport.run(&[step])?;
    Ok(answers.first().is_some_and(crate::transport::Answer::is_success))
}

/// Fails unless there is something at each path; what is there is wanted now.
const ALL_THERE: &str =
    r#"for path; do [ -e "$path" ] || exit 1; touch -c "$path" 2>/dev/null; done; exit 0"#;

/// Returns the trees that a plan builds on, and the other paths whose time says that they are wanted.
fn builds_on(plan: &RunPlan, layout: &Layout, is_plain: bool) -> (Vec<String>, Vec<Utf8PathBuf>) {
    let (mut trees, mut paths) = (Vec::new(), Vec::new());
    let fetched = layout.root().join(dataset::FOLDER);
    let here = plan.bindings().map(|binding| &binding.here);
    for path in std::iter::once(&plan.checkout.path).chain(here) {
        let first = |below: &Utf8Path| below.components().next().map(|name| name.to_string());
        if let Some(name) = path.strip_prefix(layout.trees()).ok().and_then(first) {
            trees.push(name);
            continue;
        }
        paths.push(path.clone());
        if let Some(name) = path.strip_prefix(&fetched).ok().and_then(first) {
            paths.push(fetched.join(name));
        }
    }
    let sent = sent::evidence_there(layout.root(), plan);
    if sent != plan.python() && !is_plain {
        // it may be in its packed form alone
        paths.push(sent);
    } else if plan.prefix.starts_with(layout.root()) {
        paths.push(plan.python());
        paths.push(plan.prefix.join("ready.json"));
    }
    trees.sort_unstable();
    trees.dedup();
    (trees, paths)
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
