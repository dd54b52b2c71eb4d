//! What runs left on a target, and what of it may go.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use sizar_model::resources::ByteSize;
use sizar_model::{Receipt, Run, RunId};

use super::{ElsewhereError, Layout};
use crate::home::Home;
use crate::run::Attempt;
use crate::store::{Journal, StoreError};
use crate::target::Place;
use crate::transport::Step;

/// Prints the size in KiB and the name of each run's folder.
const LIST: &str = r#"
cd "$1" 2>/dev/null || exit 0
for run in *; do
    [ -d "$run" ] || continue
    size=$(du -sk "$run" 2>/dev/null | head -n 1 | tr '\t' ' ')
    printf '%s %s\n' "${size%% *}" "$run"
done
"#;

/// Removes folders of runs, each out of sight first; prints those that could not be removed.
const REMOVE: &str = r#"
cd "$1" || exit 1
shift
for run in .removed-*; do [ -d "$run" ] && set -- "$@" "$run"; done
for run; do
    case $run in .removed-*) away=$run ;; *) away=.removed-$run; mv "$run" "$away" || away= ;; esac
    [ -n "$away" ] && { rm -rf "$away" 2>/dev/null || { chmod -R u+rwX "$away"; rm -rf "$away"; }; }
    [ -z "$away" ] || [ -d "$away" ] && echo "$run"
done
exit 0
"#;

/// How long removing may take: a million files on a busy server.
const PATIENCE: Duration = Duration::from_hours(2);

/// A run's folder on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    pub run: String,
    pub size: ByteSize,
    pub ended: Option<Timestamp>,
    /// Why it stays; none where it may go.
    pub kept: Option<String>,
}

/// What may go.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Only what ended so long ago.
    pub older_than: Duration,
    /// Also what is only there: of runs that left no receipt.
    pub unverified: bool,
}

/// Lists what runs left on a target, and says of each whether it may go.
///
/// # Errors
///
/// [`ElsewhereError`] where the target or the journal cannot be read.
pub fn left_there(
    home: &Home,
    journal: &Journal,
    place: &mut Place,
    policy: Policy,
    now: Timestamp,
) -> Result<Vec<Left>, ElsewhereError> {
    let runs = Layout::at(place.root()).runs();
    let step = Step::script(LIST).arg(runs.as_str()).limit(PATIENCE).keep(Step::MOST_OUTPUT);
    let answers = place.transport.run(&[step])?;
    let text = answers.first().map(|answer| answer.text().into_owned()).unwrap_or_default();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let Some((size, name)) = line.split_once(' ') else { continue };
        let size: u64 = size.parse().unwrap_or(0);
        found.insert(name.to_owned(), ByteSize(size << 10));
    }
    let mut left = Vec::new();
    for (name, size) in found {
        let known = match name.parse::<RunId>().map(|id| journal.get(id.as_str())) {
            Ok(Ok(run)) => Some(run).filter(|run| run.id.as_str() == name),
            Ok(Err(StoreError::NoSuchRun { .. })) | Err(_) => None,
            Ok(Err(error)) => return Err(error.into()),
        };
        let receipt = known.as_ref().and_then(|run| verified(home, run));
        let kept = reason_to_keep(known.as_ref(), receipt.as_ref(), policy, now);
        left.push(Left { run: name, size, ended: known.and_then(|run| run.ended), kept });
    }
    Ok(left)
}

/// Returns the receipt of a run's last attempt if all that it names is here.
fn verified(home: &Home, run: &Run) -> Option<Receipt> {
    let attempt = Attempt::of(home, &run.id, run.attempts);
    // it got its name only when every file had its digest
    let receipt = attempt.receipt()?;
    let here = receipt.results.iter().all(|result| {
        std::fs::metadata(attempt.result(&result.path)).is_ok_and(|file| file.len() == result.size)
    });
    here.then_some(receipt)
}

