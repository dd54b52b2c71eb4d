//! JSON read in pieces: a cursor over bytes, and a stream over a file's long lists.
//!
//! serde_json would do for everything but size: a COCO file of half a gigabyte becomes a model of
//! about that size, and the text must not lie beside it. [`stream`] cuts the lists of such a file
//! into pieces that are parsed in parallel and forgotten; [`cursor`] parses them, and knows the
//! byte of every mistake. Values that nobody looks into are still serde_json's.

pub mod cursor;
pub mod number;
pub mod stream;

pub use cursor::{Cursor, JsonError};
pub use stream::{Piece, read_lists};
