//! What is known about the world: the tables of `knowledge/`, as types.

mod breakages;
mod dates;
pub mod gone;
mod latent;
mod metadata;
mod names;

pub use breakages::{Action, Breakage, Stage, SystemPackages, breakages, is_transient, matching};
pub use dates::{
    BuildLimit, Era, Eras, FirstWheels, Floor, Release, build_limits, eras, first_wheels, floors,
    releases,
};
pub use latent::{Companion, Conflict, Removed, companions, conflicts, removed};
pub use metadata::{Metadata, metadata};
pub use names::{Pair, Renames, is_popular, pairs, renames};

/// Returns a digest of what decides repairs: what another table left unverified is worth another
/// attempt.
pub fn revision() -> sizar_model::Digest {
    let tables = breakages::TABLES.iter().map(|(_, text)| *text);
    let whole: String = tables
        .chain([latent::CONFLICTS, latent::REMOVED, latent::COMPANIONS, metadata::TEXT])
        .collect();
    sizar_model::Digest::of(whole.as_bytes())
}
