//! What became of a job, from what was seen of it.
//!
//! The receipt is the first witness, the scheduler the second, its accounting the third. Where
//! none of them speaks the run is lost, and nothing is guessed.

use std::time::Duration;

use sizar_model::{Ending, JobHandle, JobReport, JobState, RunState};

/// How long a receipt may take to be seen on a shared file system after its job has ended.
///
/// It is a minute: NFS remembers for so long what a folder held (nfs(5), `acdirmax`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace(pub Duration);

impl Default for Grace {
    fn default() -> Self {
        Self(Duration::from_mins(1))
    }
}

impl Grace {
    /// Returns the grace, in seconds as `SIZAR_TEST_GRACE` says where that is set, which is for
    /// tests.
    pub fn from_environment() -> Self {
        let seconds = std::env::var("SIZAR_TEST_GRACE").ok().and_then(|text| text.parse().ok());
        seconds.map_or_else(Self::default, |seconds| Self(Duration::from_secs(seconds)))
    }
}

/// What was seen of a job, and of what it left.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its receipt lies there.
    pub receipt: bool,
    /// It has claimed its attempt: it began.
    pub claimed: bool,
    /// The machine that it says it began on.
    pub node: Option<String>,
    /// The job that has the attempt, where that is another than the one that was waited for.
    pub other: Option<JobHandle>,
    /// What the queue tells of it, or else the accounting.
    pub report: Option<JobReport>,
    /// Whether the scheduler was heard: silence is no answer.
    pub heard: bool,
    /// For how long it has been gone or ended without a receipt being seen.
    pub without_receipt: Duration,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing new.
    Wait,
    /// It has begun.
    Began { node: Option<String> },
    /// Its receipt is there: bring it home.
    Bring,
    /// It ended without a receipt, as the scheduler says.
    Judge { ending: Ending, witness: String },
    /// Nobody knows how it ended.
    Lose { reason: String },
}

/// Decides what follows for a run in `state`.
pub fn decide(state: &RunState, seen: &Seen, grace: Grace) -> Verdict {
    if seen.receipt {
        return Verdict::Bring;
    }
    let report = seen.report.as_ref();
    let ended = report.is_some_and(|report| report.state.is_final());
    let gone = seen.heard && report.is_none();
    if !ended && !gone {
        let began = seen.claimed || report.is_some_and(|report| is_under_way(&report.state));
        if began && *state == RunState::Queued {
            let told = report.and_then(|report| report.nodes.first().cloned());
            return Verdict::Began { node: seen.node.clone().or(told) };
        }
        return Verdict::Wait;
    }
    // what never had a node can have left nothing
    let never_ran = !seen.claimed && report.is_some_and(JobReport::never_ran);
    if seen.without_receipt < grace.0 && !never_ran {
        return Verdict::Wait;
    }
    let on = seen.node.as_ref().map(|node| format!(", which began on {node}")).unwrap_or_default();
    match report {
        None => Verdict::Lose {
            reason: format!(
                "the scheduler knows nothing more of its job{on}, and it left no receipt"
            ),
        },
        Some(report) => judge(report, &on),
    }
}

fn is_under_way(state: &JobState) -> bool {
    matches!(state, JobState::Running | JobState::Suspended | JobState::Completing)
}

