//! From a git address to a tree.
//!
//! Each address has one bare [`Mirror`] in the cache. A commit is laid out by reading its tree
//! and blobs (`git ls-tree`, `git cat-file --batch`) and writing them through a
//! [`TreeWriter`](super::tree_writer::TreeWriter): git itself writes no working tree, so no hook,
//! filter or attribute of the repository ever takes effect.

mod address;
mod error;
mod lay_out;
mod mirror;
mod program;
mod revision;
mod stand_in;
mod submodules;

pub use address::of_submodule as submodule_address;
pub use error::GitError;
pub use lay_out::{LaidOut, LayOut};
pub use mirror::Mirror;
pub use stand_in::stand_in;

pub(super) use mirror::{dates, tag};
pub(super) use program::Git;
