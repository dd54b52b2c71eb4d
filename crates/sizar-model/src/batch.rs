//! Jobs of a batch scheduler, as its answers tell them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The scheduler's name for a job: `123`, `123_4` for a task of a Slurm array, `123;tours` on
/// another cluster than the login node's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobHandle {
    pub cluster: Option<String>,
    /// The number, without task.
    pub id: u64,
    /// The index in an array.
    pub task: Option<u32>,
}

impl JobHandle {
    /// Returns the handle of the job `id` on the login node's own cluster.
    pub fn new(id: u64) -> Self {
        Self { cluster: None, id, task: None }
    }

    /// Returns the handle of a task of this array.
    pub fn with_task(&self, task: u32) -> Self {
        Self { task: Some(task), ..self.clone() }
    }

    /// Returns the handle on `cluster`.
    pub fn on(self, cluster: Option<&str>) -> Self {
        Self { cluster: cluster.map(str::to_owned), ..self }
    }

    /// Returns the id as the scheduler's commands take it: `123` or `123_4`.
    pub fn word(&self) -> String {
        match self.task {
            Some(task) => format!("{}_{task}", self.id),
            None => self.id.to_string(),
        }
    }
}

impl fmt::Display for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cluster {
            Some(cluster) => f.pad(&format!("{};{cluster}", self.word())),
            None => f.pad(&self.word()),
        }
    }
}

/// A text that is not a job's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a job id such as `123`, `123_4` or `123;cluster`")]
pub struct InvalidJobHandle(pub String);

impl FromStr for JobHandle {
    type Err = InvalidJobHandle;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidJobHandle(text.to_owned());
        let (job, cluster) = match text.trim().split_once(';') {
            Some((_, "")) => return Err(invalid()),
            Some((job, cluster)) => (job, Some(cluster.to_owned())),
            None => (text.trim(), None),
        };
        let (id, task) = match job.split_once('_') {
            Some((id, task)) => (id, Some(number(task).ok_or_else(invalid)?)),
            None => (job, None),
        };
        let task = task.map(u32::try_from).transpose().map_err(|_| invalid())?;
        Ok(Self { cluster, id: number(id).ok_or_else(invalid)?, task })
    }
}

fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl Serialize for JobHandle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobHandle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The state of a job, in the scheduler's eyes.
///
/// It is the second witness of how a run ended; the first is the receipt that the job leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// In the queue; the reason in the scheduler's words, empty where it gives none.
    Pending {
        reason: String,
    },
    /// It has its nodes, and they are being made ready.
    Starting,
    Running,
    Suspended,
    /// Its program has ended, its nodes are being freed.
    Completing,
    /// It was stopped, and goes back into the queue.
    Requeued,
    /// Ended with exit code 0.
    Completed,
    /// Ended with another code or by a signal, where the scheduler tells which.
    Failed {
        code: Option<i32>,
        signal: Option<i32>,
    },
    /// Stopped at its walltime.
    TimedOut,
    /// Stopped for using more memory than it asked for.
    OutOfMemory,
    /// Stopped by somebody: a user's name or number, where the scheduler tells.
    Cancelled {
        by: Option<String>,
    },
    /// Stopped for the sake of another job.
    Preempted,
    /// A node of it died, or could not be started.
    NodeFailed,
    /// Stopped at, or never begun before, the deadline that it was given.
    DeadlineMissed,
    /// A word that this sizar does not know.
    Unknown(String),
}

impl JobState {
    /// Returns whether the job will do nothing more.
    ///
    /// A state that is not known is not final: an invented verdict is worse than another look.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Completed
                | Self::Failed { .. }
                | Self::TimedOut
                | Self::OutOfMemory
                | Self::Cancelled { .. }
                | Self::Preempted
                | Self::NodeFailed
                | Self::DeadlineMissed
        )
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Pending { .. } => "pending",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Completing => "completing",
            Self::Requeued => "requeued",
            Self::Completed => "completed",
            Self::Failed { .. } => "failed",
            Self::TimedOut => "timeout",
            Self::OutOfMemory => "out of memory",
            Self::Cancelled { .. } => "cancelled",
            Self::Preempted => "preempted",
            Self::NodeFailed => "node failed",
            Self::DeadlineMissed => "deadline missed",
            Self::Unknown(word) => word,
        };
        f.pad(text)
    }
}

/// What the scheduler tells of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    pub state: JobState,
    /// More about a state that is not pending, in the scheduler's words: `NonZeroExitCode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it started; for a pending job, when the scheduler expects it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// When it ended; none while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// The nodes that it has or had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
}

impl JobReport {
    /// Returns a report that tells no more than the state.
    pub fn new(state: JobState) -> Self {
        Self { state, detail: None, start: None, end: None, nodes: Vec::new() }
    }

    /// Returns whether it ended without having had a node.
    ///
    /// Slurm keeps a job that it refuses (`BadConstraints`) as a failed one.
    pub fn never_ran(&self) -> bool {
        self.state.is_final() && self.nodes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_read_and_written() {
        for text in ["123", "123_4", "123;tours", "123_4;tours"] {
            let handle: JobHandle = text.parse().unwrap();
            assert_eq!(handle.to_string(), text);
            let json = serde_json::to_string(&handle).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<JobHandle>(&json).unwrap(), handle);
        }
        for text in ["", "x", "12x", "1_", "1_x", "1;", "-5", "+5", "1_[2-3]", "1.batch"] {
            assert!(text.parse::<JobHandle>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_state_is_not_final() {
        assert!(!JobState::Unknown("FROBNICATED".into()).is_final());
        assert!(JobState::NodeFailed.is_final());
        let state = JobState::Unknown("X".into());
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(json, r#"{"unknown":"X"}"#);
        assert_eq!(serde_json::from_str::<JobState>(&json).unwrap(), state);
    }
}
