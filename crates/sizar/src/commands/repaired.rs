//! What follows where a run's program stopped: why it did, and another environment where one helps.

use jiff::SignedDuration;
use sizar_engine::environment::Remembered;
use sizar_engine::failpoint;
use sizar_engine::queue;
use sizar_engine::run::{self, RunPlan, RunRequest};
use sizar_engine::store::Journal;
use sizar_env::stopped::Why;
use sizar_model::{Receipt, Run, RunId, RunState};

use crate::commands::resume::request_of;
use crate::commands::run::prepared;
use crate::elsewhere::is_elsewhere;
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::session::Session;

/// How long a program may have run that is started again without being asked for.
const SHORT: SignedDuration = SignedDuration::from_mins(2);

/// How often that is done for one command.
const MOST: usize = 3;

/// Says why a program stopped, and what helps.
pub fn say(session: &Session, run: &Run, why: &Why) {
    session.say(&format!("why it stopped: {}", why.cause));
    if let Some(advice) = &why.advice {
        session.say(&format!("what helps: {advice}"));
    } else if why.repairable && !is_elsewhere(run) {
        session.say(&format!(
            "`sizar resume {} --repair` makes an environment without that, and runs it again",
            run.id
        ));
    }
}

/// The repairs that one command makes without being asked for.
pub struct Repairs {
    request: RunRequest,
    /// The reasons that were to be taken away.
    rules: Vec<String>,
    /// What was remembered before the first.
    before: Option<Remembered>,
    gave_up: bool,
}

impl Repairs {
    pub fn new(request: &RunRequest) -> Self {
        Self { request: request.clone(), rules: Vec::new(), before: None, gave_up: false }
    }

    /// Whether a program is run again in another environment without being asked for: it stopped
    /// early, for a reason that another environment takes away, and left nothing anywhere.
    pub fn is_at_once(
        &self,
        journal: &Journal,
        run: &Run,
        receipt: &Receipt,
        why: &Why,
    ) -> CommandResult<bool> {
        Ok(why.repairable
            && self.rules.len() < MOST
            && !run.job.network
            && !run::is_open(receipt)
            && receipt.results.is_empty()
            && self.request.environment.lock.is_none()
            && receipt.ended.duration_since(receipt.started) < SHORT
            // they were told that it failed
            && !journal.has_successors(&run.id)?)
    }

    /// Makes another environment and gives the run another attempt; nothing where there is none,
    /// which is said.
    pub fn prepare(
        &mut self,
        session: &Session,
        journal: &mut Journal,
        (run, plan): (&Run, &RunPlan),
        receipt: &Receipt,
        why: &Why,
    ) -> Option<RunPlan> {
        session.say(&format!(
            "why it stopped: {}; another environment is made, and it runs again",
            why.cause
        ));
        let home = &session.home;
        if self.before.is_none() {
            self.before = Some(run::answer(home, &plan.checkout, &self.request));
        }
        self.rules.push(why.rule.clone());
        match prepare(session, journal, (run, plan), receipt, &mut self.request) {
            Ok(another) => Some(another),
            Err(failure) => {
                session.say(&format!("there is none: {}", failure.error));
                self.gave_up = true;
                None
            }
        }
    }

    /// Whether another environment was looked for in vain, and that was said.
    pub fn gave_up(&self) -> bool {
        self.gave_up
    }

    /// Takes notice of how the last attempt ended: an environment in which the program stops for the
    /// same reason is no better answer than the one before.
    pub fn end(&self, why: Option<&Why>) {
        let again = why.is_some_and(|why| self.rules.contains(&why.rule));
        if let Some(before) = self.before.as_ref().filter(|_| again) {
            before.put_back();
        }
    }
}

/// Prepares a run anew, in another environment than the one in which it stopped, and gives it
/// another attempt; the journal knows nothing of it before the environment is there.
fn prepare(
    session: &Session,
    journal: &mut Journal,
    (run, plan): (&Run, &RunPlan),
    receipt: &Receipt,
    request: &mut RunRequest,
) -> CommandResult<RunPlan> {
    request.environment.stopped.extend(run::stopped_in(&session.home, run, receipt, plan));
    // anew would be as it was
    (request.environment.fresh, request.environment.refresh) = (false, false);
    let another = run::prepare_again(&session.home, plan, request, &session.reporter)?;
    failpoint::hit("repaired:before-resumed");
    journal.resume_prepared(&run.id, &prepared(&another)?)?;
    failpoint::hit("repaired:after-resumed");
    Ok(another)
}

/// Gives a run another attempt in an environment without what made its program stop, and queues it.
///
/// # Errors
///
/// Where it did not stop so, or nothing is known that helps.
pub fn resume(session: &Session, journal: &mut Journal, id: &RunId) -> CommandResult<()> {
    let run = journal.get(id.as_str())?;
    let refused = |why: String| Failure::new(ExitCode::Request, anyhow::anyhow!(why));
    if is_elsewhere(&run) {
        return Err(refused(format!("{id} ran on {}, whose environments are its own", run.target))
            .hint(
                "`--repair` is for runs on this machine; `--with` adds a requirement to any run",
            ));
    }
    if run.state != RunState::Failed {
        return Err(refused(format!("{id} is {}: there is nothing to repair", run.state)));
    }
    let Some((receipt, why)) = known(session, journal, &run)? else {
        return Err(refused(format!("why {id} stopped is not known"))
            .hint(format!("`sizar logs {id}` shows what it printed"))
            .hint("`--with` adds a requirement, `--python` and `--date` choose other versions"));
    };
    if !why.repairable {
        let failure = refused(format!("no other environment helps {id}: {}", why.cause));
        return Err(failure.hints(why.advice));
    }
    let mut request = request_of(journal, id)?;
    if request.environment.lock.is_some() {
        return Err(refused(format!("{id} wants exactly what a lock says"))
            .hint("without `--locked`, other versions can be tried"));
    }
    let plan = plan_of(journal, id)?.filter(|plan| plan.checkout.path.is_dir());
    let Some(plan) = plan else {
        return Err(refused(format!("the source of {id} is not here any more"))
            .hint("start it anew with `sizar run`"));
    };
    session.say(&format!("why it stopped: {}", why.cause));
    prepare(session, journal, (&run, &plan), &receipt, &mut request)?;
    journal.enqueue(id)?;
    queue::ensure_supervisor(&session.home)?;
    session.say(&format!("{id} is queued; `sizar wait {id}` waits for it"));
    Ok(())
}

/// Returns why the newest attempt of a run that failed stopped, where that is known.
pub fn known(
    session: &Session,
    journal: &Journal,
    run: &Run,
) -> CommandResult<Option<(Receipt, Why)>> {
    let receipt = run::Attempt::of(&session.home, &run.id, run.attempts).receipt();
    let Some(receipt) = receipt.filter(|_| run.state == RunState::Failed) else { return Ok(None) };
    let plan = plan_of(journal, &run.id)?;
    let why = run::why(&session.home, run, &receipt, plan.as_ref());
    Ok(why.map(|why| (receipt, why)))
}

/// Returns what a run executed last; none where a newer sizar planned it.
fn plan_of(journal: &Journal, id: &RunId) -> CommandResult<Option<RunPlan>> {
    Ok(journal.plan(id)?.and_then(|text| RunPlan::from_json(&text).ok()))
}
