//! Writes CVAT.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::io::Write as _;

use serde_json::Value;

use super::read::FLAGS;
use crate::error::{FormatError, Result};
use crate::formats::pages::Names;
use crate::model::{Annotation, Dataset, Flags, Image, Keypoint, Part, Point, Shape, Visibility};
use crate::raster::Rasteriser;
use crate::raster::crop::Crop;
use crate::staging::{Placing, Staging};
use crate::xml::Writer;

/// Writes the file, or `annotations.xml` and `images/` in a folder.
pub fn write(dataset: &Dataset, output: &Staging) -> Result<()> {
    let mut xml = Writer::document();
    xml.open("annotations", &[]);
    xml.leaf("version", "1.1");
    let skeletons = skeletons(dataset);
    meta(&mut xml, dataset, &skeletons);
    let by_image = dataset.by_image();
    let mut names = Names::default();
    for (at, image) in dataset.images.iter().enumerate() {
        let split = image.splits.iter().next().and_then(|split| dataset.splits.get(split as usize));
        let mut name = image.name.to_string();
        if !output.is_file() && output.placing() != Placing::Leave {
            let named = names.choose(dataset, image, output, "xml");
            output.place_image(image, camino::Utf8Path::new("images").join(&named.image))?;
            // CVAT has a subset's images in a folder that is no part of their names
            let of_subset = split.and_then(|split| named.image.strip_prefix(&**split).ok());
            name = of_subset.unwrap_or(&named.image).to_string();
        }
        // the number of a frame: CVAT goes by it where it does not find the name
        let mut about: Vec<(&str, &dyn Display)> = vec![("id", &at), ("name", &name)];
        if let Some(split) = &split {
            about.push(("subset", split));
        }
        about.extend([("width", &image.width as &dyn Display), ("height", &image.height)]);
        xml.open("image", &about);
        let annotations = by_image.of(at).iter().map(|at| &dataset.annotations[*at as usize]);
        let groups = annotations.clone().filter_map(|at| at.more.as_ref()?.group);
        let mut next_group = groups.max().unwrap_or(0).saturating_add(1);
        for annotation in annotations {
            let points = annotation.category.and_then(|at| skeletons.get(at as usize));
            let points = points.map_or(&[][..], Vec::as_slice);
            drawn(&mut xml, (dataset, points), image, annotation, &mut next_group)?;
        }
        xml.close();
    }
    let text = xml.finish();
    match output.is_file() {
        true => output.create_single()?.write_all(text.as_bytes())?,
        false => output.write("annotations.xml", text.as_bytes())?,
    }
    Ok(())
}

/// Returns the names of each category's keypoints; those that nobody named have numbers.
fn skeletons(dataset: &Dataset) -> Vec<Vec<String>> {
    let named = dataset.categories.iter().map(|category| {
        let points = category.skeleton.iter().flat_map(|skeleton| &skeleton.points);
        points.map(ToString::to_string).collect()
    });
    let mut names: Vec<Vec<String>> = named.collect();
    for annotation in &dataset.annotations {
        let Some(names) = annotation.category.and_then(|at| names.get_mut(at as usize)) else {
            continue;
        };
        for number in names.len()..annotation.keypoints().len() {
            names.push((number + 1).to_string());
        }
    }
    names
}

/// The labels, with the attributes that their annotations have: CVAT takes no others.
fn meta(xml: &mut Writer, dataset: &Dataset, skeletons: &[Vec<String>]) {
    let mut names: Vec<Vec<Declared>> = vec![Vec::new(); dataset.categories.len()];
    for annotation in &dataset.annotations {
        let Some(names) = annotation.category.and_then(|at| names.get_mut(at as usize)) else {
            continue;
        };
        for (name, value) in attributes(annotation) {
            let is_box = matches!(&*value, "true" | "false");
            match names.iter_mut().find(|known| known.name == name) {
                Some(known) => known.is_box &= is_box,
                None => {
                    // others are flags here by chance
                    let is_box = is_box && FLAGS.iter().any(|(flag, _)| *flag == name);
                    names.push(Declared { name, is_box });
                }
            }
        }
    }
    xml.open("meta", &[]);
    xml.open("task", &[]);
    xml.leaf("name", dataset.info.name.as_deref().unwrap_or("sizar"));
    xml.leaf("size", dataset.images.len());
    xml.leaf("mode", "annotation");
    if !dataset.splits.is_empty() {
        let subsets: Vec<&str> = dataset.splits.iter().map(|split| &**split).collect();
        xml.leaf("subsets", subsets.join("\n"));
    }
    xml.open("labels", &[]);
    for ((category, names), points) in dataset.categories.iter().zip(names).zip(skeletons) {
        let kind = if points.is_empty() { "any" } else { "skeleton" };
        label(xml, &category.name, category.colour, kind, &names, None);
        for point in points {
            label(xml, point, None, "points", &[], Some(&category.name));
        }
    }
    xml.close();
    xml.close();
    xml.close();
}

