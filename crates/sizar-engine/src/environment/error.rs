//! Why an environment could not be made.

use camino::Utf8PathBuf;
use sizar_env::lock::LockError;
use sizar_env::pylock::PylockError;
use sizar_env::python::NoPython;
use sizar_env::uv::SettingsError;
use sizar_model::{Attempt, PythonVersion};

use crate::home::HomeError;
use crate::process::ProcessError;
use crate::tools::{UvError, VirtualenvError};

/// An environment that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("`{path}` cannot be written or read")]
    Io {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("no Python fits: {0}")]
    NoPython(#[from] NoPython),
    #[error("the lock asks for Python {wanted}, which is not installed")]
    LockedPython { wanted: PythonVersion },
    #[error("the lock was made for {locked}, and this machine is {here}")]
    LockedPlatform { locked: String, here: String },
    #[error("the lock was made for another state of the source, which is installed into it")]
    LockedSource,
    #[error("`uv`, which makes the environments, cannot be used")]
    Uv(#[from] UvError),
    #[error("virtualenv, which makes the environments of old Pythons, cannot be used")]
    Virtualenv(#[source] Box<VirtualenvError>),
    #[error("virtualenv, which makes the environments of old Pythons, has no Python to run on")]
    NoHost,
    #[error("there is no Python in `{locator}`, and nothing that names a Python package")]
    NothingToSetUp { locator: String },
    #[error("there is no driver `{driver}`")]
    NoSuchDriver { driver: String, nearest: Vec<String> },
    #[error("a program needed for the setup could not be run")]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Pylock(#[from] PylockError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("no environment could be made for it: {cause}")]
    Failed {
        /// What stopped the last attempt, in one sentence.
        cause: String,
        /// What a person may do, where a rule knows it.
        advice: Option<Box<str>>,
        /// The first failure that no rule explained, if that is another one.
        first_unexplained: Option<Box<str>>,
        attempts: Vec<Attempt>,
        /// The source, as the user names it.
        locator: Box<str>,
    },
    #[error("the setup was stopped after its time limit of {seconds} s: {cause}")]
    OutOfTime { seconds: u64, cause: String, attempts: Vec<Attempt> },
    #[error("the setup was stopped")]
    Stopped,
    #[error("there is no environment `{0}`")]
    NoSuchEnvironment(String),
    #[error("`{0}` is the beginning of several environments' names")]
    AmbiguousEnvironment(String),
}

impl From<VirtualenvError> for SetupError {
    fn from(error: VirtualenvError) -> Self {
        Self::Virtualenv(Box::new(error))
    }
}

impl SetupError {
    /// Returns what a person may try next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NoPython(NoPython::Python2) => {
                vec![
                    "install Python 2.7: `pyenv install 2.7.18`, or your system's `python2`".to_owned(),
                    "or convert a copy with `2to3 -w`, and give sizar that folder".to_owned(),
                ]
            }
            Self::NoPython(_) | Self::LockedPython { .. } => vec![
                "`sizar doctor` lists the Pythons that were found; `uv python install 3.x` or pyenv adds one".to_owned(),
            ],
            Self::LockedPlatform { .. } | Self::LockedSource => {
                vec!["`sizar setup` without `--locked` resolves again".to_owned()]
            }
            Self::Uv(error) => error.hints(),
            Self::Virtualenv(error) => error.hints(),
            Self::NoHost => vec!["`uv python install 3.11` adds one".to_owned()],
            Self::NothingToSetUp { locator } => vec![
                format!("`sizar inspect {}` says what is in it", shell_words::quote(locator)),
                "sizar makes environments for Python; name a driver to run another program".into(),
            ],
            Self::NoSuchDriver { nearest, .. } if nearest.is_empty() => {
                vec!["`sizar inspect` lists the drivers".to_owned()]
            }
            Self::NoSuchDriver { nearest, .. } => {
                vec![format!("the nearest are {}", quoted(nearest))]
            }
            Self::Failed { advice, first_unexplained, attempts, locator, .. } => {
                let mut hints: Vec<String> = advice.iter().map(ToString::to_string).collect();
                hints.extend(first_unexplained.as_ref().map(|cause| {
                    format!("the first failure that no rule explains was: {cause}")
                }));
                if advice.is_none() {
                    hints.push("`--python 3.x`, `--date YYYY-MM-DD` and `--with REQUIREMENT` change what is tried".to_owned());
                }
                let source = locator.to_string();
                let source = shell_words::quote(&source);
                hints.push(format!("`sizar explain {source}` says what was tried"));
                hints.push(format!("`--verbose` shows the {} attempts in full", attempts.len()));
                hints
            }
            Self::OutOfTime { .. } => {
                vec!["what was built is kept: the same command goes on from there".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// Returns what was tried.
    pub fn attempts(&self) -> &[Attempt] {
        match self {
            Self::Failed { attempts, .. } | Self::OutOfTime { attempts, .. } => attempts,
            _ => &[],
        }
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Names the path in an error of the file system.
pub(super) fn io(path: impl Into<Utf8PathBuf>) -> impl FnOnce(std::io::Error) -> SetupError {
    let path = path.into();
    move |source| SetupError::Io { path, source }
}
