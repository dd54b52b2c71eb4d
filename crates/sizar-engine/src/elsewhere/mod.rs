//! Runs on a target: there, and back.
//!
//! On this machine: [`tree`] sends the code and [`ship`] the data, [`prepare`] has the environment made
//! there, [`submit`] hands exactly one job to the scheduler, [`watch`](watch::settle) finds out
//! what became of it, [`bring`](bring::bring) brings the results. On the target the same program
//! does its part: [`there`] makes the plan on the login node and executes it on a node.

mod addresses;
mod after;
mod again;
mod ahead;
mod array;
mod batch;
mod beforehand;
mod bring;
mod cancel;
mod carry;
mod clean;
mod downloads;
mod error;
mod forward;
mod given;
mod ignored;
mod last_sent;
mod layout;
mod leftovers;
mod manifest;
mod marks;
mod node;
mod parts;
mod plain;
mod prepare;
mod preview;
mod push;
mod raise;
mod remembered;
mod sealed;
mod sent;
mod ship;
mod store_sweep;
mod submit;
pub mod there;
mod tree;
mod unseen;
mod verdict;
mod watch;
mod whole;

pub use after::{dependencies, not_run};
pub use again::{NextAttempt, TasksAgain, again, has_all, is_still_there, is_unfinished};
pub use batch::script;
pub use cancel::cancel;
pub use clean::{Left, Policy, clean, left_there};
pub use error::ElsewhereError;
pub use layout::Layout;
pub use leftovers::{Group, Leftovers};
pub use marks::await_marks;
pub use parts::{Parts, Shared, advance, array_script, prepare_sweep};
pub use prepare::{Preparation, Trust, Wanted, prepare};
pub use preview::preview;
pub use push::program;
pub use raise::{Next, next};
pub use ship::send;
pub use store_sweep::{SweepPolicy, SweptThere, sweep_store};
pub use submit::{Ready, Submitted, check_request, submit};
pub use verdict::Grace;
pub use watch::{Known, Settled, await_news, known, log, settle, under_way};
