//! Slurm's words for what a [`Scheduler`] says.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use jiff::Timestamp;
use sizar_model::cluster::{Node, QueuedJob, UsageRow};
use sizar_model::site::SchedulerVersion;
use sizar_model::{Invocation, JobHandle, JobReport, NetworkAccess, Output, SchedulerKind, Site};

use super::{accounting, directives, failure, jobs, nodes, queue, site, submission, usage};
use crate::scheduler::arrays::fold_ids;
use crate::scheduler::{
    ArrayRange, Found, JobName, JobScript, Period, Scheduler, SchedulerError, ScriptError, Signal,
    Submission, Whose,
};

/// More ids than this are not listed in a question: all jobs of the user are asked for.
const MOST_IDS: usize = 500;

/// Slurm, as one user speaks it at one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slurm {
    /// The user's name there.
    pub user: String,
    /// Unknown before the site was probed.
    pub version: Option<SchedulerVersion>,
    /// The cluster that is spoken to, where it is not the login node's own.
    pub cluster: Option<String>,
    /// Whether `sacct` answers.
    pub accounting: bool,
}

impl Slurm {
    /// Starts with what holds everywhere: the login node's own cluster, accounting tried.
    pub fn new(user: impl Into<String>) -> Self {
        Self { user: user.into(), version: None, cluster: None, accounting: true }
    }

    /// Speaks as a probe of the site found right.
    pub fn for_site(site: &Site, user: &str) -> Self {
        Self {
            user: user.to_owned(),
            version: site.version,
            cluster: site.submit_to.clone(),
            accounting: site.accounting.unwrap_or(true),
        }
    }

    /// Starts a command whose answer is the same everywhere: times in seconds since 1970, lists
    /// of tasks that are not cut off.
    pub(super) fn command(&self, program: &str) -> Invocation {
        readable(on(self.cluster.as_deref(), program))
    }

    /// Starts a command in the user's own environment, which a job may be given.
    pub(super) fn plain_command(&self, program: &str) -> Invocation {
        on(self.cluster.as_deref(), program)
    }

    /// Returns the clusters that jobs are on, where they are not the login node's own.
    fn clusters(&self, jobs: &[JobHandle]) -> Option<String> {
        let names: BTreeSet<&str> = jobs
            .iter()
            .filter_map(|job| job.cluster.as_deref().or(self.cluster.as_deref()))
            .collect();
        let names = Vec::from_iter(names).join(",");
        (!names.is_empty()).then_some(names)
    }

    /// Makes a `scancel` for each cluster: an id alone would mean a job on each of them.
    fn scancel(&self, jobs: &[JobHandle], options: &[String]) -> Vec<Invocation> {
        let mut by_cluster: BTreeMap<Option<&str>, Vec<&JobHandle>> = BTreeMap::new();
        for job in jobs {
            let cluster = job.cluster.as_deref().or(self.cluster.as_deref());
            by_cluster.entry(cluster).or_default().push(job);
        }
        by_cluster
            .into_iter()
            .map(|(cluster, jobs)| {
                let words = fold_ids(&jobs);
                readable(on(cluster, "scancel")).args(options.iter().cloned()).args(words)
            })
            .collect()
    }
}

/// Starts a command that speaks to `clusters`.
fn on(clusters: Option<&str>, program: &str) -> Invocation {
    let command = Invocation::new(program).network(NetworkAccess::Full);
    match clusters {
        Some(names) if !matches!(program, "sacctmgr" | "sreport") => {
            command.arg(format!("--clusters={names}"))
        }
        _ => command,
    }
}

fn readable(command: Invocation) -> Invocation {
    command
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("SLURM_TIME_FORMAT", "%s")
        .env("SLURM_BITSTR_LEN", "0")
}

/// Starts a `squeue` that lists jobs in the columns that [`jobs`] reads, ended ones too.
fn squeue(clusters: Option<&str>) -> Invocation {
    let command = readable(on(clusters, "squeue"));
    // without a cluster's name above them, lines of several clusters could not be told apart
    let command = if clusters.is_some() { command } else { command.arg("--noheader") };
    command.arg("--states=all").arg(format!("--format={}", jobs::COLUMNS))
}

/// Starts a `sacct` that lists jobs in the columns that [`accounting`] reads.
fn sacct(clusters: Option<&str>) -> Invocation {
    let further = if clusters.is_some() { accounting::CLUSTER } else { "" };
    readable(on(clusters, "sacct"))
        .args(["--allocations", "--parsable2", "--noheader"])
        .arg(format!("--format={}{further}", accounting::COLUMNS))
}

/// Returns the ids without their tasks, each once.
fn ids(jobs: &[JobHandle]) -> BTreeSet<u64> {
    jobs.iter().map(|job| job.id).collect()
}

fn comma_separated(ids: impl IntoIterator<Item = u64>) -> String {
    ids.into_iter().map(|id| id.to_string()).collect::<Vec<_>>().join(",")
}

impl Scheduler for Slurm {
    fn kind(&self) -> SchedulerKind {
        SchedulerKind::Slurm
    }

