//! Detached runs: a queue in the journal, and a supervisor that is there while it is needed.
//!
//! [`submit`] queues, [`supervisor::main`] starts a [runner](crate::run::runner) for each
//! run when there is a place for it, and [`recover`] finds out what became of runs whose process
//! was killed. Killing the supervisor leaves the runners alone; the next one takes over.

mod attendant;
mod capacity;
mod error;
pub mod helper;
mod recover;
mod schedule;
pub(crate) mod socket;
pub mod supervisor;
mod verbs;
mod watcher;

pub use attendant::Attendant;
pub use capacity::{Capacity, TooLarge};
pub use error::QueueError;
pub use recover::{Recovery, Resumption, recover, resume, resume_all};
pub use supervisor::ensure_supervisor;
pub use verbs::{Cancellation, cancel, logs, submit, wait};
pub use watcher::Watcher;
