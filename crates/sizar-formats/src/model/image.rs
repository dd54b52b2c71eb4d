//! An image, or a page.

use camino::Utf8PathBuf;

use super::{Attributes, ReadingOrder};

/// An image, or a page, as the annotations name it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    /// The number that a format gives it.
    pub id: Option<i64>,
    /// Its file as the annotations name it, with `/`; it may be a path.
    pub name: Box<str>,
    /// Where its file was found; `None` until someone looked, or when it is missing.
    pub file: Option<Utf8PathBuf>,
    /// Width and height in pixels as the annotations say it, or as the file says it where they
    /// are silent; 0 when nobody knows.
    pub width: u32,
    pub height: u32,
    /// How the file says that its pixels are to be turned: said here, not applied.
    pub orientation: Option<Orientation>,
    /// The splits that it is in.
    pub splits: SplitSet,
    /// What it is cut and scaled from, for a converter that doesn't have its pixels yet.
    pub derivation: Option<Box<Derivation>>,
    pub provenance: Option<Box<Provenance>>,
    /// The regions of a page in the order in which they are read.
    pub reading_order: Option<Box<ReadingOrder>>,
    /// What else is said of it.
    pub attributes: Option<Box<Attributes>>,
}

/// Where an image is from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provenance {
    /// The number of its [`super::Licence`].
    pub licence: Option<i64>,
    /// Addresses where it lies, best first.
    pub urls: Vec<String>,
    /// When it was taken, as the file writes it.
    pub date: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// The data base or program that it is from.
    pub source: Option<String>,
}

/// EXIF's orientation, 1 to 8; 1 is upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation(pub u8);

impl Orientation {
    /// Tells whether a viewer that respects it swaps width and height.
    pub fn swaps_sides(self) -> bool {
        self.0 >= 5
    }
}

/// How the pixels of an image follow from those of its file: cut out, then scaled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Derivation {
    /// Left, top, width and height in pixels of the file.
    pub cut: [u32; 4],
    /// The size after scaling.
    pub size: [u32; 2],
}

/// A set of splits, by their indices in [`super::Dataset::splits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SplitSet(u64);

impl SplitSet {
    pub fn insert(&mut self, split: u8) {
        self.0 |= 1 << (split & 63);
    }

    pub fn contains(self, split: u8) -> bool {
        self.0 >> (split & 63) & 1 == 1
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |split| self.contains(*split))
    }
}

impl FromIterator<u8> for SplitSet {
    fn from_iter<I: IntoIterator<Item = u8>>(splits: I) -> Self {
        let mut set = Self::default();
        splits.into_iter().for_each(|split| set.insert(split));
        set
    }
}
