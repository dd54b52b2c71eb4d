//! Decides, locks and repairs Python environments. Runs nothing.
//!
//! [`plan`] makes the first [`EnvSpec`](sizar_model::EnvSpec) from what inspecting a source told;
//! [`uv`] and [`pip`] say which commands build it; [`diagnosis`] reads what a failed command
//! printed, and [`repair`] makes the next specification from it, with a recorded reason. [`lock`]
//! writes down what was resolved, so that the same can be built again. What is known about the
//! world is data, in [`knowledge`].

mod absent;
pub mod build_steps;
mod build_tools;
mod candidates;
mod contradiction;
mod date_search;
pub mod deviations;
pub mod device;
pub mod diagnosis;
pub mod era;
mod files;
pub mod gpu;
pub mod heavy;
mod incidental;
pub mod knowledge;
pub mod latent;
pub mod lock;
pub mod mend;
pub mod metadata;
pub mod name;
pub mod pins;
pub mod pip;
pub mod pip_diagnosis;
pub mod plan;
pub mod pylock;
pub mod python;
pub mod readme_pins;
pub mod repair;
pub mod requirements;
pub mod shims;
pub mod stopped;
mod unreachable;
pub mod uv;
mod withdrawn;
mod without_build;
