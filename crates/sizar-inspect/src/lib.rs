//! Reads the source tree of a research repository, and executes nothing.

pub mod audit;
pub mod packaging;
pub mod python;
