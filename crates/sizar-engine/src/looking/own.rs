//! What of a cluster is the user's own.

use serde::Serialize;
use sizar_model::{JobHandle, Resources, RunId};

use crate::elsewhere::{ElsewhereError, under_way};
use crate::store::Journal;

/// The user of a target, and the runs that sizar has there.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The user's name there.
    pub user: String,
    pub runs: Vec<OwnRun>,
}

/// A run of sizar's that the scheduler knows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnRun {
    pub run: RunId,
    pub job: JobHandle,
    /// What it asked for.
    #[serde(skip)]
    pub asked: Resources,
}

impl Own {
    /// Reads from the journal which runs are under way on `target`.
    ///
    /// # Errors
    ///
    /// [`ElsewhereError::Store`] where the journal cannot be read.
    pub fn on(journal: Option<&Journal>, target: &str, user: &str) -> Result<Self, ElsewhereError> {
        let mut own = Self { user: user.to_owned(), runs: Vec::new() };
        let Some(journal) = journal else { return Ok(own) };
        for known in under_way(journal, target)? {
            let Some(job) = known.job else { continue };
            let asked = journal.get(known.run.as_str())?.job.resources;
            own.runs.push(OwnRun { run: known.run, job, asked });
        }
        Ok(own)
    }

    /// Returns the run that a job is, or whose array it is a task of.
    pub fn run_of(&self, job: &JobHandle) -> Option<&OwnRun> {
        self.runs.iter().find(|own| {
            let task = own.job.task.is_none() || job.task.is_none() || own.job.task == job.task;
            // not every answer names the cluster
            let cluster = own.job.cluster.is_none()
                || job.cluster.is_none()
                || own.job.cluster == job.cluster;
            own.job.id == job.id && task && cluster
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_found_with_its_task_and_cluster() {
        let run = |run: &str, job: &str| OwnRun {
            run: run.parse().unwrap(),
            job: job.parse().unwrap(),
            asked: Resources::default(),
        };
        let runs =
            vec![run("7x2k9ab3", "7"), run("7x2k9ab4", "8_1;tours"), run("7x2k9ab5", "8_2;tours")];
        let own = Own { user: "alice".into(), runs };
        let found = |job: &str| {
            own.run_of(&job.parse().unwrap()).map(|own| own.run.to_string()).unwrap_or_default()
        };
        assert_eq!(found("7_3"), "7x2k9ab3");
        assert_eq!(found("8_2"), "7x2k9ab5");
        assert_eq!(found("8_1;tours"), "7x2k9ab4");
        assert_eq!(found("8_1;paris"), "");
        assert_eq!(found("9"), "");
    }
}
