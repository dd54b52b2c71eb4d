//! Which files of a folder are COCO's, of which split, and where their images are.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::formats::Look;
use crate::model::{Dataset, Image};

/// A COCO file and the split that its name says.
pub struct Document {
    pub file: Utf8PathBuf,
    pub split: Option<String>,
}

/// What the benchmark's own files begin with.
const KINDS: [&str; 6] =
    ["instances_", "person_keypoints_", "captions_", "panoptic_", "stuff_", "image_info_"];

/// Finds the COCO files of a folder, or the one that was named.
pub fn documents(look: &Look) -> Vec<Document> {
    look.with_extension(&["json"])
        .into_iter()
        .filter(|file| is_coco(file))
        .map(|file| Document { split: split(&file), file })
        .collect()
}

/// Tells by the first and last bytes of a file whether it has the lists of COCO.
pub fn is_coco(file: &Utf8Path) -> bool {
    let head = Look::head(file);
    if !head.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        return false;
    }
    let has = |text: &str, key: &str| text.contains(&format!("\"{key}\""));
    let known = |text: &str| {
        ["images", "annotations", "categories", "licenses"].iter().filter(|k| has(text, k)).count()
    };
    // LabelMe, VIA and others have none of these at their beginning or end
    let tail = Look::tail(file);
    known(&head) + known(&tail) >= 2 || (has(&head, "images") && has(&head, "file_name"))
}

fn split(file: &Utf8Path) -> Option<String> {
    let stem = file.file_stem()?;
    if let Some(split) = KINDS.iter().find_map(|kind| stem.strip_prefix(kind)) {
        return Some(split.to_owned());
    }
    // Roboflow's layout
    if stem == "_annotations.coco" {
        return file.parent()?.file_name().map(str::to_owned);
    }
    ["train", "val", "valid", "test"].contains(&stem).then(|| stem.to_owned())
}

/// Where the images of `file` may lie, best first.
pub fn roots(look: &Look, file: &Utf8Path) -> Vec<Utf8PathBuf> {
    let folder = file.parent().unwrap_or("".into());
    let folder = if folder.as_str().is_empty() { Utf8Path::new(".") } else { folder };
    let mut roots = Vec::new();
    let above = match folder.file_name() {
        Some("annotations" | "labels" | "json") => folder.parent(),
        _ => None,
    };
    if let Some(split) = split(file) {
        for base in [above, Some(folder)].into_iter().flatten() {
            roots.push(base.join(&split));
            roots.push(base.join("images").join(&split));
        }
    }
    for base in [above, Some(folder)].into_iter().flatten() {
        roots.extend([base.join("images"), base.to_owned()]);
    }
    if look.is_folder() {
        roots.push(look.path().to_owned());
    }
    let mut seen = FxHashSet::default();
    roots.retain(|root| root.is_dir() && seen.insert(root.clone()));
    roots
}

