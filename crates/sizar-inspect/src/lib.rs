//! Reads the source tree of a research repository, and executes nothing.

pub mod audit;
pub mod language;
pub mod notebook;
pub mod packaging;
pub mod python;
pub mod tree;