/// An attribute of a label: text, or a box to tick.
#[derive(Clone)]
struct Declared {
    name: String,
    is_box: bool,
}

fn label(
    xml: &mut Writer,
    name: &str,
    colour: Option<[u8; 3]>,
    kind: &str,
    names: &[Declared],
    parent: Option<&str>,
) {
    xml.open("label", &[]);
    xml.leaf("name", name);
    if let Some([red, green, blue]) = colour {
        xml.leaf("color", format!("#{red:02x}{green:02x}{blue:02x}"));
    }
    xml.leaf("type", kind);
    xml.open("attributes", &[]);
    for Declared { name, is_box } in names {
        xml.open("attribute", &[]);
        xml.leaf("name", name);
        xml.leaf("mutable", "False");
        xml.leaf("input_type", if *is_box { "checkbox" } else { "text" });
        xml.leaf("default_value", if *is_box { "false" } else { "" });
        xml.leaf("values", if *is_box { "false" } else { "" });
        xml.close();
    }
    xml.close();
    if let Some(parent) = parent {
        xml.leaf("parent", parent);
    }
    xml.close();
}

/// Flags and attributes as CVAT's attributes.
fn attributes(annotation: &Annotation) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, flag) in FLAGS {
        if annotation.flags.has(flag) {
            all.insert(name.to_owned(), "true".to_owned());
        }
    }
    if let Some(more) = &annotation.more {
        if let Some(text) = more.text.first() {
            all.insert("text".into(), text.text.to_string());
        }
        let is_depth = |name: &str| name == "z_order" && depth(annotation).is_some();
        for (name, value) in more.attributes.iter().filter(|(name, _)| !is_depth(name)) {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            all.entry(name.clone()).or_insert(text);
        }
    }
    all
}

