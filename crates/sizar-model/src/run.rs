//! A run and its states.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Ending;
use crate::event::EventKind;
use crate::{Artifact, JobSpec, RunId, SweepId, Usage};

/// One wish of the user, with its parameters and results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub state: RunState,
    pub exit_code: Option<i32>,
    /// Where it runs: `local`, or the name of a target.
    pub target: String,
    /// The source's locator, without secrets.
    pub source: String,
    /// The driver and its arguments.
    pub command: Vec<String>,
    pub created: Timestamp,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// Why it is in this state, where the state alone does not say it.
    pub reason: Option<String>,
    pub job: JobSpec,
    /// The short digest of the environment's lock, once there is one.
    pub environment: Option<String>,
    pub usage: Option<Usage>,
    pub results: Vec<Artifact>,
    /// How many times its program was started.
    pub attempts: u32,
}

/// A run as one line of a list: what can be told without reading its plan, events and results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    pub id: RunId,
    pub state: RunState,
    pub exit_code: Option<i32>,
    /// Where it runs: `local`, or the name of a target.
    pub target: String,
    /// The source's locator, without secrets.
    pub source: String,
    /// The driver and its arguments.
    pub command: Vec<String>,
    pub created: Timestamp,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// Why it is in this state, where the state alone does not say it.
    pub reason: Option<String>,
    /// The sweep that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepId>,
}

/// The state of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// The wish is on disk; nothing has happened.
    Created,
    /// Source, environment and working copy are being made.
    Preparing,
    /// Ready to run, and waiting for a place.
    Queued,
    Running,
    /// Ended with exit code 0.
    Completed,
    /// Ended with another code, by a signal, or could not be prepared.
    Failed,
    /// Stopped at its walltime.
    Timeout,
    Cancelled,
    /// It was being prepared or was running, and neither its process nor its receipt can be found.
    Lost,
    /// A state that a newer sizar wrote.
    Unknown(String),
}

/// The states' names, as stored and shown.
const NAMES: [(RunState, &str); 9] = [
    (RunState::Created, "created"),
    (RunState::Preparing, "preparing"),
    (RunState::Queued, "queued"),
    (RunState::Running, "running"),
    (RunState::Completed, "completed"),
    (RunState::Failed, "failed"),
    (RunState::Timeout, "timeout"),
    (RunState::Cancelled, "cancelled"),
    (RunState::Lost, "lost"),
];

impl RunState {
    /// Returns whether nothing more will happen unless the user resumes the run.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Timeout | Self::Cancelled | Self::Lost
        )
    }

    /// Returns the name, as stored and shown.
    pub fn name(&self) -> &str {
        match self {
            Self::Unknown(name) => name,
            known => NAMES.iter().find(|(state, _)| state == known).map_or("unknown", |(_, n)| n),
        }
    }

    /// Returns the state in which a program is that ended so.
    fn of(ending: &Ending) -> Self {
        match ending {
            Ending::Exited { code: 0 } => Self::Completed,
            Ending::Exited { .. }
            | Ending::Signalled { .. }
            | Ending::OutOfMemory
            | Ending::TooManyProcesses
            | Ending::Preempted
            | Ending::NodeFailed => Self::Failed,
            Ending::TimedOut | Ending::Idle => Self::Timeout,
            Ending::Cancelled => Self::Cancelled,
        }
    }

    /// Returns the state after `event`.
    ///
    /// # Errors
    ///
    /// [`IllegalEvent`] if `event` cannot happen in this state. The journal is then wrong or
    /// written by a newer sizar; the caller reports it and keeps the run as it was.
    pub fn after(&self, event: &EventKind) -> Result<Self, IllegalEvent> {
        use EventKind as E;
        let next = match (self, event) {
            (Self::Created | Self::Preparing, E::PreparationBegan { .. }) => Self::Preparing,
            (Self::Created | Self::Preparing, E::Prepared { .. }) => Self::Preparing,
            // what was announced to a scheduler was not handed over, and is made anew
            (Self::Queued, E::Prepared { .. }) => Self::Queued,
            (Self::Created | Self::Preparing, E::Queued) => Self::Queued,
            (Self::Preparing | Self::Queued, E::Started { .. }) => Self::Running,
            (Self::Running, E::Ended { receipt }) => Self::of(&receipt.ending),
            // a job on another machine: a receipt that appears late is still the first witness
            (Self::Lost, E::Ended { receipt }) => Self::of(&receipt.ending),
            (Self::Preparing | Self::Queued, E::Submitting { .. }) => Self::Queued,
            (Self::Queued, E::Submitted { .. }) => Self::Queued,
            // of two jobs with the same name the other was first, and has the attempt
            (Self::Running, E::Submitted { .. }) => Self::Running,
            (Self::Queued, E::NotSubmitted { .. }) => Self::Failed,
            (Self::Queued, E::Deferred { .. }) => Self::Queued,
            (Self::Queued, E::JobStarted { .. }) => Self::Running,
            (Self::Queued | Self::Running | Self::Lost, E::Judged { ending, .. }) => {
                Self::of(ending)
            }
            (Self::Created | Self::Preparing | Self::Queued | Self::Running, E::Failed { .. }) => {
                Self::Failed
            }
            // a lost run that nobody wants back is cancelled, and `resume` leaves it alone
            (Self::Created | Self::Preparing | Self::Queued | Self::Lost, E::Cancelled) => {
                Self::Cancelled
            }
            (state, E::CancelRequested) if !state.is_final() => self.clone(),
            (Self::Created | Self::Preparing | Self::Queued | Self::Running, E::Lost { .. }) => {
                Self::Lost
            }
            (state, E::Resumed) if state.is_final() && *state != Self::Completed => Self::Created,
            (Self::Created, E::Raised { .. }) => Self::Created,
            (_, E::Unknown | E::Contacted { .. }) => self.clone(),
            _ => {
                return Err(IllegalEvent { state: self.clone(), event: event.name().to_owned() });
            }
        };
        Ok(next)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<&str> for RunState {
    fn from(text: &str) -> Self {
        NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map_or_else(|| Self::Unknown(text.to_owned()), |(state, _)| state.clone())
    }
}

impl FromStr for RunState {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(text))
    }
}

