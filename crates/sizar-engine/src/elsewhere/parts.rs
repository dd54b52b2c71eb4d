//! The tasks of a sweep as arrays of the scheduler: exactly one job for each task.
//!
//! As for a single run, the array's name is its submission key: it is in the journal, with every
//! task that it holds, before anything is handed over; where an answer is lost the scheduler is
//! asked for that name first; and each task claims its attempt by `mkdir`. What does not fit under
//! the site's limits waits here for another call.

use camino::Utf8Path;
use sizar_model::{EventKind, JobHandle, Locator, Progress, Resources, RunId, Scratch, SweepId};

use super::again::TasksAgain;
use super::array::{self, Array, Own};
use super::batch::program_of;
use super::submit::{LOOKS, PATIENCE, look_all, unsure};
use super::{ElsewhereError, Layout, Preparation, Trust, Wanted, plain, prepare};
use crate::failpoint;
use crate::home::Home;
use crate::run::{RunRequest, chain};
use crate::scheduler::{ArrayRange, Dependency, Found, JobName, Submission, split_array};
use crate::store::{Journal, Part, PartTask, SweepRecord, SweepTask};
use crate::target::{Place, Profile, output};
use crate::transport::Step;

/// The most tasks of one array, whatever a site allows: a list of them goes in one step.
const MOST: u32 = 10_000;

/// What all tasks of a sweep share.
#[derive(Clone, Copy, Debug)]
pub struct Shared<'a> {
    pub sweep: &'a SweepRecord,
    /// What tasks go on from that were not let finish.
    pub again: &'a TasksAgain<'a>,
    /// The driver's arguments, for each task by its number.
    pub args: &'a [Vec<String>],
    pub resources: &'a Resources,
    /// The sizar there.
    pub program: &'a Utf8Path,
    pub after: &'a [Dependency],
    pub scratch: &'a Scratch,
}

/// How far the tasks of a sweep have come to their scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The arrays that it took in this call.
    pub jobs: Vec<JobHandle>,
    /// How many tasks they hold.
    pub submitted: u32,
    /// How many were there already, from an earlier call whose answer was lost.
    pub found: u32,
    /// How many wait here until the site has room for them.
    pub waiting: u32,
}

/// Gets what the tasks of a sweep share ready on its target, once.
///
/// # Errors
///
/// As for a single run.
pub fn prepare_sweep(
    home: &Home,
    place: &mut Place,
    sweep: &SweepId,
    locator: &Locator,
    request: &RunRequest,
    progress: &dyn Progress,
) -> Result<Preparation, ElsewhereError> {
    // its arguments have places that only its tasks fill
    let request = RunRequest { rehearsal: false, ..request.clone() };
    // what is sent along with one job is not there for the others
    let wanted = Wanted { locator, request: &request, trust: Trust::Nothing };
    prepare(home, place, sweep.folder(), &wanted, progress)
}

/// Renders what `--dry-run` shows: the script of the first array.
///
/// # Errors
///
/// As for the script that is submitted.
pub fn array_script(
    resources: &Resources,
    scratch: &Scratch,
    tasks: u32,
    at_once: Option<u32>,
    place: &Place,
) -> Result<String, ElsewhereError> {
    let sweep = SweepId::from_bits(0);
    let layout = Layout::at(place.root());
    let name: JobName = format!("sizar-{sweep}-1").parse()?;
    let limits = Limits::of(&place.profile, at_once, place.scheduler.throttles_arrays());
    let array = Array {
        sweep: &sweep,
        name: &name,
        resources,
        program: &program_of(&layout, sweep.folder(), &place.profile),
        range: limits.range(tasks),
        after: &[],
        scratch,
    };
    array::script(&array, &place.profile, &layout, &*place.scheduler)
}

/// How many tasks a site takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    /// The most in one array.
    array: Option<u32>,
    /// The most in the queue at one time.
    queue: Option<u32>,
    /// How many may run at once, where the scheduler sees to it.
    at_once: Option<u32>,
}

