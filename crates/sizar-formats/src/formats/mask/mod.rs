//! A PNG of the same size beside each image, whose pixels are numbers of classes.
//!
//! This is what image editors and training code for segmentation exchange: 0 is the background,
//! 255 is to be ignored, as in VOC (<http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html>).
//! Masks in colour count as classes in order of their colours, black being the background.
//! `classes.txt` names the classes, a line each, the background first.

pub mod palette;
pub mod regions;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::{FormatError, Result};
use crate::model::{Annotation, Category, Dataset, Feature, Image, Shape, SplitSet};
use crate::pixels::is_image_name;
use crate::staging::Staging;

/// Pairs of folders in which images and their masks lie.
const PAIRS: [(&str, &str); 7] = [
    ("imgs", "masks"),
    ("images", "masks"),
    ("images", "labels"),
    ("image", "mask"),
    ("img", "mask"),
    ("JPEGImages", "SegmentationClass"),
    ("data/imgs", "data/masks"),
];
/// What names of masks end with beyond the name of their image.
const ENDINGS: [&str; 6] = ["", "_mask", "-mask", "_seg", "_label", "_gt"];
/// Pixels to be ignored.
const IGNORED: u32 = 255;

pub struct Mask;

impl Format for Mask {
    fn name(&self) -> &'static str {
        "mask"
    }

    fn title(&self) -> &'static str {
        "mask PNG"
    }

    fn specification(&self) -> &'static str {
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html"
    }

    fn holding(&self, feature: Feature) -> Holding {
        use Feature as F;
        match feature {
            F::Masks | F::CategoryNames | F::Splits | F::UnusedCategories | F::EmptyImages => {
                Holding::Kept
            }
            F::Polygons | F::PolygonParts | F::PolygonHoles | F::Ellipses => {
                Holding::Changed("pixels; things of a class are one area")
            }
            F::Boxes => Holding::Changed("filled, where there is nothing finer"),
            F::OverlappingAreas => Holding::Changed("the later one is on top"),
            F::Fractions => Holding::Changed("whole pixels"),
            F::Areas | F::ImageSizes => Holding::Changed("those of the pixels"),
            F::CategoryIds => Holding::Changed("numbered from 1 in their order"),
            _ => Holding::Dropped,
        }
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let Pair { images, masks, .. } = pairs(look).into_iter().next()?;
        Recognised::likely(format!("`{images}` and `{masks}` hold images and masks of equal names"))
    }

    fn read(&self, look: &Look, options: &ReadOptions) -> Result<Dataset> {
        let pairs = pairs(look);
        if pairs.is_empty() {
            return Err(FormatError::Unrecognised {
                path: look.path().to_owned(),
                looked_for: "folders `images` and `masks`, or the like".into(),
            });
        }
        let root = look.path();
        let mut dataset = Dataset::default();
        let mut files = Vec::new();
        for pair in &pairs {
            dataset.roots.push(root.join(&pair.images));
            let splits: SplitSet = pair.split.iter().map(|name| dataset.split(name)).collect();
            files.extend(
                matched(look, &pair.images, &pair.masks)
                    .into_iter()
                    .map(|(image, mask)| (&*pair.images, image, mask, splits)),
            );
        }
        let read: Read = files
            .into_par_iter()
            .enumerate()
            .map(|(at, (folder, image, mask, splits))| {
                let mask = palette::read(&root.join(&mask))?;
                let name = image.strip_prefix(folder).unwrap_or(&image).as_str();
                let made = Image {
                    name: name.into(),
                    file: Some(root.join(&image)),
                    width: mask.width,
                    height: mask.height,
                    splits,
                    ..Image::default()
                };
                Ok((made, areas(&mask, at as u32)))
            })
            .collect::<Result<_>>()?;
        assemble(look, read, options, &mut dataset);
        Ok(dataset)
    }

    fn write(&self, dataset: &Dataset, output: &Staging, _: &WriteOptions) -> Result<()> {
        if dataset.categories.len() > 254 {
            return Err(FormatError::cannot_write(format!(
                "{} categories, and a mask numbers 254 at most",
                dataset.categories.len()
            ))
            .with_hint("choose some with `--classes`, or join some with `--merge`"));
        }
        let by_image = dataset.by_image();
        let names = unique_stems(dataset);
        (0..dataset.images.len()).into_par_iter().try_for_each(|at| {
            let image = &dataset.images[at];
            let pixels = regions::paint(dataset, at, by_image.of(at), |_, annotation| {
                let category = dataset.annotations[annotation as usize].category;
                category.map_or(0, |category| category as u8 + 1)
            })?;
            let split = image.splits.iter().next().and_then(|s| dataset.splits.get(s as usize));
            let below = Utf8Path::new(split.map_or("", |name| &**name));
            let (stem, extension) = &names[at];
            let mask = below.join("masks").join(format!("{stem}.png"));
            palette::write(output.create(mask)?, image.width, image.height, &pixels)?;
            output.place_image(image, below.join("images").join(format!("{stem}.{extension}")))
        })?;
        let mut classes = String::from("background\n");
        for category in &dataset.categories {
            classes.push_str(&category.name);
            classes.push('\n');
        }
        output.write("classes.txt", classes.as_bytes())
    }
}

