//! Places to run other than this machine: what they are called, what is known of them, and how
//! they are reached.
//!
//! A [`Profile`] is read from [layers](layers): what a probe learned, a site's shared file, the
//! user's own, the project's. [`connect`] makes a [`Place`] of it: a transport and a scheduler.

mod connect;
mod error;
mod layers;
mod machine;
mod name;
mod probe;
mod profile;

pub use connect::{Connecting, Payload, Place, connect, transport};
pub use error::TargetError;
pub use layers::{Layer, Targets};
pub use machine::{Machine, Quota, Storage};
pub use name::{InvalidTargetName, TargetName};
pub(crate) use probe::output;
pub use probe::{Probed, probe};
pub use profile::{Profile, WorkerWish};
