//! From a checkout to a verified environment.
//!
//! [`setup`] is the way there: it finds the [`interpreters`], has sizar-env plan, builds with uv
//! (or, where uv cannot, with virtualenv and pip of the era; over what conda gives, where the source
//! asks it) inside the sandbox, verifies by importing and asking the driver, and repairs within
//! bounds.
//! [`remembered`] finds what an earlier setup made, in a few file reads; [`list`], [`remove`] and
//! [`collect_garbage`] keep the shelf of environments.

mod after;
mod answer;
mod attempts;
mod build;
mod builds_cache;
mod bytecode;
mod closure;
mod conda;
mod console_scripts;
mod driver;
mod error;
pub mod explain;
mod failure;
mod folder;
mod generated;
pub mod gpus;
mod index;
mod inside;
pub mod interpreters;
pub mod ledger;
mod memory;
mod merge;
mod offline;
mod pip;
mod python_config;
mod python_path;
mod request;
mod same_files;
mod scratch;
mod settle;
mod setup;
mod smoke;
mod source_edits;
mod stage;
mod stuck;
mod tree_build;
mod uv;
mod verify;
mod workshop;

pub(crate) use answer::stops_for_want_of_environment;
pub use driver::{Launch, launch};
pub use error::SetupError;
pub use failure::{FailedSetup, failure_of};
pub use folder::{Kept, collect_garbage, list, python_roots, remove, show};
pub(crate) use memory::answer as remembered_answer;
pub use memory::{Remembered, remembered};
pub use python_path::python_path;
pub use request::{Setup, SetupRequest, StoppedIn};
pub use setup::setup;
pub use smoke::Bounds as SmokeBounds;