/// Adds another file: of an image that is there already, only the annotations are added, and of
/// an annotation that is there already, only what it lacks.
pub fn merge(whole: &mut Dataset, mut other: Dataset) {
    let key = |dataset: &Dataset, at: usize| {
        let image = &dataset.images[at];
        let splits: Vec<Box<str>> =
            image.splits.iter().map(|s| dataset.splits[s as usize].clone()).collect();
        (image.name.clone(), splits)
    };
    let known: FxHashMap<_, u32> =
        (0..whole.images.len()).map(|at| (key(whole, at), at as u32)).collect();
    let same: Vec<Option<u32>> =
        (0..other.images.len()).map(|at| known.get(&key(&other, at)).copied()).collect();
    if same.iter().all(Option::is_none) {
        whole.append(other);
        return;
    }
    let annotations: FxHashMap<(u32, i64), usize> = whole
        .annotations
        .iter()
        .enumerate()
        .filter_map(|(at, annotation)| Some(((annotation.image, annotation.id?), at)))
        .collect();
    let first = whole.images.len() as u32;
    let theirs = std::mem::take(&mut other.annotations);
    let images = other.images.len() as u32;
    // categories, splits and images come by the usual way, the annotations one by one
    let names: Vec<Box<str>> = other.categories.iter().map(|c| c.name.clone()).collect();
    for category in &other.categories {
        if let (Some(at), Some(_)) = (whole.category(&category.name), &category.skeleton) {
            whole.categories[at as usize].skeleton.clone_from(&category.skeleton);
        }
    }
    whole.append(other);
    let categories: Vec<Option<u32>> = names.iter().map(|name| whole.category(name)).collect();
    for mut annotation in theirs {
        let there = same[annotation.image as usize];
        annotation.category = annotation.category.and_then(|at| categories[at as usize]);
        annotation.image = there.unwrap_or(first + annotation.image);
        let twin = annotation.id.and_then(|id| annotations.get(&(annotation.image, id)));
        let twin = twin.filter(|at| whole.annotations[**at].category == annotation.category);
        match (twin, annotation.more) {
            (Some(at), Some(more)) if more.caption.is_none() => {
                let mine = whole.annotations[*at].more_mut();
                mine.keypoints = more.keypoints;
                mine.attributes.extend(more.attributes);
            }
            (_, more) => {
                annotation.more = more;
                whole.annotations.push(annotation);
            }
        }
    }
    // images that were there already were added once more, at the end
    let mut keep = vec![true; whole.images.len()];
    let mut moved: Vec<u32> = (0..whole.images.len() as u32).collect();
    let mut next = first;
    for at in 0..images {
        if same[at as usize].is_some() {
            keep[(first + at) as usize] = false;
        } else {
            moved[(first + at) as usize] = next;
            next += 1;
        }
    }
    let mut index = 0;
    whole.images.retain(|_| {
        index += 1;
        keep[index - 1]
    });
    for annotation in &mut whole.annotations {
        annotation.image = moved[annotation.image as usize];
    }
}

/// The names of images below their split's folder: unique, and within it.
///
/// Folders stay, for an annotation tool knows an image by them; those at the beginning that say no
/// more than the split don't.
pub fn names(dataset: &Dataset) -> Vec<String> {
    unique(dataset, |image| {
        let parts = Utf8Path::new(&*image.name).components();
        let path: Utf8PathBuf = parts.filter(|part| *part != Utf8Component::CurDir).collect();
        let path = path.as_path();
        if !path.components().all(|part| matches!(part, Utf8Component::Normal(_))) {
            return path.file_name().unwrap_or("image").to_owned();
        }
        let says_split = |folder: &str| {
            matches!(folder, "images" | "JPEGImages")
                || image.splits.iter().any(|at| {
                    let split = dataset.splits.get(at as usize);
                    split.is_some_and(|split| plain(split) == plain(folder))
                })
        };
        let mut rest = path;
        while let Some(Utf8Component::Normal(first)) = rest.components().next()
            && says_split(first)
            && let Ok(inner) = rest.strip_prefix(first)
            && !inner.as_str().is_empty()
        {
            rest = inner;
        }
        rest.as_str().to_owned()
    })
}

/// The name of a split as one of several spells it: `valid`, `val2017`.
fn plain(split: &str) -> String {
    let low = split.to_lowercase();
    match low.trim_end_matches(|letter: char| letter.is_ascii_digit()) {
        "valid" | "validation" => "val".to_owned(),
        "training" => "train".to_owned(),
        "testing" => "test".to_owned(),
        other => other.to_owned(),
    }
}

/// The names of images without folders.
pub fn flat_names(dataset: &Dataset) -> Vec<String> {
    unique(dataset, |image| Utf8Path::new(&*image.name).file_name().unwrap_or("image").to_owned())
}

fn unique(dataset: &Dataset, name: impl Fn(&Image) -> String) -> Vec<String> {
    let mut taken = FxHashSet::default();
    dataset
        .images
        .iter()
        .map(|image| {
            let wanted = name(image);
            let path = Utf8Path::new(&wanted);
            let file = path.file_name().unwrap_or("image");
            let mut name = wanted.clone();
            let mut count = 1;
            while !taken.insert((image.splits, name.clone())) {
                count += 1;
                name = path.with_file_name(format!("{count}_{file}")).into_string();
            }
            name
        })
        .collect()
}
