//! Annotation formats of images and pages: read, checked, converted, with what is lost said.
//!
//! Every format is read into one [model], and written from it. [`formats`] lists them; each is a
//! folder or a file that implements [`formats::Format`] and says there which features it holds.
//! From that follows the loss table of a conversion, before it starts.
//!
//! Coordinates are pixels, continuous, from the top left corner of the top left pixel: the pixel
//! in column `c` and row `r` covers `c..c + 1` by `r..r + 1`. Formats that count otherwise are
//! brought to this on reading, and back on writing.

pub mod check;
pub mod convert;
pub mod error;
pub mod formats;
pub mod json;
pub mod model;
pub mod open;
pub mod pixels;
pub mod raster;
pub mod staging;
pub mod survey;
pub mod xml;

pub use error::{FormatError, Place, Position};
pub use open::{OpenOptions, Opened, open};
