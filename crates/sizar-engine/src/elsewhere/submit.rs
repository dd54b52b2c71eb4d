//! Exactly one job for one attempt.
//!
//! The attempt's key is in the journal before anything is handed over, and is the job's name.
//! Where an answer is lost, the scheduler is asked for that name before anything is submitted
//! again; and where even that fails to see a job, the job itself claims its attempt by `mkdir`, so
//! that a second one does nothing.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use sizar_model::{EventKind, JobHandle, Output, Resources, RunId};

use super::batch::{self, Job, name_of};
use super::tree::NOT_THERE;
use super::{ElsewhereError, Layout};
use crate::failpoint;
use crate::run::chain;
use crate::scheduler::{Dependency, Found, JobName, Submission, check};
use crate::store::Journal;
use crate::target::{Place, Profile, output};
use crate::transport::Step;

/// How long the scheduler may take to take a job.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);
/// How often a job of unknown fate is looked for before another is handed over.
pub(super) const LOOKS: u32 = 3;
/// Between two looks: a controller that was busy has caught up by then.
const BETWEEN: Duration = Duration::from_secs(3);

/// A job that the scheduler has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    pub job: JobHandle,
    /// Whether it was there already, from an earlier try whose answer was lost.
    pub found: bool,
}

/// What a job is made of that is there, or comes there with it.
#[derive(Clone, Copy, Debug)]
pub struct Ready<'a> {
    /// The sizar there.
    pub program: &'a camino::Utf8Path,
    /// What is done first, in the same round trip.
    pub first: &'a [Step],
}

/// Holds a request against what is known of the site.
///
/// # Errors
///
/// [`ElsewhereError::Refused`] with every wish that cannot be met, and what the site has.
pub fn check_request(resources: &Resources, profile: &Profile) -> Result<(), ElsewhereError> {
    check(resources, None, &profile.site, Timestamp::now()).map_err(ElsewhereError::Refused)
}

/// Hands the next attempt of a run to the scheduler, once; `first` is done in the same round trip.
///
/// # Errors
///
/// [`ElsewhereError::NotSubmitted`] where the scheduler refused; the journal says so.
/// [`ElsewhereError::Unsure`] where nothing tells whether it took the job: the run stays as it is,
/// and the next call looks first. [`ElsewhereError::NotThere`] where nothing was handed over,
/// because what the job builds on is not there: it is to be prepared again.
pub fn submit(
    journal: &mut Journal,
    place: &mut Place,
    run: &RunId,
    resources: &Resources,
    ready: Ready<'_>,
    after: &[Dependency],
) -> Result<Submitted, ElsewhereError> {
    let Ready { program, first } = ready;
    let layout = Layout::at(place.root());
    let before = pending_submission(journal, run)?;
    let attempt = match &before {
        Some((attempt, _)) => *attempt,
        None => journal.attempts(run)? + 1,
    };
    let name: JobName = name_of(run, attempt).parse()?;
    let scratch = &journal.get(run.as_str())?.job.scratch;
    let job = Job { run, attempt, name: &name, resources, program, after, scratch };
    let script = batch::of(&job, &place.profile, &layout, &*place.scheduler)?;
    let since = before.as_ref().map_or_else(Timestamp::now, |(_, at)| *at);
    if before.is_none() {
        let intent = EventKind::Submitting { attempt, name: name.to_string() };
        journal.append(run, &intent)?;
    } else if let Some(found) = look(place, &name, since, LOOKS)? {
        return accepted(journal, run, attempt, found, true);
    }
    failpoint::hit("elsewhere:after-submitting");
    match hand_over(place, &layout, run, attempt, &script, first)? {
        Submission::Accepted { job, .. } => {
            failpoint::hit("elsewhere:before-submitted");
            accepted(journal, run, attempt, job, false)
        }
        Submission::Refused(refusal) => {
            let reason = format!("the scheduler refused the job: {}", refusal.message);
            journal.append(run, &EventKind::NotSubmitted { attempt, reason })?;
            Err(ElsewhereError::NotSubmitted { message: refusal.message, later: refusal.later })
        }
        Submission::Unknown { why } => match look(place, &name, since, LOOKS)? {
            Some(found) => accepted(journal, run, attempt, found, true),
            None => Err(unsure(&name, ElsewhereError::Step { step: "submit", message: why })),
        },
    }
}

/// Fails with [`NOT_THERE`] where the run was not prepared: its plan is what is made last.
const PREPARED: &str = r#"[ -f "$1" ] || { echo "\`$1\` is missing" >&2; exit 75; }"#;

