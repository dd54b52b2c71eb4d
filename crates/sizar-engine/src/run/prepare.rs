//! From a wish to a plan: source, environment, entry, inputs.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sizar_inspect::{InspectError, InspectOptions};
use sizar_model::resources::ByteSize;
use sizar_model::source::InvalidLocator;
use sizar_model::{
    Checkout, Device, EnvLock, Inspection, JobSpec, Locator, Progress, PythonVersion,
};

use super::folder::start_of;
use super::{Entry, EntryError, Found, Places, RunPlan, Surroundings, find_inputs, resolve};
use crate::acquire::{AcquireError, AcquireOptions, acquire};
use crate::environment::{
    self, Remembered, Setup, SetupError, SetupRequest, SmokeBounds, StoppedIn,
};
use crate::home::Home;
use crate::sandbox::{self, SandboxKind};

/// How often an environment is tried, and for how long, before sizar gives up.
const MAX_ATTEMPTS: u32 = 8;
const TIME_LIMIT: Duration = Duration::from_hours(1);
/// The most seconds of a source's own work: it shows that the code runs, and is no run.
const LONGEST_SMOKE: u64 = 600;

/// How an environment is wished for; the same for `setup` and `run`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentWish {
    pub python: Option<PythonVersion>,
    pub date: Option<Timestamp>,
    /// PEP 508 requirements beside those of the source.
    pub with: Vec<String>,
    /// What it is to compute on.
    #[serde(default)]
    pub device: Device,
    /// A lock to rebuild exactly.
    pub lock: Option<EnvLock>,
    /// Plan anew, even where an environment is remembered.
    pub fresh: bool,
    /// Ask the source again.
    pub refresh: bool,
    /// Ask nobody.
    pub offline: bool,
    /// Build and run foreign code without a sandbox.
    pub no_sandbox: bool,
    /// Verify without doing any of the source's own work.
    #[serde(default)]
    pub no_smoke: bool,
    /// For how many seconds its own work is tried.
    #[serde(default)]
    pub smoke_seconds: Option<u64>,
    /// The environments that were made of this before, and in which a run then stopped: another one
    /// is wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<StoppedIn>,
}

/// What a user wishes to run: enough to prepare it again after a crash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    /// The locator, without secrets.
    pub source: String,
    pub environment: EnvironmentWish,
    pub job: JobSpec,
    /// The folder in which the user typed.
    pub caller_cwd: Utf8PathBuf,
    /// Where the environment of a run on a target is made.
    #[serde(default)]
    pub build: BuildPlace,
    /// Whether its driver is started on the target before it is queued.
    #[serde(default)]
    pub rehearsal: bool,
    /// Up to how many bytes of what the code would download are fetched before a run on a target;
    /// none where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<ByteSize>,
}

/// Where the environment of a run on a target is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildPlace {
    /// There, where the target reaches the package index; here, and sent, where that fails.
    #[default]
    Auto,
    Here,
    There,
}

/// A wish that could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Locator(#[from] InvalidLocator),
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error("`{locator}` has changed since it ran")]
    Changed { locator: String },
}

impl EnvironmentWish {
    /// Returns how the source is to be brought here.
    pub fn acquire(&self) -> AcquireOptions {
        AcquireOptions { refresh: self.refresh, offline: self.offline }
    }

    /// Returns how much of its own work the source does to be verified.
    fn smoke(&self) -> Option<SmokeBounds> {
        let seconds = self.smoke_seconds.map(|seconds| seconds.min(LONGEST_SMOKE));
        let wished = seconds.map(|seconds| SmokeBounds { time: Duration::from_secs(seconds) });
        (!self.no_smoke).then(|| wished.unwrap_or_default())
    }

    /// Returns the request for an environment in which `driver` works.
    pub fn request(&self, driver: Option<String>) -> SetupRequest {
        SetupRequest {
            python: self.python,
            date: self.date,
            driver,
            folder: None,
            extra_requirements: self.with.clone(),
            device: self.device,
            locked: self.lock.clone(),
            sandbox: if self.no_sandbox { SandboxKind::None } else { sandbox::detect() },
            offline: self.offline,
            fresh: self.fresh,
            max_attempts: MAX_ATTEMPTS,
            time_limit: TIME_LIMIT,
            smoke: self.smoke(),
            stopped: self.stopped.clone(),
        }
    }
}

/// Reads a checkout, with the dates of its source.
///
/// # Errors
///
/// [`InspectError`] where the tree cannot be read.
pub fn inspect(checkout: &Checkout) -> Result<Inspection, InspectError> {
    inspect_with(checkout, &InspectOptions::default())
}

/// Reads a checkout as [`inspect`] does, in the way that `options` say.
///
/// # Errors
///
/// As [`inspect`].
pub fn inspect_with(
    checkout: &Checkout,
    options: &InspectOptions,
) -> Result<Inspection, InspectError> {
    let mut inspection = sizar_inspect::inspect(&checkout.path, options)?;
    let source = &checkout.source;
    inspection.source.clone_from(&source.locator);
    inspection.revision.clone_from(&source.revision);
    inspection.commit_date = source.date;
    inspection.code_date = source.code_date;
    Ok(inspection)
}

/// Makes, or finds again, the environment of a checkout.
///
/// # Errors
///
/// [`PrepareError::Inspect`] and [`PrepareError::Setup`].
pub fn environment(
    home: &Home,
    checkout: &Checkout,
    request: &SetupRequest,
    progress: &dyn Progress,
) -> Result<Setup, PrepareError> {
    if let Some(setup) = environment::remembered(home, checkout, request) {
        return Ok(setup);
    }
    let inspection = inspect(checkout)?;
    Ok(environment::setup(home, checkout, &inspection, request, progress)?)
}

