//! Setups that failed, kept so that they can be explained: the newest of each question.

use camino::Utf8PathBuf;
use fs_err as fs;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sizar_model::{Attempt, Checkout, Deviation};

use super::error::io;
use super::memory::question;
use super::{SetupError, SetupRequest};
use crate::home::Home;

const VERSION: u32 = 1;

/// A setup that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailedSetup {
    version: u32,
    pub locator: String,
    pub revision: Option<String>,
    pub driver: Option<String>,
    pub at: Timestamp,
    /// What stopped it, in one sentence.
    pub cause: String,
    /// What a person may do.
    pub advice: Option<String>,
    /// The first failure that no rule explained, if that is another one.
    pub first_unexplained: Option<String>,
    pub attempts: Vec<Attempt>,
    /// What the last attempt did otherwise than the authors declared.
    pub deviations: Vec<Deviation>,
}

fn path(home: &Home, checkout: &Checkout, request: &SetupRequest) -> Utf8PathBuf {
    let name = format!("{}.json", question(checkout, request).short());
    home.root().join("failures").join(name)
}

/// Keeps a failed setup; other errors say all that is known of them.
pub fn keep(
    home: &Home,
    checkout: &Checkout,
    request: &SetupRequest,
    error: &SetupError,
    deviations: Vec<Deviation>,
) -> Result<(), SetupError> {
    let (cause, advice, first_unexplained, attempts) = match error {
        SetupError::Failed { cause, advice, first_unexplained, attempts, .. } => (
            cause,
            advice.as_deref().map(str::to_owned),
            first_unexplained.as_deref().map(str::to_owned),
            attempts,
        ),
        SetupError::OutOfTime { cause, attempts, .. } => (cause, None, None, attempts),
        _ => return Ok(()),
    };
    let failed = FailedSetup {
        version: VERSION,
        locator: checkout.source.locator.clone(),
        revision: checkout.source.revision.clone(),
        driver: request.driver.clone(),
        at: Timestamp::now(),
        cause: cause.clone(),
        advice,
        first_unexplained,
        attempts: attempts.clone(),
        deviations,
    };
    let folder = home.folder("failures")?;
    let path = path(home, checkout, request);
    let mut part = tempfile::NamedTempFile::new_in(&folder).map_err(io(&folder))?;
    serde_json::to_writer(&mut part, &failed).map_err(std::io::Error::from).map_err(io(&path))?;
    part.persist(&path).map_err(|error| io(&path)(error.error))?;
    Ok(())
}

/// Forgets a failure whose question has an answer now.
pub fn forget(home: &Home, checkout: &Checkout, request: &SetupRequest) -> Result<(), SetupError> {
    let path = path(home, checkout, request);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(path)(error)),
        _ => Ok(()),
    }
}

/// Returns the newest failed setup of a source, by its locator.
pub fn failure_of(home: &Home, locator: &str) -> Option<FailedSetup> {
    let entries = fs::read_dir(home.root().join("failures")).ok()?;
    entries
        .filter_map(|entry| fs::read(entry.ok()?.path()).ok())
        .filter_map(|bytes| serde_json::from_slice::<FailedSetup>(&bytes).ok())
        .filter(|failed| failed.version == VERSION && failed.locator == locator)
        .max_by_key(|failed| failed.at)
}