    fn script(&self, job: &JobScript<'_>) -> Result<String, ScriptError> {
        directives::script(self.version, job)
    }

    fn task_index(&self, _array: ArrayRange) -> String {
        "${SLURM_ARRAY_TASK_ID}".to_owned()
    }

    fn job_id(&self) -> &'static str {
        "${SLURM_JOB_ID}"
    }

    fn task_id(&self) -> &'static str {
        "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
    }

    fn task_of(&self, job: &JobHandle, _tasks: &[JobHandle], index: u32) -> Option<JobHandle> {
        Some(job.with_task(index))
    }

    fn throttles_arrays(&self) -> bool {
        true
    }

    fn submit(&self, path: &Utf8Path) -> Result<Invocation, ScriptError> {
        submission::submit(self, path)
    }

    fn read_submit(&self, output: &Output) -> Submission {
        submission::read(output)
    }

    fn look_up(&self, name: &JobName, since: Timestamp) -> Vec<Invocation> {
        let cluster = self.cluster.as_deref();
        let (user, name) = (format!("--user={}", self.user), format!("--name={name}"));
        let mut questions = vec![squeue(cluster).args([&user, &name])];
        if self.accounting {
            let start = format!("--starttime={}", accounting::day_before(since));
            questions.push(sacct(cluster).args([&user, &name, &start]));
        }
        questions
    }

    fn read_look_up(&self, outputs: &[Output]) -> Result<Vec<Found>, SchedulerError> {
        submission::read_look_up(self, outputs)
    }

    fn poll(&self, jobs: &[JobHandle]) -> Invocation {
        let question = squeue(self.clusters(jobs).as_deref());
        let ids = ids(jobs);
        if ids.len() > MOST_IDS {
            return question.arg(format!("--user={}", self.user));
        }
        question.arg(format!("--jobs={}", comma_separated(ids)))
    }

    fn read_poll(&self, output: &Output) -> Result<BTreeMap<JobHandle, JobReport>, SchedulerError> {
        match failure::answer("squeue", output) {
            Ok(text) => jobs::read(text, self.cluster.as_deref()),
            Err(failure) if failure::is_invalid_job(&failure) => Ok(BTreeMap::new()),
            Err(failure) => Err(failure),
        }
    }

    fn account(&self, jobs: &[JobHandle]) -> Vec<Invocation> {
        let clusters = self.clusters(jobs);
        let ids: Vec<u64> = ids(jobs).into_iter().collect();
        if self.accounting {
            let list = |ids: &[u64]| format!("--jobs={}", comma_separated(ids.iter().copied()));
            return ids
                .chunks(MOST_IDS)
                .map(|ids| sacct(clusters.as_deref()).arg(list(ids)))
                .collect();
        }
        // `scontrol` takes one job at a time: "1,3" is an invalid id to it
        ids.iter()
            .map(|id| {
                self.command("scontrol").args(["--oneliner", "show", "job"]).arg(id.to_string())
            })
            .collect()
    }

    fn read_account(
        &self,
        outputs: &[Output],
    ) -> Result<BTreeMap<JobHandle, JobReport>, SchedulerError> {
        let program = if self.accounting { "sacct" } else { "scontrol" };
        let mut reports = BTreeMap::new();
        for output in outputs {
            match failure::answer(program, output) {
                Ok(text) => reports.extend(accounting::read(text, self.cluster.as_deref())?),
                Err(failure) if failure::is_invalid_job(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(reports)
    }

    fn cancel(&self, jobs: &[JobHandle]) -> Vec<Invocation> {
        self.scancel(jobs, &[])
    }

    fn signal(&self, jobs: &[JobHandle], signal: Signal) -> Vec<Invocation> {
        self.scancel(jobs, &["--batch".to_owned(), format!("--signal={}", signal.name())])
    }

    fn read_cancel(&self, output: &Output) -> Result<(), SchedulerError> {
        match failure::answer("scancel", output) {
            Ok(_) => Ok(()),
            Err(failure) if failure::is_invalid_job(&failure) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn nodes(&self) -> Vec<Invocation> {
        nodes::ask(self)
    }

    fn read_nodes(&self, outputs: &[Output]) -> Result<Vec<Node>, SchedulerError> {
        nodes::read(outputs)
    }

    fn queue(&self, whose: Whose) -> Invocation {
        queue::ask(self, whose)
    }

    fn read_queue(&self, output: &Output) -> Result<Vec<QueuedJob>, SchedulerError> {
        queue::read(output, self.cluster.as_deref())
    }

    fn usage(&self, whose: Whose, period: &Period) -> Invocation {
        usage::ask(self, whose, period)
    }

    fn read_usage(&self, output: &Output) -> Result<Vec<UsageRow>, SchedulerError> {
        usage::read(output)
    }

    fn probe(&self) -> Vec<Invocation> {
        site::ask(self)
    }

    fn read_probe(&self, outputs: &[Output]) -> Result<Site, SchedulerError> {
        site::read(outputs)
    }
}
