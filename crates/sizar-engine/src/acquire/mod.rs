//! From a locator to a checkout.
//!
//! [`acquire`] is the only way in. A folder is used where it lies; everything else is fetched,
//! written as an untrusted tree ([`tree_writer`]) into a staging folder, and appears under
//! `checkouts/NAME` by one rename, when it is whole. What a locator meant is remembered under
//! `sources`, so that asking again needs no network.

mod acquisition;
pub mod archive;
mod archived;
mod cache;
mod error;
mod folder;
pub mod git;
mod lfs;
pub mod limits;
mod member;
mod repository;
pub mod tree_writer;

pub use acquisition::{AcquireOptions, acquire};
pub use error::AcquireError;
