//! Batch schedulers as text in, text out.
//!
//! A [`Scheduler`] says which command to run, as an [`Invocation`](sizar_model::Invocation), and
//! reads what it printed; transports run it. [`Slurm`] and [`Oar`] are the two there are. A
//! request is held against what a probe learned of the site by [`check`] before it is submitted,
//! and [`why_pending`] says in words why a job does not start.

mod arrays;
#[cfg(test)]
mod captured;
mod check;
mod error;
mod host_list;
mod language;
mod oar;
mod pending;
mod script;
mod slurm;

pub use arrays::{ArrayChunk, ArrayRange, split_array};
pub use check::{Countable, Refusal, check};
pub use error::SchedulerError;
pub use host_list::{expand_host_list, fold_host_list};
pub use language::{Found, Period, Scheduler, Signal, Submission, Unsubmitted, Whose, for_site};
pub use oar::Oar;
pub use pending::{PendingReason, Remedy, why_pending};
pub use script::{Dependency, JobName, JobScript, ScriptError};
pub use slurm::Slurm;
