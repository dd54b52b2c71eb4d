//! What is marked in an image.

use super::{AnnotationIx, Attributes, Box2, CategoryIx, ImageIx, Point, Shape, Transcription};

/// One thing that is marked in an image: an object, a region of a page, a line, a caption.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotation {
    /// The number that a format gives it.
    pub id: Option<i64>,
    pub image: ImageIx,
    pub category: Option<CategoryIx>,
    pub flags: Flags,
    /// Its box as the file says it. [`Annotation::bounds`] also finds one in the shape.
    pub bbox: Option<Box2>,
    /// Its area as the file says it.
    pub area: Option<f64>,
    pub shape: Shape,
    /// What most annotations lack.
    pub more: Option<Box<More>>,
}

/// What most annotations lack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct More {
    /// The name that a format gives it, like `r1l2` in PAGE.
    pub key: Option<Box<str>>,
    /// One per point of the category's skeleton.
    pub keypoints: Vec<Keypoint>,
    /// How sure the program was that found it.
    pub score: Option<f64>,
    /// The turn of the box about its centre in degrees, clockwise.
    pub rotation: Option<f64>,
    /// A sentence on the image.
    pub caption: Option<String>,
    /// Its place in a page's hierarchy; `None` for plain objects.
    pub level: Option<Level>,
    /// The region of a line, the line of a word.
    pub parent: Option<AnnotationIx>,
    /// The kind of a region as its format names it, like `marginalia`.
    pub region_type: Option<Box<str>>,
    /// The line that the letters stand on.
    pub baseline: Vec<Point>,
    /// Readings, the first being the one to use.
    pub text: Vec<Transcription>,
    /// The pose, like VOC's `Left`.
    pub pose: Option<Box<str>>,
    /// Annotations of one object in several parts share a group.
    pub group: Option<i64>,
    /// What else is said of it.
    pub attributes: Attributes,
}

impl Annotation {
    /// Returns the rarer fields, made if there are none.
    pub fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Returns its keypoints.
    pub fn keypoints(&self) -> &[Keypoint] {
        self.more.as_ref().map_or(&[], |more| &more.keypoints)
    }

    /// Returns the reading to use.
    pub fn text(&self) -> Option<&str> {
        self.more.as_ref().and_then(|more| more.text.first()).map(|first| &*first.text)
    }

    /// Returns its box: as the file says it, else around its shape, its keypoints, its baseline.
    pub fn bounds(&self) -> Option<Box2> {
        self.bbox.or_else(|| self.shape.bounds()).or_else(|| {
            let more = self.more.as_ref()?;
            let seen = more.keypoints.iter().filter(|point| point.visibility != Visibility::Absent);
            Box2::around(seen.map(|keypoint| keypoint.at))
                .or_else(|| Box2::around(more.baseline.iter().copied()))
        })
    }
}

/// Yes and no of an annotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// A group of things that are not told apart (COCO's `iscrowd`).
    pub const CROWD: Self = Self(1);
    /// Hard to see; evaluation skips it (VOC).
    pub const DIFFICULT: Self = Self(2);
    /// It goes on beyond its box (VOC).
    pub const TRUNCATED: Self = Self(4);
    /// Something lies before it (VOC, CVAT).
    pub const OCCLUDED: Self = Self(8);

    pub fn has(self, flag: Self) -> bool {
        self.0 & flag.0 == flag.0
    }

    pub fn set(&mut self, flag: Self, on: bool) {
        if on {
            self.0 |= flag.0;
        } else {
            self.0 &= !flag.0;
        }
    }

    /// Adds `flag` if `on`.
    pub fn with(mut self, flag: Self, on: bool) -> Self {
        self.set(flag, on);
        self
    }
}

/// A named point of a thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keypoint {
    pub at: Point,
    pub visibility: Visibility,
}

/// Whether a keypoint is seen, with COCO's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// 0: not in the image, or not marked.
    #[default]
    Absent,
    /// 1: marked, but hidden.
    Hidden,
    /// 2: marked and seen.
    Visible,
}

/// The place of an annotation in a page's hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Region,
    Line,
    Word,
    Glyph,
}
