//! Writes COCO files.

use std::io::Write;

use rayon::prelude::*;
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::json::number;
use crate::model::{Annotation, Box2, Category, Dataset, Flags, Image, Rle, Shape, Visibility};
use crate::raster::Rasteriser;

/// The ids that images, categories and annotations are written with.
///
/// Those of the data set are kept where each has one of its own; else all count from 1.
pub struct Ids {
    pub images: Vec<i64>,
    pub categories: Vec<i64>,
    pub annotations: Vec<i64>,
}

impl Ids {
    fn of(dataset: &Dataset) -> Self {
        Self {
            images: unique(dataset.images.iter().map(|image| image.id)),
            categories: unique(dataset.categories.iter().map(|category| category.id)),
            annotations: unique(dataset.annotations.iter().map(|annotation| annotation.id)),
        }
    }
}

fn unique(ids: impl ExactSizeIterator<Item = Option<i64>>) -> Vec<i64> {
    let count = ids.len();
    if let Some(all) = ids.collect::<Option<Vec<i64>>>() {
        let mut sorted = all.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() == count {
            return all;
        }
    }
    (1..=count as i64).collect()
}

/// Writes the images that `chosen` has, with their annotations, as one document.
pub fn write(
    dataset: &Dataset,
    chosen: &[bool],
    names: &[String],
    mut out: impl Write,
) -> Result<()> {
    let ids = Ids::of(dataset);
    let has_places = has_places(dataset);
    write!(out, "{{\"info\": {},\n\"licenses\": [", info(dataset))?;
    for (at, licence) in dataset.licences.iter().enumerate() {
        let url = licence.url.as_deref().unwrap_or("");
        let row = json!({"id": licence.id, "name": licence.name, "url": url});
        write!(out, "{}{row}", separator(at))?;
    }
    write!(out, "],\n\"categories\": [")?;
    for (at, category) in dataset.categories.iter().enumerate() {
        write!(out, "{}{}", separator(at), category_row(category, ids.categories[at]))?;
    }
    write!(out, "],\n\"images\": [")?;
    let images = dataset.images.iter().enumerate().filter(|(at, _)| chosen[*at]);
    for (written, (at, image)) in images.enumerate() {
        write!(out, "{}{}", separator(written), image_row(image, ids.images[at], &names[at]))?;
    }
    write!(out, "],\n\"annotations\": [")?;
    let mut written = 0;
    // rows are made in parallel and written in order
    for block in 0..dataset.annotations.len().div_ceil(BLOCK) {
        let begin = block * BLOCK;
        let end = (begin + BLOCK).min(dataset.annotations.len());
        let parts: Vec<String> = dataset.annotations[begin..end]
            .par_chunks(PART)
            .enumerate()
            .map(|(part, annotations)| {
                let mut rows = String::with_capacity(PART * 400);
                for (at, annotation) in annotations.iter().enumerate() {
                    let is_left_out = has_places && is_label(annotation);
                    if !chosen[annotation.image as usize] || is_left_out {
                        continue;
                    }
                    if !rows.is_empty() {
                        rows.push_str(",\n");
                    }
                    let image = &dataset.images[annotation.image as usize];
                    let id = ids.annotations[begin + part * PART + at];
                    annotation_row(annotation, image, id, &ids, &mut rows);
                }
                rows
            })
            .collect();
        for rows in parts.iter().filter(|rows| !rows.is_empty()) {
            out.write_all(separator(written).as_bytes())?;
            out.write_all(rows.as_bytes())?;
            written += 1;
        }
    }
    out.write_all(b"]}\n")?;
    out.flush()?;
    Ok(())
}

/// Tells whether an annotation says of its whole image what class it is of.
fn is_label(annotation: &Annotation) -> bool {
    !is_placed(annotation) && annotation.more.as_ref().is_none_or(|more| more.caption.is_none())
}

fn is_placed(annotation: &Annotation) -> bool {
    annotation.bbox.is_some()
        || annotation.shape != Shape::None
        || !annotation.keypoints().is_empty()
        || annotation.more.as_ref().is_some_and(|more| !more.baseline.is_empty())
}

/// Tells whether any annotation has a place in its image.
///
/// Labels of whole images have no row among such ones: pycocotools' evaluation and CVAT's import
/// look for the box of each row.
pub fn has_places(dataset: &Dataset) -> bool {
    dataset.annotations.iter().any(is_placed)
}

