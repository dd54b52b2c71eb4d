//! Sweeps, as the commands see them: beginning, following, retrying, ending.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sizar_engine::elsewhere::{
    self, ElsewhereError, Grace, Known, Next, Parts, Settled, Shared, TasksAgain,
};
use sizar_engine::failpoint;
use sizar_engine::home::Home;
use sizar_engine::queue;
use sizar_engine::run::{self, Attempt, RunPlan};
use sizar_engine::store::{Journal, NewRun, Prepared, SweepRecord, SweepTask};
use sizar_engine::sweep::Wish;
use sizar_engine::target::Place;
use sizar_model::{Activity, EventKind, Locator, Progress as _, RunId, RunState, SweepId, counted};

use crate::commands::run_elsewhere::last_ending;
use crate::elsewhere as away;
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::session::Session;

/// Between two looks at runs of this machine.
const LOOK: Duration = Duration::from_millis(200);
/// How long a broken connection is tried again, and how often.
const PATIENCE: Duration = Duration::from_mins(10);
const AGAIN: Duration = Duration::from_secs(15);

/// Makes a place of the target that a sweep is on; none where that is this machine.
pub fn place(session: &Session, sweep: &SweepRecord) -> CommandResult<Option<Place>> {
    match sweep.target.as_str() {
        "local" => Ok(None),
        target => Ok(Some(away::place(session, target)?)),
    }
}

fn wish_of(sweep: &SweepRecord) -> CommandResult<Wish> {
    Ok(serde_json::from_value(sweep.wish.clone())?)
}

fn prepared(plan: &RunPlan) -> CommandResult<Prepared> {
    let environment = plan.prefix.file_name().unwrap_or_default().to_owned();
    Ok(Prepared { environment, plan: plan.to_json()? })
}

/// Prepares a sweep on this machine and queues its tasks.
pub fn queue_here(
    session: &Session,
    journal: &mut Journal,
    sweep: &SweepRecord,
    source: &Locator,
) -> CommandResult<()> {
    let wish = wish_of(sweep)?;
    if journal.tasks(&sweep.id)?.is_empty() {
        let plan = run::prepare(&session.home, source, &wish.request, &session.reporter)
            .map_err(|error| unprepared(journal, &sweep.id, error.into()))?;
        let mut runs = Vec::new();
        for number in 0..sweep.tasks {
            let plan = wish.plan_of(&sweep.id, number, &plan);
            let mut request = wish.request.clone();
            request.job = plan.job.clone();
            runs.push(NewRun {
                source: sweep.source.clone(),
                target: sweep.target.clone(),
                job: plan.job.clone(),
                request: Some(serde_json::to_value(&request)?),
                prepared: Some(prepared(&plan)?),
            });
        }
        journal.create_tasks(&sweep.id, &runs)?;
    }
    queue::ensure_supervisor(&session.home)?;
    Ok(())
}

/// Writes down why a sweep could not be prepared.
fn unprepared(journal: &mut Journal, sweep: &SweepId, failure: Failure) -> Failure {
    // the message is what matters now; the journal's copy is a courtesy
    let _ = journal.fail_sweep(sweep, &failure.error.to_string());
    failure.hint(format!("`sizar resume {sweep}` tries it again"))
}

