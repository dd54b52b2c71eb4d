//! A data set changed on its way from one format to another.

pub mod classes;
pub mod resize;
pub mod split;
pub mod tile;

pub use classes::{choose_classes, merge_classes};
pub use resize::resize;
pub use split::{SplitRequest, split};
pub use tile::tile;
