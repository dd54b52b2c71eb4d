//! What is known about the world: the tables of `knowledge/`, as types.

mod breakages;
mod dates;
pub mod gone;
mod latent;
mod names;

pub use breakages::{Action, Breakage, Stage, SystemPackages, breakages, is_transient, matching};
pub use dates::{BuildLimit, Era, Eras, Floor, Release, build_limits, eras, floors, releases};
pub use latent::{Conflict, Removed, conflicts, removed};
pub use names::{Pair, Renames, is_popular, pairs, renames};
