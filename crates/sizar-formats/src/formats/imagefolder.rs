//! Images in folders named after their class.
//!
//! The rule is that of torchvision's `ImageFolder`
//! (<https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html>):
//! classes are the folders in order of their names, images any file below with a known extension.
//! A level of folders above that, like `train` and `val`, is the splits.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::{FormatError, Result};
use crate::model::{Annotation, Category, Dataset, Feature, Image};
use crate::pixels::is_image_name;
use crate::staging::Staging;

/// Names of folders that are splits, not classes.
const SPLITS: [&str; 8] =
    ["train", "val", "valid", "validation", "test", "training", "testing", "dev"];

pub struct ImageFolder;

impl Format for ImageFolder {
    fn name(&self) -> &'static str {
        "imagefolder"
    }

    fn title(&self) -> &'static str {
        "ImageFolder"
    }

    fn specification(&self) -> &'static str {
        "https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html"
    }

    fn holding(&self, feature: Feature) -> Holding {
        match feature {
            Feature::ImageLabels | Feature::CategoryNames | Feature::Splits => Holding::Kept,
            Feature::ImageSizes => Holding::Changed("those of the files"),
            Feature::CategoryIds => Holding::Changed("numbered in order of their names"),
            Feature::EmptyImages => Holding::Dropped,
            _ => Holding::Dropped,
        }
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let classes = classes(look);
        let images = look.files().iter().filter(|file| is_image_name(file)).count();
        let other = look.files().len() - images;
        if classes.len() < 2 || other > images / 10 {
            return None;
        }
        Recognised::possible(format!("{images} images in {} folders of one level", classes.len()))
    }

    fn read(&self, look: &Look, _: &ReadOptions) -> Result<Dataset> {
        let names = classes(look);
        let mut dataset = Dataset { roots: vec![look.folder().to_owned()], ..Dataset::default() };
        let indices: BTreeMap<&str, u32> =
            names.iter().enumerate().map(|(at, name)| (&**name, at as u32)).collect();
        dataset.categories = names.iter().map(|name| Category::named(&**name)).collect();
        for file in look.files().iter().filter(|file| is_image_name(file)) {
            let Some((split, class)) = placed(file) else { continue };
            let image = dataset.images.len() as u32;
            let splits = split.map(|name| dataset.split(name)).into_iter().collect();
            dataset.images.push(Image {
                name: file.as_str().into(),
                file: Some(look.path().join(file)),
                splits,
                ..Image::default()
            });
            dataset.annotations.push(Annotation {
                image,
                category: indices.get(class).copied(),
                ..Annotation::default()
            });
        }
        Ok(dataset)
    }

    fn write(&self, dataset: &Dataset, output: &Staging, _: &WriteOptions) -> Result<()> {
        let by_image = dataset.by_image();
        let mut taken = BTreeSet::new();
        for (at, image) in dataset.images.iter().enumerate() {
            let mut classes: Vec<u32> = by_image
                .of(at)
                .iter()
                .filter_map(|annotation| dataset.annotations[*annotation as usize].category)
                .collect();
            classes.sort_unstable();
            classes.dedup();
            let [class] = classes[..] else {
                if classes.is_empty() {
                    continue;
                }
                return Err(FormatError::cannot_write(format!(
                    "`{}` is of {} classes, and an ImageFolder holds one per image",
                    image.name,
                    classes.len()
                ))
                .with_hint("keep one class per image with `--classes`"));
            };
            let class = dataset.categories[class as usize].name.replace(['/', '\\'], "_");
            let file = Utf8Path::new(&*image.name).file_name().unwrap_or("image");
            let splits: Vec<&str> =
                image.splits.iter().map(|split| &*dataset.splits[split as usize]).collect();
            for split in if splits.is_empty() { vec![""] } else { splits } {
                let mut to = Utf8Path::new(split).join(&class).join(file);
                let mut count = 1;
                while !taken.insert(to.clone()) {
                    count += 1;
                    to.set_file_name(format!("{count}_{file}"));
                }
                output.place_image(image, &to)?;
            }
        }
        Ok(())
    }
}

/// The split and the class of a file, by the names of its folders.
fn placed(file: &Utf8Path) -> Option<(Option<&str>, &str)> {
    let mut folders = file.parent()?.components().map(|part| part.as_str());
    let first = folders.next()?;
    if SPLITS.contains(&&*first.to_lowercase()) {
        return Some((Some(first), folders.next()?));
    }
    Some((None, first))
}

fn classes(look: &Look) -> Vec<String> {
    let classes: BTreeSet<&str> = look
        .files()
        .iter()
        .filter(|file| is_image_name(file))
        .filter_map(|file| placed(file))
        .map(|(_, class)| class)
        .collect();
    classes.into_iter().map(str::to_owned).collect()
}
