//! What was wrong with a source, what was changed, why, and what would make it right.

use camino::Utf8Path;
use fs_err as fs;
use jiff::Timestamp;
use serde::Serialize;
use sizar_env::deviations::{Group, grouped};
use sizar_env::mend::{self, FileChange};
use sizar_model::{Attempt, EnvLock, Inspection, PythonVersion, Verification};

use super::folder::{self, Kept};
use super::{FailedSetup, SetupError, failure_of};
use crate::home::Home;

/// What a setup came to.
#[derive(Debug)]
pub enum Subject {
    Made(Box<(Kept, EnvLock)>),
    Failed(Box<FailedSetup>),
}

/// An explanation of a setup.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Explanation {
    Made {
        source: String,
        revision: Option<String>,
        environment: String,
        python: PythonVersion,
        as_of: Option<Timestamp>,
        verification: Option<Verification>,
        /// What was changed, and why.
        groups: Vec<Group>,
        /// What would make it right.
        changes: Vec<FileChange>,
        /// Why there are no changes, where that is not because none are needed.
        #[serde(skip_serializing_if = "Option::is_none")]
        unread: Option<String>,
    },
    Failed {
        source: String,
        revision: Option<String>,
        driver: Option<String>,
        cause: String,
        first_unexplained: Option<String>,
        attempts: Vec<Attempt>,
        groups: Vec<Group>,
        /// What a person could do.
        advice: Vec<String>,
    },
}

/// Finds what `name` means: an environment, by its name or the beginning of it.
///
/// # Errors
///
/// As [`super::show`].
pub fn environment(home: &Home, name: &str) -> Result<Subject, SetupError> {
    Ok(Subject::Made(Box::new(folder::show(home, name)?)))
}

/// Finds the newest that a setup of a source came to, made or failed; none where there was none.
///
/// # Errors
///
/// [`SetupError`] where sizar's folder cannot be read.
pub fn source(home: &Home, locator: &str) -> Result<Option<Subject>, SetupError> {
    let made = folder::list(home)?.into_iter().find(|kept| kept.locator == locator);
    let failed = failure_of(home, locator);
    Ok(match (made, failed) {
        (Some(kept), Some(failed)) if kept.made < failed.at => {
            Some(Subject::Failed(Box::new(failed)))
        }
        (Some(kept), _) => Some(environment(home, &kept.name)?),
        (None, failed) => failed.map(|failed| Subject::Failed(Box::new(failed))),
    })
}

/// Explains what a setup came to; with the tree of the source and what reading it told, also what
/// would make it right.
pub fn explain(subject: Subject, tree: Result<(&Utf8Path, &Inspection), String>) -> Explanation {
    match subject {
        Subject::Made(made) => {
            let (kept, lock) = *made;
            let (changes, unread) = match tree {
                Ok((root, inspection)) => {
                    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
                    (mend::changes(&lock, inspection, &read), None)
                }
                Err(reason) => (Vec::new(), Some(reason)),
            };
            Explanation::Made {
                source: lock.source.locator,
                revision: lock.source.revision,
                environment: kept.name,
                python: lock.python,
                as_of: lock.exclude_newer,
                groups: grouped(&lock.deviations),
                verification: lock.verification,
                changes,
                unread,
            }
        }
        Subject::Failed(failed) => {
            let failed = *failed;
            let mut advice: Vec<String> = failed.advice.into_iter().collect();
            if advice.is_empty() {
                advice.push(
                    "`--python 3.x`, `--date YYYY-MM-DD` and `--with REQUIREMENT` change what is tried"
                        .to_owned(),
                );
            }
            Explanation::Failed {
                source: failed.locator,
                revision: failed.revision,
                driver: failed.driver,
                cause: failed.cause,
                first_unexplained: failed.first_unexplained,
                attempts: failed.attempts,
                groups: grouped(&failed.deviations),
                advice,
            }
        }
    }
}
