//! What a setup is asked for, and what it comes to.

use std::time::Duration;

use camino::Utf8PathBuf;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sizar_model::{Attempt, Device, Digest, EnvLock, Environment, PythonVersion};

use super::smoke::Bounds;
use crate::sandbox::SandboxKind;

/// What an environment is wanted for.
#[derive(Clone, Debug)]
pub struct SetupRequest {
    pub python: Option<PythonVersion>,
    /// Nothing newer than this is resolved, whatever the source's own date.
    pub date: Option<Timestamp>,
    /// The driver that must work: an installed program, a script's path, a module.
    pub driver: Option<String>,
    /// The folder of the tree in which it is to start, where the user says so.
    pub folder: Option<Utf8PathBuf>,
    /// PEP 508 requirements beside the declared ones.
    pub extra_requirements: Vec<String>,
    pub device: Device,
    /// Build exactly this.
    pub locked: Option<EnvLock>,
    pub sandbox: SandboxKind,
    /// Use only what is cached.
    pub offline: bool,
    /// Do not use what an earlier setup came to.
    pub fresh: bool,
    pub max_attempts: u32,
    pub time_limit: Duration,
    /// How much of its own work a source does to be verified; nothing where it does none.
    pub smoke: Option<Bounds>,
    /// The environments that were made of this before, and in which a run then stopped.
    pub stopped: Vec<StoppedIn>,
}

/// An environment that was verified, and what a program printed that stopped in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedIn {
    /// What programs meet in it ([`sizar_env::lock::met_by_programs`]): the same packages of another
    /// day are no other environment.
    pub environment: Digest,
    /// The end of what the program printed.
    pub output: String,
}

impl StoppedIn {
    /// Whether it was in what a lock describes.
    pub fn is_in(&self, lock: &EnvLock) -> bool {
        self.environment == sizar_env::lock::met_by_programs(lock)
    }
}

impl SetupRequest {
    /// Asks for an environment for `driver` in a sandbox, with the usual bounds.
    pub fn new(sandbox: SandboxKind, driver: Option<String>) -> Self {
        Self {
            python: None,
            date: None,
            driver,
            folder: None,
            extra_requirements: Vec::new(),
            device: Device::Auto,
            locked: None,
            sandbox,
            offline: false,
            fresh: false,
            max_attempts: 8,
            time_limit: Duration::from_hours(1),
            smoke: Some(Bounds::default()),
            stopped: Vec::new(),
        }
    }
}

/// An environment that was made, and how.
#[derive(Clone, Debug)]
pub struct Setup {
    pub environment: Environment,
    /// True only where the driver was seen to work, as far as it can be without running it.
    pub verified: bool,
    pub attempts: Vec<Attempt>,
    /// The interpreter's own folders, which runs need to see.
    pub python_roots: Vec<Utf8PathBuf>,
    /// What a person should know: an address that a build was refused.
    pub notes: Vec<String>,
    /// Whether an earlier setup made it.
    pub cached: bool,
}
