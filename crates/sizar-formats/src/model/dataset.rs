//! A data set as a whole.

use camino::Utf8PathBuf;

use super::{Annotation, Attributes, Category, Image};
use crate::error::Position;

/// Images, categories and annotations, and what is said of them together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    pub info: Info,
    pub licences: Vec<Licence>,
    pub categories: Vec<Category>,
    pub images: Vec<Image>,
    /// Of all images; readers keep them in the order of the file.
    pub annotations: Vec<Annotation>,
    /// The names of the splits, like `train`; [`Image::splits`] refers to them.
    pub splits: Vec<Box<str>>,
    /// Where relative [`Image::name`]s are looked for, best first.
    pub roots: Vec<Utf8PathBuf>,
    /// What the reader noticed and went on.
    pub notes: Vec<Note>,
    /// Whether images and categories are known by their ids only, as in a list of results.
    pub lacks_images: bool,
}

/// Where a data set comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    /// Its name, or a short description.
    pub name: Option<String>,
    pub version: Option<String>,
    pub year: Option<i32>,
    pub contributor: Option<String>,
    pub url: Option<String>,
    /// When it was made, as the file writes it.
    pub date: Option<String>,
    /// What else the file says.
    pub attributes: Attributes,
}

/// A licence that images are under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Licence {
    /// As [`super::Provenance::licence`] refers to it.
    pub id: i64,
    pub name: String,
    pub url: Option<String>,
}

/// Something odd that didn't stop the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// A stable name, like `zero-based-boxes`.
    pub code: &'static str,
    pub at: Position,
    pub message: String,
}

impl Dataset {
    /// Returns the index of the split `name`, which is added if it is new.
    ///
    /// There are at most 64; further ones share the last.
    pub fn split(&mut self, name: &str) -> u8 {
        if let Some(at) = self.splits.iter().position(|known| &**known == name) {
            return at as u8;
        }
        if self.splits.len() < 64 {
            self.splits.push(name.into());
        }
        self.splits.len() as u8 - 1
    }

    /// Returns the index of the category `name`, if there is one.
    pub fn category(&self, name: &str) -> Option<super::CategoryIx> {
        self.categories.iter().position(|known| &*known.name == name).map(|at| at as u32)
    }

    /// Returns the index of the category `name`, which is added if it is new.
    pub fn category_of(&mut self, name: &str) -> super::CategoryIx {
        self.category(name).unwrap_or_else(|| {
            self.categories.push(Category::named(name));
            self.categories.len() as u32 - 1
        })
    }

    /// Returns for each image the indices of its annotations, in order.
    pub fn by_image(&self) -> ByImage {
        let mut starts = vec![0_u32; self.images.len() + 1];
        for annotation in &self.annotations {
            if let Some(count) = starts.get_mut(annotation.image as usize + 1) {
                *count += 1;
            }
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut order = vec![0; starts.last().copied().unwrap_or(0) as usize];
        for (at, annotation) in self.annotations.iter().enumerate() {
            if (annotation.image as usize) < self.images.len() {
                let slot = &mut next[annotation.image as usize];
                order[*slot as usize] = at as u32;
                *slot += 1;
            }
        }
        ByImage { starts, order }
    }

    /// Adds what `other` holds, its categories matched by name.
    pub fn append(&mut self, other: Dataset) {
        let first = self.images.len() as u32;
        let first_annotation = self.annotations.len() as u32;
        let categories: Vec<u32> = other
            .categories
            .into_iter()
            .map(|category| match self.category(&category.name) {
                Some(known) => known,
                None => {
                    self.categories.push(category);
                    self.categories.len() as u32 - 1
                }
            })
            .collect();
        let splits: Vec<u8> = other.splits.iter().map(|name| self.split(name)).collect();
        self.images.extend(other.images.into_iter().map(|mut image| {
            image.splits = image.splits.iter().map(|at| splits[at as usize]).collect();
            if let Some(order) = &mut image.reading_order {
                order.shift(first_annotation);
            }
            image
        }));
        self.annotations.extend(other.annotations.into_iter().map(|mut annotation| {
            annotation.image += first;
            annotation.category =
                annotation.category.and_then(|at| categories.get(at as usize).copied());
            if let Some(more) = &mut annotation.more
                && let Some(parent) = &mut more.parent
            {
                *parent += first_annotation;
            }
            annotation
        }));
        for licence in other.licences {
            if !self.licences.contains(&licence) {
                self.licences.push(licence);
            }
        }
        for root in other.roots {
            if !self.roots.contains(&root) {
                self.roots.push(root);
            }
        }
        self.notes.extend(other.notes);
        self.lacks_images |= other.lacks_images;
        if self.info == Info::default() {
            self.info = other.info;
        }
    }
}

/// The annotations of each image.
pub struct ByImage {
    starts: Vec<u32>,
    order: Vec<u32>,
}

impl ByImage {
    /// Returns the indices of the annotations of `image`, in order.
    pub fn of(&self, image: usize) -> &[super::AnnotationIx] {
        match (self.starts.get(image), self.starts.get(image + 1)) {
            (Some(from), Some(to)) => &self.order[*from as usize..*to as usize],
            _ => &[],
        }
    }
}
