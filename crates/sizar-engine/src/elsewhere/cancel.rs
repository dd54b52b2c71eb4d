//! Ends jobs, with what they made until then.

use std::time::Duration;

use sizar_model::{JobHandle, Output};

use super::watch::Known;
use super::{ElsewhereError, Layout};
use crate::scheduler::Signal;
use crate::target::{Place, output};
use crate::transport::Step;

/// Waits until every attempt that has begun has left its receipt, for `$1` seconds at most; then
/// for each its folder and number.
const SEALED: &str = r#"
left=$1; shift
while :; do
    open=0
    folder=
    for word; do
        if [ -z "$folder" ]; then folder=$word; continue; fi
        if [ -d "$folder/claim-$word" ] && [ ! -f "$folder/attempt-$word/receipt.json" ]; then
            open=1
        fi
        folder=
    done
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
    let layout = Layout::at(place.root());
    let words = runs
        .iter()
        .flat_map(|known| [layout.run(&known.run).into_string(), known.attempt.to_string()]);
    let sealed = Step::script(SEALED)
        .arg(PATIENCE.as_secs().to_string())
        .args(words)
        .limit(PATIENCE + Duration::from_secs(30));
    // OAR ends what it deletes at once, and Slurm as soon as the site says
    let politely = place.scheduler.signal(&jobs, Signal::Term);
    let mut steps: Vec<Step> = politely.iter().map(Step::from).collect();
    steps.push(sealed);
    let before = steps.len();
    let orders = place.scheduler.cancel(&jobs);
    steps.extend(orders.iter().map(|order| Step::from(order).keep(Step::MOST_OUTPUT)));
    let answers = place.transport.run(&steps)?;
    // a job that waits takes no signal, and needs none
    let outputs: Vec<Output> = answers.iter().skip(before).map(output).collect();
    for output in &outputs {
        place.scheduler.read_cancel(output)?;
    }
    Ok(())
}
