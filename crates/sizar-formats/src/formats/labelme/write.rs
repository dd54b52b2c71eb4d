//! Writes LabelMe.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ExtendedColorType, ImageEncoder as _};
use serde_json::{Map, Value, json};

use super::read::FLAGS;
use crate::error::{FormatError, Result};
use crate::model::{Annotation, AnnotationIx, Dataset, Image, Point, Rle, Shape};
use crate::raster::Rasteriser;
use crate::raster::crop::Crop;

/// The version of labelme whose files these are.
const VERSION: &str = "5.4.1";

/// Writes what is marked in `image`, which the file calls `called`.
pub fn document(
    dataset: &Dataset,
    image: &Image,
    annotations: &[AnnotationIx],
    called: &str,
) -> Result<String> {
    let each = || annotations.iter().map(|at| &dataset.annotations[*at as usize]);
    let groups = each().filter_map(|annotation| annotation.more.as_ref()?.group);
    let mut next_group = groups.max().unwrap_or(0).saturating_add(1);
    let mut shapes = Vec::new();
    let mut flags = Map::new();
    for annotation in each() {
        let label = annotation.category.and_then(|at| dataset.categories.get(at as usize));
        let label = label.map_or("", |category| &*category.name);
        let drawn = drawn(annotation, image)?;
        let more = annotation.more.as_deref();
        if drawn.is_empty() {
            if more.is_none_or(|more| more.caption.is_none()) && !label.is_empty() {
                flags.insert(label.to_owned(), Value::Bool(true));
            }
            continue;
        }
        let mut group = more.and_then(|more| more.group);
        if drawn.len() > 1 && group.is_none() {
            group = Some(next_group);
            next_group += 1;
        }
        for Drawn { kind, points, mask } in drawn {
            let mut shape = Map::new();
            let points: Vec<[f64; 2]> = points.iter().map(|point| [point.x, point.y]).collect();
            shape.insert("label".into(), label.into());
            shape.insert("points".into(), json!(points));
            shape.insert("group_id".into(), json!(group));
            let text = annotation.text().unwrap_or_default();
            shape.insert("description".into(), text.into());
            shape.insert("shape_type".into(), kind.into());
            shape.insert("flags".into(), flags_of(annotation).into());
            shape.insert("mask".into(), json!(mask));
            if let Some(more) = more {
                if let Some(score) = more.score {
                    shape.insert("score".into(), score.into());
                }
                for (name, value) in more.attributes.iter().filter(|(name, _)| *name != "flags") {
                    shape.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            shapes.push(Value::Object(shape));
        }
    }
    let mut file = Map::new();
    file.insert("version".into(), VERSION.into());
    file.insert("flags".into(), flags.into());
    file.insert("shapes".into(), shapes.into());
    file.insert("imagePath".into(), called.into());
    file.insert("imageData".into(), Value::Null);
    file.insert("imageHeight".into(), image.height.into());
    file.insert("imageWidth".into(), image.width.into());
    if let Some(attributes) = &image.attributes {
        for (name, value) in attributes.iter() {
            file.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    let mut text = serde_json::to_string_pretty(&file).map_err(std::io::Error::from)?;
    text.push('\n');
    Ok(text)
}

struct Drawn {
    kind: &'static str,
    points: Vec<Point>,
    mask: Option<String>,
}

impl Drawn {
    fn of(kind: &'static str, points: impl Into<Vec<Point>>) -> Self {
        Self { kind, points: points.into(), mask: None }
    }
}

/// Returns the shapes that an annotation becomes; none if it marks no place.
fn drawn(annotation: &Annotation, image: &Image) -> Result<Vec<Drawn>> {
    Ok(match &annotation.shape {
        Shape::Polygon(polygon) if polygon.has_holes() => {
            let mut rasteriser = Rasteriser::new(image.width, image.height)
                .map_err(|error| FormatError::cannot_write(format!("`{}`: {error}", image.name)))?;
            masked(&rasteriser.polygon(polygon), image)?
        }
        Shape::Polygon(polygon) => {
            polygon.parts.iter().map(|part| Drawn::of("polygon", &*part.outer)).collect()
        }
        Shape::Rle(rle) => masked(rle, image)?,
        Shape::Polyline(points) if points.len() == 2 => vec![Drawn::of("line", &**points)],
        Shape::Polyline(points) => vec![Drawn::of("linestrip", &**points)],
        Shape::Points(points) => points.iter().map(|point| Drawn::of("point", [*point])).collect(),
        Shape::Ellipse(ellipse) if ellipse.is_circle() => {
            let edge = Point::new(ellipse.centre.x + ellipse.radius_x, ellipse.centre.y);
            vec![Drawn::of("circle", [ellipse.centre, edge])]
        }
        Shape::Ellipse(ellipse) => vec![Drawn::of("polygon", ellipse.points(32))],
        Shape::None => {
            let turn = annotation.more.as_ref().and_then(|more| more.rotation).unwrap_or(0.0);
            let baseline = annotation.more.as_ref().map_or(&[][..], |more| &more.baseline);
            match annotation.bbox {
                Some(bounds) if turn != 0.0 => {
                    let (sin, cos) = turn.to_radians().sin_cos();
                    let centre = bounds.centre();
                    let turned = bounds.corners().map(|corner| {
                        let (x, y) = (corner.x - centre.x, corner.y - centre.y);
                        Point::new(centre.x + x * cos - y * sin, centre.y + x * sin + y * cos)
                    });
                    vec![Drawn::of("polygon", turned)]
                }
                Some(bounds) => {
                    let [from, _, to, _] = bounds.corners();
                    vec![Drawn::of("rectangle", [from, to])]
                }
                None if !baseline.is_empty() => vec![Drawn::of("linestrip", baseline)],
                None => Vec::new(),
            }
        }
    })
}

fn masked(rle: &Rle, image: &Image) -> Result<Vec<Drawn>> {
    let Some(crop) = Crop::of(rle) else { return Ok(Vec::new()) };
    let pixels: Vec<u8> = crop.pixels.iter().map(|set| if *set { 255 } else { 0 }).collect();
    let mut png = Vec::new();
    image::codecs::png::PngEncoder::new(&mut png)
        .write_image(&pixels, crop.width, crop.height, ExtendedColorType::L8)
        .map_err(|error| {
            FormatError::cannot_write(format!("a mask of `{}`: {error}", image.name))
        })?;
    let corner = |x: u32, y: u32| Point::new(f64::from(x), f64::from(y));
    let last = corner(crop.left + crop.width - 1, crop.top + crop.height - 1);
    let points = vec![corner(crop.left, crop.top), last];
    Ok(vec![Drawn { kind: "mask", points, mask: Some(STANDARD.encode(png)) }])
}

fn flags_of(annotation: &Annotation) -> Map<String, Value> {
    let others = annotation.more.as_ref().and_then(|more| more.attributes.get("flags"));
    let mut flags = others.and_then(|flags| flags.as_object().cloned()).unwrap_or_default();
    for (name, flag) in FLAGS {
        if annotation.flags.has(flag) {
            flags.insert(name.into(), Value::Bool(true));
        }
    }
    flags
}
