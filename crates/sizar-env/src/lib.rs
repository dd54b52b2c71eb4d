//! Decides, locks and repairs Python environments. Runs nothing.
//!
//! [`plan`] makes the first [`EnvSpec`](sizar_model::EnvSpec) from what inspecting a source told;
//! [`uv`] says which commands build it; [`diagnosis`] reads what a failed command printed, and
//! [`repair`] makes the next specification from it, with a recorded reason. [`lock`] writes down
//! what was resolved, so that the same can be built again. What is known about the world is data,
//! in [`knowledge`].

mod candidates;
pub mod diagnosis;
pub mod era;
mod files;
pub mod knowledge;
pub mod lock;
pub mod metadata;
pub mod name;
pub mod plan;
pub mod pylock;
pub mod python;
pub mod repair;
pub mod requirements;
pub mod uv;
