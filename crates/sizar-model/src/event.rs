//! Everything that happens to a run.
//!
//! The journal stores events, and every view is computed from them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Ending, JobHandle, JobSpec, Receipt, Resources, RunId};

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub run: RunId,
    pub at: Timestamp,
    pub kind: EventKind,
}

/// What happened.
///
/// Stored as tagged JSON: a kind that this sizar does not know reads as [`EventKind::Unknown`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a run has one `Created`; few events live at once")]
pub enum EventKind {
    /// The user wished for it: the first event of every run, and of no other moment. `pid` and
    /// `pid_started` name the process that took the wish (see [`EventKind::Started`]).
    Created { source: String, target: String, job: JobSpec, pid: u32, pid_started: u64 },
    /// sizar began to make source, environment and working copy, in the process `pid`.
    PreparationBegan { pid: u32, pid_started: u64 },
    /// The environment is ready.
    Prepared { environment: String },
    /// The run waits for a place on this machine.
    Queued,
    /// The program is about to start; written before it does. `pid` is the process that watches
    /// it, and `pid_started` that process's start time in clock ticks since boot, so that a
    /// recycled process id is not taken for it (proc(5), field 22 of `/proc/PID/stat`).
    Started {
        attempt: u32,
        pid: u32,
        pid_started: u64,
        node: String,
        /// The numbers of the GPUs that the program may use.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gpus: Vec<u32>,
    },
    /// A job is about to be handed to the scheduler of the run's target; written before it is. Its
    /// `name` is the submission key: whoever does not know what came of it looks for that name.
    Submitting { attempt: u32, name: String },
    /// The scheduler took the job.
    Submitted { attempt: u32, job: JobHandle },
    /// The scheduler took no job: nothing under this name was found, nor could have been.
    NotSubmitted { attempt: u32, reason: String },
    /// The scheduler has no room for the job now, and took none: it waits here for another try.
    Deferred { attempt: u32, reason: String },
    /// The job began on the machine `node` of its target.
    JobStarted {
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
    },
    /// The job ended and left no receipt; `witness` says so, and what it said.
    Judged { attempt: u32, ending: Ending, witness: String },
    /// The program ended and left this receipt.
    Ended { receipt: Receipt },
    /// The run could not be prepared, or its program not be started.
    Failed { reason: String },
    /// The user asked for its end.
    CancelRequested,
    /// It was cancelled before its program started.
    Cancelled,
    /// Neither its watcher nor its receipt can be found.
    Lost { reason: String },
    /// The user asked for another attempt.
    Resumed,
    /// The next attempt asks for more than the last one had, for the reason that `words` say.
    Raised { resources: Box<Resources>, words: String },
    /// A command talked to the run's target about it, and used this.
    Contacted { contact: Contact },
    /// An event of a newer sizar.
    #[serde(other)]
    Unknown,
}

/// What talking to a target has used of what others share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    pub logins: u64,
    /// Questions that were waited for.
    pub round_trips: u64,
    /// Orders and questions to the scheduler.
    pub scheduler_queries: u64,
    /// Bytes of code, environment, data and results, as they were on the line, before ssh's own
    /// additions.
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Bytes of everything else: questions, orders, answers, and sizar itself.
    pub control_sent: u64,
    pub control_received: u64,
}

impl Contact {
    /// Returns both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            logins: self.logins + other.logins,
            round_trips: self.round_trips + other.round_trips,
            scheduler_queries: self.scheduler_queries + other.scheduler_queries,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            bytes_received: self.bytes_received + other.bytes_received,
            control_sent: self.control_sent + other.control_sent,
            control_received: self.control_received + other.control_received,
        }
    }

    /// Returns what came after `earlier`.
    pub fn minus(self, earlier: Self) -> Self {
        Self {
            logins: self.logins.saturating_sub(earlier.logins),
            round_trips: self.round_trips.saturating_sub(earlier.round_trips),
            scheduler_queries: self.scheduler_queries.saturating_sub(earlier.scheduler_queries),
            bytes_sent: self.bytes_sent.saturating_sub(earlier.bytes_sent),
            bytes_received: self.bytes_received.saturating_sub(earlier.bytes_received),
            control_sent: self.control_sent.saturating_sub(earlier.control_sent),
            control_received: self.control_received.saturating_sub(earlier.control_received),
        }
    }
}

impl EventKind {
    /// Returns the event's name, as stored.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::PreparationBegan { .. } => "preparation_began",
            Self::Prepared { .. } => "prepared",
            Self::Queued => "queued",
            Self::Started { .. } => "started",
            Self::Submitting { .. } => "submitting",
            Self::Submitted { .. } => "submitted",
            Self::NotSubmitted { .. } => "not_submitted",
            Self::Deferred { .. } => "deferred",
            Self::JobStarted { .. } => "job_started",
            Self::Judged { .. } => "judged",
            Self::Ended { .. } => "ended",
            Self::Failed { .. } => "failed",
            Self::CancelRequested => "cancel_requested",
            Self::Cancelled => "cancelled",
            Self::Lost { .. } => "lost",
            Self::Resumed => "resumed",
            Self::Raised { .. } => "raised",
            Self::Contacted { .. } => "contacted",
            Self::Unknown => "unknown",
        }
    }
}
