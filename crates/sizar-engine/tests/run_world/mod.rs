//! A small source, a fake environment and an empty `SIZAR_HOME` for tests of runs.

#![allow(dead_code, clippy::unused_self, reason = "each test binary uses its part")]

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_engine::home::Home;
use sizar_engine::process::Control;
use sizar_engine::run::{
    Execution, Found, Outcome, Places, RunError, RunPlan, Surroundings, execute, find_inputs,
    resolve,
};
use sizar_engine::sandbox::helper;
use sizar_engine::store::{Journal, NewRun, Prepared};
use sizar_model::{Checkout, Digest, JobSpec, ProjectInstall, Resources, RunId, Source};

pub struct World {
    _folder: tempfile::TempDir,
    pub root: Utf8PathBuf,
    pub home: Home,
}

impl World {
    pub fn new() -> Self {
        helper::announce(env!("CARGO_BIN_EXE_sizar-worker").into());
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        for path in ["source", "prefix/bin", "user"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let python = which_python();
        fs_err::os::unix::fs::symlink(python, root.join("prefix/bin/python")).unwrap();
        let home = Home::at(root.join("sizar"));
        Self { _folder: folder, root, home }
    }

    pub fn source(&self) -> Utf8PathBuf {
        self.root.join("source")
    }

    pub fn prefix(&self) -> Utf8PathBuf {
        self.root.join("prefix")
    }

    /// Writes a file of the source.
    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.source().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn journal(&self) -> Journal {
        Journal::open(&self.home).unwrap()
    }

    pub fn job(&self, driver: &str, args: &[&str]) -> JobSpec {
        JobSpec {
            folder: None,
            after: Vec::new(),
            task: None,
            restart: 0,
            restart_args: Vec::new(),
            scratch: sizar_model::Scratch::Auto,
            driver: driver.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            resources: Resources::default(),
            data: Vec::new(),
            origins: Vec::new(),
            network: false,
            sandbox: true,
            env: Vec::new(),
        }
    }

    pub fn plan(&self, job: JobSpec) -> RunPlan {
        let places = Places { checkout: &self.source(), prefix: &self.prefix(), drivers: &[] };
        let entry = resolve(&job.driver, &job.args, places).unwrap();
        let source = Source {
            locator: "./source".to_owned(),
            revision: None,
            digest: Digest::of(b"source"),
            date: None,
            code_date: None,
            tag: None,
            own: true,
        };
        let checkout = Checkout { source, path: self.source(), notes: Vec::new() };
        let mut plan = RunPlan::new(checkout, self.prefix(), job, entry);
        plan.project = ProjectInstall::OnPath;
        plan.caller_cwd = self.root.join("user");
        plan
    }

    /// Returns a run that is prepared, to be created.
    pub fn prepared(&self, job: JobSpec) -> NewRun {
        let plan = self.plan(job.clone()).to_json().unwrap();
        NewRun {
            prepared: Some(Prepared { environment: "env".to_owned(), plan }),
            ..self.wish(job)
        }
    }

    pub fn wish(&self, job: JobSpec) -> NewRun {
        NewRun {
            source: "./source".to_owned(),
            target: "local".to_owned(),
            job,
            request: None,
            prepared: None,
        }
    }

    /// Looks for the user's files among arguments typed in the folder `user`, where `user/me` is
    /// the home folder.
    pub fn found(&self, args: &[&str], own: bool) -> Found {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let around = Surroundings {
            data: &[],
            cwd: &self.root.join("user"),
            user_home: Some(&self.root.join("user/me")),
            sizar_home: self.home.root(),
            checkout: &self.source(),
            folder: "".into(),
            own,
        };
        find_inputs(&args, around)
    }

    /// Runs a driver to its end, in this process.
    pub fn run(&self, job: JobSpec) -> (RunId, Result<Outcome, RunError>) {
        self.run_plan(&self.plan(job))
    }

    pub fn run_plan(&self, plan: &RunPlan) -> (RunId, Result<Outcome, RunError>) {
        let mut journal = self.journal();
        let mut new = self.wish(plan.job.clone());
        new.prepared =
            Some(Prepared { environment: "env".to_owned(), plan: plan.to_json().unwrap() });
        let run = journal.create(&new).unwrap();
        let outcome = self.execute(&mut journal, &run, plan);
        (run, outcome)
    }

    pub fn execute(
        &self,
        journal: &mut Journal,
        run: &RunId,
        plan: &RunPlan,
    ) -> Result<Outcome, RunError> {
        let control = Control::default();
        let execution = Execution {
            home: &self.home,
            run,
            plan,
            control: &control,
            echo: false,
            generation: None,
        };
        execute(journal, execution)
    }

    /// Returns the worker with this world's variables.
    pub fn worker(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sizar-worker"));
        command
            .env("SIZAR_HOME", self.home.root())
            .env("SIZAR_HELPER", env!("CARGO_BIN_EXE_sizar-worker"))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null());
        command
    }

    /// Starts a supervisor in a process of its own.
    pub fn supervisor(&self, cpus: u32) -> std::process::Child {
        self.worker().arg("__supervise").env("SIZAR_CPUS", cpus.to_string()).spawn().unwrap()
    }
}

/// Returns what a run printed.
pub fn log(outcome: &Outcome) -> String {
    fs::read_to_string(outcome.attempt.log()).unwrap()
}

pub fn paths(outcome: &Outcome) -> Vec<&str> {
    outcome.receipt.results.iter().map(|result| result.path.as_str()).collect()
}

pub fn read(path: impl AsRef<Utf8Path>) -> String {
    fs::read_to_string(path.as_ref()).unwrap()
}

/// Returns a Python that the sandbox shows.
fn which_python() -> &'static str {
    ["/usr/bin/python3", "/usr/local/bin/python3"]
        .into_iter()
        .find(|path| Utf8Path::new(path).exists())
        .expect("these tests need a Python of the system's")
}