impl Serialize for RunState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for RunState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// An event that cannot happen in a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run that is {state} cannot take the event `{event}`")]
pub struct IllegalEvent {
    pub state: RunState,
    pub event: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Receipt;

    fn ended(ending: Ending) -> EventKind {
        EventKind::Ended {
            receipt: Receipt {
                version: 1,
                attempt: 1,
                ending,
                started: Timestamp::UNIX_EPOCH,
                ended: Timestamp::UNIX_EPOCH,
                node: "n".into(),
                usage: Usage::default(),
                sandbox: "none".into(),
                notes: Vec::new(),
                results: Vec::new(),
            },
        }
    }

    #[test]
    fn a_verdict_is_what_the_receipt_says() {
        for (ending, state) in [
            (Ending::Exited { code: 0 }, RunState::Completed),
            (Ending::Exited { code: 3 }, RunState::Failed),
            (Ending::Signalled { signal: 11 }, RunState::Failed),
            (Ending::OutOfMemory, RunState::Failed),
            (Ending::TooManyProcesses, RunState::Failed),
            (Ending::Idle, RunState::Timeout),
            (Ending::TimedOut, RunState::Timeout),
            (Ending::Cancelled, RunState::Cancelled),
        ] {
            assert_eq!(RunState::Running.after(&ended(ending)), Ok(state));
        }
    }

    #[test]
    fn nothing_runs_twice_and_nothing_completed_is_resumed() {
        let started = EventKind::Started {
            attempt: 1,
            pid: 1,
            pid_started: 1,
            node: "n".into(),
            gpus: Vec::new(),
        };
        assert_eq!(RunState::Queued.after(&started), Ok(RunState::Running));
        assert!(RunState::Running.after(&started).is_err());
        assert!(RunState::Completed.after(&EventKind::Resumed).is_err());
        assert_eq!(RunState::Lost.after(&EventKind::Resumed), Ok(RunState::Created));
        assert!(RunState::Completed.after(&ended(Ending::TimedOut)).is_err());
        assert!(RunState::Cancelled.after(&started).is_err());
    }

    #[test]
    fn a_job_elsewhere_is_submitted_once_and_judged_by_what_is_known() {
        let submitting = EventKind::Submitting { attempt: 1, name: "sizar-x-1".into() };
        let queued = RunState::Preparing.after(&submitting).unwrap();
        assert_eq!(queued, RunState::Queued);
        let job = "12".parse().unwrap();
        let submitted = EventKind::Submitted { attempt: 1, job };
        assert_eq!(queued.after(&submitted), Ok(RunState::Queued));
        assert_eq!(RunState::Running.after(&submitted), Ok(RunState::Running));
        assert!(RunState::Completed.after(&submitted).is_err());
        let began = EventKind::JobStarted { attempt: 1, node: None };
        assert_eq!(queued.after(&began), Ok(RunState::Running));
        let died = EventKind::Judged {
            attempt: 1,
            ending: Ending::NodeFailed,
            witness: "sacct: NODE_FAIL".into(),
        };
        assert_eq!(queued.after(&died), Ok(RunState::Failed));
        assert_eq!(RunState::Running.after(&died), Ok(RunState::Failed));
        // a receipt that comes late mends what nobody knew, and nothing else
        let late = ended(Ending::Exited { code: 0 });
        assert_eq!(RunState::Lost.after(&late), Ok(RunState::Completed));
        assert!(RunState::Failed.after(&late).is_err());
        assert!(RunState::Completed.after(&submitting).is_err());
    }

    #[test]
    fn a_state_of_a_newer_sizar_is_kept() {
        let state = RunState::from("suspended");
        assert_eq!(state.name(), "suspended");
        assert!(state.after(&EventKind::Queued).is_err());
        assert_eq!(state.after(&EventKind::Unknown), Ok(state.clone()));
    }
}