impl Limits {
    /// `throttles` says whether the scheduler itself bounds how many tasks run at once; where it
    /// does not, no more than that are handed over.
    fn of(profile: &Profile, at_once: Option<u32>, throttles: bool) -> Self {
        let queue = profile.site.max_submit_jobs;
        let own = at_once.filter(|_| !throttles);
        Self {
            array: Some(profile.site.max_array_size.unwrap_or(MOST).min(MOST)),
            queue: match (queue, own) {
                (Some(queue), Some(own)) => Some(queue.min(own)),
                (queue, own) => queue.or(own),
            },
            at_once: at_once.filter(|_| throttles),
        }
    }

    /// Returns how many of `waiting` tasks may be handed over as one array, with `outstanding` in
    /// the queue.
    fn room(self, waiting: u32, outstanding: u32) -> u32 {
        let free = self.queue.map_or(u32::MAX, |most| most.saturating_sub(outstanding));
        self.range(waiting).count().min(free).min(waiting)
    }

    /// Returns the indices of the first array of `tasks`.
    fn range(self, tasks: u32) -> ArrayRange {
        let chunks = split_array(tasks.max(1), self.array, self.queue, self.at_once);
        chunks.first().map_or(ArrayRange { first: 0, last: 0, at_once: self.at_once }, |c| c.range)
    }
}

/// Hands over what of a sweep waits for its scheduler, as far as the site has room, after finding
/// out what became of what an earlier call announced.
///
/// # Errors
///
/// [`ElsewhereError::NotSubmitted`] where the scheduler refused; the journal says so for every
/// task that waits. [`ElsewhereError::Unsure`] where nothing tells whether it took an array: the
/// next call looks first.
pub fn advance(
    journal: &mut Journal,
    place: &mut Place,
    shared: Shared<'_>,
) -> Result<Parts, ElsewhereError> {
    let mut done = Parts::default();
    let sweep = &shared.sweep.id;
    for part in journal.take_over_parts(sweep)? {
        let name: JobName = part.name.parse()?;
        let found = look_all(place, &name, part.since, LOOKS)?;
        if found.is_empty() {
            hand_over(journal, place, shared, &part, &mut done)?;
        } else {
            adopt(journal, place, &part, found, &mut done)?;
        }
    }
    let throttles = place.scheduler.throttles_arrays();
    let limits = Limits::of(&place.profile, shared.sweep.at_once, throttles);
    let mut most = u32::MAX;
    loop {
        let tasks = journal.tasks(sweep)?;
        let waiting = tasks.iter().filter(|task| is_waiting(task)).count() as u32;
        let outstanding = tasks.iter().filter(|task| is_outstanding(task)).count() as u32;
        done.waiting = waiting;
        let room = limits.room(waiting, outstanding).min(most);
        if room == 0 {
            return Ok(done);
        }
        let Some(part) = journal.announce_part(sweep, room)? else { return Ok(done) };
        failpoint::hit("elsewhere:after-submitting");
        if !hand_over(journal, place, shared, &part, &mut done)? {
            // the site takes less at once than is known of it
            let taken = part.tasks.len() as u32;
            if outstanding > 0 || taken == 1 {
                return Ok(done);
            }
            most = taken.div_ceil(2);
        }
    }
}

fn is_waiting(task: &SweepTask) -> bool {
    task.state == sizar_model::RunState::Queued && task.submission.is_none()
}

fn is_outstanding(task: &SweepTask) -> bool {
    !task.state.is_final() && task.submission.is_some()
}

