//! Leaves out images, annotations and categories, and keeps the indices right.

use super::{Annotation, Dataset, Image};

const GONE: u32 = u32::MAX;

impl Dataset {
    /// Keeps the annotations that `keep` says; parents and reading orders follow.
    pub fn retain_annotations(&mut self, mut keep: impl FnMut(&Annotation) -> bool) {
        let mut next = 0;
        let moved: Vec<u32> = self
            .annotations
            .iter()
            .map(|annotation| {
                if keep(annotation) {
                    next += 1;
                    next - 1
                } else {
                    GONE
                }
            })
            .collect();
        if next as usize == self.annotations.len() {
            return;
        }
        let mut at = 0;
        self.annotations.retain(|_| {
            at += 1;
            moved[at - 1] != GONE
        });
        let to = |at: u32| moved.get(at as usize).copied().filter(|at| *at != GONE);
        for annotation in &mut self.annotations {
            if let Some(more) = &mut annotation.more {
                more.parent = more.parent.and_then(to);
            }
        }
        for image in &mut self.images {
            if let Some(order) = &mut image.reading_order
                && !order.renumber(&mut |at| to(at))
            {
                image.reading_order = None;
            }
        }
    }

    /// Keeps the images that `keep` says, with their annotations.
    pub fn retain_images(&mut self, mut keep: impl FnMut(u32, &Image) -> bool) {
        let mut next = 0;
        let moved: Vec<u32> = self
            .images
            .iter()
            .enumerate()
            .map(|(at, image)| {
                if keep(at as u32, image) {
                    next += 1;
                    next - 1
                } else {
                    GONE
                }
            })
            .collect();
        if next as usize == self.images.len() {
            return;
        }
        let to = |at: u32| moved.get(at as usize).copied().unwrap_or(GONE);
        self.retain_annotations(|annotation| to(annotation.image) != GONE);
        for annotation in &mut self.annotations {
            annotation.image = to(annotation.image);
        }
        let mut at = 0;
        self.images.retain(|_| {
            at += 1;
            moved[at - 1] != GONE
        });
    }

    /// Keeps the categories that `keep` says; annotations of the others lose theirs.
    pub fn retain_categories(&mut self, mut keep: impl FnMut(u32) -> bool) {
        let mut next = 0;
        let moved: Vec<Option<u32>> = (0..self.categories.len() as u32)
            .map(|at| {
                keep(at).then(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        let mut at = 0;
        self.categories.retain(|_| {
            at += 1;
            moved[at - 1].is_some()
        });
        for annotation in &mut self.annotations {
            annotation.category =
                annotation.category.and_then(|at| moved.get(at as usize).copied().flatten());
        }
    }
}