/// Prepares a wish: brings the source here, makes its environment, and finds out what is executed
/// with which files.
///
/// `locator` is the source with its secrets; [`RunRequest::source`] is what is left of it later.
///
/// # Errors
///
/// [`PrepareError`], of the step that failed; nothing half-made is left.
pub fn prepare(
    home: &Home,
    locator: &Locator,
    request: &RunRequest,
    progress: &dyn Progress,
) -> Result<RunPlan, PrepareError> {
    let checkout = acquire(home, locator, &request.environment.acquire(), progress)?;
    for note in &checkout.notes {
        progress.note(note.as_str());
    }
    prepare_from(home, &checkout, request, progress)
}

/// Prepares a wish once more for the source of `plan`, wherever the user is now.
///
/// # Errors
///
/// As for [`prepare`]; [`PrepareError::Changed`] for a folder that was edited meanwhile: what stopped
/// was another program.
pub fn prepare_again(
    home: &Home,
    plan: &RunPlan,
    request: &RunRequest,
    progress: &dyn Progress,
) -> Result<RunPlan, PrepareError> {
    let known = &plan.checkout;
    let mut checkout = known.clone();
    if matches!(request.source.parse()?, Locator::Folder(_)) {
        let folder = Locator::Folder(known.path.clone());
        checkout = acquire(home, &folder, &request.environment.acquire(), progress)?;
        checkout.source.locator.clone_from(&known.source.locator);
    }
    if checkout.source.digest != known.source.digest {
        return Err(PrepareError::Changed { locator: checkout.source.locator });
    }
    prepare_from(home, &checkout, request, progress)
}

/// Prepares a wish for a source that is here.
fn prepare_from(
    home: &Home,
    checkout: &Checkout,
    request: &RunRequest,
    progress: &dyn Progress,
) -> Result<RunPlan, PrepareError> {
    let mut plan = plan_for(home, checkout, request, progress)?;
    plan.caller_cwd.clone_from(&request.caller_cwd);
    let found = inputs(home, checkout, &plan.args, request);
    for note in &found.notes {
        progress.note(note.as_str());
    }
    Ok(plan.with_inputs(found))
}

/// Returns which environment is remembered for a wish, to be put back where another did not help.
pub fn answer(home: &Home, checkout: &Checkout, request: &RunRequest) -> Remembered {
    environment::remembered_answer(home, checkout, &asked(request))
}

/// Plans a run of a checkout that is here: makes its environment, and finds out what is executed.
///
/// # Errors
///
/// As for [`prepare`].
pub fn plan_for(
    home: &Home,
    checkout: &Checkout,
    request: &RunRequest,
    progress: &dyn Progress,
) -> Result<RunPlan, PrepareError> {
    let job = &request.job;
    let setup = environment(home, checkout, &asked(request), progress)?;
    let entry = entry(checkout, &setup.environment.path, job)?;
    let mut plan =
        RunPlan::new(checkout.clone(), setup.environment.path.clone(), job.clone(), entry);
    // where the interpreter is a copy, no link leads to its library
    for root in setup.python_roots {
        if !plan.python_roots.contains(&root) {
            plan.python_roots.push(root);
        }
    }
    let lock = &setup.environment.lock;
    plan.project = lock.source.install;
    plan.variables.clone_from(&lock.variables);
    Ok(plan)
}

/// Returns what a run asks of a setup: it tries the driver where the run starts it.
fn asked(request: &RunRequest) -> SetupRequest {
    let job = &request.job;
    let driver = setup_driver(&job.driver);
    SetupRequest { folder: job.folder.clone(), ..request.environment.request(driver) }
}

/// Plans a run whose environment was made before, in a few file reads; none where it was not.
pub fn remembered_plan(home: &Home, checkout: &Checkout, request: &RunRequest) -> Option<RunPlan> {
    environment::remembered(home, checkout, &asked(request))?;
    plan_for(home, checkout, request, &sizar_model::Silent).ok()
}

/// Finds the user's own files among the arguments of a driver, for the folder in which it starts.
pub fn inputs(home: &Home, checkout: &Checkout, args: &[String], request: &RunRequest) -> Found {
    let user_home = std::env::var("HOME").ok().map(Utf8PathBuf::from);
    let start = start_of(&checkout.path, &request.job);
    let mut found = find_inputs(
        args,
        Surroundings {
            cwd: &request.caller_cwd,
            user_home: user_home.as_deref(),
            sizar_home: home.root(),
            checkout: &checkout.path,
            folder: &start.folder,
            own: checkout.source.own,
            data: &request.job.data,
        },
    );
    found.notes.extend(start.note);
    found
}

/// Returns the driver that an environment has to be verified with: `python` and `-m` are none.
fn setup_driver(driver: &str) -> Option<String> {
    let plain = driver.starts_with('-') || driver.starts_with("python");
    (!plain).then(|| driver.to_owned())
}

/// Finds out what is executed; reads the source only where the answer needs the nearest names.
fn entry(
    checkout: &Checkout,
    prefix: &Utf8Path,
    job: &JobSpec,
) -> Result<(Entry, usize), PrepareError> {
    let places = Places { checkout: &checkout.path, prefix, drivers: &[] };
    let error = match resolve(&job.driver, &job.args, places) {
        Ok(found) => return Ok(found),
        Err(error) => error,
    };
    let Ok(inspection) = inspect(checkout) else { return Err(error.into()) };
    let places = Places { drivers: &inspection.drivers, ..places };
    Ok(resolve(&job.driver, &job.args, places)?)
}
