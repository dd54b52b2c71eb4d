//! What is written for people.

pub mod frameworks;
pub mod inspection;
pub mod page;
