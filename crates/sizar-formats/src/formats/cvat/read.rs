//! Reads CVAT.

use serde_json::Value;

use crate::error::{Position, Result};
use crate::formats::pages::points;
use crate::model::{
    Annotation, Box2, Dataset, Ellipse, Flags, Image, Keypoint, Note, Point, Polygon, Shape,
    Skeleton, Transcription, Visibility,
};
use crate::raster::crop::Crop;
use crate::xml::{XmlFile, attribute, child, children, text};

type Xml<'a, 'i> = roxmltree::Node<'a, 'i>;

/// Attributes that the model has as flags.
pub const FLAGS: [(&str, Flags); 3] =
    [("difficult", Flags::DIFFICULT), ("truncated", Flags::TRUNCATED), ("crowd", Flags::CROWD)];

/// Reads one file; what isn't CVAT's is nothing.
pub fn document(file: &XmlFile) -> Result<Option<Dataset>> {
    let document = file.parse()?;
    let root = document.root_element();
    if root.tag_name().name() != "annotations" {
        return Ok(None);
    }
    let meta = child(root, "meta");
    let about =
        meta.and_then(|meta| ["task", "project", "job"].iter().find_map(|name| child(meta, name)));
    let of_video = about.filter(|about| text(*about, "mode") == Some("interpolation"));
    let track = child(root, "track");
    // a video in which nothing is marked has no tracks either
    if let Some(track) = track.or(of_video.filter(|_| child(root, "image").is_none())) {
        let what = "tracks of a video: sizar reads `CVAT for images 1.1`";
        return Err(file.error(track, what).with_hint("export the task as `CVAT for images 1.1`"));
    }
    let mut dataset = Dataset::default();
    if let Some(meta) = meta {
        let name = about.and_then(|about| text(about, "name")).filter(|name| !name.is_empty());
        dataset.info.name = name.map(str::to_owned);
        labels(about.unwrap_or(meta), &mut dataset);
    }
    let mut unread = None;
    for node in children(root, "image") {
        image(file, node, &mut dataset, &mut unread)?;
    }
    if let Some((count, at)) = unread {
        let message = format!("cuboids are no shapes of an image: {count} are left out");
        dataset.notes.push(Note { code: "unread-shape", at, message });
    }
    Ok(Some(dataset))
}

fn labels(about: Xml<'_, '_>, dataset: &mut Dataset) {
    let lists = children(about, "labels");
    let all: Vec<Xml<'_, '_>> = lists
        .flat_map(|list| list.children().filter(|label| label.has_tag_name("label")))
        .collect();
    for label in all.iter().filter(|label| child(**label, "parent").is_none()) {
        let Some(name) = text(*label, "name") else { continue };
        let points: Vec<Box<str>> = all
            .iter()
            .filter(|inner| text(**inner, "parent") == Some(name))
            .filter_map(|inner| text(*inner, "name").map(Into::into))
            .collect();
        let at = dataset.category_of(name);
        let category = &mut dataset.categories[at as usize];
        category.colour = text(*label, "color").and_then(colour);
        if !points.is_empty() {
            category.skeleton = Some(Box::new(Skeleton { points, ..Skeleton::default() }));
        }
    }
}

/// Reads `#ff0000`.
fn colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some([red, green, blue])
}

fn image(
    file: &XmlFile,
    node: Xml<'_, '_>,
    dataset: &mut Dataset,
    unread: &mut Option<(usize, Position)>,
) -> Result<()> {
    let name = attribute(node, "name").unwrap_or_default().replace('\\', "/");
    if name.is_empty() {
        return Err(file.error(node, "an <image> lacks its `name`"));
    }
    let size = |name| -> Result<u32> {
        let size = number(file, node, name)?.unwrap_or(0.0);
        Ok(size.clamp(0.0, f64::from(u32::MAX)) as u32)
    };
    let mut image = Image {
        id: attribute(node, "id").and_then(|id| id.trim().parse().ok()),
        name: name.into(),
        width: size("width")?,
        height: size("height")?,
        ..Image::default()
    };
    if let Some(split) = attribute(node, "subset").filter(|split| !split.is_empty()) {
        image.splits.insert(dataset.split(split));
    }
    let index = dataset.images.len() as u32;
    let (width, height) = (image.width, image.height);
    dataset.images.push(image);
    for drawn in node.children().filter(Xml::is_element) {
        let mut annotation = Annotation { image: index, ..Annotation::default() };
        let get = |name: &str| -> Result<f64> {
            number(file, drawn, name)?.ok_or_else(|| {
                file.error(drawn, format!("<{}> lacks `{name}`", drawn.tag_name().name()))
            })
        };
        match drawn.tag_name().name() {
            "box" => {
                let (left, top) = (get("xtl")?, get("ytl")?);
                annotation.bbox = Some(Box2::from_corners(left, top, get("xbr")?, get("ybr")?));
                let turn = number(file, drawn, "rotation")?.filter(|turn| *turn != 0.0);
                if turn.is_some() {
                    annotation.more_mut().rotation = turn;
                }
            }
            "polygon" => {
                annotation.shape = Shape::Polygon(Polygon::simple(points_of(file, drawn)?));
            }
            "polyline" => annotation.shape = Shape::Polyline(points_of(file, drawn)?.into()),
            "points" => annotation.shape = Shape::Points(points_of(file, drawn)?.into()),
            "ellipse" => {
                annotation.shape = Shape::Ellipse(Box::new(Ellipse {
                    centre: Point::new(get("cx")?, get("cy")?),
                    radius_x: get("rx")?,
                    radius_y: get("ry")?,
                    rotation: number(file, drawn, "rotation")?.unwrap_or(0.0),
                }));
            }
            "mask" => {
                let place =
                    |name| get(name).map(|at| at.clamp(0.0, f64::from(u32::MAX / 2)) as u32);
                let crop = Crop {
                    left: place("left")?,
                    top: place("top")?,
                    width: place("width")?,
                    height: place("height")?,
                    pixels: Vec::new(),
                };
                let crop = runs(file, drawn, crop, width, height)?;
                annotation.shape = Shape::Rle(Box::new(crop.into_rle(width, height)));
            }
            "tag" => {}
            "skeleton" => skeleton(file, drawn, dataset, &mut annotation)?,
            "cuboid" => {
                unread.get_or_insert((0, file.position(drawn))).0 += 1;
                continue;
            }
            _ => continue,
        }
        common(drawn, dataset, &mut annotation);
        dataset.annotations.push(annotation);
    }
    Ok(())
}

