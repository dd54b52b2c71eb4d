//! Finds the files of images.

use std::collections::hash_map::Entry;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::measure::{is_image_name, measure};
use crate::error::Result;
use crate::formats::Look;
use crate::model::{Dataset, Note};

/// Finds the files of all images whose file isn't known, below the data set's roots and `extra`.
///
/// A name is tried as a path from each root first. Where that fails, a file of this name anywhere
/// below a root counts if it is the only one.
pub fn locate(dataset: &mut Dataset, extra: &[Utf8PathBuf]) -> Result<()> {
    if dataset.lacks_images {
        return Ok(());
    }
    // of the places where a format has its images most aren't there, mostly
    let is_there = |root: &&Utf8PathBuf| root.as_str().is_empty() || root.is_dir();
    let roots: Vec<Utf8PathBuf> =
        extra.iter().chain(&dataset.roots).filter(is_there).cloned().collect();
    dataset.images.par_iter_mut().for_each(|image| {
        if image.file.is_none() {
            let name = Utf8Path::new(&*image.name);
            image.file = roots.iter().map(|root| root.join(name)).find(|path| path.is_file());
        }
    });
    if dataset.images.iter().all(|image| image.file.is_some()) {
        return Ok(());
    }
    let by_name = index(&roots)?;
    for image in &mut dataset.images {
        if image.file.is_none()
            && let Some(name) = Utf8Path::new(&*image.name).file_name()
            && let Some(Some(found)) = by_name.get(name)
        {
            image.file = Some(found.clone());
        }
    }
    Ok(())
}

/// Fills in sizes that nobody said, from the files that are there.
///
/// A size that the annotations say stays as it is: [`crate::model::Image`] says theirs.
pub fn measure_missing(dataset: &mut Dataset) {
    let notes: Vec<Note> = dataset
        .images
        .par_iter_mut()
        .filter(|image| image.width == 0 || image.height == 0)
        .filter_map(|image| match measure(image.file.as_deref()?) {
            Ok(measured) => {
                (image.width, image.height) = (measured.width, measured.height);
                image.orientation = measured.orientation;
                None
            }
            Err(error) => Some(Note {
                code: "unreadable-image",
                at: crate::error::Position::whole(image.file.as_deref()?),
                message: error.to_string(),
            }),
        })
        .collect();
    dataset.notes.extend(notes);
}

/// The images below `roots` by file name; `None` where there are several of one name.
fn index(roots: &[Utf8PathBuf]) -> Result<FxHashMap<String, Option<Utf8PathBuf>>> {
    let mut by_name = FxHashMap::default();
    for root in roots.iter().filter(|root| root.is_dir()) {
        for file in Look::at(root)?.files().iter().filter(|file| is_image_name(file)) {
            let Some(name) = file.file_name() else { continue };
            match by_name.entry(name.to_owned()) {
                Entry::Vacant(entry) => {
                    entry.insert(Some(root.join(file)));
                }
                Entry::Occupied(mut entry) if entry.get().as_ref() != Some(&root.join(file)) => {
                    entry.insert(None);
                }
                Entry::Occupied(_) => {}
            }
        }
    }
    Ok(by_name)
}
