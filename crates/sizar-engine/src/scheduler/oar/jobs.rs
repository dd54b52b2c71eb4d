//! Jobs: the JSON of `oarstat`, and OAR's words for states.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sizar_model::{JobHandle, JobReport, JobState};

use super::field;
use crate::scheduler::SchedulerError;

/// Reads the jobs of an answer of `oarstat --full --json`.
pub(super) fn read(text: &str) -> Result<BTreeMap<JobHandle, JobReport>, SchedulerError> {
    let jobs = field::objects("oarstat", text)?;
    Ok(jobs.into_iter().map(|(id, job)| (JobHandle::new(id), report(&job))).collect())
}

/// Reads one job.
pub(super) fn report(job: &Map<String, Value>) -> JobReport {
    let events = events(job);
    let state = state(job, &events);
    let start = field::time(job, field::START);
    JobReport {
        detail: detail(&state, &events),
        start: start.or_else(|| scheduled_start(job)),
        end: field::time(job, field::STOP).filter(|_| state.is_final()),
        nodes: field::texts(job, field::HOSTS),
        state,
    }
}

/// Reads when a waiting job is expected to start.
pub(super) fn scheduled_start(job: &Map<String, Value>) -> Option<jiff::Timestamp> {
    field::time(job, field::SCHEDULED_START)
}

/// Something that OAR did with a job.
#[derive(Debug)]
pub(super) struct Event {
    kind: String,
    description: String,
}

fn events(job: &Map<String, Value>) -> Vec<Event> {
    let Some(Value::Array(events)) = job.get("events") else { return Vec::new() };
    let mut events: Vec<(i64, Event)> = events
        .iter()
        .filter_map(Value::as_object)
        .map(|event| {
            let kind = field::text(event, &["type"]).unwrap_or_default();
            let description = field::text(event, &["description"]).unwrap_or_default();
            (field::number(event, &["event_id"]).unwrap_or(0), Event { kind, description })
        })
        .collect();
    events.sort_by_key(|(number, _)| *number);
    events.into_iter().map(|(_, event)| event).collect()
}

fn state(job: &Map<String, Value>, events: &[Event]) -> JobState {
    let word = field::text(job, &["state"]).unwrap_or_default();
    let message = || field::text(job, &["message"]).unwrap_or_default();
    match word.as_str() {
        "Waiting" | "toAckReservation" => JobState::Pending { reason: message() },
        "Hold" => JobState::Pending { reason: "Hold".to_owned() },
        "toLaunch" | "Launching" => JobState::Starting,
        "Running" => JobState::Running,
        "Suspended" | "Resuming" => JobState::Suspended,
        "Finishing" | "toError" => JobState::Completing,
        "Terminated" => terminated(field::number(job, &["exit_code"]), events, word),
        "Error" => stopped(events),
        _ => JobState::Unknown(word),
    }
}

/// Reads the end of a job whose program ended, from its raw wait status.
fn terminated(status: Option<i64>, events: &[Event], word: String) -> JobState {
    // a program may end by itself when it is told that its time is up
    if has(events, "WALLTIME") {
        return JobState::TimedOut;
    }
    match status.and_then(|status| i32::try_from(status).ok()) {
        Some(0) => JobState::Completed,
        Some(status) if status & 0x7f != 0 => {
            JobState::Failed { code: None, signal: Some(status & 0x7f) }
        }
        Some(status) => JobState::Failed { code: Some(status >> 8), signal: None },
        // without its exit code, how it ended is not known
        None => JobState::Unknown(word),
    }
}

/// Finds why OAR stopped a job: every such job is in the state `Error`.
fn stopped(events: &[Event]) -> JobState {
    if has(events, "WALLTIME") {
        return JobState::TimedOut;
    }
    if has(events, "BESTEFFORT_KILL") {
        return JobState::Preempted;
    }
    let node = ["SUSPECTED", "NODE_"];
    if events.iter().any(|event| node.iter().any(|word| event.kind.contains(word))) {
        return JobState::NodeFailed;
    }
    match events.iter().find(|event| event.kind == "FRAG_JOB_REQUEST") {
        Some(event) => JobState::Cancelled { by: user(&event.description) },
        None => JobState::Failed { code: None, signal: None },
    }
}

fn has(events: &[Event], kind: &str) -> bool {
    events.iter().any(|event| event.kind == kind)
}

/// Reads `User alice requested to frag the job 16`.
fn user(description: &str) -> Option<String> {
    let name = description.strip_prefix("User ")?.split_whitespace().next()?;
    Some(name.to_owned())
}

/// Returns what OAR noted of a job that went wrong, where its state does not say it all.
fn detail(state: &JobState, events: &[Event]) -> Option<String> {
    let wanting = matches!(
        state,
        JobState::Failed { code: None, signal: None } | JobState::NodeFailed | JobState::Unknown(_)
    );
    let ordinary = ["SWITCH_INTO_", "SCHEDULER_PRIORITY_", "SEND_KILL_JOB", "CHECKPOINT", "SIG"];
    events
        .iter()
        .filter(|_| wanting)
        .find(|event| !ordinary.iter().any(|word| event.kind.starts_with(word)))
        .map(|event| format!("{}: {}", event.kind, event.description))
}
