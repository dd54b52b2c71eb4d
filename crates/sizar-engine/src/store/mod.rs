//! The journal: what happened to every run, in one SQLite file.
//!
//! [`Journal::append`] is the only way a run changes its state: the event is added and the run's
//! row, which is what the events add up to, is written in the same transaction. Intents are on
//! the disk before anything happens outside.

mod claim;
mod error;
mod journal;
mod projection;
mod query;
mod schema;
mod sweep;

pub use claim::{Active, Claim, Claimed, Waiting};
pub use error::StoreError;
pub use journal::{Journal, NewRun, Prepared};
pub use query::{Filter, UnderWay};
pub use sweep::{NewSweep, Part, PartTask, SweepRecord, SweepTask};
