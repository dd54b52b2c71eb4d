//! OAR's words for what a [`Scheduler`] says.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use jiff::Timestamp;
use sizar_model::cluster::{Node, QueuedJob, UsageRow};
use sizar_model::site::SchedulerVersion;
use sizar_model::{Invocation, JobHandle, JobReport, NetworkAccess, Output, SchedulerKind, Site};

use super::{directives, failure, jobs, nodes, queue, site, submission, usage};
use crate::scheduler::{
    ArrayRange, Found, JobName, JobScript, Period, Scheduler, SchedulerError, ScriptError, Signal,
    Submission, Whose,
};

/// OAR, as one user speaks it at one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oar {
    /// The user's name there.
    pub user: String,
    /// Unknown before the site was probed.
    pub version: Option<SchedulerVersion>,
    /// The property that holds a node's memory in MB, where the site has one.
    pub memory_property: Option<String>,
    /// The property that names a GPU's kind, where the site has one.
    pub gpu_property: Option<String>,
}

impl Oar {
    /// Starts with what holds everywhere.
    pub fn new(user: impl Into<String>) -> Self {
        Self { user: user.into(), version: None, memory_property: None, gpu_property: None }
    }

    /// Speaks as a probe of the site found right.
    pub fn for_site(site: &Site, user: &str) -> Self {
        Self {
            user: user.to_owned(),
            version: site.version,
            memory_property: site.memory_property.clone(),
            gpu_property: site.gpu_property.clone(),
        }
    }

    pub(super) fn command(program: &str) -> Invocation {
        Invocation::new(program).env("LC_ALL", "C").env("TZ", "UTC").network(NetworkAccess::Full)
    }

    /// Starts an `oarstat` that tells of jobs all there is: exit code, events.
    pub(super) fn oarstat() -> Invocation {
        Self::command("oarstat").args(["--full", "--json"])
    }
}

fn ids(jobs: &[JobHandle]) -> impl Iterator<Item = String> {
    let ids: BTreeSet<u64> = jobs.iter().map(|job| job.id).collect();
    ids.into_iter().map(|id| id.to_string())
}

impl Scheduler for Oar {
    fn kind(&self) -> SchedulerKind {
        SchedulerKind::Oar
    }

    fn script(&self, job: &JobScript<'_>) -> Result<String, ScriptError> {
        directives::script(self, job)
    }

    fn task_index(&self, array: ArrayRange) -> String {
        // OAR counts from 1, whatever was asked for
        format!("$((OAR_ARRAY_INDEX - 1 + {}))", array.first)
    }

    fn job_id(&self) -> &'static str {
        "${OAR_JOB_ID}"
    }

    fn task_id(&self) -> &'static str {
        // each task is a job of its own
        self.job_id()
    }

    fn task_of(&self, job: &JobHandle, tasks: &[JobHandle], index: u32) -> Option<JobHandle> {
        let only = (index == 0).then_some(job);
        tasks.get(index as usize).or(only).cloned()
    }

    fn throttles_arrays(&self) -> bool {
        false
    }

    fn submit(&self, path: &Utf8Path) -> Result<Invocation, ScriptError> {
        submission::submit(path)
    }

    fn read_submit(&self, output: &Output) -> Submission {
        submission::read(output)
    }

    fn look_up(&self, name: &JobName, _since: Timestamp) -> Vec<Invocation> {
        // a name holds no quote, so it cannot leave its string
        vec![Self::oarstat().arg(format!("--sql=job_name = '{name}'"))]
    }

    fn read_look_up(&self, outputs: &[Output]) -> Result<Vec<Found>, SchedulerError> {
        submission::read_look_up(&self.user, outputs)
    }

    fn poll(&self, jobs: &[JobHandle]) -> Invocation {
        Self::oarstat().args(ids(jobs).map(|id| format!("--job={id}")))
    }

    fn read_poll(&self, output: &Output) -> Result<BTreeMap<JobHandle, JobReport>, SchedulerError> {
        jobs::read(failure::answer("oarstat", output)?)
    }

    fn account(&self, jobs: &[JobHandle]) -> Vec<Invocation> {
        // the database keeps ended jobs: the same question answers both
        vec![self.poll(jobs)]
    }

    fn read_account(
        &self,
        outputs: &[Output],
    ) -> Result<BTreeMap<JobHandle, JobReport>, SchedulerError> {
        let mut reports = BTreeMap::new();
        for output in outputs {
            reports.extend(self.read_poll(output)?);
        }
        Ok(reports)
    }

    fn cancel(&self, jobs: &[JobHandle]) -> Vec<Invocation> {
        vec![Self::command("oardel").args(ids(jobs))]
    }

    fn signal(&self, jobs: &[JobHandle], signal: Signal) -> Vec<Invocation> {
        let signal = format!("SIG{}", signal.name());
        vec![Self::command("oardel").arg("--signal").arg(signal).args(ids(jobs))]
    }

    fn read_cancel(&self, output: &Output) -> Result<(), SchedulerError> {
        submission::read_cancel(output)
    }

    fn nodes(&self) -> Vec<Invocation> {
        nodes::ask()
    }

    fn read_nodes(&self, outputs: &[Output]) -> Result<Vec<Node>, SchedulerError> {
        nodes::read(self, outputs)
    }

    fn queue(&self, whose: Whose) -> Invocation {
        queue::ask(whose)
    }

    fn read_queue(&self, output: &Output) -> Result<Vec<QueuedJob>, SchedulerError> {
        queue::read(output)
    }

    fn usage(&self, whose: Whose, period: &Period) -> Invocation {
        usage::ask(whose, period)
    }

    fn read_usage(&self, output: &Output) -> Result<Vec<UsageRow>, SchedulerError> {
        usage::read(output)
    }

    fn probe(&self) -> Vec<Invocation> {
        site::ask()
    }

    fn read_probe(&self, outputs: &[Output]) -> Result<Site, SchedulerError> {
        site::read(outputs)
    }
}
