//! Where things lie on a target.

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::{RunId, SweepId};

use crate::home::Home;
use crate::run::Attempt;

/// Where things lie on a target: under one folder, which is also the home of the sizar there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: Utf8PathBuf,
}

impl Layout {
    /// Takes `root` as the folder.
    pub fn at(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Returns the program of this very build, named after its content.
    pub fn program(&self, digest: &str) -> Utf8PathBuf {
        self.root.join("bin").join(digest).join("sizar")
    }

    /// Returns the folder with all runs.
    pub fn runs(&self) -> Utf8PathBuf {
        self.root.join("runs")
    }

    /// Returns all that belongs to one run.
    pub fn run(&self, run: &RunId) -> Utf8PathBuf {
        self.runs().join(run.as_str())
    }

    /// Returns the folder that holds the run's data number `number`.
    pub fn data(&self, run: &RunId, number: usize) -> Utf8PathBuf {
        self.run(run).join("data").join(number.to_string())
    }

    pub fn request(&self, run: &RunId) -> Utf8PathBuf {
        self.run(run).join("request.json")
    }

    pub fn plan(&self, run: &RunId) -> Utf8PathBuf {
        self.run(run).join("plan.json")
    }

    /// Returns the script that executes a run where sizar cannot.
    pub fn plain(&self, run: &RunId) -> Utf8PathBuf {
        self.run(run).join("plain.sh")
    }

    pub fn script(&self, run: &RunId, attempt: u32) -> Utf8PathBuf {
        self.run(run).join(format!("batch-{attempt}.sh"))
    }

    /// Returns the folder that a job makes to claim an attempt: that succeeds once in the world.
    pub fn claim(&self, run: &RunId, attempt: u32) -> Utf8PathBuf {
        self.run(run).join(format!("claim-{attempt}"))
    }

    /// Returns the file with all that the job printed.
    pub fn output(&self, run: &RunId, attempt: u32) -> Utf8PathBuf {
        self.run(run).join(format!("job-{attempt}.out"))
    }

    /// Returns the folder in which an attempt worked.
    pub fn attempt(&self, run: &RunId, attempt: u32) -> Utf8PathBuf {
        Attempt::of(&Home::at(&self.root), run, attempt).folder().to_owned()
    }

    /// Returns all that the tasks of a sweep share.
    pub fn sweep(&self, sweep: &SweepId) -> Utf8PathBuf {
        self.run(sweep.folder())
    }

    /// Returns the folder of names that tell which tasks of a sweep have begun and ended.
    pub fn marks(&self, sweep: &SweepId) -> Utf8PathBuf {
        self.sweep(sweep).join("marks")
    }

    pub fn receipt(&self, run: &RunId, attempt: u32) -> Utf8PathBuf {
        self.attempt(run, attempt).join("receipt.json")
    }
}
