//! What the formats of pages share: one file an image, one vocabulary, one hierarchy.

pub mod files;
pub mod ids;
pub mod kinds;
pub mod points;
pub mod schema;
pub mod tree;

/// How eScriptorium names the region that holds lines without one; it is none itself.
pub const CONTAINER: &str = "eSc_dummyblock_";

pub use files::{Names, read_each, resolve};
pub use kinds::Kinds;
pub use tree::{Node, Tree};
