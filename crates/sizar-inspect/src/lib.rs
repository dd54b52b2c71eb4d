//! Reads the source tree of a research repository, and executes nothing.
//!
//! [`inspect`] walks a folder, reads each file once, and returns an
//! [`sizar_model::Inspection`]: what the code is, how it is started, what it needs, and what will
//! hinder somebody else who runs it.

pub mod audit;
mod gather;
mod inspect;
pub mod language;
pub mod notebook;
pub mod packaging;
pub mod python;
pub mod tree;

pub use audit::{Part, Shape, shapes};
pub use inspect::{InspectError, InspectOptions, inspect};