fn judge(report: &JobReport, on: &str) -> Verdict {
    let state = &report.state;
    let detail = report.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let witness = format!("the scheduler says {state}{detail}; the job{on} left no receipt");
    let ending = match state {
        JobState::TimedOut | JobState::DeadlineMissed => Ending::TimedOut,
        JobState::OutOfMemory => Ending::OutOfMemory,
        JobState::Cancelled { by } => {
            let who = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let witness = format!("the scheduler says cancelled{who}; the job{on} left no receipt");
            return Verdict::Judge { ending: Ending::Cancelled, witness };
        }
        JobState::Preempted => Ending::Preempted,
        JobState::NodeFailed => Ending::NodeFailed,
        JobState::Failed { signal: Some(signal), .. } => Ending::Signalled { signal: *signal },
        JobState::Failed { code: Some(code), .. } if *code != 0 => Ending::Exited { code: *code },
        // a success without its sealed results is none
        _ => return Verdict::Lose { reason: witness },
    };
    Verdict::Judge { ending, witness }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(state: &RunState, seen: &Seen) -> Verdict {
        super::decide(state, seen, Grace::default())
    }

    fn seen(state: Option<JobState>) -> Seen {
        Seen {
            report: state.map(JobReport::new),
            heard: true,
            without_receipt: Grace::default().0,
            ..Seen::default()
        }
    }

    #[test]
    fn a_receipt_is_heard_before_anybody_else() {
        let failed = JobState::Failed { code: Some(1), signal: None };
        let with = Seen { receipt: true, ..seen(Some(failed)) };
        assert_eq!(decide(&RunState::Running, &with), Verdict::Bring);
    }

    #[test]
    fn a_scheduler_that_says_nothing_changes_nothing() {
        let silent = Seen { heard: false, ..seen(None) };
        assert_eq!(decide(&RunState::Running, &silent), Verdict::Wait);
        let unknown = seen(Some(JobState::Unknown("FROBNICATED".into())));
        assert_eq!(decide(&RunState::Running, &unknown), Verdict::Wait);
    }

    #[test]
    fn nothing_is_lost_before_its_receipt_had_time_to_be_seen() {
        let early = Seen { without_receipt: Duration::from_secs(5), ..seen(None) };
        assert_eq!(decide(&RunState::Running, &early), Verdict::Wait);
        assert!(matches!(decide(&RunState::Running, &seen(None)), Verdict::Lose { .. }));
    }

    #[test]
    fn a_job_that_was_cancelled_in_the_queue_needs_no_patience() {
        let cancelled = Seen {
            without_receipt: Duration::ZERO,
            ..seen(Some(JobState::Cancelled { by: None }))
        };
        assert!(matches!(decide(&RunState::Queued, &cancelled), Verdict::Judge { .. }));
        let began = Seen { claimed: true, ..cancelled };
        assert_eq!(decide(&RunState::Running, &began), Verdict::Wait);
    }

    #[test]
    fn without_a_receipt_the_scheduler_is_believed_but_not_its_success() {
        let judged = |state| decide(&RunState::Running, &seen(Some(state)));
        let ending = |verdict| match verdict {
            Verdict::Judge { ending, .. } => ending,
            other => panic!("{other:?}"),
        };
        assert_eq!(ending(judged(JobState::TimedOut)), Ending::TimedOut);
        assert_eq!(ending(judged(JobState::OutOfMemory)), Ending::OutOfMemory);
        assert_eq!(ending(judged(JobState::NodeFailed)), Ending::NodeFailed);
        assert_eq!(ending(judged(JobState::Preempted)), Ending::Preempted);
        let by = JobState::Cancelled { by: Some("0".into()) };
        assert_eq!(ending(judged(by)), Ending::Cancelled);
        let failed = JobState::Failed { code: Some(3), signal: None };
        assert_eq!(ending(judged(failed)), Ending::Exited { code: 3 });
        assert!(matches!(judged(JobState::Completed), Verdict::Lose { .. }));
    }

    #[test]
    fn a_job_that_runs_has_begun() {
        let running = seen(Some(JobState::Running));
        assert_eq!(decide(&RunState::Queued, &running), Verdict::Began { node: None });
        assert_eq!(decide(&RunState::Running, &running), Verdict::Wait);
        // the claim tells it also while the scheduler is away
        let claimed =
            Seen { claimed: true, node: Some("cpu01".into()), heard: false, ..seen(None) };
        let began = Verdict::Began { node: Some("cpu01".into()) };
        assert_eq!(decide(&RunState::Queued, &claimed), began);
    }
}
