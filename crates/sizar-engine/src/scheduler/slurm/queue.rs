//! The queue as people look at it: lines of `squeue`.

use sizar_model::cluster::QueuedJob;
use sizar_model::{Invocation, JobHandle, JobState, Output};

use super::dialect::Slurm;
use super::jobs::read_state;
use super::time::{read_length, read_time};
use super::{failure, gres};
use crate::scheduler::arrays::read_ids;
use crate::scheduler::{SchedulerError, Whose};

/// Eleven columns that hold no `|`, the name, which may, and the reason.
const COLUMNS: &str = "%i|%u|%T|%P|%D|%C|%b|%M|%L|%S|%a|%j|%r";

pub(super) fn ask(slurm: &Slurm, whose: Whose) -> Invocation {
    let command = slurm.command("squeue").arg("--noheader").arg(format!("--format={COLUMNS}"));
    match whose {
        Whose::Mine => command.arg(format!("--user={}", slurm.user)),
        Whose::Everyones => command,
    }
}

pub(super) fn read(
    output: &Output,
    cluster: Option<&str>,
) -> Result<Vec<QueuedJob>, SchedulerError> {
    let text = failure::answer("squeue", output)?;
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("CLUSTER:"))
        .map(|line| job(line, cluster).ok_or_else(|| SchedulerError::unreadable("squeue", line)))
        .filter(|job| !matches!(job, Ok(job) if job.tasks == 0))
        .collect()
}

fn job(line: &str, cluster: Option<&str>) -> Option<QueuedJob> {
    let fields: Vec<&str> = line.splitn(12, '|').collect();
    let [id, user, state, partition, nodes, cores, gpus, used, left, start, account, rest] =
        fields[..]
    else {
        return None;
    };
    let (name, reason) = rest.rsplit_once('|')?;
    let jobs = read_ids(id)?;

    let job = jobs.first().cloned().unwrap_or_else(|| JobHandle::new(0));
    let state = read_state(state, reason, None);
    let pending = matches!(state, JobState::Pending { .. });
    Some(QueuedJob {
        tasks: jobs.len() as u32,
        job: if jobs.len() > 1 { JobHandle { task: None, ..job } } else { job }.on(cluster),
        name: Some(name.to_owned()),
        user: user.to_owned(),
        state,
        partition: Some(partition.to_owned()),
        account: (!account.is_empty() && account != "(null)").then(|| account.to_owned()),
        // a range where the job takes from so many to so many
        nodes: nodes.split('-').next()?.parse().ok()?,
        cores: cores.parse().ok()?,
        gpus: gres::gpus(gpus).iter().map(|group| group.count).sum(),
        walltime: None,
        time_used: read_length(used).filter(|_| !pending),
        time_left: read_length(left),
        start: read_time(start),
    })
}
