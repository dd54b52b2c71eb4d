//! Makes a data set what a shape asks for, before it is written: splits, and endings of images.

use camino::Utf8Path;
use sizar_formats::convert::{Group, SplitRequest, split};
use sizar_formats::model::{Dataset, Derivation, Shape as Form, SplitSet};

use super::{Expectation, FittingError};

/// The part of the images that is for training, where nobody says it.
const DEALT: &str = "train=80/val=20";

/// Changes `dataset` as the expectation asks; returns what the user should know of it.
///
/// # Errors
///
/// [`FittingError::Lacks`] where the driver needs what the data set has not.
pub(super) fn adapt(
    dataset: &mut Dataset,
    expected: &Expectation,
    data: &str,
) -> Result<Vec<String>, FittingError> {
    lacks(dataset, expected, data)?;
    let mut notes = Vec::new();
    if expected.one_split {
        if !dataset.splits.is_empty() {
            notes
                .push("the driver makes its own splits; those of the data set are not used".into());
        }
        dataset.splits.clear();
        dataset.images.iter_mut().for_each(|image| image.splits = SplitSet::default());
    } else if let [train, val] = expected.splits.as_slice() {
        notes.extend(name_splits(dataset, train, val, data));
    }
    let ending = expected.shape.and_then(|shape| shape.images.as_deref());
    let written = ending.map_or(0, |ending| end_with(dataset, ending));
    if expected.format == "mask" {
        notes.push(numbers(dataset));
    }
    if written > 0 {
        notes.push(format!(
            "{written} images are written anew as `.{}`, the only ending that the driver reads",
            ending.unwrap_or_default()
        ));
    }
    Ok(notes)
}

/// Says what the pixels of masks stand for: drivers ask how many classes there are.
fn numbers(dataset: &Dataset) -> String {
    const FEW: usize = 8;
    let names = dataset.categories.iter().take(FEW).enumerate();
    let named: Vec<String> = names.map(|(at, it)| format!(", {} {}", at + 1, it.name)).collect();
    let named = named.concat();
    let more = if dataset.categories.len() > FEW { ", …" } else { "" };
    let all = dataset.categories.len() + 1;
    format!("the pixels of masks: 0 background{named}{more}; {all} classes with the background")
}

fn lacks(dataset: &Dataset, expected: &Expectation, data: &str) -> Result<(), FittingError> {
    let Some(shape) = expected.shape else { return Ok(()) };
    let mut all = dataset.annotations.iter();
    let (has, what) = match shape.wants.as_deref() {
        Some("areas") => (
            all.any(|it| matches!(it.shape, Form::Polygon(_) | Form::Rle(_) | Form::Ellipse(_))),
            "areas (polygons or masks)",
        ),
        Some("boxes") => (all.any(|it| it.bounds().is_some()), "boxes"),
        Some("labels") => (all.any(|it| it.category.is_some()), "classes"),
        _ => return Ok(()),
    };
    let (data, title) = (data.to_owned(), shape.title.clone());
    if has { Ok(()) } else { Err(FittingError::Lacks { data, what, title }) }
}

/// What a split is for, by its name.
fn is_train(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("train") && !name.starts_with("trainval")
}

fn is_val(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("val") || name.starts_with("dev")
}

/// Gives the splits the names that the driver knows; deals images out where there are none.
fn name_splits(dataset: &mut Dataset, train: &str, val: &str, data: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let has = |dataset: &Dataset, fits: fn(&str) -> bool| dataset.splits.iter().any(|it| fits(it));
    if !(has(dataset, is_train) && has(dataset, is_val)) {
        let from = if has(dataset, is_train) { "the images for training" } else { "its images" };
        deal(dataset);
        notes.push(format!(
            "`{data}` has no split for training and validation: 80 % of {from} are in `{train}`, 20 % \
             in `{val}`, at random; `sizar data convert --split` makes splits of your own"
        ));
    }
    for (fits, name) in [(is_train as fn(&str) -> bool, train), (is_val, val)] {
        if let Some(known) = dataset.splits.iter_mut().find(|it| fits(it)) {
            *known = name.into();
        }
    }
    for name in [train, val] {
        let split = dataset.split(name);
        if dataset.images.iter().all(|image| !image.splits.contains(split)) {
            dataset.images.iter_mut().for_each(|image| image.splits.insert(split));
            notes.push(format!("too few images: all of them are in `{name}`, too"));
        }
    }
    notes
}

