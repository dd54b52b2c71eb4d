//! What annotations are of.

use super::Attributes;

/// A class of things.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Category {
    /// The number that a format gives it.
    pub id: Option<i64>,
    pub name: Box<str>,
    /// The class that it is a part of.
    pub supercategory: Option<Box<str>>,
    pub colour: Option<[u8; 3]>,
    /// Its points and which of them are joined, for keypoints.
    pub skeleton: Option<Box<Skeleton>>,
    /// Whether it is of countable things (COCO's panoptic `isthing`).
    pub is_thing: Option<bool>,
    /// What else is said of it.
    pub attributes: Option<Box<Attributes>>,
}

impl Category {
    pub fn named(name: impl Into<Box<str>>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// The points of a category's things.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skeleton {
    pub points: Vec<Box<str>>,
    /// Pairs of indices of `points`, from 0.
    pub edges: Vec<[u16; 2]>,
    /// For each point the one that it becomes when the image is mirrored; empty if unknown.
    pub mirrored: Vec<u16>,
}