/// Writes the script there and submits it, in one round trip; false where it has to wait.
fn hand_over(
    journal: &mut Journal,
    place: &mut Place,
    shared: Shared<'_>,
    part: &Part,
    done: &mut Parts,
) -> Result<bool, ElsewhereError> {
    let name: JobName = part.name.parse()?;
    match order(journal, place, shared, part, &name)? {
        Submission::Accepted { job, tasks } => {
            failpoint::hit("elsewhere:before-submitted");
            done.submitted += take(journal, place, part, &job, &tasks)?;
            done.jobs.push(job);
            Ok(true)
        }
        Submission::Refused(refusal) if refusal.later => {
            let event = |attempt| EventKind::Deferred { attempt, reason: refusal.message.clone() };
            all(journal, part, event)?;
            Ok(false)
        }
        Submission::Refused(refusal) => {
            let reason = format!("the scheduler refused the job: {}", refusal.message);
            refuse_all(journal, &shared.sweep.id, &reason)?;
            Err(ElsewhereError::NotSubmitted { message: refusal.message, later: false })
        }
        Submission::Unknown { why } => {
            let found = look_all(place, &name, part.since, LOOKS)?;
            if found.is_empty() {
                let lost = ElsewhereError::Step { step: "submit", message: why };
                return Err(unsure(&name, lost));
            }
            adopt(journal, place, part, found, done)?;
            Ok(true)
        }
    }
}

fn order(
    journal: &mut Journal,
    place: &mut Place,
    shared: Shared<'_>,
    part: &Part,
    name: &JobName,
) -> Result<Submission, ElsewhereError> {
    let layout = Layout::at(place.root());
    let sweep = &shared.sweep.id;
    let throttles = place.scheduler.throttles_arrays();
    let count = part.tasks.len() as u32;
    let range = ArrayRange {
        first: 0,
        last: count.saturating_sub(1),
        at_once: shared.sweep.at_once.filter(|_| throttles),
    };
    let mut after = shared.after.to_vec();
    if range.at_once.is_some() {
        after.extend(before(journal, sweep, part)?);
    }
    let Shared { program, scratch, .. } = shared;
    let resources = part.raised.as_ref().unwrap_or(shared.resources);
    let array = Array { sweep, name, resources, program, range, after: &after, scratch };
    let script = array::script(&array, &place.profile, &layout, &*place.scheduler)?;
    let (lines, again) = lines(journal, shared, part)?;
    let path = array::script_path(&layout, sweep, name);
    let submit = place.scheduler.submit(&path)?;
    let mut steps = vec![
        Step::program("mkdir", ["-p", layout.marks(sweep).as_str()]).stop_on_failure(),
        Step::put_file(array::tasks_path(&layout, sweep, name).as_str(), lines, 0o600)
            .stop_on_failure(),
        Step::put_file(path.as_str(), script, 0o700).stop_on_failure(),
    ];
    if plain::is_plain(program) && (!again.is_empty() || part.raised.is_some()) {
        let text = plain::tasks_again(shared.again.home(), &again, resources.walltime)?;
        let path = array::again_path(&layout, sweep, name);
        steps.push(Step::put_file(path.as_str(), text, 0o600).stop_on_failure());
    }
    steps.push(Step::from(&submit).cwd(layout.sweep(sweep).into_string()).limit(PATIENCE));
    match place.transport.run(&steps) {
        Ok(answers) => match &answers[..] {
            [made @ .., submitted] if made.iter().all(crate::transport::Answer::is_success) => {
                Ok(place.scheduler.read_submit(&output(submitted)))
            }
            [] => Ok(Submission::Unknown { why: "an answer is missing".to_owned() }),
            made => {
                let failed = made.iter().find(|answer| !answer.is_success());
                let said = failed.map(|answer| String::from_utf8_lossy(&answer.stderr));
                let message = said.unwrap_or_default().trim().to_owned();
                // nothing was handed over
                all(journal, part, |attempt| EventKind::Deferred {
                    attempt,
                    reason: message.clone(),
                })?;
                Err(ElsewhereError::Step { step: "write the batch script", message })
            }
        },
        // the line broke: whether it ran is what the look-up tells
        Err(error) if error.may_have_run() => Ok(Submission::Unknown { why: chain(&error) }),
        Err(error) => Err(error.into()),
    }
}

