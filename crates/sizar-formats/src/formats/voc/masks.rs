//! Reads `SegmentationObject`, and of which object of the XML file each mask is.
//!
//! In the development kit's files the n-th number is the n-th <object>. CVAT and datumaro paint
//! masks that have no <object>, and number them for themselves: a mask is an object's only where
//! the class and the box say so, too, and a thing of its own otherwise.

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::super::mask::labelmap::LabelMap;
use super::super::mask::palette::{self, Indexed, Ink};
use super::super::mask::regions;
use super::lists::{Names, below};
use crate::error::{Position, Result};
use crate::formats::Look;
use crate::model::{Annotation, Box2, Dataset, Note, Rle, Shape};

/// So many pixels, or this part of a side, may a mask and its box differ where no number joins
/// them.
const NEAR: (f64, f64) = (2.0, 0.05);

/// The masks of an image.
struct Page {
    file: Utf8PathBuf,
    image: u32,
    masks: Vec<Mask>,
}

/// A mask of one thing.
struct Mask {
    /// The place of its object in the XML file, from 1, if its number means that.
    object: Option<usize>,
    rle: Rle,
    bounds: Box2,
    /// How its class is drawn in `SegmentationClass`.
    class: Option<Ink>,
}

/// What the files say of classes in masks.
pub struct Classes<'a> {
    pub labels: Option<&'a LabelMap>,
    /// Given by hand; the background may be the first.
    pub given: Option<&'a [String]>,
}

impl Classes<'_> {
    /// Returns the class that `labelmap.txt` has for it.
    fn name(&self, ink: Ink) -> Option<&str> {
        let said = self.labels.and_then(|labels| labels.row(ink)).filter(|row| !row.is_void());
        said.map(|row| &*row.name)
    }

    /// Returns the class of this number among those that are given: they may be in any order, so
    /// only where nothing else tells.
    fn given(&self, ink: Ink) -> Option<&str> {
        let (given, number) = (self.given?, ink.number? as usize);
        let is_first = given.first().is_some_and(|name| name == "background");
        given.get(number.checked_sub(usize::from(!is_first))?).map(String::as_str)
    }
}

/// Reads all masks: those of objects become their shapes, the others annotations.
pub fn read(
    look: &Look,
    names: &Names,
    classes: &Classes<'_>,
    dataset: &mut Dataset,
) -> Result<()> {
    let files: Vec<(u32, Utf8PathBuf)> = look
        .files()
        .iter()
        .filter(|file| file.extension() == Some("png"))
        .filter_map(|file| {
            let file = look.path().join(file);
            let (base, inner) = below(&file, "SegmentationObject")?;
            Some((names.find(&base, &inner)?, file))
        })
        .collect();
    let pages: Vec<Page> = files
        .into_par_iter()
        .map(|(image, file)| page(image, file, classes.labels.is_some()))
        .collect::<Result<_>>()?;
    let by_image = dataset.by_image();
    // what the numbers of classes mean, where only the objects say it
    let mut learnt: FxHashMap<Ink, FxHashMap<u32, usize>> = FxHashMap::default();
    let mut alone: Vec<(Utf8PathBuf, u32, Mask)> = Vec::new();
    for Page { file, image, masks } in pages {
        let mut free: Vec<Option<u32>> =
            by_image.of(image as usize).iter().map(|thing| Some(*thing)).collect();
        let mut rest = Vec::new();
        for mask in masks {
            match numbered(&mask, &mut free, classes, dataset) {
                Some(thing) => join(dataset, thing, mask, &mut learnt),
                None => rest.push(mask),
            }
        }
        for mask in rest {
            match nearest(&mask, &mut free, classes, dataset) {
                Some(thing) => join(dataset, thing, mask, &mut learnt),
                None => alone.push((file.clone(), image, mask)),
            }
        }
    }
    let mut unnamed: FxHashMap<Option<Ink>, Option<u32>> = FxHashMap::default();
    for (file, image, mask) in alone {
        let said = mask.class.and_then(|ink| classes.name(ink)).map(str::to_owned);
        let most = || {
            let counts = learnt.get(&mask.class?)?.iter();
            counts.max_by_key(|(at, count)| (**count, std::cmp::Reverse(**at))).map(|(at, _)| *at)
        };
        let category = match said {
            Some(name) => Some(dataset.category_of(&name)),
            None => most().or_else(|| {
                let given = mask.class.and_then(|ink| classes.given(ink));
                if let Some(name) = given {
                    return Some(dataset.category_of(name));
                }
                *unnamed.entry(mask.class).or_insert_with(|| make_up(dataset, &file, mask.class))
            }),
        };
        let shape = Shape::Rle(Box::new(mask.rle));
        dataset.annotations.push(Annotation { image, category, shape, ..Annotation::default() });
    }
    Ok(())
}

fn page(image: u32, file: Utf8PathBuf, has_labels: bool) -> Result<Page> {
    let objects = palette::read(&file)?;
    let classes = match class_file(&file).filter(|file| file.is_file()) {
        Some(file) => Some(palette::read(&file)?)
            .filter(|it| (it.width, it.height) == (objects.width, objects.height)),
        None => None,
    };
    let drawn = classes.as_ref().map(|classes| most_drawn(&objects, classes)).unwrap_or_default();
    let mut masks: Vec<Mask> = regions::regions(&objects)
        .into_iter()
        .filter_map(|(value, rle)| {
            let ink = objects.ink(value);
            // what paints masks with `labelmap.txt` beside them has no objects for them
            let is_number = !(ink.is_painted && has_labels);
            let object = ink.number.filter(|_| is_number).map(|number| number as usize);
            let class = drawn.get(&value).copied();
            let bounds = rle.bounds()?;
            (!ink.is_void()).then_some(Mask { object, rle, bounds, class })
        })
        .collect();
    masks.sort_by_key(|mask| mask.object);
    Ok(Page { file, image, masks })
}

