//! Conda environments, solved and installed in process by rattler.
//!
//! This crate is a wall round rattler's large tree, its async runtime and its frequent changes:
//! nothing of them shows outside. [`Conda`] is synchronous. It resolves the names of channels
//! ([`Settings`]), asks which of them answer, solves what an `environment.yml` asks for
//! ([`Conda::solve`]), and puts exactly the packages of a lock into a prefix
//! ([`Conda::install`]). No code of a package is run here: link scripts are named, not started.

mod archive;
mod channel;
mod client;
mod error;
mod install;
mod probe;
mod record;
mod solve;
mod spec;

pub use channel::{Address, Settings};
pub use client::Conda;
pub use error::CondaError;
pub use install::Installed;
pub use probe::Answer;
pub use solve::{Question, Solution, VirtualPackages};
