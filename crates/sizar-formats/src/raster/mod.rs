//! Masks: runs, their text, and polygons turned into them.
//!
//! The results are those of COCO's own `maskApi.c`, byte for byte
//! (<https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c>), which all training
//! and all scores on COCO rest upon.

pub mod crop;
pub mod overlap;
pub mod polygon;
pub mod rle;
pub mod trace;

pub use polygon::Rasteriser;
pub use trace::trace;