/// Returns the file of classes beside one of objects.
fn class_file(file: &Utf8Path) -> Option<Utf8PathBuf> {
    let (base, inner) = below(file, "SegmentationObject")?;
    Some(base.join("SegmentationClass").join(format!("{inner}.png")))
}

/// Returns how most pixels of each object are drawn among the classes.
fn most_drawn(objects: &Indexed, classes: &Indexed) -> FxHashMap<u32, Ink> {
    let mut counts: FxHashMap<(u32, u32), usize> = FxHashMap::default();
    let mut pairs = objects.pixels.iter().zip(&classes.pixels).peekable();
    while let Some(pair) = pairs.next() {
        let mut run = 1;
        while pairs.next_if_eq(&pair).is_some() {
            run += 1;
        }
        *counts.entry((*pair.0, *pair.1)).or_default() += run;
    }
    let mut most: FxHashMap<u32, (usize, u32)> = FxHashMap::default();
    for ((object, class), count) in counts {
        let known = most.entry(object).or_default();
        if !classes.ink(class).is_void() && (count, class) > *known {
            *known = (count, class);
        }
    }
    let drawn = most.into_iter().filter(|(_, (count, _))| *count > 0);
    drawn.map(|(object, (_, class))| (object, classes.ink(class))).collect()
}

/// Takes the object that the mask's number means, if its class and its box don't say otherwise.
fn numbered(
    mask: &Mask,
    free: &mut [Option<u32>],
    classes: &Classes<'_>,
    dataset: &Dataset,
) -> Option<u32> {
    let slot = free.get_mut(mask.object?.checked_sub(1)?)?;
    let bounds = &mask.bounds;
    slot.take_if(|thing| {
        let thing = &dataset.annotations[*thing as usize];
        // of what is partly covered only a part of the box is left
        let is_inside = |bbox: Box2| {
            let shared = bbox.shared_area(bounds);
            shared > 0.0 && shared * 2.0 >= bounds.area()
        };
        thing.bbox.is_some_and(is_inside) && is_of(thing, mask, classes, dataset)
    })
}

/// Takes the object of the mask's class whose box is the mask's.
fn nearest(
    mask: &Mask,
    free: &mut [Option<u32>],
    classes: &Classes<'_>,
    dataset: &Dataset,
) -> Option<u32> {
    let bounds = &mask.bounds;
    let apart = |thing: u32| {
        let thing = &dataset.annotations[thing as usize];
        let bbox = thing.bbox?;
        let across = [bbox.x - bounds.x, bbox.right() - bounds.right()].map(f64::abs);
        let down = [bbox.y - bounds.y, bbox.bottom() - bounds.bottom()].map(f64::abs);
        let fits = |apart: [f64; 2], side: f64| {
            apart.into_iter().all(|apart| apart <= NEAR.0.max(side * NEAR.1))
        };
        let is_near = fits(across, bbox.width) && fits(down, bbox.height);
        (is_near && is_of(thing, mask, classes, dataset))
            .then(|| across.into_iter().chain(down).sum::<f64>())
    };
    let near = free.iter_mut().filter_map(|slot| Some((apart((*slot)?)?, slot)));
    near.min_by(|(one, _), (other, _)| one.total_cmp(other)).and_then(|(_, slot)| slot.take())
}

/// Tells whether a thing is of the mask's class, as far as that is known.
fn is_of(thing: &Annotation, mask: &Mask, classes: &Classes<'_>, dataset: &Dataset) -> bool {
    let Some(name) = mask.class.and_then(|ink| classes.name(ink)) else { return true };
    let category = thing.category.and_then(|at| dataset.categories.get(at as usize));
    category.is_some_and(|category| &*category.name == name)
}

fn join(
    dataset: &mut Dataset,
    thing: u32,
    mask: Mask,
    learnt: &mut FxHashMap<Ink, FxHashMap<u32, usize>>,
) {
    let thing = &mut dataset.annotations[thing as usize];
    thing.shape = Shape::Rle(Box::new(mask.rle));
    if let (Some(ink), Some(category)) = (mask.class, thing.category) {
        *learnt.entry(ink).or_default().entry(category).or_default() += 1;
    }
}

/// Names a class that no file names, and says so.
fn make_up(dataset: &mut Dataset, file: &Utf8Path, class: Option<Ink>) -> Option<u32> {
    let at = Position::whole(file);
    let Some(Ink { colour, number, .. }) = class else {
        let message = "a mask without an <object>, and no class in `SegmentationClass`".into();
        dataset.notes.push(Note { code: "mask-without-class", at, message });
        return None;
    };
    let name = match (number, colour) {
        (Some(number), _) => format!("class{number}"),
        (None, colour) => {
            let [red, green, blue] = colour.unwrap_or_default();
            format!("#{red:02x}{green:02x}{blue:02x}")
        }
    };
    let message = format!(
        "neither `labelmap.txt` nor an <object> names the class of a mask: it is called `{name}`"
    );
    dataset.notes.push(Note { code: "unnamed-class", at, message });
    Some(dataset.category_of(&name))
}
