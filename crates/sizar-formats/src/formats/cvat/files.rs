//! Finds the images of an export: CVAT has those of a subset in a folder of their own, and calls the
//! frames of a video without their ending.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::formats::Look;
use crate::model::Dataset;
use crate::pixels::is_image_name;

/// Finds the files of images below `images`, and tells images of two subsets apart that have one
/// name.
pub fn find(dataset: &mut Dataset, images: &Utf8Path) {
    let mut names = BTreeSet::new();
    let repeated: BTreeSet<Box<str>> = dataset
        .images
        .iter()
        .filter(|image| !names.insert(&image.name))
        .map(|image| image.name.clone())
        .collect();
    // a folder that is not there, or cannot be read, has no images
    let there = Look::at(images).ok();
    let there = there.as_ref().map_or(&[][..], Look::files);
    let mut files: BTreeMap<Utf8PathBuf, &Utf8PathBuf> =
        there.iter().filter(|file| is_image_name(file)).map(|file| (file.clone(), file)).collect();
    for file in there.iter().filter(|file| is_image_name(file)) {
        files.entry(file.with_extension("")).or_insert(file);
    }
    let is_below =
        |name: &Utf8Path| name.components().all(|part| matches!(part, Utf8Component::Normal(_)));
    for image in dataset.images.iter_mut().filter(|image| is_below(Utf8Path::new(&*image.name))) {
        let split = image.splits.iter().next().and_then(|at| dataset.splits.get(at as usize));
        let beside = split.map(|split| Utf8Path::new(&**split).join(&*image.name));
        let mut places = beside.iter().cloned().chain([Utf8PathBuf::from(&*image.name)]);
        let found = places.find_map(|place| files.get(&place));
        image.file = found.map(|file| images.join(file));
        let mut name = match beside.filter(|_| repeated.contains(&image.name)) {
            Some(beside) => beside,
            None => Utf8PathBuf::from(&*image.name),
        };
        if let Some(ending) = found.and_then(|file| file.extension())
            && !is_image_name(&name)
        {
            name = format!("{name}.{ending}").into();
        }
        image.name = name.as_str().into();
    }
}
