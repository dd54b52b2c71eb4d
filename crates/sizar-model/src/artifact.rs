//! What a run made, and the receipt it leaves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Digest;

/// A file that a run created or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The path relative to the run's working copy, or `~/…` in the run's home folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    pub blake3: Digest,
}

/// What a run used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Seconds from start to end.
    pub wall_seconds: f64,
    /// Seconds of processor time, user and system, of all processes.
    pub cpu_seconds: f64,
    /// The largest resident memory seen of all processes together, in bytes.
    pub peak_memory: u64,
    /// The memory in use on average; 0 where it was not measured.
    pub mean_memory: u64,
    /// The most cores that it used at a time, over half a second or more.
    pub peak_cores: f64,
    /// Its GPUs, where something told of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuUsage>,
}

/// What a run's GPUs did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuUsage {
    /// The part of the time in which they computed, on average over all of them: 0 to 1.
    pub busy: f64,
    /// The most memory in use on one of them, in bytes.
    pub peak_memory: u64,
}

impl Usage {
    /// Returns how many cores were used on average.
    pub fn mean_cores(&self) -> f64 {
        if self.wall_seconds > 0.0 { self.cpu_seconds / self.wall_seconds } else { 0.0 }
    }
}

/// The job's own account of its end, written beside it by write-then-rename.
///
/// It is the first witness of the verdict: what it says is never guessed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The format of this file; a newer sizar reads older ones.
    pub version: u32,
    /// The attempt of the run, from 1.
    pub attempt: u32,
    pub ending: Ending,
    pub started: Timestamp,
    pub ended: Timestamp,
    /// The machine's name.
    pub node: String,
    pub usage: Usage,
    /// What kept the program in: `bubblewrap`, `landlock` or `none`, and what it left open.
    pub sandbox: String,
    /// Things the reader should know: a limit that could not be set, an address refused.
    #[serde(default)]
    pub notes: Vec<String>,
    pub results: Vec<Artifact>,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ending {
    /// It ended by itself, with this code.
    Exited { code: i32 },
    /// A signal ended it that sizar did not send.
    Signalled { signal: i32 },
    /// It used up its walltime.
    TimedOut,
    /// It used more memory than it asked for.
    OutOfMemory,
    /// It started more processes than it may.
    TooManyProcesses,
    /// It did nothing for as long as it may.
    Idle,
    /// The user stopped it.
    Cancelled,
    /// Its scheduler stopped it for the sake of another job.
    Preempted,
    /// The machine that it ran on died.
    NodeFailed,
}

impl Ending {
    /// Returns the exit code that a shell would show: 128 and the signal, 124 at the walltime.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Exited { code } => *code,
            Self::Signalled { signal } => 128 + signal,
            Self::TimedOut | Self::Idle => 124,
            Self::OutOfMemory | Self::TooManyProcesses => 137,
            Self::Cancelled => 130,
            // what a shell shows for SIGTERM, which such a program gets if it gets anything
            Self::Preempted | Self::NodeFailed => 143,
        }
    }

    /// Says why the program did not end well, where its exit code does not.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Exited { .. } => None,
            Self::Signalled { signal } => Some(format!("the program was ended by signal {signal}")),
            Self::TimedOut => Some("the program was stopped at its walltime".to_owned()),
            Self::OutOfMemory => Some("the program used more memory than it asked for".to_owned()),
            Self::TooManyProcesses => {
                Some("the program started more processes than it may".to_owned())
            }
            Self::Idle => Some("the program did nothing any more and was stopped".to_owned()),
            Self::Cancelled => Some("it was cancelled while it ran".to_owned()),
            Self::Preempted => {
                Some("the scheduler stopped it for the sake of another job".to_owned())
            }
            Self::NodeFailed => Some("the machine that it ran on died".to_owned()),
        }
    }
}
