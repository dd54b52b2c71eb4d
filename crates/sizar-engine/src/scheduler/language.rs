//! What every scheduler can say and read.

use std::collections::BTreeMap;
use std::fmt;

use camino::Utf8Path;
use jiff::Timestamp;
use sizar_model::cluster::{Node, QueuedJob, UsageRow};
use sizar_model::{Invocation, JobHandle, JobReport, Output, SchedulerKind, Site};

use super::{ArrayRange, JobName, JobScript, Oar, SchedulerError, ScriptError, Slurm};

/// The language of one batch scheduler.
///
/// A scheduler runs nothing. It says which command to run, and reads what that command printed.
/// Where it says several commands, it reads their answers in the same order, one for each.
pub trait Scheduler: fmt::Debug + Send + Sync {
    fn kind(&self) -> SchedulerKind;

    /// Renders the script that is submitted: the directives, then the body.
    fn script(&self, job: &JobScript<'_>) -> Result<String, ScriptError>;

    /// Returns the shell word for the index of the task that the script runs as.
    fn task_index(&self, array: ArrayRange) -> String;

    /// Returns the shell word for the id of the job that the script runs in.
    fn job_id(&self) -> &'static str;

    /// As [`Scheduler::job_id`], for a script that runs as a task of an array: the task's handle.
    fn task_id(&self) -> &'static str;

    /// Returns the handle of the task at place `index` of an array that was accepted.
    fn task_of(&self, job: &JobHandle, tasks: &[JobHandle], index: u32) -> Option<JobHandle>;

    /// Returns whether the scheduler itself bounds how many tasks of an array run at once.
    fn throttles_arrays(&self) -> bool;

    /// Submits the script at `path`, which must be executable.
    fn submit(&self, path: &Utf8Path) -> Result<Invocation, ScriptError>;
    fn read_submit(&self, output: &Output) -> Submission;

    /// Asks for the jobs of this name, ended ones too; `since` is when the first could have been
    /// submitted.
    fn look_up(&self, name: &JobName, since: Timestamp) -> Vec<Invocation>;

    /// Reads the jobs of a name, without those that the scheduler refused.
    ///
    /// An error says that it is not known whether there is one.
    fn read_look_up(&self, outputs: &[Output]) -> Result<Vec<Found>, SchedulerError>;

    /// Asks for all `jobs` at once: login nodes are shared, and each question costs.
    fn poll(&self, jobs: &[JobHandle]) -> Invocation;

    /// Reads the jobs that the queue still knows. One that is missing has left it; one that has
    /// ended may lack its exit code, which [`Scheduler::account`] asks for.
    fn read_poll(&self, output: &Output) -> Result<BTreeMap<JobHandle, JobReport>, SchedulerError>;

    /// Asks for jobs that have left the queue, and for the exit code of those that ended.
    ///
    /// Only for these: the accounting calls a requeued job preempted or failed while it waits to
    /// run again.
    fn account(&self, jobs: &[JobHandle]) -> Vec<Invocation>;
    fn read_account(
        &self,
        outputs: &[Output],
    ) -> Result<BTreeMap<JobHandle, JobReport>, SchedulerError>;

    /// Ends jobs: one command for each cluster that they are on.
    fn cancel(&self, jobs: &[JobHandle]) -> Vec<Invocation>;

    /// Sends a signal to the batch shell of each job.
    fn signal(&self, jobs: &[JobHandle], signal: Signal) -> Vec<Invocation>;

    /// Reads one answer to [`Scheduler::cancel`] and [`Scheduler::signal`]; that a job has ended
    /// meanwhile is no error.
    fn read_cancel(&self, output: &Output) -> Result<(), SchedulerError>;

    /// Asks for the nodes and the jobs on them.
    fn nodes(&self) -> Vec<Invocation>;
    fn read_nodes(&self, outputs: &[Output]) -> Result<Vec<Node>, SchedulerError>;

    fn queue(&self, whose: Whose) -> Invocation;
    fn read_queue(&self, output: &Output) -> Result<Vec<QueuedJob>, SchedulerError>;

    fn usage(&self, whose: Whose, period: &Period) -> Invocation;
    fn read_usage(&self, output: &Output) -> Result<Vec<UsageRow>, SchedulerError>;

    /// Asks, as an ordinary user, for all that a [`Site`] holds.
    fn probe(&self) -> Vec<Invocation>;
    fn read_probe(&self, outputs: &[Output]) -> Result<Site, SchedulerError>;
}

/// Returns the scheduler of a site, speaking for `user`.
pub fn for_site(site: &Site, user: &str) -> Option<Box<dyn Scheduler>> {
    match site.scheduler? {
        SchedulerKind::Slurm => Some(Box::new(Slurm::for_site(site, user))),
        SchedulerKind::Oar => Some(Box::new(Oar::for_site(site, user))),
    }
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// The scheduler has it.
    Accepted {
        job: JobHandle,
        /// The jobs of an array, where each has an id of its own (OAR).
        tasks: Vec<JobHandle>,
    },
    /// It does not have it, and will not.
    Refused(Unsubmitted),
    /// It may have it: look it up by name before anything else.
    Unknown { why: String },
}

/// Why a job was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubmitted {
    /// In the scheduler's words.
    pub message: String,
    /// Whether the same request may be taken later, when others of the user's jobs have ended.
    pub later: bool,
}

/// A job that was found by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub job: JobHandle,
    pub report: JobReport,
}

/// Whose jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Mine,
    Everyones,
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// A signal that a job can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// "Your time is nearly up."
    Usr1,
    Usr2,
    Int,
    Term,
}

impl Signal {
    /// Returns its name, without `SIG`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Int => "INT",
            Self::Term => "TERM",
        }
    }
}
