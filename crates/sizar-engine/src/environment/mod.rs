//! From a checkout to a verified environment.
//!
//! [`setup`] is the way there: it finds the [`interpreters`], has sizar-env plan, builds with uv
//! inside the sandbox, verifies by importing and asking the driver, and repairs within bounds.
//! [`remembered`] finds what an earlier setup made, in a few file reads; [`list`], [`remove`] and
//! [`collect_garbage`] keep the shelf of environments.

mod build;
mod conda;
mod driver;
mod error;
mod folder;
mod index;
pub mod interpreters;
mod memory;
mod scratch;
mod setup;
mod verify;
mod workshop;

pub use driver::{Launch, launch};
pub use error::SetupError;
pub use folder::{Kept, collect_garbage, list, python_roots, remove, show};
pub use memory::remembered;
pub use setup::{Setup, SetupRequest, setup};
