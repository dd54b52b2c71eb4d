//! Ends jobs, with what they made until then.

use std::time::Duration;

use sizar_model::{JobHandle, Output};

use super::watch::Known;
use super::{ElsewhereError, Layout};
use crate::scheduler::Signal;
use crate::target::{Place, output};
use crate::transport::Step;

/// Prints a line for each attempt, `1` where it has begun; for each its claim.
const BEGUN: &str = r#"for claim; do [ -d "$claim" ] && echo 1 || echo 0; done"#;

/// Waits until every receipt is there, for `$1` seconds at most.
const SEALED: &str = r#"
left=$1; shift
while :; do
    open=0
    for receipt; do [ -f "$receipt" ] || open=1; done
    left=$((left - 1))
    if [ $open = 0 ] || [ $left -lt 0 ]; then exit 0; fi
    sleep 1
done
"#;

/// How long a program may take to stop and its results to be sealed before its job is ended by
/// force.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks the scheduler to end the jobs of `runs`: politely, so that what they made is sealed, then
/// by force.
///
/// What became of them is found out as for every other end.
///
/// # Errors
///
/// [`ElsewhereError::Scheduler`] where it refused.
pub fn cancel(place: &mut Place, runs: &[Known]) -> Result<(), ElsewhereError> {
    let jobs: Vec<JobHandle> = runs.iter().filter_map(|known| known.job.clone()).collect();
    if jobs.is_empty() {
        return Ok(());
    }
    let mut steps = politely(place, runs)?;
    let before = steps.len();
    let orders = place.scheduler.cancel(&jobs);
    steps.extend(orders.iter().map(|order| Step::from(order).keep(Step::MOST_OUTPUT)));
    place.questions += orders.len() as u64;
    let answers = place.transport.run(&steps)?;
    let outputs: Vec<Output> = answers.iter().skip(before).map(output).collect();
    for output in &outputs {
        place.scheduler.read_cancel(output)?;
    }
    Ok(())
}

/// Returns what lets the jobs that have begun seal what they made.
///
/// A job that waits is not signalled: `scancel` would go on trying for a minute.
fn politely(place: &mut Place, runs: &[Known]) -> Result<Vec<Step>, ElsewhereError> {
    let layout = Layout::at(place.root());
    let claims = runs.iter().map(|known| layout.claim(&known.run, known.attempt).into_string());
    let answers = place.transport.run(&[Step::script(BEGUN).args(claims)])?;
    let text = answers.first().map(|answer| answer.text().into_owned()).unwrap_or_default();
    let begun: Vec<&Known> = runs
        .iter()
        .zip(text.lines())
        .filter(|(_, begun)| *begun == "1")
        .map(|(run, _)| run)
        .collect();
    let jobs: Vec<JobHandle> = begun.iter().filter_map(|known| known.job.clone()).collect();
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let receipts =
        begun.iter().map(|known| layout.receipt(&known.run, known.attempt).into_string());
    let sealed = Step::script(SEALED)
        .arg(PATIENCE.as_secs().to_string())
        .args(receipts)
        .limit(PATIENCE + Duration::from_secs(30));
    // OAR ends what it deletes at once, and Slurm as soon as the site says
    let signals = place.scheduler.signal(&jobs, Signal::Term);
    Ok(signals.iter().map(Step::from).chain([sealed]).collect())
}
