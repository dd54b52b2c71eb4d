//! Writes Pascal VOC, in the folders of the development kit.

use rayon::prelude::*;

use super::super::mask::{labelmap, palette, regions, unique_stems};
use crate::error::{FormatError, Result};
use crate::model::{Annotation, Dataset, Flags, Image, Shape};
use crate::staging::Staging;
use crate::xml::Writer;

/// Writes `Annotations`, `ImageSets`, `JPEGImages`, `labelmap.txt`, and masks where there are
/// shapes, unless only boxes are wanted.
pub fn write(dataset: &Dataset, output: &Staging, only_boxes: bool) -> Result<()> {
    if output.is_file() {
        return Err(FormatError::cannot_write("Pascal VOC is a folder")
            .with_hint("name a folder to write to"));
    }
    let by_image = dataset.by_image();
    let names = unique_stems(dataset);
    let has_area = |annotation: &Annotation| {
        !only_boxes
            && matches!(annotation.shape, Shape::Polygon(_) | Shape::Rle(_) | Shape::Ellipse(_))
    };
    let segmented: Vec<bool> = (0..dataset.images.len())
        .map(|at| by_image.of(at).iter().any(|i| has_area(&dataset.annotations[*i as usize])))
        .collect();
    if segmented.contains(&true) && dataset.categories.len() > 254 {
        return Err(FormatError::cannot_write(format!(
            "{} categories, and a mask of VOC numbers 254 at most",
            dataset.categories.len()
        ))
        .with_hint("choose some with `--classes`, or join some with `--merge`"));
    }
    (0..dataset.images.len()).into_par_iter().try_for_each(|at| {
        let (image, things) = (&dataset.images[at], by_image.of(at));
        let (stem, extension) = &names[at];
        let file = format!("{stem}.{extension}");
        let xml = page(dataset, image, things, &file, segmented[at]);
        output.write(format!("Annotations/{stem}.xml"), xml.as_bytes())?;
        if segmented[at] {
            masks(dataset, at, things, stem, output)?;
        }
        output.place_image(image, format!("JPEGImages/{file}"))
    })?;
    // without it CVAT and datumaro know no class but VOC's twenty, and no colour of a mask
    let classes = dataset.categories.iter().map(|category| &*category.name);
    if let Some(text) = labelmap::text(classes) {
        output.write(labelmap::FILE, text.as_bytes())?;
    }
    lists(dataset, &names, &segmented, output)
}

/// The pixels of a box that counts from 1 and includes both ends.
pub fn corners(annotation: &Annotation) -> Option<[i64; 4]> {
    let bbox = annotation.bounds()?;
    let (left, top) =
        ((bbox.x.round() as i64).saturating_add(1), (bbox.y.round() as i64).saturating_add(1));
    let (right, bottom) = (bbox.right().round() as i64, bbox.bottom().round() as i64);
    Some([left, top, right.max(left), bottom.max(top)])
}

fn page(dataset: &Dataset, image: &Image, things: &[u32], file: &str, segmented: bool) -> String {
    let mut xml = Writer::bare();
    xml.open("annotation", &[]);
    xml.leaf("folder", "JPEGImages");
    xml.leaf("filename", file);
    xml.open("source", &[]);
    let provenance = image.provenance.as_deref();
    let source = provenance.and_then(|it| it.source.as_deref());
    xml.leaf("database", source.or(dataset.info.name.as_deref()).unwrap_or("Unknown"));
    xml.close();
    xml.open("size", &[]);
    xml.leaf("width", image.width);
    xml.leaf("height", image.height);
    xml.leaf("depth", 3);
    xml.close();
    xml.leaf("segmented", u8::from(segmented));
    for thing in things {
        let annotation = &dataset.annotations[*thing as usize];
        let Some(corners) = corners(annotation) else { continue };
        let name = annotation.category.and_then(|at| dataset.categories.get(at as usize));
        let pose = annotation.more.as_ref().and_then(|more| more.pose.as_deref());
        let difficult =
            annotation.flags.has(Flags::DIFFICULT) || annotation.flags.has(Flags::CROWD);
        xml.open("object", &[]);
        xml.leaf("name", name.map_or("object", |category| &*category.name));
        xml.leaf("pose", pose.unwrap_or("Unspecified"));
        xml.leaf("truncated", u8::from(annotation.flags.has(Flags::TRUNCATED)));
        if annotation.flags.has(Flags::OCCLUDED) {
            xml.leaf("occluded", 1);
        }
        xml.leaf("difficult", u8::from(difficult));
        xml.open("bndbox", &[]);
        for (field, corner) in ["xmin", "ymin", "xmax", "ymax"].into_iter().zip(corners) {
            xml.leaf(field, corner);
        }
        xml.close();
        xml.close();
    }
    xml.finish()
}

