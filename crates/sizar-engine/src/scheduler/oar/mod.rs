//! OAR, 2.5 and 3: [`Oar`] is its language.

mod dialect;
mod directives;
mod failure;
mod field;
mod jobs;
mod nodes;
mod queue;
mod site;
mod submission;
mod usage;

#[cfg(test)]
mod captured;

pub use dialect::Oar;
