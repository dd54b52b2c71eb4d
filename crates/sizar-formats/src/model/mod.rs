//! The common model: what a data set of annotated images says, whatever format it came from.
//!
//! It is flat and made for millions of annotations: three tables, and indices between them. What
//! most annotations lack (keypoints, text, attributes) lies in a box of its own,
//! [`annotation::More`], so that a plain box costs some hundred bytes.

pub mod annotation;
pub mod category;
pub mod dataset;
pub mod features;
pub mod image;
mod retain;
pub mod shape;
pub mod text;

pub use annotation::{Annotation, Flags, Keypoint, Level, More, Visibility};
pub use category::{Category, Skeleton};
pub use dataset::{Dataset, Info, Licence, Note};
pub use features::Feature;
pub use image::{Derivation, Image, Orientation, Provenance, SplitSet};
pub use shape::{Box2, Ellipse, Part, Point, Polygon, Rle, Shape};
pub use text::{ReadingOrder, Transcription};

/// Names and values that a format has no field of its own for, in the order of the file.
pub type Attributes = serde_json::Map<String, serde_json::Value>;

/// The index of an image in [`Dataset::images`].
pub type ImageIx = u32;
/// The index of a category in [`Dataset::categories`].
pub type CategoryIx = u32;
/// The index of an annotation in [`Dataset::annotations`].
pub type AnnotationIx = u32;