/// Images with their areas: the number of each, the area, the colour of the number.
type Read = Vec<(Image, Vec<(u32, Annotation, Option<[u8; 3]>)>)>;

/// Folders of images and masks, and the split that the folder above them says.
struct Pair {
    images: Utf8PathBuf,
    masks: Utf8PathBuf,
    split: Option<&'static str>,
}

/// Returns the areas of a mask but the background and what is to be ignored.
fn areas(mask: &palette::Indexed, image: u32) -> Vec<(u32, Annotation, Option<[u8; 3]>)> {
    let colour = |number: u32| mask.colours.as_ref()?.get(number as usize).copied();
    regions::regions(mask)
        .into_iter()
        .filter(|(number, _)| {
            let ignored =
                *number == IGNORED && mask.colours.as_ref().is_none_or(|known| known.len() == 256);
            // colours are ranked: black is the background wherever it stands
            let background = match colour(*number) {
                Some(colour) => colour == [0, 0, 0],
                None => *number == 0,
            };
            !ignored && !background
        })
        .map(|(number, rle)| {
            let shape = Shape::Rle(Box::new(rle));
            (number, Annotation { image, shape, ..Annotation::default() }, colour(number))
        })
        .collect()
}

/// Puts images together; categories are the numbers, or the colours, that occur anywhere.
fn assemble(look: &Look, read: Read, options: &ReadOptions, dataset: &mut Dataset) {
    let names: Option<Vec<String>> = options.classes.clone().or_else(|| {
        let text = fs_err::read_to_string(look.path().join("classes.txt")).ok()?;
        Some(text.lines().map(|line| line.trim().to_owned()).collect())
    });
    let is_colour = |number: u32, colour: Option<[u8; 3]>| {
        colour.filter(|colour| *colour != palette::voc_colour(number as u8))
    };
    let mut keys: Vec<(Option<[u8; 3]>, u32)> = read
        .iter()
        .flat_map(|(_, annotations)| annotations)
        .map(|(number, _, colour)| match is_colour(*number, *colour) {
            Some(colour) => (Some(colour), 0),
            None => (None, *number),
        })
        .collect();
    if let Some(names) = &names
        && keys.iter().all(|(colour, _)| colour.is_none())
    {
        keys.extend((1..names.len() as u32).map(|number| (None, number)));
    }
    keys.sort_unstable();
    keys.dedup();
    dataset.categories = keys
        .iter()
        .enumerate()
        .map(|(at, (colour, number))| {
            let number = if colour.is_some() { at as u32 + 1 } else { *number };
            let name = names.as_ref().and_then(|names| names.get(number as usize)).cloned();
            Category {
                id: Some(i64::from(number)),
                name: name.unwrap_or_else(|| format!("class{number}")).into(),
                colour: *colour,
                ..Category::default()
            }
        })
        .collect();
    for (image, annotations) in read {
        dataset.images.push(image);
        for (number, mut annotation, colour) in annotations {
            let key = match is_colour(number, colour) {
                Some(colour) => (Some(colour), 0),
                None => (None, number),
            };
            annotation.category = keys.binary_search(&key).ok().map(|at| at as u32);
            dataset.annotations.push(annotation);
        }
    }
}

fn pairs(look: &Look) -> Vec<Pair> {
    let below = |split: Option<&'static str>| {
        PAIRS.iter().find_map(|(images, masks)| {
            let base = Utf8Path::new(split.unwrap_or(""));
            let pair = Pair { images: base.join(images), masks: base.join(masks), split };
            let fits = look.has_folder(pair.images.as_str())
                && look.has_folder(pair.masks.as_str())
                && !matched(look, &pair.images, &pair.masks).is_empty();
            fits.then_some(pair)
        })
    };
    match below(None) {
        Some(pair) => vec![pair],
        None => ["train", "val", "test"].into_iter().filter_map(|name| below(Some(name))).collect(),
    }
}

/// Images and their masks, by equal names or known endings.
fn matched(look: &Look, images: &Utf8Path, masks: &Utf8Path) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
    look.files()
        .iter()
        .filter(|file| file.starts_with(images) && is_image_name(file))
        .filter_map(|image| {
            let inner = image.strip_prefix(images).ok()?;
            let folder = inner.parent().unwrap_or("".into());
            let stem = inner.file_stem()?;
            let mask = ENDINGS.iter().find_map(|ending| {
                let name = masks.join(folder).join(format!("{stem}{ending}.png"));
                look.has(name.as_str()).then_some(name)
            })?;
            Some((image.clone(), mask))
        })
        .collect()
}

/// Names of images without folders, unique; with their extensions.
pub(crate) fn unique_stems(dataset: &Dataset) -> Vec<(String, String)> {
    let mut taken = rustc_hash::FxHashSet::default();
    dataset
        .images
        .iter()
        .map(|image| {
            let path = Utf8Path::new(&*image.name);
            let stem = path.file_stem().unwrap_or("image");
            let mut name = stem.to_owned();
            let mut count = 1;
            while !taken.insert(name.clone()) {
                count += 1;
                name = format!("{count}_{stem}");
            }
            (name, path.extension().unwrap_or("jpg").to_owned())
        })
        .collect()
}