/// Annotations that are made into text at a time.
const BLOCK: usize = 1 << 14;
/// And by one thread.
const PART: usize = 1 << 9;

fn separator(at: usize) -> &'static str {
    if at == 0 { "\n" } else { ",\n" }
}

pub(super) fn info(dataset: &Dataset) -> Value {
    let mut row = Map::new();
    let info = &dataset.info;
    for (key, value) in [
        ("description", &info.name),
        ("version", &info.version),
        ("contributor", &info.contributor),
        ("url", &info.url),
        ("date_created", &info.date),
    ] {
        if let Some(value) = value {
            row.insert(key.into(), value.clone().into());
        }
    }
    if let Some(year) = info.year {
        row.insert("year".into(), year.into());
    }
    row.extend(info.attributes.clone());
    Value::Object(row)
}

pub(super) fn category_row(category: &Category, id: i64) -> Value {
    let mut row = Map::new();
    row.insert("id".into(), id.into());
    row.insert("name".into(), (&*category.name).into());
    row.insert("supercategory".into(), category.supercategory.as_deref().unwrap_or("").into());
    if let Some(skeleton) = &category.skeleton {
        row.insert("keypoints".into(), skeleton.points.iter().map(|name| &**name).collect());
        let edges: Vec<[u16; 2]> = skeleton.edges.iter().map(|[a, b]| [a + 1, b + 1]).collect();
        row.insert("skeleton".into(), json!(edges));
    }
    if let Some(is_thing) = category.is_thing {
        row.insert("isthing".into(), u8::from(is_thing).into());
    }
    if let Some(colour) = category.colour {
        row.insert("color".into(), json!(colour));
    }
    row.extend(category.attributes.as_deref().cloned().unwrap_or_default());
    Value::Object(row)
}

pub(super) fn image_row(image: &Image, id: i64, name: &str) -> Value {
    let mut row = Map::new();
    row.insert("id".into(), id.into());
    row.insert("file_name".into(), name.into());
    row.insert("width".into(), image.width.into());
    row.insert("height".into(), image.height.into());
    if let Some(provenance) = &image.provenance {
        if let Some(licence) = provenance.licence {
            row.insert("license".into(), licence.into());
        }
        for (key, url) in ["coco_url", "flickr_url"].into_iter().zip(&provenance.urls) {
            row.insert(key.into(), url.clone().into());
        }
        if let Some(date) = &provenance.date {
            row.insert("date_captured".into(), date.clone().into());
        }
    }
    row.extend(image.attributes.as_deref().cloned().unwrap_or_default());
    Value::Object(row)
}

fn annotation_row(annotation: &Annotation, image: &Image, id: i64, ids: &Ids, row: &mut String) {
    use std::fmt::Write as _;
    let _ = write!(row, "{{\"id\": {id},\"image_id\": {}", ids.images[annotation.image as usize]);
    if let Some(category) = annotation.category {
        let _ = write!(row, ",\"category_id\": {}", ids.categories[category as usize]);
    }
    let more = annotation.more.as_deref();
    if let Some(caption) = more.and_then(|more| more.caption.as_ref()) {
        let _ = write!(row, ",\"caption\": {}", Value::from(caption.as_str()));
    }
    // a mask of no pixels is one, with a box of none, as in `rleToBbox`
    let is_mask = matches!(annotation.shape, Shape::Rle(_));
    let bounds = annotation.bounds().or_else(|| is_mask.then(Box2::default));
    if let Some(bbox) = bounds {
        let _ = write!(row, ",\"iscrowd\": {}", u8::from(annotation.flags.has(Flags::CROWD)));
        row.push_str(",\"segmentation\": ");
        let masked = segmentation(&annotation.shape, image, row);
        let area = annotation.area.or_else(|| match (&annotation.shape, masked) {
            (_, Some(rle)) => Some(rle.area() as f64),
            (Shape::Rle(rle), _) => Some(rle.area() as f64),
            (Shape::Polygon(polygon), _) => Some(polygon.area()),
            _ => Some(bbox.area()),
        });
        if let Some(area) = area {
            row.push_str(",\"area\": ");
            number::push(row, area);
        }
        let values = [bbox.x, bbox.y, bbox.width, bbox.height];
        for (before, value) in [",\"bbox\": [", ",", ",", ","].into_iter().zip(values) {
            row.push_str(before);
            number::push(row, value);
        }
        row.push(']');
    }
    if let Some(more) = more {
        if !more.keypoints.is_empty() {
            row.push_str(",\"keypoints\": [");
            let mut marked = 0;
            for (at, keypoint) in more.keypoints.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let visibility = match keypoint.visibility {
                    Visibility::Absent => 0,
                    Visibility::Hidden => 1,
                    Visibility::Visible => 2,
                };
                marked += usize::from(visibility > 0);
                let _ = write!(row, "{comma}{},{},{visibility}", keypoint.at.x, keypoint.at.y);
            }
            let _ = write!(row, "],\"num_keypoints\": {marked}");
        }
        if let Some(score) = more.score {
            let _ = write!(row, ",\"score\": {score}");
        }
        let beside = more.attributes.iter().filter(|(key, _)| !FIELDS.contains(&&***key));
        for (key, value) in beside {
            let _ = write!(row, ",{}: {value}", Value::from(key.as_str()));
        }
    }
    let said = attributes(annotation);
    // what is no object of attributes has been written under that name
    if !said.is_empty() && !said.contains_key("attributes") {
        let _ = write!(row, ",\"attributes\": {}", Value::Object(said));
    }
    row.push('}');
}

