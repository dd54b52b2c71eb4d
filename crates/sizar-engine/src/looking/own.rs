//! What of a cluster is the user's own.

use serde::Serialize;
use sizar_model::{JobHandle, Resources, RunId};

use crate::elsewhere::Known;
use crate::store::{Journal, StoreError};

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
    /// Reads from the journal what the runs asked for that are `under_way` on a target.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn of(user: &str, journal: &Journal, under_way: Vec<Known>) -> Result<Self, StoreError> {
        let mut own = Self { user: user.to_owned(), runs: Vec::new() };
        for known in under_way {
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
    use sizar_model::{EventKind, JobSpec};

    use super::*;
    use crate::elsewhere::under_way;
    use crate::home::Home;
    use crate::store::NewRun;

    #[test]
    fn runs_are_known_by_what_the_scheduler_called_them() {
        let folder = tempfile::tempdir().unwrap();
        let folder = camino::Utf8Path::from_path(folder.path()).unwrap();
        let mut journal = Journal::open(&Home::at(folder.join("home"))).unwrap();
        let resources = Resources { cpus: Some(3), ..Resources::default() };
        let new = |target: &str| NewRun {
            source: "./code".into(),
            target: target.into(),
            job: JobSpec {
                folder: None,
                after: Vec::new(),
                task: None,
                restart: 0,
                restart_args: Vec::new(),
                scratch: sizar_model::Scratch::Auto,
                driver: "train.py".into(),
                args: Vec::new(),
                resources: resources.clone(),
                data: Vec::new(),
                origins: Vec::new(),
                network: false,
                sandbox: true,
                env: Vec::new(),
            },
            request: None,
            prepared: None,
        };
        let mut submitted = |target: &str, job: Option<u64>| {
            let run = journal.create(&new(target)).unwrap();
            let name = format!("sizar-{run}-1");
            for event in [
                Some(EventKind::PreparationBegan { pid: 1, pid_started: 1 }),
                Some(EventKind::Submitting { attempt: 1, name }),
                job.map(|id| EventKind::Submitted { attempt: 1, job: JobHandle::new(id) }),
            ] {
                event.map(|event| journal.append(&run, &event).unwrap());
            }
            run
        };
        let run = submitted("tours", Some(7));
        submitted("tours", None);
        submitted("paris", Some(8));
        let known = under_way(&journal, "tours").unwrap();
        assert_eq!(known.len(), 2);
        let own = Own::of("alice", &journal, known).unwrap();
        let expected = OwnRun { run, job: JobHandle::new(7), asked: resources };
        assert_eq!(own.runs, [expected]);
    }

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
