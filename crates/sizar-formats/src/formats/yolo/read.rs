//! Reads YOLO.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use rustc_hash::FxHashSet;
use serde::Deserialize;

use super::darknet::{self, Darknet, below};
use crate::error::{FormatError, Position, Result};
use crate::formats::{Look, ReadOptions};
use crate::model::{
    Annotation, Box2, Category, Dataset, Image, Keypoint, Point, Polygon, Shape, Skeleton,
    SplitSet, Visibility,
};
use crate::pixels::{is_image_name, measure};

/// A number above this is damage, not a class.
const MOST_CLASSES: f64 = 1e5;
/// No skeleton has more points.
const MOST_POINTS: usize = 10_000;

/// `data.yaml`.
#[derive(Default, Deserialize)]
struct Yaml {
    path: Option<String>,
    train: Option<Paths>,
    val: Option<Paths>,
    test: Option<Paths>,
    #[serde(default)]
    names: Names,
    kpt_shape: Option<[usize; 2]>,
    #[serde(default)]
    flip_idx: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Paths {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    List(Vec<String>),
    Map(BTreeMap<u32, String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// Width and height of an image, and its rows with their classes.
type Read = (u32, u32, Vec<(u32, Annotation)>);

/// Finds `data.yaml`, or another YAML file with its fields.
pub fn yaml(look: &Look) -> Option<Utf8PathBuf> {
    look.with_extension(&["yaml", "yml"]).into_iter().find(|file| {
        let head = Look::head(file);
        let has = |key: &str| head.lines().any(|line| line.starts_with(key));
        has("names:") && (has("train:") || has("val:"))
    })
}

/// Reads all images and labels of a folder, or of a `data.yaml`.
pub fn read(look: &Look, options: &ReadOptions) -> Result<Dataset> {
    let yaml_file = yaml(look);
    let yaml = match &yaml_file {
        Some(file) => {
            let text = fs_err::read_to_string(file)?;
            serde_saphyr::from_str::<Yaml>(&text).map_err(|error| {
                let at = error.location().map_or_else(
                    || Position::whole(file),
                    |place| Position::line(file, place.line(), place.column()),
                );
                FormatError::malformed(
                    at,
                    format!("not a `data.yaml`: {}", error.without_snippet()),
                )
            })?
        }
        None => Yaml::default(),
    };
    let data_file = if yaml_file.is_some() { None } else { darknet::find(look) };
    let data_file = data_file.filter(|file| !darknet::is_stray(file, look));
    let described = yaml_file.as_deref().or(data_file.as_deref());
    let base = described.and_then(Utf8Path::parent).unwrap_or(look.folder()).to_owned();
    let listing = if look.is_folder() { None } else { Some(Look::at(&base)?) };
    let look = listing.as_ref().unwrap_or(look);
    let mut dataset = Dataset { roots: vec![base.clone()], ..Dataset::default() };
    let mut images: Vec<Utf8PathBuf> = Vec::new();
    for file in look.files().iter().filter(|file| is_image_name(file)) {
        images.push(look.path().join(file));
    }
    let files: FxHashSet<Utf8PathBuf> =
        look.files().iter().map(|file| look.path().join(file)).collect();
    let darknet = data_file.map(|file| Darknet::read(file, &files)).transpose()?;
    let mut splits_of = vec![SplitSet::default(); images.len()];
    let splits = [("train", &yaml.train), ("val", &yaml.val), ("test", &yaml.test)];
    let mut parts: Vec<(&str, Part)> = Vec::new();
    for (name, paths) in splits {
        for path in paths.iter().flat_map(paths_of) {
            parts.push((name, resolved(&base, yaml.path.as_deref(), path, &files)?));
        }
    }
    for (name, list) in darknet.iter().flat_map(|darknet| &darknet.lists) {
        parts.push((&**name, (Vec::new(), listed(&base, list, &files)?)));
    }
    for (name, (folders, listed)) in parts {
        let inside = |image: &Utf8PathBuf| {
            folders.iter().any(|folder| image.starts_with(folder)) || listed.contains(image)
        };
        let members: Vec<usize> = (0..images.len()).filter(|at| inside(&images[*at])).collect();
        if members.is_empty() {
            continue;
        }
        let split = dataset.split(name);
        for at in members {
            splits_of[at].insert(split);
        }
    }
    let lists_images = yaml_file.is_some() || darknet.is_some();
    for (file, splits) in images.into_iter().zip(splits_of) {
        if !lists_images || !splits.is_empty() {
            dataset.images.push(Image {
                name: file.strip_prefix(&base).unwrap_or(&file).as_str().into(),
                file: Some(file),
                splits,
                ..Image::default()
            });
        }
    }
    if let Some(darknet) = darknet.as_ref().filter(|_| dataset.images.is_empty()) {
        return Err(darknet.without_images());
    }
    if let Names::Map(map) = &yaml.names
        && let Some((last, name)) = map.last_key_value()
        && f64::from(*last) > MOST_CLASSES
    {
        let file = yaml_file.as_deref().unwrap_or(look.path());
        let what = format!("{last} is no class number, and `names` has `{name}` there");
        return Err(FormatError::malformed(Position::whole(file), what)
            .with_hint("classes are numbered from 0 on, without gaps"));
    }
    let names = match darknet.as_ref().and_then(|darknet| darknet.names.as_deref()) {
        Some(file) if options.classes.is_none() => lines(&fs_err::read_to_string(file)?),
        _ => names(&yaml, options, &base),
    };
    let keypoints = yaml.kpt_shape;
    if let Some([points, dimensions]) = keypoints
        && (points > MOST_POINTS || !(2..=3).contains(&dimensions))
    {
        let file = yaml_file.as_deref().unwrap_or(look.path());
        let what = format!("`kpt_shape` of {points} points with {dimensions} numbers each");
        return Err(FormatError::malformed(Position::whole(file), what)
            .with_hint("it is a number of points, and 2 or 3"));
    }
    let read: Vec<Read> = dataset
        .images
        .par_iter()
        .map(|image| {
            let file = image.file.as_deref().unwrap_or("".into());
            let measured = measure(file)?;
            let labels = labels_of(file, &base);
            let rows = match labels.is_file() {
                true => rows(&labels, measured.width, measured.height, keypoints)?,
                false => Vec::new(),
            };
            Ok((measured.width, measured.height, rows))
        })
        .collect::<Result<_>>()?;
    let most = read.iter().flat_map(|(_, _, rows)| rows.iter().map(|(class, _)| class + 1)).max();
    let count = names.len().max(most.unwrap_or(0) as usize);
    dataset.categories = (0..count)
        .map(|at| Category {
            id: Some(at as i64),
            name: names.get(at).cloned().unwrap_or_else(|| format!("class{at}")).into(),
            skeleton: keypoints.map(|[points, _]| {
                Box::new(Skeleton {
                    points: (0..points).map(|at| format!("point{at}").into()).collect(),
                    edges: Vec::new(),
                    mirrored: yaml.flip_idx.clone(),
                })
            }),
            ..Category::default()
        })
        .collect();
    for (at, (width, height, rows)) in read.into_iter().enumerate() {
        (dataset.images[at].width, dataset.images[at].height) = (width, height);
        for (class, mut annotation) in rows {
            annotation.image = at as u32;
            annotation.category = Some(class);
            dataset.annotations.push(annotation);
        }
    }
    Ok(dataset)
}

fn paths_of(paths: &Paths) -> Vec<&str> {
    match paths {
        Paths::One(path) => vec![path],
        Paths::Many(paths) => paths.iter().map(String::as_str).collect(),
    }
}

/// The folders of a split, and the images of its list if it is one.
type Part = (Vec<Utf8PathBuf>, FxHashSet<Utf8PathBuf>);

/// Finds what a split holds.
///
/// Paths of the author's machine and of Roboflow (`../train/images`) are tried below `base`.
fn resolved(
    base: &Utf8Path,
    path: Option<&str>,
    split: &str,
    files: &FxHashSet<Utf8PathBuf>,
) -> Result<Part> {
    let mut tried = vec![base.join(split)];
    if let Some(path) = path {
        tried.insert(0, base.join(path).join(split));
    }
    tried.push(base.join(split.trim_start_matches("../")));
    let Some(found) = tried.iter().find(|path| path.exists()) else {
        return Ok(Part::default());
    };
    if found.extension() == Some("txt") {
        return Ok((Vec::new(), listed(base, found, files)?));
    }
    // `base/./images` and the like begin as the listing's paths do
    let plain: Utf8PathBuf = found.components().filter(|part| part.as_str() != ".").collect();
    Ok((vec![plain, found.clone()], FxHashSet::default()))
}

/// Reads a list of images.
fn listed(
    base: &Utf8Path,
    list: &Utf8Path,
    files: &FxHashSet<Utf8PathBuf>,
) -> Result<FxHashSet<Utf8PathBuf>> {
    let text = fs_err::read_to_string(list)?;
    let found = |line: &str| {
        // as it is written, which may be a whole path
        let path = base.join(line.trim().trim_start_matches("./"));
        if files.contains(&path) { Some(path) } else { below(base, line, files) }
    };
    Ok(text.lines().filter_map(found).collect())
}

/// Returns the classes of a list: the number of a line is that of its class, and only what comes after
/// the last is none.
fn lines(text: &str) -> Vec<String> {
    text.trim_end().lines().map(|line| line.trim().to_owned()).collect()
}

/// Where the labels of an image are: the last `images` below `base` is `labels` there, or they lie
/// beside it.
fn labels_of(image: &Utf8Path, base: &Utf8Path) -> Utf8PathBuf {
    let beside = image.with_extension("txt");
    let inside = image.strip_prefix(base).unwrap_or(image).as_str();
    let Some(at) = inside.rfind("images/") else { return beside };
    let replaced = format!("{}labels/{}", &inside[..at], &inside[at + "images/".len()..]);
    let apart = base.join(replaced).with_extension("txt");
    if !apart.is_file() && beside.is_file() { beside } else { apart }
}

fn names(yaml: &Yaml, options: &ReadOptions, base: &Utf8Path) -> Vec<String> {
    if let Some(classes) = &options.classes {
        return classes.clone();
    }
    let named = match &yaml.names {
        Names::List(names) => names.clone(),
        Names::Map(map) => {
            let count = map.keys().next_back().map_or(0, |last| last + 1);
            let name = |at| map.get(&at).cloned().unwrap_or_else(|| format!("class{at}"));
            (0..count).map(name).collect()
        }
    };
    if !named.is_empty() {
        return named;
    }
    ["classes.txt", "obj.names", "labels/classes.txt"]
        .iter()
        .find_map(|name| fs_err::read_to_string(base.join(name)).ok())
        .map(|text| lines(&text))
        .unwrap_or_default()
}

fn rows(
    file: &Utf8Path,
    width: u32,
    height: u32,
    keypoints: Option<[usize; 2]>,
) -> Result<Vec<(u32, Annotation)>> {
    let text = fs_err::read_to_string(file)?;
    let (width, height) = (f64::from(width), f64::from(height));
    let mut made = Vec::new();
    for (line, row) in text.lines().enumerate() {
        let mut numbers = Vec::new();
        for value in row.split_ascii_whitespace() {
            let begin = value.as_ptr() as usize - row.as_ptr() as usize;
            let at = || Position::line(file, line as u64 + 1, begin as u64 + 1);
            match value.parse::<f64>() {
                Ok(number) if number.is_finite() => numbers.push(number),
                _ => {
                    return Err(FormatError::malformed(at(), format!("`{value}` is not a number")));
                }
            }
        }
        let Some((class, values)) = numbers.split_first() else { continue };
        let at = || Position::line(file, line as u64 + 1, 1);
        if class.fract() != 0.0 || !(0.0..=MOST_CLASSES).contains(class) {
            return Err(FormatError::malformed(at(), format!("{class} is no class number")));
        }
        let mut annotation = Annotation::default();
        let boxed = |values: &[f64]| {
            let (w, h) = (values[2] * width, values[3] * height);
            Box2::new(values[0] * width - w / 2.0, values[1] * height - h / 2.0, w, h)
        };
        match (values.len(), keypoints) {
            (4, _) => annotation.bbox = Some(boxed(values)),
            (count, Some([points, dimensions])) if count == 4 + points * dimensions => {
                annotation.bbox = Some(boxed(values));
                let point = |three: &[f64]| Keypoint {
                    at: Point::new(three[0] * width, three[1] * height),
                    visibility: match three.get(2) {
                        Some(0.0) => Visibility::Absent,
                        Some(1.0) => Visibility::Hidden,
                        None if three[0] == 0.0 && three[1] == 0.0 => Visibility::Absent,
                        _ => Visibility::Visible,
                    },
                };
                annotation.more_mut().keypoints =
                    values[4..].chunks_exact(dimensions.max(2)).map(point).collect();
            }
            (5, _) => {
                annotation.bbox = Some(boxed(values));
                annotation.more_mut().score = Some(values[4]);
            }
            (count, None) if count >= 6 && count % 2 == 0 => {
                let (pairs, _) = values.as_chunks::<2>();
                let points: Vec<Point> =
                    pairs.iter().map(|[x, y]| Point::new(x * width, y * height)).collect();
                annotation.shape = Shape::Polygon(Polygon::simple(points));
            }
            (count, _) => {
                return Err(FormatError::malformed(
                    at(),
                    format!(
                        "{count} numbers after the class: neither a box, a polygon nor keypoints"
                    ),
                ));
            }
        }
        made.push((*class as u32, annotation));
    }
    Ok(made)
}