/// Deals out what is for training, or in no split; what is in another split stays there.
fn deal(dataset: &mut Dataset) {
    let Ok(request) = SplitRequest::parse(DEALT, 0, Group::None) else { return };
    let names = dataset.splits.clone();
    let fixed: Vec<Vec<Box<str>>> = dataset
        .images
        .iter()
        .map(|image| {
            let of = image.splits.iter().filter_map(|at| names.get(usize::from(at)).cloned());
            of.filter(|name| !name.to_ascii_lowercase().starts_with("train")).collect()
        })
        .collect();
    split(dataset, &request);
    for (at, names) in fixed.into_iter().enumerate().filter(|(_, names)| !names.is_empty()) {
        let splits: SplitSet = names.iter().map(|name| dataset.split(name)).collect();
        if let Some(image) = dataset.images.get_mut(at) {
            image.splits = splits;
        }
    }
}

/// Gives all images an ending; returns how many have to be written anew for it.
fn end_with(dataset: &mut Dataset, ending: &str) -> usize {
    let mut written = 0;
    for image in &mut dataset.images {
        let name = Utf8Path::new(&*image.name);
        let now = name.extension().unwrap_or_default().to_ascii_lowercase();
        let same = now == ending || (ending == "jpg" && matches!(&*now, "jpeg" | "jpe"));
        if !same && image.derivation.is_none() {
            let size = [image.width, image.height];
            let cut = [0, 0, image.width, image.height];
            image.derivation = Some(Box::new(Derivation { cut, size }));
            written += 1;
        }
        image.name = name.with_extension(ending).as_str().into();
    }
    written
}

#[cfg(test)]
mod tests {
    use sizar_formats::model::Image;

    use super::*;

    fn dataset(images: usize, splits: &[(&str, std::ops::Range<usize>)]) -> Dataset {
        let mut dataset = Dataset::default();
        for at in 0..images {
            let image =
                Image { name: format!("{at}.png").into(), width: 4, height: 4, ..Image::default() };
            dataset.images.push(image);
        }
        for (name, range) in splits {
            let split = dataset.split(name);
            dataset.images[range.clone()].iter_mut().for_each(|it| it.splits.insert(split));
        }
        dataset
    }

    /// How many images each split has.
    fn counts(dataset: &Dataset) -> Vec<String> {
        let count = |at: usize| {
            dataset.images.iter().filter(|image| image.splits.contains(at as u8)).count()
        };
        let names = dataset.splits.iter().enumerate();
        names.map(|(at, name)| format!("{name} {}", count(at))).collect()
    }

    #[test]
    fn splits_get_the_names_that_the_driver_knows() {
        for (made, expected, said) in [
            (
                dataset(4, &[("training", 0..3), ("valid", 3..4)]),
                vec!["train2017 3", "val2017 1"],
                0,
            ),
            (dataset(10, &[]), vec!["train2017 8", "val2017 2"], 1),
            (
                dataset(12, &[("train", 0..10), ("test", 10..12)]),
                vec!["train2017 8", "val2017 2", "test 2"],
                1,
            ),
            (dataset(1, &[]), vec!["train2017 1", "val2017 1"], 2),
        ] {
            let mut dataset = made;
            let notes = name_splits(&mut dataset, "train2017", "val2017", "x");
            assert_eq!(
                (counts(&dataset), notes.len()),
                (expected.into_iter().map(str::to_owned).collect(), said),
                "{notes:?}"
            );
        }
    }

    #[test]
    fn images_get_the_ending_and_only_others_are_written_anew() {
        let mut dataset = dataset(3, &[]);
        dataset.images[0].name = "a.jpeg".into();
        dataset.images[1].name = "b.JPG".into();
        assert_eq!(end_with(&mut dataset, "jpg"), 1);
        let names: Vec<&str> = dataset.images.iter().map(|image| &*image.name).collect();
        assert_eq!(names, ["a.jpg", "b.jpg", "2.jpg"]);
        assert!(dataset.images[0].derivation.is_none() && dataset.images[2].derivation.is_some());
    }
}