/// Says why what a run left there stays; none where it may go.
fn reason_to_keep(
    run: Option<&Run>,
    verified: Option<&Receipt>,
    policy: Policy,
    now: Timestamp,
) -> Option<String> {
    let Some(run) = run else { return Some("this journal does not know it".to_owned()) };
    if !run.state.is_final() {
        return Some(format!("it is {}", run.state));
    }
    // one that never ran left nothing but its code
    if verified.is_none() && !policy.unverified && run.started.is_some() {
        return Some("its results are not here; `--unverified` removes them there".to_owned());
    }
    let Some(ended) = run.ended else { return Some("nobody knows when it ended".to_owned()) };
    let age = now.duration_since(ended).as_secs();
    let young = u64::try_from(age).unwrap_or(0) < policy.older_than.as_secs();
    young.then(|| "it ended not long ago".to_owned())
}

/// Removes what may go; returns the runs whose folders could not be removed.
///
/// # Errors
///
/// [`ElsewhereError`] where the connection broke.
pub fn clean(place: &mut Place, left: &[Left]) -> Result<Vec<String>, ElsewhereError> {
    let go: Vec<&str> =
        left.iter().filter(|one| one.kept.is_none()).map(|one| one.run.as_str()).collect();
    if go.is_empty() {
        return Ok(Vec::new());
    }
    let runs = Layout::at(place.root()).runs();
    let mut stayed = Vec::new();
    for some in go.chunks(500) {
        let step = Step::script(REMOVE).arg(runs.as_str()).args(some.iter().copied());
        let answers = place.transport.run(&[step.limit(PATIENCE).keep(Step::MOST_OUTPUT)])?;
        let text = answers.first().map(|answer| answer.text().into_owned()).unwrap_or_default();
        stayed.extend(text.lines().map(str::to_owned));
    }
    Ok(stayed)
}

#[cfg(test)]
mod tests {
    use sizar_model::{Ending, JobSpec, Resources, RunState, Scratch, Usage};

    use super::*;

    const WEEK: Duration = Duration::from_hours(24 * 7);

    fn run(state: RunState, days: Option<i64>) -> Run {
        let at = |days: i64| Timestamp::from_second(86_400 * (100 - days)).unwrap();
        Run {
            id: RunId::from_bits(1),
            state,
            exit_code: None,
            target: "tours".into(),
            source: ".".into(),
            command: Vec::new(),
            created: at(100),
            started: days.map(at),
            ended: days.map(at),
            reason: None,
            job: JobSpec {
                folder: None,
                driver: "train.py".into(),
                args: Vec::new(),
                resources: Resources::default(),
                data: Vec::new(),
                origins: Vec::new(),
                network: false,
                sandbox: true,
                restart: 0,
                restart_args: Vec::new(),
                scratch: Scratch::Auto,
                env: Vec::new(),
                after: Vec::new(),
                task: None,
            },
            environment: None,
            usage: None,
            results: Vec::new(),
            attempts: 1,
        }
    }

    fn receipt() -> Receipt {
        Receipt {
            version: 1,
            attempt: 1,
            ending: Ending::Exited { code: 0 },
            started: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
            node: "n".into(),
            usage: Usage::default(),
            sandbox: "none".into(),
            notes: Vec::new(),
            results: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_old_and_here_goes() {
        let now = Timestamp::from_second(86_400 * 100).unwrap();
        let of = |run: Option<&Run>, receipt: Option<&Receipt>, unverified| {
            reason_to_keep(run, receipt, Policy { older_than: WEEK, unverified }, now)
        };
        let here = receipt();
        assert_eq!(of(Some(&run(RunState::Completed, Some(8))), Some(&here), false), None);
        let young = of(Some(&run(RunState::Completed, Some(6))), Some(&here), true);
        assert!(young.is_some_and(|why| why.contains("not long ago")));
        // what runs, what is only there, what is somebody else's
        for state in [RunState::Running, RunState::Queued] {
            assert!(of(Some(&run(state, Some(90))), Some(&here), true).is_some());
        }
        let lost = run(RunState::Lost, Some(90));
        assert!(of(Some(&lost), None, false).is_some_and(|why| why.contains("not here")));
        assert_eq!(of(Some(&lost), None, true), None);
        assert!(of(None, None, true).is_some());
    }
}
