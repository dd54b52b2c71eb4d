//! The queue as people look at it: the JSON of `oarstat`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sizar_model::cluster::QueuedJob;
use sizar_model::{Invocation, JobHandle, JobState, Output, Walltime};

use super::dialect::Oar;
use super::{failure, field, jobs};
use crate::scheduler::{SchedulerError, Whose};

pub(super) fn ask(whose: Whose) -> Invocation {
    match whose {
        // without a name it is the asker's, and OAR 3 takes none
        Whose::Mine => Oar::oarstat().arg("--user"),
        Whose::Everyones => Oar::oarstat(),
    }
}

pub(super) fn read(output: &Output) -> Result<Vec<QueuedJob>, SchedulerError> {
    let text = failure::answer("oarstat", output)?;
    let listed = field::objects("oarstat", text)?;
    Ok(listed.iter().map(|(id, job)| queued(*id, job)).collect())
}

fn queued(id: u64, job: &Map<String, Value>) -> QueuedJob {
    let report = jobs::report(job);
    let hosts: BTreeSet<&String> = report.nodes.iter().collect();
    let cores = field::texts(job, &["assigned_resources"]).len() as u32;
    let message = field::text(job, &["message"]).unwrap_or_default();
    let pending = matches!(report.state, JobState::Pending { .. });
    let walltime = field::number(job, &["walltime"])
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map(Walltime);
    QueuedJob {
        job: JobHandle::new(id),
        tasks: 1,
        name: field::text(job, field::NAME),
        user: field::text(job, field::OWNER).unwrap_or_default(),
        state: report.state,
        partition: field::text(job, field::QUEUE),
        account: field::text(job, &["project"]),
        nodes: hosts.len() as u32,
        cores: if cores > 0 { cores } else { asked_cores(&message).unwrap_or(0) },
        gpus: 0,
        walltime,
        // how much of its walltime a running job has used, only a clock could tell
        time_used: None,
        time_left: walltime.filter(|_| pending),
        start: report.start,
    }
}

/// Reads `R=12` of `R=12,W=0:10:0,J=B,N=name`.
fn asked_cores(message: &str) -> Option<u32> {
    message.split(',').find_map(|part| part.trim().strip_prefix("R="))?.parse().ok()
}
