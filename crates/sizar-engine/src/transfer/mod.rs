//! Trees on their way: there and back, once, and never wrong.
//!
//! A [`Manifest`] says what a tree holds; [`Scan`] makes it in one parallel walk. On a target the
//! [`Store`] keeps each content once, named by its digest, and lays trees out of it. [`Upload`] and
//! [`Download`] talk to the same program there ([`serve`]) in one conversation over the channel that
//! is open already: what is missing is asked for, what was cut goes on, and what arrives counts
//! only when its digest is right.

mod bases;
mod case;
mod change;
mod download;
mod error;
mod gc;
mod lay_out;
mod lend;
mod manifest;
mod outgoing;
mod outline;
#[cfg(test)]
mod over_a_pipe;
mod pace;
mod packer;
mod scan;
mod segment;
mod serve;
mod stat_cache;
mod store;
mod taking;
mod upload;
mod wire;
mod writers;

pub use case::alike;
pub(crate) use case::words as alike_words;
pub use download::{Coming, Download};
pub use error::TransferError;
pub(crate) use error::make_room;
pub use gc::{Kept, Swept, sweep};
pub use lay_out::{Bad, is_full, lay_out};
pub use lend::Sharing;
pub use manifest::{Content, Entry, InvalidManifest, Manifest};
pub use pace::Pace;
pub use scan::{Rules, Scan, Scanned};
pub use serve::serve;
pub use store::Store;
pub(crate) use upload::SERVE;
pub use upload::Upload;
pub use wire::{Line, Room};
