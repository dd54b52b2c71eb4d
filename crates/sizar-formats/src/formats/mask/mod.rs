//! A PNG of the same size beside each image, whose pixels are numbers of classes.
//!
//! This is what image editors and training code for segmentation exchange: 0 is the background,
//! 255 is to be ignored, as in VOC (<http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html>).
//! Masks in colour count as classes in order of their colours, black being the background.
//! `classes.txt` names the classes, a line each, the background first; CVAT's "Segmentation mask 1.1"
//! has `labelmap.txt` instead, with a colour for each.

pub mod labelmap;
mod layout;
pub mod palette;
pub mod regions;

use camino::Utf8Path;
use rayon::prelude::*;

use self::labelmap::LabelMap;
use self::layout::{Masked, Pair};
use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::{FormatError, Result};
use crate::model::{Annotation, Category, Dataset, Feature, Image, Shape};
use crate::staging::Staging;

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
        if let Some(Pair { images, masks, .. }) = layout::pairs(look).into_iter().next() {
            return Recognised::likely(format!(
                "`{images}` and `{masks}` hold images and masks of equal names"
            ));
        }
        let said = layout::says_segmentation(look)?;
        Recognised::likely(format!("`{}` holds masks, and there is {said}", layout::CLASSES))
    }

    fn read(&self, look: &Look, options: &ReadOptions) -> Result<Dataset> {
        let mut dataset = Dataset::default();
        let files = layout::files(look, &mut dataset)?;
        if files.is_empty() {
            return Err(FormatError::Unrecognised {
                path: look.path().to_owned(),
                looked_for: "folders `images` and `masks`, or the like".into(),
            });
        }
        let root = look.path();
        let labels = LabelMap::find(look);
        let read: Read = files
            .into_par_iter()
            .enumerate()
            .map(|(at, Masked { name, file, mask, splits })| {
                let mask = mask.map(|mask| palette::read(&root.join(mask))).transpose()?;
                let made = Image {
                    name: name.into(),
                    file: file.map(|file| root.join(file)),
                    width: mask.as_ref().map_or(0, |mask| mask.width),
                    height: mask.as_ref().map_or(0, |mask| mask.height),
                    splits,
                    ..Image::default()
                };
                let areas = mask.map(|mask| areas(&mask, at as u32, labels.as_ref()));
                Ok((made, areas.unwrap_or_default()))
            })
            .collect::<Result<_>>()?;
        assemble(look, read, labels.as_ref(), options, &mut dataset);
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
            if image.file.is_none() && image.width == 0 && by_image.of(at).is_empty() {
                // a name in a list, and nothing else
                return Ok(());
            }
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

/// Images with their areas, and what class each is of.
type Read = Vec<(Image, Vec<(Class, Annotation)>)>;

/// What the pixels of a class are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Those of a line of `labelmap.txt`.
    Row(usize),
    Number(u32),
    Colour([u8; 3]),
}

/// Returns the areas of a mask but the background and what is to be ignored.
fn areas(
    mask: &palette::Indexed,
    image: u32,
    labels: Option<&LabelMap>,
) -> Vec<(Class, Annotation)> {
    let class = |number: u32| {
        let ink = mask.ink(number);
        if let Some(at) = labels.and_then(|labels| labels.number(ink)) {
            let is_void = labels.is_some_and(|labels| labels.rows[at].is_void());
            return (!is_void).then_some(Class::Row(at));
        }
        let ignored =
            number == IGNORED && mask.colours.as_ref().is_none_or(|known| known.len() == 256);
        // colours are ranked: black is the background wherever it stands
        let background = match ink.colour {
            Some(colour) => colour == [0, 0, 0],
            None => number == 0,
        };
        // where the classes are named, VOC's border is none of them
        if ignored || background || labels.is_some() && ink.is_void() {
            return None;
        }
        Some(match ink.colour.filter(|colour| *colour != palette::voc_colour(number as u8)) {
            Some(colour) => Class::Colour(colour),
            None => Class::Number(number),
        })
    };
    regions::regions(mask)
        .into_iter()
        .filter_map(|(number, rle)| {
            let shape = Shape::Rle(Box::new(rle));
            Some((class(number)?, Annotation { image, shape, ..Annotation::default() }))
        })
        .collect()
}

/// Puts images together; categories are those that `labelmap.txt` names, and the numbers or the
/// colours that occur anywhere.
fn assemble(
    look: &Look,
    read: Read,
    labels: Option<&LabelMap>,
    options: &ReadOptions,
    dataset: &mut Dataset,
) {
    let names: Option<Vec<String>> = options.classes.clone().or_else(|| {
        let text = fs_err::read_to_string(look.path().join("classes.txt")).ok()?;
        Some(text.lines().map(|line| line.trim().to_owned()).collect())
    });
    let rows = labels.map_or(&[][..], |labels| &labels.rows);
    let mut keys: Vec<Class> =
        read.iter().flat_map(|(_, areas)| areas).map(|(class, _)| *class).collect();
    keys.extend((0..rows.len()).filter(|at| !rows[*at].is_void()).map(Class::Row));
    if let Some(names) = &names
        && keys.iter().all(|class| matches!(class, Class::Number(_)))
    {
        keys.extend((1..names.len() as u32).map(Class::Number));
    }
    keys.sort_unstable();
    keys.dedup();
    let category = |(at, class): (usize, &Class)| {
        let (number, row, colour) = match class {
            Class::Row(row) => {
                let colour = rows[*row].colour;
                let is_usual = u8::try_from(*row).is_ok_and(|at| palette::voc_colour(at) == colour);
                (*row as u32, Some(&rows[*row]), Some(colour).filter(|_| !is_usual))
            }
            Class::Number(number) => (*number, None, None),
            Class::Colour(colour) => (at as u32 + 1, None, Some(*colour)),
        };
        let given = names.as_ref().and_then(|names| names.get(number as usize)).cloned();
        let name = given.or_else(|| row.map(|row| row.name.clone()));
        Category {
            id: Some(i64::from(number)),
            name: name.unwrap_or_else(|| format!("class{number}")).into(),
            colour,
            ..Category::default()
        }
    };
    dataset.categories = keys.iter().enumerate().map(category).collect();
    for (image, areas) in read {
        dataset.images.push(image);
        for (class, mut annotation) in areas {
            annotation.category = keys.binary_search(&class).ok().map(|at| at as u32);
            dataset.annotations.push(annotation);
        }
    }
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
