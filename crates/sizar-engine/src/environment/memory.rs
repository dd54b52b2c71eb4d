//! What an earlier setup came to, found again in a few file reads.

use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sizar_env::knowledge;
use sizar_model::{Attempt, Checkout, Device, Digest, EnvLock, Environment};

use super::error::io;
use super::{Setup, SetupError, SetupRequest, StoppedIn, folder, gpus};
use crate::home::Home;
use crate::run::inside;

/// A plan that was carried out.
#[derive(Serialize, Deserialize)]
struct Plan {
    version: u32,
    prefix: Utf8PathBuf,
    lock: EnvLock,
    verified: bool,
    attempts: Vec<Attempt>,
    python_roots: Vec<Utf8PathBuf>,
    notes: Vec<String>,
    /// Of what was not verified: by which knowledge, as later tables may do better.
    #[serde(default)]
    knowledge: Option<Digest>,
    /// The environments of this question that were verified, and in which a run then stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stopped: Vec<StoppedIn>,
}

const VERSION: u32 = 1;

/// What decides the outcome of a setup, beside the state of the world.
#[derive(Serialize)]
struct Question<'a> {
    version: u32,
    source: Digest,
    python: Option<String>,
    date: Option<String>,
    driver: Option<&'a str>,
    extra_requirements: &'a [String],
    device: Device,
    /// Whether this machine has a GPU, which a driver or a card may have changed.
    gpu: bool,
    locked: Option<Digest>,
    /// Where the driver was tried, if the user said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<Utf8PathBuf>,
}

/// Returns the digest of what a setup is asked.
pub fn question(checkout: &Checkout, request: &SetupRequest) -> Digest {
    let question = Question {
        version: VERSION,
        source: checkout.source.digest,
        python: request.python.map(|python| python.to_string()),
        date: request.date.map(|date| date.to_string()),
        driver: request.driver.as_deref(),
        extra_requirements: &request.extra_requirements,
        device: request.device,
        gpu: gpus::any(),
        locked: request.locked.as_ref().map(sizar_env::lock::digest),
        folder: request.folder.as_deref().and_then(inside),
    };
    Digest::of(&serde_json::to_vec(&question).expect("strings and lists have a form in JSON"))
}

fn path(home: &Home, question: Digest) -> Utf8PathBuf {
    home.root().join("plans").join(format!("{}.json", question.short()))
}

/// Reads the plan that answers a question; one of another format is made again.
fn plan(home: &Home, checkout: &Checkout, request: &SetupRequest) -> Option<Plan> {
    let bytes = fs::read(path(home, question(checkout, request))).ok()?;
    let plan: Plan = serde_json::from_slice(&bytes).ok()?;
    (plan.version == VERSION).then_some(plan)
}

/// Returns what an earlier setup made of the same question, if it is still there.
///
/// Reads a few small files, and starts nothing.
pub fn remembered(home: &Home, checkout: &Checkout, request: &SetupRequest) -> Option<Setup> {
    if request.fresh {
        return None;
    }
    let plan = plan(home, checkout, request)?;
    let is_here = |it: &StoppedIn| it.is_in(&plan.lock);
    if !folder::is_ready(&plan.prefix) || request.stopped.iter().any(is_here) {
        return None;
    }
    // without the network nothing else could be made
    let outdated = !plan.verified && plan.knowledge != Some(knowledge::revision());
    if outdated && !request.offline {
        return None;
    }
    Some(Setup {
        environment: Environment { path: plan.prefix, lock: plan.lock },
        verified: plan.verified,
        attempts: plan.attempts,
        python_roots: plan.python_roots,
        notes: plan.notes,
        cached: true,
    })
}

/// What was remembered of a question, to be put back where another answer did not help.
pub struct Remembered {
    path: Utf8PathBuf,
    answer: Option<Vec<u8>>,
}

/// Returns what is remembered of a question now.
pub fn answer(home: &Home, checkout: &Checkout, request: &SetupRequest) -> Remembered {
    let path = path(home, question(checkout, request));
    Remembered { answer: fs::read(&path).ok(), path }
}

impl Remembered {
    /// Has the question answered as it was then; a courtesy, so what goes wrong is left.
    pub fn put_back(&self) {
        if let Some(answer) = &self.answer {
            let _ = write(&self.path, answer);
        }
    }
}

/// Returns the environments in which runs stopped that asked the same, those of the request last.
///
/// They are remembered with the answer, so that another repair does not go back to one of them.
pub fn stopped(home: &Home, checkout: &Checkout, request: &SetupRequest) -> Vec<StoppedIn> {
    // who plans anew begins anew
    let plan = plan(home, checkout, request).filter(|_| !request.fresh);
    let mut stopped = plan.map(|plan| plan.stopped).unwrap_or_default();
    let is_new =
        |known: &StoppedIn| !request.stopped.iter().any(|it| it.environment == known.environment);
    stopped.retain(is_new);
    stopped.extend(request.stopped.iter().cloned());
    stopped
}

/// Remembers what a setup came to.
pub fn remember(
    home: &Home,
    checkout: &Checkout,
    request: &SetupRequest,
    setup: &Setup,
) -> Result<(), SetupError> {
    let plan = Plan {
        version: VERSION,
        prefix: setup.environment.path.clone(),
        lock: setup.environment.lock.clone(),
        verified: setup.verified,
        attempts: setup.attempts.clone(),
        python_roots: setup.python_roots.clone(),
        notes: setup.notes.clone(),
        knowledge: (!setup.verified).then(knowledge::revision),
        stopped: stopped(home, checkout, request),
    };
    home.folder("plans")?;
    let path = path(home, question(checkout, request));
    let bytes = serde_json::to_vec(&plan).map_err(std::io::Error::from).map_err(io(&path))?;
    write(&path, &bytes).map_err(io(&path))
}

/// Writes an answer in place of another, whole or not at all.
fn write(path: &Utf8Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let mut part = tempfile::NamedTempFile::new_in(folder)?;
    part.write_all(bytes)?;
    part.persist(path)?;
    Ok(())
}

/// Removes the plans whose environment is gone.
pub fn forget_gone(home: &Home) -> Result<(), SetupError> {
    let plans = home.folder("plans")?;
    for entry in fs::read_dir(&plans).map_err(io(&plans))? {
        let path = entry.map_err(io(&plans))?.path();
        let plan =
            fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Plan>(&bytes).ok());
        if plan.is_none_or(|plan| !folder::is_ready(&plan.prefix)) {
            fs::remove_file(&path).map_err(io(plans.clone()))?;
        }
    }
    Ok(())
}
