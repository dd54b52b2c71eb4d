//! Unpacks untrusted archives: zip, and tar, plain or packed by gzip, bzip2, xz or zstd.
//!
//! The format is told by content, not by name. Every member goes through a
//! [`TreeWriter`](super::tree_writer::TreeWriter); archives inside the archive stay packed.

mod error;
mod format;
mod metered;
mod tar;
mod unpack;
mod zip;

pub use error::ArchiveError;
pub use format::Format;
pub(super) use unpack::collision_note;
pub use unpack::{Unpacked, unpack};
