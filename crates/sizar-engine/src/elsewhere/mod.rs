//! Runs on a target: there, and back.
//!
//! On this machine: [`tree`] sends the code and [`ship`] the data, [`prepare`] has the environment made
//! there, [`submit`] hands exactly one job to the scheduler, [`watch`](watch::settle) finds out
//! what became of it, [`bring`](bring::bring) brings the results. On the target the same program
//! does its part: [`there`] makes the plan on the login node and executes it on a node.

mod again;
mod batch;
mod bring;
mod cancel;
mod error;
mod layout;
mod manifest;
mod prepare;
mod push;
mod remembered;
mod sent;
mod ship;
mod submit;
pub mod there;
mod tree;
mod unseen;
mod verdict;
mod watch;
mod whole;

pub use again::{again, is_unfinished};
pub use batch::script;
pub use cancel::cancel;
pub use error::ElsewhereError;
pub use layout::Layout;
pub use prepare::{Preparation, Trust, Wanted, prepare};
pub use push::program;
pub use submit::{Ready, Submitted, check_request, submit};
pub use verdict::Grace;
pub use watch::{Known, Settled, await_news, known, log, settle, under_way};