/// Renders the lines that tell the tasks of a part what they are, and returns the attempts that some
/// go on from.
fn lines(
    journal: &Journal,
    shared: Shared<'_>,
    part: &Part,
) -> Result<(String, Vec<(RunId, u32)>), ElsewhereError> {
    let (mut lines, mut again) = (String::new(), Vec::new());
    for PartTask { run, number, attempt } in &part.tasks {
        let onward = shared.again.of_task(journal, run, *attempt)?;
        let mut args = shared.args.get(*number as usize).cloned().unwrap_or_default();
        args.extend(onward.added);
        let resources = part.raised.clone();
        let own = Own { args, carry_from: onward.from, resources };
        lines.push_str(&array::line(run, *attempt, &own, plain::is_plain(shared.program))?);
        again.extend(onward.from.map(|from| (run.clone(), from)));
    }
    Ok((lines, again))
}

/// Returns the array before this one, where it still has tasks: they are throttled together.
fn before(
    journal: &Journal,
    sweep: &SweepId,
    part: &Part,
) -> Result<Option<Dependency>, ElsewhereError> {
    let tasks = journal.tasks(sweep)?;
    let open = tasks.iter().filter(|task| is_outstanding(task));
    let last = open
        .filter(|task| task.submission.as_ref().is_some_and(|name| *name != part.name))
        .filter_map(|task| task.job.clone())
        .max_by_key(|job| job.id);
    Ok(last.map(|job| Dependency { job: JobHandle { task: None, ..job }, success: false }))
}

/// Takes an array that was found by its name for the one that was announced.
fn adopt(
    journal: &mut Journal,
    place: &mut Place,
    part: &Part,
    found: Vec<Found>,
    done: &mut Parts,
) -> Result<(), ElsewhereError> {
    let (job, tasks) = one_array(found, part.tasks.len());
    let Some(job) = job else { return Ok(()) };
    done.found += take(journal, place, part, &job, &tasks)?;
    done.jobs.push(job);
    Ok(())
}

/// Writes down which task of the array `job` each task is, and returns how many there are.
fn take(
    journal: &mut Journal,
    place: &mut Place,
    part: &Part,
    job: &JobHandle,
    tasks: &[JobHandle],
) -> Result<u32, ElsewhereError> {
    let count = part.tasks.len() as u32;
    let handles: Vec<Option<JobHandle>> =
        (0..count).map(|index| place.scheduler.task_of(job, tasks, index)).collect();
    accepted(journal, place, part, &handles)?;
    Ok(count)
}

/// Chooses, of all jobs that bear a name, the array that counts: of several the one that still
/// does something, else the first.
fn one_array(mut found: Vec<Found>, count: usize) -> (Option<JobHandle>, Vec<JobHandle>) {
    found.sort_by(|one, other| one.job.cmp(&other.job));
    if found.iter().any(|found| found.job.task.is_some()) {
        let open = found.iter().find(|found| !found.report.state.is_final());
        let job = open.or(found.first()).map(|found| JobHandle { task: None, ..found.job.clone() });
        return (job, Vec::new());
    }
    // each task is a job of its own, and they come in the order of their numbers
    let jobs: Vec<JobHandle> = found.iter().map(|found| found.job.clone()).collect();
    let arrays: Vec<&[Found]> = found.chunks(count.max(1)).collect();
    let open = arrays.iter().position(|array| array.iter().any(|f| !f.report.state.is_final()));
    let first = open.unwrap_or(0) * count;
    let tasks: Vec<JobHandle> = jobs.into_iter().skip(first).take(count).collect();
    (tasks.first().cloned(), tasks)
}

