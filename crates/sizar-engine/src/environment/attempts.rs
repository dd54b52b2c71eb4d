//! What a try at an environment leads to.

use sizar_env::knowledge::Stage;
use sizar_model::{Attempt, EnvLock};

use super::build::{Installed, StepFailed};
use super::conda::Refusal;
use super::verify::Verified;

/// A try that came to its end.
pub struct Made {
    pub lock: EnvLock,
    pub installed: Installed,
    pub verified: Verified,
}

/// Whether one environment was seen to do more than another.
pub fn is_better(one: &Made, other: &Made) -> bool {
    let rank = |made: &Made| (made.verified.complete, made.verified.level);
    rank(one) > rank(other)
}

/// A try that did not.
pub enum Shortfall {
    Failed(StepFailed),
    /// The source's own metadata asks for more.
    MoreRequirements(Vec<String>),
    /// Conda cannot give what it was asked.
    Conda(Refusal),
}

/// Counts the attempts that ended with the choice of versions, or those that went on.
pub fn tried(attempts: &[Attempt], resolving: bool) -> usize {
    let ended = |attempt: &&Attempt| (attempt.stage == Stage::Resolve.name()) == resolving;
    attempts.iter().filter(ended).count()
}
