//! Jobs that have left the queue: `sacct`, or `scontrol` where there is no accounting.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sizar_model::{JobHandle, JobReport};

use super::jobs::{detail, read_state};
use super::record::Record;
use super::time::read_time;
use crate::scheduler::SchedulerError;
use crate::scheduler::arrays::read_ids;
use crate::scheduler::expand_host_list;

/// The columns that [`read`] reads.
pub(super) const COLUMNS: &str = "JobID,State,ExitCode,Start,End,NodeList";

/// The column that is added where jobs of other clusters are asked for.
pub(super) const CLUSTER: &str = ",Cluster";

/// Writes the moment a day before `time`: clocks here and there may differ.
pub(super) fn day_before(time: Timestamp) -> String {
    let day = jiff::SignedDuration::from_hours(24);
    let before = time.checked_sub(day).unwrap_or(Timestamp::UNIX_EPOCH);
    before.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Reads lines of `sacct` in [`COLUMNS`], or of `scontrol --oneliner show job`.
pub(super) fn read(
    text: &str,
    cluster: Option<&str>,
) -> Result<BTreeMap<JobHandle, JobReport>, SchedulerError> {
    let mut reports = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (jobs, report) = if line.starts_with("JobId=") {
            of_scontrol(line).ok_or_else(|| SchedulerError::unreadable("scontrol", line))?
        } else {
            of_sacct(line).ok_or_else(|| SchedulerError::unreadable("sacct", line))?
        };
        let jobs = jobs.into_iter().map(|job| match job.cluster {
            Some(_) => job,
            None => job.on(cluster),
        });
        reports.extend(jobs.map(|job| (job, report.clone())));
    }
    Ok(reports)
}

fn of_sacct(line: &str) -> Option<(Vec<JobHandle>, JobReport)> {
    let fields: Vec<&str> = line.split('|').collect();
    let [id, state, exit, start, end, nodes, ref cluster @ ..] = fields[..] else { return None };
    let state = read_state(state, "", exit_code(exit));
    let nodes = if nodes == "None assigned" { "" } else { nodes };
    let report = JobReport {
        detail: None,
        start: read_time(start),
        end: read_time(end).filter(|_| state.is_final()),
        state,
        nodes: expand_host_list(nodes),
    };
    let jobs = read_ids(id)?.into_iter().map(|job| job.on(cluster.first().copied())).collect();
    Some((jobs, report))
}

fn of_scontrol(line: &str) -> Option<(Vec<JobHandle>, JobReport)> {
    let record = Record::read(line);
    let id = match (record.get("ArrayJobId"), record.get("ArrayTaskId")) {
        (Some(array), Some(task)) if task.parse::<u32>().is_ok() => format!("{array}_{task}"),
        (Some(array), Some(tasks)) => format!("{array}_[{tasks}]"),
        _ => record.get("JobId")?.to_owned(),
    };
    let reason = record.get("Reason").unwrap_or("");
    let exit = record.get("ExitCode").and_then(exit_code);
    let state = read_state(record.get("JobState")?, reason, exit);
    let report = JobReport {
        detail: detail(&state, reason),
        start: record.get("StartTime").and_then(read_time),
        end: record.get("EndTime").and_then(read_time).filter(|_| state.is_final()),
        state,
        nodes: record.get("NodeList").map(expand_host_list).unwrap_or_default(),
    };
    Some((read_ids(&id)?, report))
}

/// Reads `7:0`: exit code and signal.
fn exit_code(text: &str) -> Option<(i32, i32)> {
    let (code, signal) = text.split_once(':')?;
    Some((code.parse().ok()?, signal.parse().ok()?))
}
