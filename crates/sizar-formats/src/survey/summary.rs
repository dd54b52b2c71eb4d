//! Counts, classes and sizes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Dataset, Feature, Flags, features};

/// What is in a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub images: usize,
    pub annotations: usize,
    pub categories: usize,
    /// Images of which the file was found.
    pub found: usize,
    /// Images in which nothing is marked.
    pub empty: usize,
    pub crowds: usize,
    /// How many images each split has.
    pub splits: BTreeMap<String, usize>,
    /// The classes, the most frequent first.
    pub classes: Vec<ClassCount>,
    /// Width × height of the images, the most frequent first.
    pub sizes: Vec<SizeCount>,
    /// What is made use of, and how often.
    pub features: BTreeMap<Feature, u64>,
    /// The smallest, the middle and the largest area of annotations, in pixels.
    pub areas: Option<[f64; 3]>,
    pub licences: Vec<String>,
}

/// A class and how often it occurs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassCount {
    pub name: String,
    pub annotations: usize,
    pub images: usize,
    /// An image that has one.
    pub example: Option<String>,
}

/// A size and how many images have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SizeCount {
    pub width: u32,
    pub height: u32,
    pub images: usize,
}

/// Counts what is in `dataset`.
pub fn summarise(dataset: &Dataset) -> Summary {
    let by_image = dataset.by_image();
    let mut classes: Vec<ClassCount> = dataset
        .categories
        .iter()
        .map(|category| ClassCount {
            name: category.name.to_string(),
            annotations: 0,
            images: 0,
            example: None,
        })
        .collect();
    let mut sizes: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    let mut empty = 0;
    for (at, image) in dataset.images.iter().enumerate() {
        *sizes.entry((image.width, image.height)).or_default() += 1;
        let here = by_image.of(at);
        empty += usize::from(here.is_empty());
        let mut seen: Vec<u32> = here
            .iter()
            .filter_map(|annotation| dataset.annotations[*annotation as usize].category)
            .collect();
        seen.sort_unstable();
        for chunk in seen.chunk_by(|a, b| a == b) {
            if let Some(class) = classes.get_mut(chunk[0] as usize) {
                class.annotations += chunk.len();
                class.images += 1;
                class.example.get_or_insert_with(|| image.name.to_string());
            }
        }
    }
    classes.sort_by(|a, b| b.annotations.cmp(&a.annotations).then_with(|| a.name.cmp(&b.name)));
    let mut sizes: Vec<SizeCount> = sizes
        .into_iter()
        .map(|((width, height), images)| SizeCount { width, height, images })
        .collect();
    sizes.sort_by_key(|size| std::cmp::Reverse(size.images));
    let mut areas: Vec<f64> = dataset
        .annotations
        .iter()
        .filter_map(|annotation| annotation.area.or_else(|| Some(annotation.bounds()?.area())))
        .collect();
    areas.sort_unstable_by(f64::total_cmp);
    let areas = match (areas.first(), areas.get(areas.len() / 2), areas.last()) {
        (Some(low), Some(middle), Some(high)) => Some([*low, *middle, *high]),
        _ => None,
    };
    let splits = dataset.splits.iter().enumerate().map(|(split, name)| {
        let count = dataset.images.iter().filter(|i| i.splits.contains(split as u8)).count();
        (name.to_string(), count)
    });
    Summary {
        images: dataset.images.len(),
        annotations: dataset.annotations.len(),
        categories: dataset.categories.len(),
        found: dataset.images.iter().filter(|image| image.file.is_some()).count(),
        empty,
        crowds: dataset.annotations.iter().filter(|a| a.flags.has(Flags::CROWD)).count(),
        splits: splits.collect(),
        classes,
        sizes,
        features: features::used(dataset),
        areas,
        licences: dataset.licences.iter().map(|licence| licence.name.clone()).collect(),
    }
}
