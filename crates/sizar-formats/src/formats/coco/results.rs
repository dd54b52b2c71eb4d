//! Lists of results: detections with a score, which name images and categories by their ids.
//!
//! The form is that of <https://cocodataset.org/#format-results>; pycocotools reads it with `loadRes`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::layout;
use super::read::read_results;
use crate::error::{FormatError, Position, Result};
use crate::formats::Look;
use crate::model::{Category, Dataset, Image, Shape};

/// Tells whether a file is a JSON list.
pub fn is_list(file: &Utf8Path) -> bool {
    let mut head = [0; 256];
    let read = fs_err::File::open(file).and_then(|mut file| file.read(&mut head));
    let head = &head[..read.unwrap_or(0)];
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.trim_ascii_start().first() == Some(&b'[')
}

/// Tells whether a file is a list of results.
pub fn is_results(file: &Utf8Path) -> bool {
    if !is_list(file) {
        return false;
    }
    let (head, tail) = (Look::head(file), Look::tail(file));
    let has = |key: &str| [&head, &tail].iter().any(|text| text.contains(&format!("\"{key}\"")));
    has("image_id") && (has("score") || has("caption"))
}

/// Finds the lists of results of a folder, or the one that was named.
pub fn documents(look: &Look) -> Vec<Utf8PathBuf> {
    look.with_extension(&["json"]).into_iter().filter(|file| is_results(file)).collect()
}

/// Reads `file`, whose images and categories are those of the data set at `truth`.
pub fn read(file: &Utf8Path, truth: &Utf8Path) -> Result<Dataset> {
    if !is_list(file) {
        let what = "no list of results: it has images of its own";
        return Err(FormatError::malformed(Position::whole(file), what)
            .with_hint("leave `--images-of` out"));
    }
    let look = Look::at(truth)?;
    let mut whole = Dataset::default();
    let documents = layout::documents(&look);
    if documents.is_empty() {
        let what = "no COCO file with `images`, as `--images-of` asks for";
        return Err(FormatError::malformed(Position::whole(truth), what));
    }
    for document in documents {
        let mut part = super::read(&document.file)?;
        part.annotations.clear();
        part.roots = layout::roots(&look, &document.file);
        if let Some(split) = &document.split {
            let split = part.split(split);
            part.images.iter_mut().for_each(|image| image.splits.insert(split));
        }
        if whole == Dataset::default() { whole = part } else { layout::merge(&mut whole, part) }
    }
    read_results(file, whole)
}

/// Makes images and categories of the ids that the annotations name.
pub fn name_images(dataset: &mut Dataset, ids: &[(i64, Option<i64>)]) {
    let mut images: BTreeMap<i64, (u32, u32)> = BTreeMap::new();
    for (annotation, (image, _)) in dataset.annotations.iter().zip(ids) {
        let size = images.entry(*image).or_default();
        if let Shape::Rle(rle) = &annotation.shape {
            *size = (rle.width, rle.height);
        }
    }
    let categories: BTreeSet<i64> = ids.iter().filter_map(|(_, category)| *category).collect();
    dataset.images = images
        .into_iter()
        .map(|(id, (width, height))| Image {
            id: Some(id),
            name: id.to_string().into(),
            width,
            height,
            ..Image::default()
        })
        .collect();
    dataset.categories = categories
        .into_iter()
        .map(|id| Category { id: Some(id), ..Category::named(id.to_string()) })
        .collect();
    dataset.lacks_images = true;
}