/// Fields of an annotation of COCO: attributes of these names are in `attributes` alone.
const FIELDS: [&str; 11] = [
    "id",
    "image_id",
    "category_id",
    "caption",
    "iscrowd",
    "segmentation",
    "area",
    "bbox",
    "keypoints",
    "num_keypoints",
    "score",
];

/// What CVAT and datumaro look for in `attributes`.
///
/// Attributes are beside the other fields, too: there evaluations look for theirs, like `ignore`.
fn attributes(annotation: &Annotation) -> Map<String, Value> {
    let more = annotation.more.as_deref();
    let mut said = more.map(|more| more.attributes.clone()).unwrap_or_default();
    if annotation.flags.has(Flags::OCCLUDED) {
        said.insert("occluded".into(), true.into());
    }
    if let Some(turn) = more.and_then(|more| more.rotation).filter(|turn| *turn != 0.0) {
        said.insert("rotation".into(), turn.into());
    }
    said
}

/// Writes polygons as lists, masks as runs; returns the mask that it had to make.
fn segmentation(shape: &Shape, image: &Image, row: &mut String) -> Option<Rle> {
    use std::fmt::Write as _;
    match shape {
        Shape::Polygon(polygon) if !polygon.has_holes() => {
            row.push('[');
            for (at, part) in polygon.parts.iter().enumerate() {
                row.push_str(if at == 0 { "[" } else { ",[" });
                for (at, point) in part.outer.iter().enumerate() {
                    if at > 0 {
                        row.push(',');
                    }
                    number::push(row, point.x);
                    row.push(',');
                    number::push(row, point.y);
                }
                row.push(']');
            }
            row.push(']');
        }
        // polygons of COCO have no holes: a mask says the same
        Shape::Polygon(polygon) => match Rasteriser::new(image.width, image.height) {
            Ok(mut rasteriser) => {
                let rle = rasteriser.polygon(polygon);
                runs(&rle, row);
                return Some(rle);
            }
            Err(_) => row.push_str("[]"),
        },
        Shape::Ellipse(ellipse) => {
            row.push_str("[[");
            for (at, point) in ellipse.points(64).into_iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let _ = write!(row, "{comma}{:.2},{:.2}", point.x, point.y);
            }
            row.push_str("]]");
        }
        Shape::Rle(rle) => runs(rle, row),
        Shape::None | Shape::Polyline(_) | Shape::Points(_) => row.push_str("[]"),
    }
    None
}

fn runs(rle: &Rle, row: &mut String) {
    use std::fmt::Write as _;
    let _ = write!(row, "{{\"size\": [{},{}],\"counts\": ", rle.height, rle.width);
    if rle.compressed {
        let _ = write!(row, "{}}}", Value::from(rle.to_text()));
    } else {
        row.push('[');
        for (at, run) in rle.counts.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(row, "{comma}{run}");
        }
        row.push_str("]}");
    }
}