/// Does what comes first, writes the script there and submits it, in one round trip.
fn hand_over(
    place: &mut Place,
    layout: &Layout,
    run: &RunId,
    attempt: u32,
    script: &str,
    first: &[Step],
) -> Result<Submission, ElsewhereError> {
    let path = layout.script(run, attempt);
    let order = place.scheduler.submit(&path)?;
    let prepared = Step::script(PREPARED).arg(layout.plan(run).as_str()).stop_on_failure();
    let mut steps = if first.is_empty() { vec![prepared] } else { first.to_vec() };
    steps.extend([
        Step::put_file(path.as_str(), script.as_bytes(), 0o700).stop_on_failure(),
        Step::from(&order).cwd(layout.run(run).into_string()).limit(PATIENCE),
    ]);
    place.questions += 1;
    let answers = match place.transport.run(&steps) {
        Ok(answers) => answers,
        // the line broke: whether it ran is what the look-up tells
        Err(error) if error.may_have_run() => {
            return Ok(Submission::Unknown { why: chain(&error) });
        }
        Err(error) => return Err(error.into()),
    };
    let Some((submitted, before)) = answers.split_last() else {
        return Ok(Submission::Unknown { why: "an answer is missing".to_owned() });
    };
    if let Some(failed) = before.iter().find(|answer| !answer.is_success()) {
        let message = String::from_utf8_lossy(&failed.stderr).trim().to_owned();
        return Err(match failed.status() {
            Some(NOT_THERE) => ElsewhereError::NotThere { message },
            _ => ElsewhereError::Step { step: "write the batch script", message },
        });
    }
    Ok(place.scheduler.read_submit(&output(submitted)))
}

/// Looks for a job by its name; none where the scheduler answers that it has none.
fn look(
    place: &mut Place,
    name: &JobName,
    since: Timestamp,
    looks: u32,
) -> Result<Option<JobHandle>, ElsewhereError> {
    Ok(first(look_all(place, name, since, looks)?))
}

/// Looks for all jobs of a name, which those of an array share.
pub(super) fn look_all(
    place: &mut Place,
    name: &JobName,
    since: Timestamp,
    looks: u32,
) -> Result<Vec<Found>, ElsewhereError> {
    // clocks differ between machines
    let since = since.checked_sub(48.hours()).unwrap_or(since);
    let mut last = None;
    for number in 0..looks {
        if number > 0 {
            std::thread::sleep(BETWEEN);
        }
        match look_once(place, name, since) {
            Ok(found) if found.is_empty() => last = None,
            Ok(found) => return Ok(found),
            Err(error) => last = Some(error),
        }
    }
    match last {
        None => Ok(Vec::new()),
        Some(error) => Err(unsure(name, error)),
    }
}

fn look_once(
    place: &mut Place,
    name: &JobName,
    since: Timestamp,
) -> Result<Vec<Found>, ElsewhereError> {
    let questions = place.scheduler.look_up(name, since);
    let outputs: Vec<Output> = place.ask(&questions)?;
    Ok(place.scheduler.read_look_up(&outputs)?)
}

/// Chooses the job that counts: one that still does something, else the first.
fn first(mut found: Vec<Found>) -> Option<JobHandle> {
    found.sort_by_key(|found| (found.report.state.is_final(), found.job.clone()));
    found.into_iter().next().map(|found| found.job)
}

fn accepted(
    journal: &mut Journal,
    run: &RunId,
    attempt: u32,
    job: JobHandle,
    found: bool,
) -> Result<Submitted, ElsewhereError> {
    journal.append(run, &EventKind::Submitted { attempt, job: job.clone() })?;
    failpoint::hit("elsewhere:after-submitted");
    Ok(Submitted { job, found })
}

pub(super) fn unsure(name: &JobName, source: ElsewhereError) -> ElsewhereError {
    ElsewhereError::Unsure { name: name.to_string(), source: Box::new(source) }
}

/// Returns the attempt that was announced and of which nothing more is known, with its time.
fn pending_submission(
    journal: &Journal,
    run: &RunId,
) -> Result<Option<(u32, Timestamp)>, ElsewhereError> {
    let mut pending = None;
    for event in journal.events(run)? {
        match event.kind {
            EventKind::Submitting { attempt, .. } => pending = Some((attempt, event.at)),
            EventKind::Submitted { .. }
            | EventKind::NotSubmitted { .. }
            | EventKind::Deferred { .. }
            | EventKind::Resumed
            | EventKind::Judged { .. }
            | EventKind::Ended { .. }
            | EventKind::Lost { .. } => pending = None,
            _ => {}
        }
    }
    Ok(pending)
}