/// What is drawn over what: CVAT takes whole numbers.
fn depth(annotation: &Annotation) -> Option<i64> {
    match annotation.more.as_ref()?.attributes.get("z_order")? {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

fn drawn(
    xml: &mut Writer,
    (dataset, points): (&Dataset, &[String]),
    image: &Image,
    annotation: &Annotation,
    next_group: &mut i64,
) -> Result<()> {
    let more = annotation.more.as_deref();
    let category = annotation.category.and_then(|at| dataset.categories.get(at as usize));
    let label = category.map_or("", |category| &*category.name);
    let occluded = u8::from(annotation.flags.has(Flags::OCCLUDED));
    let depth = depth(annotation).unwrap_or(0);
    let mut group = more.and_then(|more| more.group);
    if let Shape::Polygon(polygon) = &annotation.shape
        && polygon.parts.len() > 1
        && !polygon.has_holes()
        && group.is_none()
    {
        group = Some(*next_group);
        *next_group += 1;
    }
    let said = attributes(annotation);
    let mut element = |name: &'static str,
                       special: &[(&str, &dyn Display)],
                       inner: &[Named<'_>]| {
        let mut about: Vec<(&str, &dyn Display)> = vec![("label", &label), ("source", &"manual")];
        if name != "tag" {
            about.push(("occluded", &occluded));
        }
        about.extend(special.iter().copied());
        if name != "tag" {
            about.push(("z_order", &depth));
        }
        if let Some(group) = &group {
            about.push(("group_id", group));
        }
        if said.is_empty() && inner.is_empty() {
            return xml.empty(name, &about);
        }
        xml.open(name, &about);
        for Named { label, outside, occluded, points } in inner {
            xml.empty(
                "points",
                &[
                    ("label", label),
                    ("source", &"manual"),
                    ("outside", outside),
                    ("occluded", occluded),
                    ("points", points),
                ],
            );
        }
        for (name, value) in &said {
            xml.leaf_with("attribute", &[("name", name)], value);
        }
        xml.close();
    };
    let keypoints = annotation.keypoints();
    let is_seen = keypoints.iter().any(|point| point.visibility != Visibility::Absent);
    // where no point is marked, the box or the outline says more
    if is_seen || (!keypoints.is_empty() && is_bare(annotation)) {
        element("skeleton", &[], &named(keypoints, points));
        return Ok(());
    }
    match &annotation.shape {
        Shape::Polygon(polygon) if polygon.has_holes() => {
            let mut rasteriser = Rasteriser::new(image.width, image.height)
                .map_err(|error| FormatError::cannot_write(format!("`{}`: {error}", image.name)))?;
            mask(&rasteriser.polygon(polygon), &mut element);
        }
        Shape::Polygon(polygon) => {
            for Part { outer, .. } in &polygon.parts {
                element("polygon", &[("points", &joined(outer))], &[]);
            }
        }
        Shape::Rle(rle) => mask(rle, &mut element),
        Shape::Polyline(points) => element("polyline", &[("points", &joined(points))], &[]),
        Shape::Points(points) => element("points", &[("points", &joined(points))], &[]),
        Shape::Ellipse(ellipse) => {
            let (cx, cy) = (ellipse.centre.x, ellipse.centre.y);
            let (rx, ry) = (ellipse.radius_x, ellipse.radius_y);
            let mut about: Vec<(&str, &dyn Display)> =
                vec![("cx", &cx), ("cy", &cy), ("rx", &rx), ("ry", &ry)];
            if ellipse.rotation != 0.0 {
                about.push(("rotation", &ellipse.rotation));
            }
            element("ellipse", &about, &[]);
        }
        Shape::None => {
            let baseline = more.map_or(&[][..], |more| &more.baseline);
            if let Some(bounds) = annotation.bbox {
                let (left, top) = (bounds.x, bounds.y);
                let (right, bottom) = (bounds.right(), bounds.bottom());
                let mut about: Vec<(&str, &dyn Display)> =
                    vec![("xtl", &left), ("ytl", &top), ("xbr", &right), ("ybr", &bottom)];
                let turn = more.and_then(|more| more.rotation).filter(|turn| *turn != 0.0);
                if let Some(turn) = &turn {
                    about.push(("rotation", turn));
                }
                element("box", &about, &[]);
            } else if !baseline.is_empty() {
                element("polyline", &[("points", &joined(baseline))], &[]);
            } else if more.is_none_or(|more| more.caption.is_none()) {
                element("tag", &[], &[]);
            }
        }
    }
    Ok(())
}

/// A point of a skeleton.
struct Named<'a> {
    label: &'a str,
    outside: u8,
    occluded: u8,
    points: String,
}

/// Returns whether nothing but keypoints says where something is.
fn is_bare(annotation: &Annotation) -> bool {
    annotation.bbox.is_none() && annotation.shape == Shape::None
}

fn named<'a>(keypoints: &[Keypoint], names: &'a [String]) -> Vec<Named<'a>> {
    let named = names.iter().zip(keypoints);
    named
        .map(|(label, keypoint)| Named {
            label,
            outside: u8::from(keypoint.visibility == Visibility::Absent),
            occluded: u8::from(keypoint.visibility == Visibility::Hidden),
            points: joined(&[keypoint.at]),
        })
        .collect()
}

fn mask(
    rle: &crate::model::Rle,
    element: &mut impl FnMut(&'static str, &[(&str, &dyn Display)], &[Named<'_>]),
) {
    let Some(crop) = Crop::of(rle) else { return };
    let mut runs = String::new();
    let (mut is_set, mut length) = (false, 0_u32);
    for pixel in &crop.pixels {
        if *pixel != is_set {
            let _ = write!(runs, "{length}, ");
            (is_set, length) = (*pixel, 0);
        }
        length += 1;
    }
    let _ = write!(runs, "{length}");
    element(
        "mask",
        &[
            ("rle", &runs),
            ("left", &crop.left),
            ("top", &crop.top),
            ("width", &crop.width),
            ("height", &crop.height),
        ],
        &[],
    );
}

fn joined(points: &[Point]) -> String {
    let mut text = String::with_capacity(points.len() * 12);
    for point in points {
        if !text.is_empty() {
            text.push(';');
        }
        let _ = write!(text, "{},{}", point.x, point.y);
    }
    text
}