/// Prepares a sweep on its target where that is still to do, and hands its tasks to the scheduler
/// as far as the site has room.
pub fn hand_over(
    session: &Session,
    journal: &mut Journal,
    place: &mut Place,
    sweep: &SweepRecord,
) -> CommandResult<Parts> {
    let Session { home, reporter, .. } = session;
    let wish = wish_of(sweep)?;
    let after = elsewhere::dependencies(journal, &sweep.target, &wish.request.job.after)?;
    let known = journal.tasks(&sweep.id)?;
    let plan = known.first().map(|task| journal.plan(&task.run)).transpose()?.flatten();
    let (plan, program) = match plan {
        Some(plan) => {
            let plan = RunPlan::from_json(&plan)?;
            let folder = sweep.id.folder();
            let program = elsewhere::program(home, place, folder, reporter)?;
            let again = known.iter().any(|task| is_waiting(task) && task.attempts > 0);
            if again && !elsewhere::has_all(home, place, (folder, &plan, &program), reporter)? {
                (send_anew(session, place, sweep, &wish, &plan)?, program)
            } else {
                (plan, program)
            }
        }
        None => {
            let source: Locator = wish.request.source.parse()?;
            let ready =
                elsewhere::prepare_sweep(home, place, &sweep.id, &source, &wish.request, reporter)
                    .map_err(|error| unprepared(journal, &sweep.id, error.into()))?;
            failpoint::hit("elsewhere:after-prepared");
            create_tasks(journal, sweep, &wish, &ready.plan)?;
            (ready.plan, ready.program)
        }
    };
    let args = wish.handed_over(&plan);
    let resources = &wish.request.job.resources;
    let scratch = &wish.request.job.scratch;
    let again = TasksAgain::of(home, &plan);
    let program = &program;
    let shared =
        Shared { sweep, again: &again, args: &args, resources, program, after: &after, scratch };
    let parts = elsewhere::advance(journal, place, shared)?;
    let jobs: Vec<String> = parts.jobs.iter().map(ToString::to_string).collect();
    if !jobs.is_empty() {
        let found = if parts.submitted > 0 { "" } else { " (found)" };
        let count = parts.submitted + parts.found;
        let tasks = if count == 1 { "1 task is".to_owned() } else { format!("{count} tasks are") };
        session.say(&format!("{tasks} job {} on {}{found}", shorten(&jobs), place.name));
        if parts.waiting > 0 {
            session.say(&format!(
                "{} more wait here until there is room; `sizar wait {}` hands them over",
                parts.waiting, sweep.id
            ));
        }
    }
    Ok(parts)
}

fn is_waiting(task: &SweepTask) -> bool {
    task.state == RunState::Queued && task.submission.is_none()
}

/// Sends what a sweep builds on anew, because `target gc` or the site took it.
fn send_anew(
    session: &Session,
    place: &mut Place,
    sweep: &SweepRecord,
    wish: &Wish,
    before: &RunPlan,
) -> CommandResult<RunPlan> {
    let (id, target) = (&sweep.id, &place.name);
    session.say(&format!("what {id} builds on is not on {target} any more: it is sent anew"));
    let source: Locator = wish.request.source.parse()?;
    let Session { home, reporter, .. } = session;
    let ready = elsewhere::prepare_sweep(home, place, id, &source, &wish.request, reporter)?;
    if before.checkout.path != ready.plan.checkout.path {
        session.warn(&format!(
            "the source has changed since {id} began: its next attempts run the code as it is now"
        ));
    }
    Ok(ready.plan)
}

fn shorten(jobs: &[String]) -> String {
    match jobs {
        [first, .., last] if jobs.len() > 3 => format!("{first} … {last}"),
        few => few.join(", "),
    }
}

fn create_tasks(
    journal: &mut Journal,
    sweep: &SweepRecord,
    wish: &Wish,
    plan: &RunPlan,
) -> CommandResult<()> {
    // one plan for all: what differs goes with the array
    let shared = prepared(plan)?;
    let run = |number| NewRun {
        source: sweep.source.clone(),
        target: sweep.target.clone(),
        job: wish.job_of(&sweep.id, number),
        request: None,
        prepared: Some(shared.clone()),
    };
    let runs: Vec<NewRun> = (0..sweep.tasks).map(run).collect();
    journal.create_tasks(&sweep.id, &runs)?;
    Ok(())
}

/// Refuses at once what could never begin on `target`, as far as it is known by now.
pub fn check_after(
    session: &Session,
    journal: &mut Journal,
    target: &str,
    after: &[RunId],
) -> CommandResult<()> {
    if !after.is_empty() {
        away::refresh(session, journal, target)?;
        elsewhere::dependencies(journal, target, after)?;
    }
    Ok(())
}

/// Follows a sweep until all its tasks have ended, and hands over what still waits when the site
/// has room for it.
pub fn follow(
    session: &Session,
    journal: &mut Journal,
    place: Option<&mut Place>,
    sweep: &SweepRecord,
) -> CommandResult<()> {
    match place {
        None => follow_here(session, journal, sweep),
        Some(place) => follow_there(session, journal, place, sweep),
    }
}

