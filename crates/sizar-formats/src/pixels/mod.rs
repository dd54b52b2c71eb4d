//! The files of images: found, measured, cut and written anew.

pub mod encode;
pub mod locate;
pub mod measure;

pub use encode::{encode, encoding_of};
pub use locate::locate;
pub use measure::{Measured, is_image_name, measure};
