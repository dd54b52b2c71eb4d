//! The files of images: missing, unnamed, twice, in two splits, turned, of another size.

use std::collections::BTreeMap;
use std::io::Read as _;

use camino::Utf8Path;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::finding::{Finding, Kind};
use crate::error::Result;
use crate::formats::Look;
use crate::model::{Dataset, SplitSet};
use crate::pixels::{Measured, is_image_name, measure};

/// Checks the files of images; only files of equal length are read whole.
pub fn check(dataset: &Dataset, look: &Look, findings: &mut Vec<Finding>) -> Result<()> {
    if dataset.lacks_images {
        return Ok(());
    }
    for image in dataset.images.iter().filter(|image| image.file.is_none()) {
        findings.push(Finding::new(Kind::MissingImage, &*image.name, "its file is not there"));
    }
    unreferenced(dataset, look, findings);
    measures(dataset, findings);
    twins(dataset, findings)
}

fn unreferenced(dataset: &Dataset, look: &Look, findings: &mut Vec<Finding>) {
    let named: FxHashSet<&Utf8Path> =
        dataset.images.iter().filter_map(|image| image.file.as_deref()).collect();
    if named.is_empty() {
        return;
    }
    // masks and other images of annotations lie in folders of their own
    let folders: FxHashSet<&Utf8Path> = named.iter().filter_map(|file| file.parent()).collect();
    for file in look.files().iter().filter(|file| is_image_name(file)) {
        let path = look.path().join(file);
        if path.parent().is_some_and(|folder| folders.contains(folder)) && !named.contains(&*path) {
            let message = "no annotation names this image";
            findings.push(Finding::new(Kind::UnreferencedImage, file.as_str(), message));
        }
    }
}

fn measures(dataset: &Dataset, findings: &mut Vec<Finding>) {
    let found: Vec<Finding> = dataset
        .images
        .par_iter()
        .flat_map_iter(|image| {
            let mut found = Vec::new();
            let Some(file) = &image.file else { return found.into_iter() };
            match measure(file) {
                Err(error) => {
                    found.push(Finding::new(Kind::UnreadableImage, &*image.name, error.to_string()));
                }
                Ok(Measured { width, height, orientation }) => {
                    let said = (image.width, image.height);
                    if said != (0, 0) && said != (width, height) {
                        let (w, h) = said;
                        let turned = if (height, width) == said { ": turned" } else { "" };
                        let what = format!("said to be {w} × {h}, and is {width} × {height}{turned}");
                        found.push(Finding::new(Kind::WrongSize, &*image.name, what));
                    }
                    if let Some(orientation) = orientation {
                        let what = format!(
                            "EXIF orientation {}: loaders that respect it see other pixels than those that don't",
                            orientation.0
                        );
                        found.push(Finding::new(Kind::Orientation, &*image.name, what));
                    }
                }
            }
            found.into_iter()
        })
        .collect();
    findings.extend(found);
}

/// Files of the same content, which are leakage when they are in different splits.
fn twins(dataset: &Dataset, findings: &mut Vec<Finding>) -> Result<()> {
    let mut by_length: FxHashMap<u64, Vec<usize>> = FxHashMap::default();
    for (at, image) in dataset.images.iter().enumerate() {
        if let Some(length) = image.file.as_ref().and_then(|file| file.metadata().ok()) {
            by_length.entry(length.len()).or_default().push(at);
        }
    }
    let candidates: Vec<usize> =
        by_length.into_values().filter(|group| group.len() > 1).flatten().collect();
    let digests: Vec<([u8; 32], usize)> = candidates
        .par_iter()
        .map(|at| {
            let file = dataset.images[*at].file.as_deref().unwrap_or("".into());
            Ok((digest(file)?, *at))
        })
        .collect::<Result<_>>()?;
    let mut by_digest: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    for (digest, at) in digests {
        by_digest.entry(digest).or_default().push(at);
    }
    for group in by_digest.values_mut().filter(|group| group.len() > 1) {
        group.sort_unstable();
        let first = &dataset.images[group[0]];
        for at in &group[1..] {
            let image = &dataset.images[*at];
            // one file that is listed twice is said elsewhere
            if image.file == first.file {
                continue;
            }
            let name = |splits: SplitSet| {
                let names: Vec<&str> =
                    splits.iter().map(|split| &*dataset.splits[split as usize]).collect();
                names.join(", ")
            };
            let apart = !image.splits.is_empty()
                && !first.splits.is_empty()
                && image.splits != first.splits;
            let (kind, message) = if apart {
                let (here, there) = (name(image.splits), name(first.splits));
                (Kind::Leakage, format!("in {here}, and as `{}` in {there}", first.name))
            } else {
                (Kind::DuplicateFile, format!("the same content as `{}`", first.name))
            };
            findings.push(Finding::new(kind, &*image.name, message));
        }
    }
    Ok(())
}

fn digest(file: &Utf8Path) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let mut opened = fs_err::File::open(file)?;
    let mut block = vec![0; 1 << 16];
    loop {
        let length = opened.read(&mut block)?;
        if length == 0 {
            return Ok(*hasher.finalize().as_bytes());
        }
        hasher.update(&block[..length]);
    }
}