fn follow_here(session: &Session, journal: &Journal, sweep: &SweepRecord) -> CommandResult<()> {
    let mut said = Said::new(session);
    let mut attendant = queue::Attendant::default();
    loop {
        attendant.look(&session.home, journal)?;
        let states = journal.sweep_states(&sweep.id)?;
        said.say(&states);
        if states.iter().all(|(state, _)| state.is_final()) {
            return Ok(());
        }
        std::thread::sleep(LOOK);
        queue::recover(&session.home)?;
    }
}

fn follow_there(
    session: &Session,
    journal: &mut Journal,
    place: &mut Place,
    sweep: &SweepRecord,
) -> CommandResult<()> {
    let mut following = Following {
        settled: Settled::with(Grace::from_environment()),
        pace: away::Pace::of(sweep.tasks as usize),
        spent: BTreeSet::new(),
    };
    let mut said = Said::new(session);
    let mut broken: Option<Instant> = None;
    loop {
        match following.step(&session.home, &session.reporter, journal, place, &sweep.id) {
            Ok(mut open) => {
                broken = None;
                if restart(session, journal, place, sweep, &mut following.spent)? > 0 {
                    open = open_tasks(journal, &sweep.id)?;
                }
                said.say(&journal.sweep_states(&sweep.id)?);
                if open.is_empty() {
                    return Ok(());
                }
                // what waits here is no job that could end: it is handed over first
                if open.iter().any(|known| known.job.is_none()) {
                    let parts = hand_over(session, journal, place, sweep)?;
                    if parts.submitted == 0 && open.iter().all(|known| known.job.is_none()) {
                        // others of the user's jobs are in the way
                        std::thread::sleep(AGAIN);
                        continue;
                    }
                }
                if let Err(error) = following.wait(place, &sweep.id)
                    && !error.is_connection()
                {
                    return Err(error.into());
                }
            }
            Err(error) if error.is_connection() => {
                let since = *broken.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    let again = format!("the jobs go on; `sizar wait {}` follows them", sweep.id);
                    return Err(Failure::from(error).hint(again));
                }
                std::thread::sleep(AGAIN);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Gives tasks that ended before their work was done another attempt, where they may have one;
/// returns how many.
fn restart(
    session: &Session,
    journal: &mut Journal,
    place: &Place,
    sweep: &SweepRecord,
    spent: &mut BTreeSet<RunId>,
) -> CommandResult<usize> {
    // a sweep that was cancelled meanwhile gives none
    let most = wish_of(&journal.find_sweep(&sweep.id.to_string())?)?.request.job.restart;
    if most == 0 {
        return Ok(0);
    }
    let now = jiff::Timestamp::now();
    let (mut events, mut given) = (Vec::new(), Vec::new());
    for SweepTask { run, number, state, attempts, .. } in journal.tasks(&sweep.id)? {
        if !matches!(state, RunState::Timeout | RunState::Failed)
            || attempts > most
            || spent.contains(&run)
        {
            continue;
        }
        let Some(ending) = last_ending(journal, &run)?.filter(elsewhere::is_unfinished) else {
            spent.insert(run);
            continue;
        };
        let asked = journal.get(run.as_str())?.job.resources;
        let receipt = Attempt::of(&session.home, &run, attempts).receipt();
        let site = &place.profile.site;
        events.push((run.clone(), EventKind::Resumed));
        match elsewhere::next(&asked, &ending, receipt.as_ref(), site, now) {
            Next::Same => {}
            Next::Raised { resources, words } => {
                session.say(&format!("{}.{number}: {words}", sweep.id));
                events.push((run.clone(), EventKind::Raised { resources, words }));
            }
            Next::Stop { words } => {
                session.say(&format!("{}.{number} gets no other attempt: {words}", sweep.id));
                events.pop();
                spent.insert(run);
                continue;
            }
        }
        given.push(number.to_string());
        events.push((run, EventKind::Queued));
    }
    journal.append_all(&events)?;
    if let [first, rest @ ..] = &given[..] {
        let (id, more) = (&sweep.id, rest.len());
        let who = match more {
            0 => format!("{id}.{first} gets"),
            _ => format!(
                "{id}.{first} and {} get",
                counted(more as u64, "other task", "other tasks")
            ),
        };
        session.say(&format!("{who} another attempt, which goes on from the last one"));
    }
    Ok(given.len())
}

/// What is remembered while a sweep is followed.
struct Following {
    settled: Settled,
    pace: away::Pace,
    /// The tasks of which it was said that another attempt would end as the last one did.
    spent: BTreeSet<RunId>,
}

impl Following {
    /// Looks once, and returns the tasks that have not ended.
    fn step(
        &mut self,
        home: &Home,
        progress: &dyn sizar_model::Progress,
        journal: &mut Journal,
        place: &mut Place,
        sweep: &SweepId,
    ) -> Result<Vec<Known>, ElsewhereError> {
        self.settled.ask = self.pace.is_due();
        let open = open_tasks(journal, sweep)?;
        elsewhere::settle(home, journal, place, &open, &mut self.settled, progress)?;
        self.pace.hurry(&self.settled);
        open_tasks(journal, sweep)
    }

    /// Waits for the next task to begin or to end.
    fn wait(&self, place: &mut Place, sweep: &SweepId) -> Result<(), ElsewhereError> {
        let most = self.pace.wait();
        elsewhere::await_marks(place, sweep, self.settled.listing(sweep), most)
    }
}

fn open_tasks(journal: &Journal, sweep: &SweepId) -> Result<Vec<Known>, ElsewhereError> {
    let known = |task: SweepTask| Known {
        run: task.run,
        state: task.state,
        attempt: task.attempts,
        job: task.job,
        sweep: Some(sweep.clone()),
    };
    let tasks = journal.tasks(sweep)?.into_iter();
    Ok(tasks.filter(|task| !task.state.is_final()).map(known).collect())
}

/// Says how far a sweep is, where that has changed.
struct Said<'a> {
    session: &'a Session,
    last: String,
}

impl<'a> Said<'a> {
    fn new(session: &'a Session) -> Self {
        Self { session, last: String::new() }
    }

    fn say(&mut self, states: &[(RunState, u32)]) {
        let now = in_words(states);
        if now != self.last {
            self.session.reporter.report(Activity::Began { what: now.clone() });
            self.last = now;
        }
    }
}

impl Drop for Said<'_> {
    fn drop(&mut self) {
        self.session.reporter.report(Activity::Ended { what: self.last.clone() });
    }
}

/// Writes states by count: `3 of 9 ended: 2 completed, 1 failed; 4 running, 2 queued`.
pub fn in_words(states: &[(RunState, u32)]) -> String {
    let list = |last: bool| {
        let some = states.iter().filter(|(state, _)| state.is_final() == last);
        some.map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
    };
    let all: u32 = states.iter().map(|(_, count)| count).sum();
    let ended: u32 = states.iter().filter(|(s, _)| s.is_final()).map(|(_, count)| count).sum();
    match (ended, all) {
        (_, 0) => "not prepared yet".to_owned(),
        (0, _) => list(false),
        (ended, all) if ended == all => list(true),
        _ => format!("{ended} of {all} ended: {}; {}", list(true), list(false)),
    }
}

/// As [`in_words`], for a cell of a list: `3 of 9 ended, 1 not well`.
pub fn in_short(states: &[(RunState, u32)], tasks: u32) -> String {
    let count = |of: &dyn Fn(&RunState) -> bool| -> u32 {
        states.iter().filter(|(state, _)| of(state)).map(|(_, count)| count).sum()
    };
    let completed = count(&|state| *state == RunState::Completed);
    match (count(&RunState::is_final), completed) {
        (_, all) if all == tasks => format!("{all} completed"),
        (ended, completed) if ended == completed => format!("{ended} of {tasks} ended"),
        (ended, completed) => format!("{ended} of {tasks} ended, {} not well", ended - completed),
    }
}

/// Returns the command of a sweep, with its places for parameters.
pub fn command(sweep: &SweepRecord) -> CommandResult<String> {
    Ok(wish_of(sweep)?.request.job.command().join(" "))
}

/// Returns 0 where all tasks completed, else 1.
pub fn exit_code(journal: &Journal, sweep: &SweepId) -> CommandResult<u8> {
    let states = journal.sweep_states(sweep)?;
    let all = !states.is_empty() && states.iter().all(|(state, _)| *state == RunState::Completed);
    Ok(u8::from(!all))
}

/// Goes on with a sweep where something stopped.
pub fn resume(
    session: &Session,
    journal: &mut Journal,
    place: Option<&mut Place>,
    sweep: &SweepRecord,
) -> CommandResult<()> {
    match place {
        Some(place) => hand_over(session, journal, place, sweep).map(drop),
        None => {
            let source: Locator = wish_of(sweep)?.request.source.parse()?;
            queue_here(session, journal, sweep, &source)
        }
    }
}

/// Gives tasks that ended without completing another attempt, all of them or only `one`; returns
/// how many.
pub fn retry(
    session: &Session,
    journal: &mut Journal,
    place: Option<&mut Place>,
    sweep: &SweepRecord,
    one: Option<&RunId>,
) -> CommandResult<u32> {
    if place.is_some() {
        away::refresh(session, journal, &sweep.target)?;
    } else {
        queue::recover(&session.home)?;
    }
    let again: Vec<RunId> = journal
        .tasks(&sweep.id)?
        .into_iter()
        .filter(|task| task.state.is_final() && task.state != RunState::Completed)
        .map(|task| task.run)
        .filter(|run| one.is_none_or(|one| one == run))
        .collect();
    if place.is_none() {
        prepare_again(session, journal, sweep, &again)?;
    }
    let events: Vec<(RunId, EventKind)> = again
        .iter()
        .flat_map(|run| [EventKind::Resumed, EventKind::Queued].map(|kind| (run.clone(), kind)))
        .collect();
    journal.append_all(&events)?;
    if !again.is_empty() || one.is_none() {
        resume(session, journal, place, sweep)?;
    }
    Ok(again.len() as u32)
}

/// Makes anew what tasks of this machine build on, where it is gone.
fn prepare_again(
    session: &Session,
    journal: &Journal,
    sweep: &SweepRecord,
    runs: &[RunId],
) -> CommandResult<()> {
    let Some(first) = runs.first() else { return Ok(()) };
    let plan = journal.plan(first)?.and_then(|plan| RunPlan::from_json(&plan).ok());
    if plan.is_some_and(|plan| plan.is_usable()) {
        return Ok(());
    }
    let wish = wish_of(sweep)?;
    let source: Locator = wish.request.source.parse()?;
    run::prepare(&session.home, &source, &wish.request, &session.reporter)?;
    Ok(())
}

/// Ends all tasks that have not ended.
pub fn cancel(session: &Session, journal: &mut Journal, sweep: &SweepRecord) -> CommandResult<()> {
    journal.end_restarts(&sweep.id)?;
    let open = open_tasks(journal, &sweep.id)?;
    let (there, here): (Vec<Known>, Vec<Known>) =
        open.into_iter().partition(|known| known.job.is_some());
    for known in &here {
        match queue::cancel(&session.home, journal, &known.run) {
            Ok(_) | Err(queue::QueueError::NothingToCancel { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if !there.is_empty() {
        let wanted: Vec<(RunId, EventKind)> =
            there.iter().map(|known| (known.run.clone(), EventKind::CancelRequested)).collect();
        journal.append_all(&wanted)?;
        let mut place = away::place(session, &sweep.target)?;
        elsewhere::cancel(&mut place, &there)?;
        drop(place);
        away::refresh(session, journal, &sweep.target)?;
    }
    session.say(&format!("{}: {}", sweep.id, in_words(&journal.sweep_states(&sweep.id)?)));
    Ok(())
}

/// Returns whether a name that was typed means a sweep: `s-7x2k.3` is a run.
pub fn is_sweep(text: &str) -> bool {
    SweepId::is_meant(text) && !text.contains('.')
}

/// Says that a verb takes one run, where a sweep was named.
pub fn not_a_run(sweep: &str, verb: &str) -> Failure {
    let error = anyhow::anyhow!("`sizar {verb}` is of one run, and `{sweep}` is a sweep");
    Failure::new(ExitCode::Usage, error)
        .hint(format!("`sizar {verb} {sweep}.0` is of its first task"))
}