/// Writes the masks of classes and of objects, each with a border of 255 where areas meet.
fn masks(dataset: &Dataset, at: usize, things: &[u32], stem: &str, output: &Staging) -> Result<()> {
    let image = &dataset.images[at];
    let written: Vec<u32> = things
        .iter()
        .copied()
        .filter(|at| corners(&dataset.annotations[*at as usize]).is_some())
        .collect();
    if written.len() > 254 {
        return Err(FormatError::cannot_write(format!(
            "`{}` has {} objects, and SegmentationObject numbers 254 at most",
            image.name,
            written.len()
        ))
        .with_hint("cut the images with `--tile`"));
    }
    let mut objects = regions::paint(dataset, at, &written, |index, _| index as u8 + 1)?;
    border(&mut objects, image.width as usize, image.height as usize);
    let mut class_of = [255; 256];
    class_of[0] = 0;
    for (object, thing) in written.iter().enumerate() {
        let category = dataset.annotations[*thing as usize].category;
        class_of[object + 1] = category.map_or(255, |at| at as u8 + 1);
    }
    let classes: Vec<u8> = objects.iter().map(|object| class_of[usize::from(*object)]).collect();
    for (folder, pixels) in [("SegmentationObject", &objects), ("SegmentationClass", &classes)] {
        let file = output.create(format!("{folder}/{stem}.png"))?;
        palette::write(file, image.width, image.height, pixels)?;
    }
    Ok(())
}

/// Sets pixels to 255 whose right or lower neighbour is of another object, on both sides.
fn border(pixels: &mut [u8], width: usize, height: usize) {
    // most of an image is like what is beside it: so much is compared at once
    const STRETCH: usize = 32;
    let before = pixels.to_vec();
    let mut meet = |here: usize, other: usize| {
        if before[here] != before[other] {
            // of a thing and the background, the thing keeps its pixels' neighbour
            pixels[if before[here] == 0 { here } else { other }] = 255;
        }
    };
    for begin in (0..height).map(|y| y * width) {
        let end = begin + width;
        for from in (begin..end).step_by(STRETCH) {
            let to = (from + STRETCH).min(end);
            let right = to.min(end - 1);
            if before[from..right] != before[from + 1..=right] {
                (from..right).for_each(|at| meet(at, at + 1));
            }
            let below = from + width..to + width;
            if below.end <= before.len() && before[from..to] != before[below] {
                (from..to).for_each(|at| meet(at, at + width));
            }
        }
    }
}

/// Writes the lists of images, and those per class with 1, −1 and 0 for difficult ones only.
fn lists(
    dataset: &Dataset,
    names: &[(String, String)],
    segmented: &[bool],
    output: &Staging,
) -> Result<()> {
    let mut splits: Vec<(String, Vec<usize>)> = dataset
        .splits
        .iter()
        .enumerate()
        .map(|(split, name)| {
            let chosen = |at: &usize| dataset.images[*at].splits.contains(split as u8);
            (name.replace('/', "_"), (0..names.len()).filter(chosen).collect())
        })
        .collect();
    if splits.is_empty() {
        splits.push(("trainval".into(), (0..names.len()).collect()));
    }
    // a list for each class costs images × classes; VOC has 20
    let states = if dataset.categories.len() > 200 { Vec::new() } else { states(dataset) };
    for (split, images) in splits {
        let list = |images: &mut dyn Iterator<Item = usize>| {
            images.fold(String::new(), |text, at| text + &names[at].0 + "\n")
        };
        let all = list(&mut images.iter().copied());
        output.write(format!("ImageSets/Main/{split}.txt"), all.as_bytes())?;
        let mut masked = images.iter().copied().filter(|at| segmented[*at]).peekable();
        if masked.peek().is_some() {
            let text = list(&mut masked);
            output.write(format!("ImageSets/Segmentation/{split}.txt"), text.as_bytes())?;
        }
        states.par_iter().zip(&dataset.categories).try_for_each(|(states, category)| {
            let mut text = String::with_capacity(images.len() * 16);
            for at in &images {
                text.push_str(&names[*at].0);
                text.push_str(match states[*at] {
                    State::Absent => " -1\n",
                    State::Difficult => "  0\n",
                    State::Present => "  1\n",
                });
            }
            let name = category.name.replace('/', "_");
            output.write(format!("ImageSets/Main/{name}_{split}.txt"), text.as_bytes())
        })?;
    }
    Ok(())
}

/// What the list of a class says of an image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Absent,
    /// Only things that are hard to see.
    Difficult,
    Present,
}

/// Returns for each class what its list says of each image.
fn states(dataset: &Dataset) -> Vec<Vec<State>> {
    let mut states = vec![vec![State::Absent; dataset.images.len()]; dataset.categories.len()];
    for annotation in &dataset.annotations {
        let Some(category) = annotation.category else { continue };
        let of_class = states.get_mut(category as usize);
        if let Some(state) = of_class.and_then(|states| states.get_mut(annotation.image as usize)) {
            let is_difficult = annotation.flags.has(Flags::DIFFICULT);
            *state = (*state).max(if is_difficult { State::Difficult } else { State::Present });
        }
    }
    states
}
