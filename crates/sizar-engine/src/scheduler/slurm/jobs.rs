//! Jobs of the queue: the lines of `squeue`, and Slurm's words for states.

use std::collections::BTreeMap;

use sizar_model::{JobHandle, JobReport, JobState};

use super::time::read_time;
use crate::scheduler::SchedulerError;
use crate::scheduler::arrays::read_ids;
use crate::scheduler::expand_host_list;

/// Id, state, start, end, nodes, reason. The reason is last: it holds blanks and commas.
pub(super) const COLUMNS: &str = "%i|%T|%S|%e|%N|%r";

/// Reads the jobs of an answer in [`COLUMNS`], every task of an array by itself.
pub(super) fn read(
    text: &str,
    cluster: Option<&str>,
) -> Result<BTreeMap<JobHandle, JobReport>, SchedulerError> {
    let mut cluster = cluster.map(str::to_owned);
    let mut reports = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("CLUSTER:") {
            cluster = Some(name.trim().to_owned());
            continue;
        }
        if line.starts_with("JOBID|") {
            continue;
        }
        let fields: Vec<&str> = line.splitn(6, '|').collect();
        let [id, state, start, end, nodes, reason] = fields[..] else {
            return Err(SchedulerError::unreadable("squeue", line));
        };
        let jobs = read_ids(id).ok_or_else(|| SchedulerError::unreadable("squeue", line))?;
        let state = read_state(state, reason, None);
        let end = read_time(end).filter(|_| state.is_final());
        let report = JobReport {
            detail: detail(&state, reason),
            state,
            start: read_time(start),
            end,
            nodes: expand_host_list(nodes),
        };
        let jobs = jobs.into_iter().map(|job| job.on(cluster.as_deref()));
        reports.extend(jobs.map(|job| (job, report.clone())));
    }
    Ok(reports)
}

/// Returns a reason that tells more of a state than it does itself.
pub(super) fn detail(state: &JobState, reason: &str) -> Option<String> {
    let told = matches!(state, JobState::Pending { .. })
        || reason.is_empty()
        || matches!(reason, "None" | "(null)");
    (!told).then(|| reason.to_owned())
}

/// Reads a state of `squeue`, `sacct` or `scontrol`, with its exit code and signal where told.
pub(super) fn read_state(word: &str, reason: &str, exit: Option<(i32, i32)>) -> JobState {
    let mut words = word.split_whitespace();
    let state = words.next().unwrap_or("").trim_end_matches('+');
    let nonzero = |number: i32| (number != 0).then_some(number);
    match state {
        "PENDING" => {
            let reason = if reason == "None" { "" } else { reason };
            JobState::Pending { reason: reason.to_owned() }
        }
        "CONFIGURING" => JobState::Starting,
        "RUNNING" | "RESIZING" | "SIGNALING" => JobState::Running,
        "SUSPENDED" | "STOPPED" => JobState::Suspended,
        "COMPLETING" | "STAGE_OUT" => JobState::Completing,
        "REQUEUED" | "REQUEUE_FED" => JobState::Requeued,
        "REQUEUE_HOLD" | "RESV_DEL_HOLD" | "SPECIAL_EXIT" => {
            JobState::Pending { reason: state.to_owned() }
        }
        "COMPLETED" => JobState::Completed,
        "FAILED" | "LAUNCH_FAILED" => JobState::Failed {
            code: exit.and_then(|(code, _)| nonzero(code)),
            signal: exit.and_then(|(_, signal)| nonzero(signal)),
        },
        "TIMEOUT" => JobState::TimedOut,
        "OUT_OF_MEMORY" => JobState::OutOfMemory,
        "CANCELLED" => {
            let by = words.next().filter(|word| *word == "by").and_then(|_| words.next());
            JobState::Cancelled { by: by.map(str::to_owned) }
        }
        "PREEMPTED" => JobState::Preempted,
        "NODE_FAIL" | "BOOT_FAIL" | "RECONFIG_FAIL" => JobState::NodeFailed,
        "DEADLINE" => JobState::DeadlineMissed,
        _ => JobState::Unknown(word.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of squeue(1), 17.11 to 25.05.
    #[test]
    fn every_state_is_read() {
        let read = |word: &str| read_state(word, "None", None);
        for word in [
            "BOOT_FAIL",
            "CANCELLED",
            "COMPLETED",
            "DEADLINE",
            "FAILED",
            "NODE_FAIL",
            "OUT_OF_MEMORY",
            "PREEMPTED",
            "TIMEOUT",
            "LAUNCH_FAILED",
            "RECONFIG_FAIL",
        ] {
            assert!(read(word).is_final(), "{word}");
        }
        for word in [
            "CONFIGURING",
            "COMPLETING",
            "PENDING",
            "RUNNING",
            "RESV_DEL_HOLD",
            "REQUEUE_FED",
            "REQUEUE_HOLD",
            "REQUEUED",
            "RESIZING",
            "SIGNALING",
            "SPECIAL_EXIT",
            "STAGE_OUT",
            "STOPPED",
            "SUSPENDED",
        ] {
            let state = read(word);
            assert!(!state.is_final() && !matches!(state, JobState::Unknown(_)), "{word}");
        }
        assert_eq!(read("FROBNICATED"), JobState::Unknown("FROBNICATED".into()));
        assert_eq!(read("REVOKED"), JobState::Unknown("REVOKED".into()));
        assert_eq!(read("CANCELLED by 1001"), JobState::Cancelled { by: Some("1001".into()) });
        assert_eq!(read("CANCELLED+"), JobState::Cancelled { by: None });
    }

    #[test]
    fn clusters_are_told_apart() {
        let text = "CLUSTER: north\nJOBID|STATE|START_TIME|END_TIME|NODELIST|REASON\n\
                    5|RUNNING|1795807957|1795808257|n1|None\n\nCLUSTER: south\n\
                    JOBID|STATE|START_TIME|END_TIME|NODELIST|REASON\n5|PENDING|N/A|N/A||Priority\n";
        let reports = read(text, Some("north")).unwrap();
        let names: Vec<String> = reports.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["5;north", "5;south"]);
    }

    #[test]
    fn a_line_of_prose_is_not_taken_for_jobs() {
        assert!(read("slurm is down for maintenance\n", None).is_err());
        assert!(read("", None).unwrap().is_empty());
    }
}
