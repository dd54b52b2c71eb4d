//! The process that executes a detached run: it watches the program, and nothing else.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use sizar_model::RunId;

use super::{Execution, RunError, RunPlan, chain, execute};
use crate::home::Home;
use crate::process::Control;
use crate::queue::socket;
use crate::store::Journal;

/// Executes `run` for the supervisor `generation`, and returns when it has ended.
///
/// The process leaves its session, so that neither the supervisor's end nor a closed terminal
/// touches it. An interrupt asks the program to stop; a second one kills it.
///
/// # Errors
///
/// [`RunError`] where the program could not be started; the journal says why.
pub fn main(home: &Home, run: &RunId, generation: i64) -> Result<(), RunError> {
    // fails only where this process leads a group already, and then it is apart
    let _ = rustix::process::setsid();
    let control = Control::default();
    obey_signals(&control);
    let mut journal = Journal::open(home)?;
    let result = start(home, &mut journal, run, &control, generation);
    socket::send(home, &socket::Message::Ended(run.clone()));
    result
}

fn start(
    home: &Home,
    journal: &mut Journal,
    run: &RunId,
    control: &Control,
    generation: i64,
) -> Result<(), RunError> {
    let text = journal.plan(run)?.ok_or_else(|| RunError::Unprepared { run: run.clone() })?;
    let plan = match RunPlan::from_json(&text) {
        Ok(plan) => plan,
        Err(error) => {
            let reason = chain(&error);
            journal.append(run, &sizar_model::EventKind::Failed { reason })?;
            return Err(error);
        }
    };
    let execution =
        Execution { home, run, plan: &plan, control, echo: false, generation: Some(generation) };
    execute(journal, execution).map(drop)
}

/// Turns signals into wishes, in a thread of their own.
fn obey_signals(control: &Control) {
    let control = control.clone();
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if signal != SIGHUP {
                control.stop();
            }
        }
    });
}
