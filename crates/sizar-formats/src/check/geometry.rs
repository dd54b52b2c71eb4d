//! Boxes, polygons, masks, ids and categories.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::crossing::crosses;
use super::finding::{Finding, Kind, place};
use crate::model::shape::ring_area;
use crate::model::{Annotation, Dataset, Image, Shape, SplitSet};

/// Half a pixel beyond the border is rounding, not a mistake.
const SLACK: f64 = 0.5;

/// Checks all that needs no file.
pub fn check(dataset: &Dataset, findings: &mut Vec<Finding>) {
    let (found, others) = rayon::join(
        || annotations(dataset),
        || {
            let mut others = Vec::new();
            ids(dataset, &mut others);
            categories(dataset, &mut others);
            others
        },
    );
    findings.extend(found);
    findings.extend(others);
}

fn annotations(dataset: &Dataset) -> Vec<Finding> {
    let some_have_categories = dataset.annotations.iter().any(|a| a.category.is_some());
    dataset
        .annotations
        .par_iter()
        .enumerate()
        .flat_map_iter(|(at, annotation)| {
            let mut found = Vec::new();
            if let Some(image) = dataset.images.get(annotation.image as usize) {
                let mut say = |kind, message| found.push((kind, message));
                of_annotation(dataset, annotation, image, &mut say);
                let is_caption = annotation
                    .more
                    .as_ref()
                    .is_some_and(|more| more.caption.is_some() || more.level.is_some());
                if some_have_categories && annotation.category.is_none() && !is_caption {
                    say(Kind::NoCategory, "no category".to_owned());
                }
            }
            found.into_iter().map(move |(kind, what)| Finding::new(kind, place(dataset, at), what))
        })
        .collect()
}

fn of_annotation(
    dataset: &Dataset,
    annotation: &Annotation,
    image: &Image,
    say: &mut impl FnMut(Kind, String),
) {
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    if let Some(bbox) = annotation.bbox {
        if bbox.width <= 0.0 || bbox.height <= 0.0 {
            say(Kind::EmptyBox, format!("a box of {} × {}", bbox.width, bbox.height));
        } else if width > 0.0
            && (bbox.x < -SLACK
                || bbox.y < -SLACK
                || bbox.right() > width + SLACK
                || bbox.bottom() > height + SLACK)
        {
            say(
                Kind::BoxOutside,
                format!(
                    "a box from {},{} to {},{} in an image of {width} × {height}",
                    bbox.x,
                    bbox.y,
                    bbox.right(),
                    bbox.bottom()
                ),
            );
        }
    }
    match &annotation.shape {
        Shape::Polygon(polygon) => {
            for ring in polygon.rings() {
                if ring.len() < 3 {
                    say(Kind::DegeneratePolygon, format!("a polygon of {} points", ring.len()));
                } else if ring_area(ring) == 0.0 {
                    say(Kind::DegeneratePolygon, "a polygon of no area".into());
                } else if let Some([a, b]) = crosses(ring) {
                    say(
                        Kind::CrossedPolygon,
                        format!("the side from point {a} and that from point {b} cross"),
                    );
                }
            }
        }
        Shape::Rle(rle) => {
            if let Err(error) = rle.check() {
                say(Kind::BadMask, error.to_string());
            } else if width > 0.0 && (rle.width, rle.height) != (image.width, image.height) {
                say(
                    Kind::BadMask,
                    format!(
                        "a mask of {} × {} in an image of {width} × {height}",
                        rle.width, rle.height
                    ),
                );
            }
        }
        _ => {}
    }
    let points = annotation.keypoints().len();
    let category = annotation.category.and_then(|at| dataset.categories.get(at as usize));
    if points > 0
        && let Some(skeleton) = category.and_then(|category| category.skeleton.as_ref())
        && skeleton.points.len() != points
    {
        let known = skeleton.points.len();
        say(Kind::BadKeypoints, format!("{points} keypoints, and the category has {known}"));
    }
}

fn ids(dataset: &Dataset, findings: &mut Vec<Finding>) {
    // sorted by all cores, which says that there are none, mostly; then no place need be found
    let mut all: Vec<i64> = dataset.annotations.iter().filter_map(|a| a.id).collect();
    all.par_sort_unstable();
    if all.windows(2).any(|two| two[0] == two[1]) {
        // the file of each split counts for itself
        let mut seen: FxHashSet<(Option<u8>, i64)> = FxHashSet::default();
        for (at, annotation) in dataset.annotations.iter().enumerate() {
            let image = dataset.images.get(annotation.image as usize);
            let Some(id) = annotation.id else { continue };
            let splits = image.map_or(SplitSet::default(), |image| image.splits);
            let is_outside = splits.iter().next().is_none();
            let files = splits.iter().map(Some).chain(is_outside.then_some(None));
            if files.filter(|split| !seen.insert((*split, id))).count() > 0 {
                let message = format!("another annotation has the id {id}");
                findings.push(Finding::new(Kind::DuplicateId, place(dataset, at), message));
            }
        }
    }
    let mut names: FxHashMap<(&str, SplitSet), usize> = FxHashMap::default();
    names.reserve(dataset.images.len());
    for image in &dataset.images {
        *names.entry((&image.name, image.splits)).or_default() += 1;
    }
    let mut twice: Vec<_> = names.into_iter().filter(|(_, count)| *count > 1).collect();
    twice.sort_unstable_by_key(|((name, _), _)| *name);
    for ((name, _), count) in twice {
        let message = format!("{count} images name this file");
        findings.push(Finding::new(Kind::DuplicateId, name, message));
    }
}

fn categories(dataset: &Dataset, findings: &mut Vec<Finding>) {
    let mut is_used = vec![false; dataset.categories.len()];
    for category in dataset.annotations.iter().filter_map(|a| a.category) {
        if let Some(used) = is_used.get_mut(category as usize) {
            *used = true;
        }
    }
    for (category, _) in dataset.categories.iter().zip(&is_used).filter(|(_, used)| !**used) {
        let message = "nothing is of this category";
        findings.push(Finding::new(Kind::UnusedCategory, &*category.name, message));
    }
    let mut names: FxHashMap<&str, usize> = FxHashMap::default();
    for category in &dataset.categories {
        let count = names.entry(&category.name).or_default();
        *count += 1;
        if *count == 2 {
            let message = "two categories have this name";
            findings.push(Finding::new(Kind::DuplicateCategory, &*category.name, message));
        }
    }
}
