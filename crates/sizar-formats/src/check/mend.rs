//! Mends what needs no decision.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::shape::ring_area;
use crate::model::{Box2, Dataset, Part, Shape};

/// Mends all that [`super::Kind::is_mendable`] names, in memory.
pub fn mend(dataset: &mut Dataset) {
    for annotation in &mut dataset.annotations {
        let Some(image) = dataset.images.get(annotation.image as usize) else { continue };
        let (width, height) = (f64::from(image.width), f64::from(image.height));
        if let Shape::Polygon(polygon) = &mut annotation.shape {
            let sound = |ring: &[crate::model::Point]| ring.len() > 2 && ring_area(ring) != 0.0;
            if polygon.rings().any(|ring| !sound(ring)) {
                let parts = std::mem::take(&mut polygon.parts).into_vec().into_iter();
                polygon.parts = parts
                    .filter(|part| sound(&part.outer))
                    .map(|part| Part {
                        outer: part.outer,
                        holes: part.holes.into_vec().into_iter().filter(|h| sound(h)).collect(),
                    })
                    .collect();
                if polygon.parts.is_empty() {
                    annotation.shape = Shape::None;
                    // its box says nothing that the polygon didn't
                    annotation.bbox = None;
                }
            }
        }
        // a text stays, however little of a place it has
        if let Some(more) = &annotation.more
            && !(more.text.is_empty() && more.baseline.is_empty())
        {
            let is_area = |bounds: &Box2| bounds.width > 0.0 && bounds.height > 0.0;
            annotation.bbox = annotation.bbox.filter(is_area);
        }
        if let Some(bbox) = &mut annotation.bbox
            && width > 0.0
        {
            let cut = Box2::from_corners(
                bbox.x.clamp(0.0, width),
                bbox.y.clamp(0.0, height),
                bbox.right().clamp(0.0, width),
                bbox.bottom().clamp(0.0, height),
            );
            if cut != *bbox {
                *bbox = cut;
            }
        }
    }
    let missing: Vec<bool> = dataset.images.iter().map(|image| image.file.is_none()).collect();
    // where nothing was found at all, the images are elsewhere, not lost
    let some_found = missing.contains(&false);
    let keep = |image: u32| !(some_found && missing.get(image as usize).copied().unwrap_or(true));
    dataset.retain_annotations(|annotation| {
        let is_empty = annotation.bbox.is_some_and(|b| b.width <= 0.0 || b.height <= 0.0);
        let is_placed = annotation.bounds().is_some();
        let is_label =
            annotation.more.as_ref().is_some_and(|m| m.caption.is_some() || m.level.is_some())
                || (annotation.bbox.is_none()
                    && annotation.area.is_none()
                    && annotation.shape == Shape::None);
        keep(annotation.image) && !is_empty && (is_placed || is_label)
    });
    dataset.retain_images(|at, _| keep(at));
    unite_categories(dataset);
    let used: FxHashSet<u32> = dataset.annotations.iter().filter_map(|a| a.category).collect();
    dataset.retain_categories(|at| used.contains(&at));
    renumber(dataset);
}

fn unite_categories(dataset: &mut Dataset) {
    let mut first: FxHashMap<Box<str>, u32> = FxHashMap::default();
    let to: Vec<u32> = dataset
        .categories
        .iter()
        .enumerate()
        .map(|(at, category)| *first.entry(category.name.clone()).or_insert(at as u32))
        .collect();
    for annotation in &mut dataset.annotations {
        annotation.category = annotation.category.and_then(|at| to.get(at as usize).copied());
    }
}

/// Numbers annotations and images from 1 where two have the same id.
fn renumber(dataset: &mut Dataset) {
    let mut seen = FxHashSet::default();
    if dataset.annotations.iter().filter_map(|a| a.id).any(|id| !seen.insert(id)) {
        for (at, annotation) in dataset.annotations.iter_mut().enumerate() {
            annotation.id = Some(at as i64 + 1);
        }
    }
    seen.clear();
    if dataset.images.iter().filter_map(|i| i.id).any(|id| !seen.insert(id)) {
        for (at, image) in dataset.images.iter_mut().enumerate() {
            image.id = Some(at as i64 + 1);
        }
    }
}