/// Writes down which job each task is; one that was cancelled in the meantime is ended.
fn accepted(
    journal: &mut Journal,
    place: &mut Place,
    part: &Part,
    handles: &[Option<JobHandle>],
) -> Result<(), ElsewhereError> {
    let refused = journal.accept_part(part, handles)?;
    failpoint::hit("elsewhere:after-submitted");
    let unwanted: Vec<JobHandle> = part
        .tasks
        .iter()
        .zip(handles)
        .filter(|(task, _)| refused.contains(&task.run))
        .filter_map(|(_, job)| job.clone())
        .collect();
    if !unwanted.is_empty() {
        let orders = place.scheduler.cancel(&unwanted);
        place.ask(&orders)?;
    }
    Ok(())
}

/// Adds an event to every task of a part.
fn all(
    journal: &mut Journal,
    part: &Part,
    event: impl Fn(u32) -> EventKind,
) -> Result<(), ElsewhereError> {
    let events: Vec<(RunId, EventKind)> =
        part.tasks.iter().map(|task| (task.run.clone(), event(task.attempt))).collect();
    journal.append_all(&events)?;
    Ok(())
}

/// Says of every task that waits that it will not be taken: the next array would not be either.
fn refuse_all(journal: &mut Journal, sweep: &SweepId, reason: &str) -> Result<(), ElsewhereError> {
    let events: Vec<(RunId, EventKind)> = journal
        .tasks(sweep)?
        .into_iter()
        .filter(|task| task.state == sizar_model::RunState::Queued && task.job.is_none())
        .map(|task| {
            let attempt = task.attempts.max(1);
            (task.run, EventKind::NotSubmitted { attempt, reason: reason.to_owned() })
        })
        .collect();
    journal.append_all(&events)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sizar_model::{JobReport, JobState, Site};

    use super::*;

    fn limits(array: Option<u32>, queue: Option<u32>, at_once: Option<u32>, slurm: bool) -> Limits {
        let site = Site { max_array_size: array, max_submit_jobs: queue, ..Site::default() };
        Limits::of(&Profile { site, ..Profile::default() }, at_once, slurm)
    }

    #[test]
    fn no_more_is_handed_over_than_a_site_takes() {
        assert_eq!(limits(Some(1001), None, None, true).room(6049, 0), 1001);
        assert_eq!(limits(Some(1001), Some(500), None, true).room(6049, 0), 500);
        assert_eq!(limits(Some(1001), Some(500), None, true).room(6049, 450), 50);
        assert_eq!(limits(Some(1001), Some(500), None, true).room(6049, 500), 0);
        assert_eq!(limits(None, None, None, true).room(7, 0), 7);
        assert_eq!(limits(None, None, None, true).room(0, 0), 0);
        // where the scheduler does not see to it, it is given no more than may run
        assert_eq!(limits(None, None, Some(3), false).room(7, 1), 2);
        assert_eq!(limits(None, None, Some(3), true).room(7, 1), 7);
        assert_eq!(limits(None, None, Some(3), true).range(7).to_string(), "0-6%3");
    }

    #[test]
    fn of_two_arrays_of_a_name_the_one_that_works_counts() {
        let found = |job: &str, state: JobState| Found {
            job: job.parse().unwrap(),
            report: JobReport::new(state),
        };
        let running = || JobState::Running;
        let slurm = vec![
            found("9_0", running()),
            found("7_1", JobState::Completed),
            found("7_0", JobState::Completed),
        ];
        assert_eq!(one_array(slurm, 2).0, Some("9".parse().unwrap()));
        let oar = vec![
            found("12", running()),
            found("11", running()),
            found("10", JobState::Completed),
            found("9", JobState::Completed),
        ];
        let (job, tasks) = one_array(oar, 2);
        assert_eq!(job, Some("11".parse().unwrap()));
        assert_eq!(tasks.len(), 2);
        assert_eq!(one_array(Vec::new(), 2), (None, Vec::new()));
    }
}
