//! A data set changed on its way from one format to another.

pub mod classes;
pub mod resize;
pub mod save;
pub mod split;
pub mod tile;

pub use classes::{choose_classes, merge_classes};
pub use resize::resize;
pub use save::{Saved, refuse_without_images, save};
pub use split::{Group, SplitRequest, split};
pub use tile::tile;
