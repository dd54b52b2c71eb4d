//! What follows where a run's program stopped: why it did, and another environment where one helps.

use jiff::SignedDuration;
use sizar_engine::failpoint;
use sizar_engine::queue;
use sizar_engine::run::{self, RunPlan, RunRequest};
use sizar_engine::store::Journal;
use sizar_env::stopped::Why;
use sizar_model::{Locator, Receipt, Run, RunId, RunState};

use crate::commands::resume::request_of;
use crate::commands::run::prepared;
use crate::elsewhere::is_elsewhere;
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::session::Session;

/// How long a program may have run that is started again without being asked for.
const SHORT: SignedDuration = SignedDuration::from_mins(2);

/// How often that is done for one command.
const MOST: u32 = 3;

/// Says why a program stopped, and what helps.
pub fn say(session: &Session, run: &Run, why: &Why) {
    session.say(&format!("why it stopped: {}", why.cause));
    match &why.advice {
        Some(advice) => session.say(&format!("what helps: {advice}")),
        None if why.repairable => session.say(&format!(
            "`sizar resume {} --repair` makes an environment without that, and runs it again",
            run.id
        )),
        None => {}
    }
}

/// Whether a program is run again in another environment without being asked for: it stopped early,
/// for a reason that another environment takes away, and reached nothing outside.
pub fn is_at_once(run: &Run, receipt: &Receipt, why: &Why, request: &RunRequest) -> bool {
    why.repairable
        && run.attempts <= MOST
        && !run.job.network
        && request.environment.lock.is_none()
        && receipt.ended.duration_since(receipt.started) < SHORT
}

/// Prepares a run anew, in another environment than the one in which it stopped, and gives it
/// another attempt; the journal knows nothing of it before the environment is there.
pub fn prepare(
    session: &Session,
    journal: &mut Journal,
    run: &Run,
    receipt: &Receipt,
    (source, request): (&Locator, &RunRequest),
) -> CommandResult<RunPlan> {
    let mut request = request.clone();
    request.environment.stopped = run::stopped_in(&session.home, run, receipt);
    // anew would be as it was
    (request.environment.fresh, request.environment.refresh) = (false, false);
    let plan = run::prepare(&session.home, source, &request, &session.reporter)?;
    failpoint::hit("repaired:before-resumed");
    journal.resume(&run.id)?;
    journal.prepared(&run.id, &prepared(&plan)?)?;
    Ok(plan)
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
    let Some((receipt, why)) = known(session, &run) else {
        return Err(refused(format!("why {id} stopped is not known"))
            .hint(format!("`sizar logs {id}` shows what it printed"))
            .hint("`--with` adds a requirement, `--python` and `--date` choose other versions"));
    };
    if !why.repairable {
        let failure = refused(format!("no other environment helps {id}: {}", why.cause));
        return Err(failure.hints(why.advice));
    }
    let request = request_of(journal, id)?;
    if request.environment.lock.is_some() {
        return Err(refused(format!("{id} wants exactly what a lock says"))
            .hint("without `--locked`, other versions can be tried"));
    }
    session.say(&format!("why it stopped: {}", why.cause));
    let source: Locator = request.source.parse()?;
    prepare(session, journal, &run, &receipt, (&source, &request))?;
    journal.enqueue(id)?;
    queue::ensure_supervisor(&session.home)?;
    session.say(&format!("{id} is queued; `sizar wait {id}` waits for it"));
    Ok(())
}

/// Returns why the newest attempt of a run stopped, where that is known.
pub fn known(session: &Session, run: &Run) -> Option<(Receipt, Why)> {
    let receipt = run::Attempt::of(&session.home, &run.id, run.attempts).receipt()?;
    let why = run::why(&session.home, run, &receipt)?;
    Some((receipt, why))
}
