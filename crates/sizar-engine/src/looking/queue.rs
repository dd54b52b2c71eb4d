//! The queue: what runs, what waits, and why.

use jiff::Timestamp;
use serde::Serialize;
use sizar_model::cluster::QueuedJob;
use sizar_model::{JobHandle, JobState, Resources, RunId, SchedulerKind, Site, Walltime};

use super::{Own, OwnRun};
use crate::scheduler::{PendingReason, why_pending};

/// A line of the queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueueLine {
    pub job: JobHandle,
    /// The run of sizar's that it is.
    pub run: Option<RunId>,
    /// How many tasks of an array this line stands for.
    pub tasks: u32,
    pub name: Option<String>,
    pub user: String,
    /// Whether it is the user's own.
    pub mine: bool,
    /// In a word, as [`JobState`] is shown.
    pub state: String,
    pub pending: bool,
    /// Why it waits, in the scheduler's words.
    pub reason: Option<String>,
    pub partition: Option<String>,
    pub account: Option<String>,
    pub nodes: u32,
    pub cores: u32,
    /// GPUs on all its nodes.
    pub gpus: u32,
    pub time_used: Option<Walltime>,
    pub time_left: Option<Walltime>,
    /// When it started; for a pending job, when it is expected to.
    pub start: Option<Timestamp>,
    /// Why it waits and what to change; for the user's own jobs.
    pub why: Option<PendingReason>,
}

/// Makes the lines of a queue: what runs first, then what waits, both in the scheduler's order.
pub fn queue_lines(
    jobs: Vec<QueuedJob>,
    own: &Own,
    kind: SchedulerKind,
    site: &Site,
    now: Timestamp,
) -> Vec<QueueLine> {
    let mut lines: Vec<QueueLine> =
        jobs.into_iter().map(|job| line(job, own, kind, site, now)).collect();
    lines.sort_by_key(|line| line.pending);
    lines
}

fn line(job: QueuedJob, own: &Own, kind: SchedulerKind, site: &Site, now: Timestamp) -> QueueLine {
    let run = own.run_of(&job.job);
    let mine = run.is_some() || job.user == own.user;
    let reason = match &job.state {
        JobState::Pending { reason } => Some(reason.clone()),
        _ => None,
    };
    let why = reason
        .as_deref()
        .filter(|_| mine)
        .map(|reason| why_pending(kind, reason, Some((&asked(&job, run), site, now))));
    let pending = reason.is_some();
    let (time_used, time_left) = times(&job, pending, now);
    QueueLine {
        run: run.map(|run| run.run.clone()),
        mine,
        state: job.state.to_string(),
        pending,
        reason,
        gpus: job.gpus * job.nodes.max(1),
        time_used,
        time_left,
        why,
        job: job.job,
        tasks: job.tasks,
        name: job.name,
        user: job.user,
        partition: job.partition,
        account: job.account,
        nodes: job.nodes,
        cores: job.cores,
        start: job.start,
    }
}

/// Returns what a job asked for: what sizar asked, and what the queue tells of it.
fn asked(job: &QueuedJob, run: Option<&OwnRun>) -> Resources {
    let known = run.map(|run| run.asked.clone()).unwrap_or_default();
    Resources {
        walltime: known.walltime.or(job.walltime).or(job.time_left),
        partition: known.partition.clone().or_else(|| job.partition.clone()),
        account: known.account.clone().or_else(|| job.account.clone()),
        nodes: known.nodes.or_else(|| (job.nodes > 0).then_some(job.nodes)),
        ..known
    }
}

/// Returns the time that a job has used and has left, from its start where the scheduler tells no
/// more.
fn times(job: &QueuedJob, pending: bool, now: Timestamp) -> (Option<Walltime>, Option<Walltime>) {
    let since = job.start.filter(|_| !pending).map(|start| now.duration_since(start).as_secs());
    // the clock there may be ahead of this one
    let since = since.map(|seconds| Walltime(u64::try_from(seconds).unwrap_or(0)));
    let used = job.time_used.or(since);
    let left = || {
        let (walltime, used) = (job.walltime?, used?);
        Some(Walltime(walltime.0.saturating_sub(used.0)))
    };
    (used, job.time_left.or_else(left))
}

#[cfg(test)]
mod tests {
    use sizar_model::site::Partition;

    use super::*;

    fn pending(id: u64, user: &str, reason: &str) -> QueuedJob {
        QueuedJob {
            job: JobHandle::new(id),
            tasks: 1,
            name: Some("job".into()),
            user: user.into(),
            state: JobState::Pending { reason: reason.into() },
            partition: Some("short".into()),
            account: None,
            nodes: 2,
            cores: 4,
            gpus: 1,
            walltime: None,
            time_used: None,
            time_left: Some(Walltime(7200)),
            start: None,
        }
    }

    #[test]
    fn own_jobs_are_told_why_they_wait_and_what_to_change() {
        let short = Partition {
            name: "short".into(),
            max_walltime: Some(Walltime(1800)),
            ..Partition::default()
        };
        let site = Site { partitions: vec![short], ..Site::default() };
        let asked = Resources { walltime: Some(Walltime(36_000)), ..Resources::default() };
        let run = OwnRun { run: "7x2k9ab3".parse().unwrap(), job: JobHandle::new(2), asked };
        let own = Own { user: "alice".into(), runs: vec![run] };
        let jobs = vec![
            pending(1, "alice", "PartitionTimeLimit"),
            pending(2, "alice", "PartitionTimeLimit"),
            pending(3, "bob", "PartitionTimeLimit"),
            QueuedJob { state: JobState::Running, ..pending(4, "bob", "") },
        ];
        let now = Timestamp::UNIX_EPOCH;
        let lines = queue_lines(jobs, &own, SchedulerKind::Slurm, &site, now);
        let order: Vec<u64> = lines.iter().map(|line| line.job.id).collect();
        assert_eq!(order, [4, 1, 2, 3]);
        let advice = |at: usize| lines[at].why.as_ref().map(|why| why.advice.clone());
        assert!(advice(1).unwrap().contains("walltime 02:00:00"), "{:?}", advice(1));
        assert!(advice(2).unwrap().contains("walltime 10:00:00"), "{:?}", advice(2));
        assert_eq!(lines[2].run.as_ref().map(RunId::as_str), Some("7x2k9ab3"));
        assert_eq!((advice(3), lines[3].mine), (None, false));
        assert_eq!(lines[3].reason.as_deref(), Some("PartitionTimeLimit"));
        assert_eq!(lines[1].gpus, 2);
    }

    #[test]
    fn times_are_counted_from_the_start_where_the_scheduler_tells_no_more() {
        let start = Timestamp::from_second(1000).unwrap();
        let job = QueuedJob {
            state: JobState::Running,
            start: Some(start),
            walltime: Some(Walltime(600)),
            time_left: None,
            ..pending(1, "alice", "")
        };
        let at = |second| {
            let now = Timestamp::from_second(second).unwrap();
            times(&job, false, now)
        };
        assert_eq!(at(1100), (Some(Walltime(100)), Some(Walltime(500))));
        assert_eq!(at(5000), (Some(Walltime(4000)), Some(Walltime(0))));
        assert_eq!(at(900), (Some(Walltime(0)), Some(Walltime(600))));
    }
}
