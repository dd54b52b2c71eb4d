//! MS COCO: detection, masks, keypoints, captions, panoptic.
//!
//! The fields are those of <https://cocodataset.org/#format-data>; what readers make of them is
//! settled by pycocotools (<https://github.com/cocodataset/cocoapi>).

mod annotation;
mod read;

pub use read::read;
