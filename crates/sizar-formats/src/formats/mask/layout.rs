//! Which files are images and which are their masks.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::super::voc::lists;
use super::labelmap;
use crate::error::{Position, Result};
use crate::formats::Look;
use crate::model::{Dataset, Note, SplitSet};
use crate::pixels::is_image_name;

/// Pairs of folders in which images and their masks lie.
const PAIRS: [(&str, &str); 7] = [
    ("imgs", "masks"),
    ("images", "masks"),
    ("images", "labels"),
    ("image", "mask"),
    ("img", "mask"),
    (IMAGES, CLASSES),
    ("data/imgs", "data/masks"),
];
/// What names of masks end with beyond the name of their image.
const ENDINGS: [&str; 6] = ["", "_mask", "-mask", "_seg", "_label", "_gt"];
/// VOC's folders of images and masks, which CVAT's "Segmentation mask 1.1" has, too.
pub const IMAGES: &str = "JPEGImages";
pub const CLASSES: &str = "SegmentationClass";

/// Folders of images and masks, and the split that the folder above them says.
pub struct Pair {
    pub images: Utf8PathBuf,
    pub masks: Utf8PathBuf,
    pub split: Option<&'static str>,
}

/// An image and its mask, below the folder that was looked at.
pub struct Masked {
    pub name: String,
    pub file: Option<Utf8PathBuf>,
    pub mask: Option<Utf8PathBuf>,
    pub splits: SplitSet,
}

/// Says what shows that VOC's folder of masks is a data set of its own, its images being elsewhere.
pub fn says_segmentation(look: &Look) -> Option<&'static str> {
    if !look.files().iter().any(|file| file.starts_with(CLASSES) && is_png(file)) {
        return None;
    }
    match (look.has(labelmap::FILE), look.has_folder("ImageSets/Segmentation")) {
        (true, _) => Some("`labelmap.txt`"),
        (false, true) => Some("`ImageSets/Segmentation`"),
        (false, false) => None,
    }
}

/// Lists images and masks; what has no mask is noted.
pub fn files(look: &Look, dataset: &mut Dataset) -> Result<Vec<Masked>> {
    let pairs = pairs(look);
    let root = look.path();
    let mut files = Vec::new();
    let mut without = Vec::new();
    for pair in &pairs {
        dataset.roots.push(root.join(&pair.images));
        let splits: SplitSet = pair.split.iter().map(|name| dataset.split(name)).collect();
        let (found, others) = matched(look, &pair.images, &pair.masks);
        without.extend(others);
        files.extend(found.into_iter().map(|(image, mask)| {
            let name = image.strip_prefix(&pair.images).unwrap_or(&image).to_string();
            Masked { name, file: Some(image), mask: Some(mask), splits }
        }));
    }
    let is_voc = pairs.first().is_none_or(|pair| pair.masks == CLASSES);
    if is_voc && says_segmentation(look).is_some() {
        dataset.roots.push(root.join(IMAGES));
        listed(look, &mut files, &mut without, dataset)?;
    }
    if let Some(first) = without.first() {
        dataset.notes.push(Note {
            code: "images-without-mask",
            at: Position::whole(root.join(first)),
            message: match without.len() {
                1 => "an image without a mask, which is left out".to_owned(),
                count => format!("{count} images without a mask, which are left out"),
            },
        });
    }
    Ok(files)
}

/// Adds what VOC's lists name, and masks whose images are elsewhere; lists are splits.
fn listed(
    look: &Look,
    files: &mut Vec<Masked>,
    without: &mut Vec<Utf8PathBuf>,
    dataset: &mut Dataset,
) -> Result<()> {
    let inner = |file: &Utf8Path, folder: &str| {
        file.strip_prefix(folder).ok().map(|inner| inner.with_extension("").into_string())
    };
    let used: BTreeSet<Utf8PathBuf> = files.iter().filter_map(|it| it.mask.clone()).collect();
    let mut known: BTreeMap<String, usize> = files
        .iter()
        .enumerate()
        .map(|(at, masked)| (Utf8Path::new(&masked.name).with_extension("").into_string(), at))
        .collect();
    let mut add = |name: String, file, mask| {
        let known_as = name.clone();
        *known.entry(name).or_insert_with(|| {
            // without its image nothing says what it ends with: VOC's are JPEG
            let name = format!("{known_as}.jpg");
            files.push(Masked { name, file, mask, splits: SplitSet::default() });
            files.len() - 1
        })
    };
    for file in look.files().iter().filter(|file| file.starts_with(CLASSES) && is_png(file)) {
        if used.contains(file) {
            continue;
        }
        if let Some(name) = inner(file, CLASSES) {
            add(name, None, Some(file.clone()));
        }
    }
    let mut unmasked: BTreeMap<String, Utf8PathBuf> = std::mem::take(without)
        .into_iter()
        .filter_map(|file| Some((inner(&file, IMAGES)?, file)))
        .collect();
    let mut splits: Vec<(usize, u8)> = Vec::new();
    for list in lists::files(look) {
        if list.parent().and_then(Utf8Path::file_name) != Some("Segmentation") {
            continue;
        }
        let text = fs_err::read_to_string(&list)?;
        if lists::lines(&text).next().is_none() {
            continue;
        }
        let split = dataset.split(list.file_stem().unwrap_or_default());
        for line in lists::lines(&text) {
            let name = lists::unquoted(line);
            let image = unmasked.remove(name);
            splits.push((add(name.to_owned(), image, None), split));
        }
    }
    for (at, split) in splits {
        files[at].splits.insert(split);
    }
    for masked in files.iter_mut() {
        if let Some(name) = masked.file.as_ref().and_then(|file| file.strip_prefix(IMAGES).ok()) {
            masked.name = name.to_string();
        }
    }
    without.extend(unmasked.into_values());
    Ok(())
}

fn is_png(file: &Utf8Path) -> bool {
    file.extension() == Some("png")
}

/// Finds the folders of images and masks, of all or of each split.
pub fn pairs(look: &Look) -> Vec<Pair> {
    let below = |split: Option<&'static str>| {
        PAIRS.iter().find_map(|(images, masks)| {
            let base = Utf8Path::new(split.unwrap_or(""));
            let pair = Pair { images: base.join(images), masks: base.join(masks), split };
            let fits = look.has_folder(pair.images.as_str())
                && look.has_folder(pair.masks.as_str())
                && !matched(look, &pair.images, &pair.masks).0.is_empty();
            fits.then_some(pair)
        })
    };
    match below(None) {
        Some(pair) => vec![pair],
        None => ["train", "val", "test"].into_iter().filter_map(|name| below(Some(name))).collect(),
    }
}

/// Images with their masks, by equal names or known endings, and images without.
type Matched = (Vec<(Utf8PathBuf, Utf8PathBuf)>, Vec<Utf8PathBuf>);

fn matched(look: &Look, images: &Utf8Path, masks: &Utf8Path) -> Matched {
    let (mut found, mut without) = Matched::default();
    for image in look.files().iter().filter(|file| file.starts_with(images) && is_image_name(file))
    {
        let Ok(inner) = image.strip_prefix(images) else { continue };
        let Some(stem) = inner.file_stem() else { continue };
        let folder = inner.parent().unwrap_or("".into());
        let mask = ENDINGS.iter().find_map(|ending| {
            let name = masks.join(folder).join(format!("{stem}{ending}.png"));
            look.has(name.as_str()).then_some(name)
        });
        match mask {
            Some(mask) => found.push((image.clone(), mask)),
            None => without.push(image.clone()),
        }
    }
    (found, without)
}