/// What all shapes have: label, group, flags, attributes.
fn common(node: Xml<'_, '_>, dataset: &mut Dataset, annotation: &mut Annotation) {
    if let Some(label) = attribute(node, "label").filter(|label| !label.is_empty()) {
        annotation.category = Some(dataset.category_of(label));
    }
    annotation.flags.set(Flags::OCCLUDED, attribute(node, "occluded") == Some("1"));
    let group = attribute(node, "group_id").and_then(|group| group.trim().parse().ok());
    if let Some(group) = group.filter(|group| *group != 0) {
        annotation.more_mut().group = Some(group);
    }
    if let Some(depth) = attribute(node, "z_order").filter(|depth| depth.trim() != "0") {
        annotation.more_mut().attributes.insert("z_order".into(), depth.into());
    }
    for said in children(node, "attribute") {
        let Some(name) = attribute(said, "name") else { continue };
        let value = said.text().unwrap_or_default();
        let flag = FLAGS.iter().find(|(known, _)| *known == name).map(|(_, flag)| *flag);
        if let Some(flag) = flag
            && matches!(value, "true" | "false")
        {
            annotation.flags.set(flag, value == "true");
        } else if name == "text" {
            annotation.more_mut().text = vec![Transcription::of(value)];
        } else {
            annotation.more_mut().attributes.insert(name.into(), Value::from(value));
        }
    }
}

fn skeleton(
    file: &XmlFile,
    node: Xml<'_, '_>,
    dataset: &mut Dataset,
    annotation: &mut Annotation,
) -> Result<()> {
    let at = dataset.category_of(attribute(node, "label").unwrap_or_default());
    let known = &mut dataset.categories[at as usize].skeleton;
    let skeleton = known.get_or_insert_default();
    let mut keypoints = vec![
        Keypoint { at: Point::default(), visibility: Visibility::Absent };
        skeleton.points.len()
    ];
    for inner in children(node, "points") {
        let name = attribute(inner, "label").unwrap_or_default();
        let place = skeleton.points.iter().position(|point| **point == *name);
        let place = place.unwrap_or_else(|| {
            skeleton.points.push(name.into());
            skeleton.points.len() - 1
        });
        if keypoints.len() <= place {
            let absent = Keypoint { at: Point::default(), visibility: Visibility::Absent };
            keypoints.resize(place + 1, absent);
        }
        let [point] = points_of(file, inner)?[..] else {
            return Err(file.error(inner, "a point of a skeleton is one point"));
        };
        let says = |name| attribute(inner, name) == Some("1");
        let visibility = match (says("outside"), says("occluded")) {
            (true, _) => continue,
            (false, true) => Visibility::Hidden,
            (false, false) => Visibility::Visible,
        };
        keypoints[place] = Keypoint { at: point, visibility };
    }
    annotation.more_mut().keypoints = keypoints;
    Ok(())
}

/// Reads the runs of a mask: row after row in its box, the first of zeros.
fn runs(
    file: &XmlFile,
    node: Xml<'_, '_>,
    mut crop: Crop,
    width: u32,
    height: u32,
) -> Result<Crop> {
    let pixels = u64::from(crop.width) * u64::from(crop.height);
    let whole = u64::from(width) * u64::from(height);
    if pixels > whole || whole >= 1 << 31 {
        let what =
            format!("a mask of {}×{} in an image of {width}×{height}", crop.width, crop.height);
        return Err(file.error(node, what));
    }
    crop.pixels.reserve(pixels as usize);
    let mut is_set = false;
    let runs = attribute(node, "rle").unwrap_or_default();
    for run in runs.split(',').map(str::trim).filter(|run| !run.is_empty()) {
        let length = run.parse::<u32>().ok().map(u64::from);
        let left = pixels - crop.pixels.len() as u64;
        let Some(length) = length.filter(|length| *length <= left) else {
            return Err(file.error(node, format!("the run `{run}` doesn't fit into the mask")));
        };
        crop.pixels.resize(crop.pixels.len() + length as usize, is_set);
        is_set = !is_set;
    }
    if (crop.pixels.len() as u64) < pixels {
        let what = format!("the runs cover {} of {pixels} pixels", crop.pixels.len());
        return Err(file.error(node, what));
    }
    Ok(crop)
}

fn points_of(file: &XmlFile, node: Xml<'_, '_>) -> Result<Vec<Point>> {
    let text = attribute(node, "points").unwrap_or_default().replace(';', " ");
    points::parse(&text).map_err(|what| file.error(node, what))
}

fn number(file: &XmlFile, node: Xml<'_, '_>, name: &str) -> Result<Option<f64>> {
    let Some(text) = attribute(node, name) else { return Ok(None) };
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        _ => Err(file.error(node, format!("`{text}` in `{name}` is not a number"))),
    }
}
