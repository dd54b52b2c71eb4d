//! The use cases of sizar, and everything that touches the world: network, processes, disk.
//!
//! [`acquire`] turns a locator into a checkout, [`environment`] makes a verified environment for
//! it, [`run`] executes a driver in it and collects what it made; [`store`] is the journal and
//! [`queue`] the supervisor of detached runs. [`elsewhere`] does the same on clusters, and
//! [`looking`] shows what goes on there; [`sweep`] is one wish for many runs, and [`transfer`] and
//! [`dataset`] bring what they need; [`fitting`] lays a data set out as a driver expects it. Foreign code runs only through [`process`], inside a
//! [`sandbox`].

pub mod acquire;
pub mod dataset;
pub mod doctor;
pub mod elsewhere;
pub mod environment;
pub mod failpoint;
mod file_system;
mod find_below;
pub mod fitting;
pub mod home;
pub mod http;
pub mod index;
pub mod looking;
pub mod process;
pub mod queue;
pub mod run;
pub mod sandbox;
pub mod scheduler;
mod sparse;
mod stale;
pub mod store;
pub mod sweep;
pub mod target;
pub mod tools;
pub mod transfer;
pub mod transport;
pub mod tree_digest;
