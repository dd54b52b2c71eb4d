//! Slurm, 17.11 to 25: [`Slurm`] is its language.

mod accounting;
mod dialect;
mod directives;
mod failure;
mod gres;
mod jobs;
mod nodes;
mod queue;
mod record;
mod site;
mod submission;
mod time;
mod usage;

#[cfg(test)]
mod captured;
#[cfg(test)]
mod refused;

pub use dialect::Slurm;
