//! Reads LabelMe.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camino::Utf8Path;
use image::{ImageReader, Limits};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::error::{FormatError, Position, Result};
use crate::formats::pages::files;
use crate::model::{
    Annotation, Attributes, Box2, Dataset, Ellipse, Flags, Image, Point, Polygon, Shape,
    Transcription,
};
use crate::raster::crop::{Crop, MOST};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    shapes: Option<Vec<Drawn>>,
    #[serde(default, rename = "imagePath")]
    image_path: Option<String>,
    #[serde(default, rename = "imageHeight")]
    height: Option<f64>,
    #[serde(default, rename = "imageWidth")]
    width: Option<f64>,
    #[serde(default)]
    flags: Option<Attributes>,
    // megabytes of it are no use here
    #[serde(default, rename = "imageData")]
    _data: Option<IgnoredAny>,
    #[serde(default, rename = "version")]
    _version: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: Attributes,
}

#[derive(Deserialize)]
struct Drawn {
    label: Option<String>,
    points: Vec<[f64; 2]>,
    #[serde(default)]
    group_id: Option<i64>,
    #[serde(default)]
    shape_type: Option<String>,
    #[serde(default)]
    flags: Option<Attributes>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    mask: Option<String>,
    #[serde(default)]
    score: Option<f64>,
    #[serde(flatten)]
    rest: Attributes,
}

/// Flags of LabelMe that the model has, too.
pub const FLAGS: [(&str, Flags); 4] = [
    ("difficult", Flags::DIFFICULT),
    ("truncated", Flags::TRUNCATED),
    ("occluded", Flags::OCCLUDED),
    ("crowd", Flags::CROWD),
];

/// Reads one file; `find` makes an image of the name that it gives it.
///
/// JSON without shapes is nothing.
pub fn image(
    path: &Utf8Path,
    bytes: &[u8],
    find: &dyn Fn(&str) -> Image,
) -> Result<Option<Dataset>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let file: File = serde_json::from_slice(bytes).map_err(|error| {
        let message = error.to_string();
        let what = message.rsplit_once(" at line ").map_or(&*message, |(what, _)| what).to_owned();
        let at = Position::line(path, error.line() as u64, error.column() as u64);
        FormatError::malformed(at, format!("not a file of LabelMe: {what}"))
    })?;
    let Some(shapes) = file.shapes else { return Ok(None) };
    let mut image = find(file.image_path.as_deref().unwrap_or_default());
    let side = |side: Option<f64>| side.unwrap_or(0.0).clamp(0.0, f64::from(u32::MAX)) as u32;
    (image.width, image.height) = (side(file.width), side(file.height));
    if !file.rest.is_empty() {
        image.attributes = Some(Box::new(file.rest));
    }
    let mut dataset = Dataset::default();
    if let Some(split) = files::split_of(image.name.as_ref().into()).map(str::to_owned) {
        image.splits.insert(dataset.split(&split));
    }
    let (width, height) = (image.width, image.height);
    dataset.images.push(image);
    for (at, drawn) in shapes.into_iter().enumerate() {
        let element = |name: &str| Position::element(path, format!("shapes[{at}]{name}"));
        let label = drawn.label.as_deref().unwrap_or_default();
        let category = category(&mut dataset, label);
        let mut annotation = Annotation { category, ..Annotation::default() };
        let points: Vec<Point> = drawn.points.iter().map(|[x, y]| Point::new(*x, *y)).collect();
        let kind = drawn.shape_type.as_deref().unwrap_or("polygon");
        let needs = |wanted: usize| match points.len() == wanted {
            true => Ok(()),
            false => {
                let what = format!("a {kind} has {wanted} points, and here are {}", points.len());
                Err(FormatError::malformed(element(".points"), what))
            }
        };
        match kind {
            "polygon" => annotation.shape = Shape::Polygon(Polygon::simple(points)),
            "rectangle" => {
                // drawn from any corner; four corners are a turned one (labelme 5.5 and later)
                if points.len() == 4 {
                    annotation.shape = Shape::Polygon(Polygon::simple(points));
                } else {
                    needs(2)?;
                    annotation.bbox = Box2::around(points);
                }
            }
            "circle" => {
                needs(2)?;
                let radius = (points[1].x - points[0].x).hypot(points[1].y - points[0].y);
                annotation.shape = Shape::Ellipse(Box::new(Ellipse {
                    centre: points[0],
                    radius_x: radius,
                    radius_y: radius,
                    rotation: 0.0,
                }));
            }
            "line" | "linestrip" => annotation.shape = Shape::Polyline(points.into()),
            "point" | "points" => annotation.shape = Shape::Points(points.into()),
            "mask" => {
                needs(2)?;
                let text = drawn.mask.as_deref().ok_or_else(|| {
                    FormatError::malformed(element(""), "a mask without its pixels in `mask`")
                })?;
                let crop = mask(text, points[0])
                    .map_err(|what| FormatError::malformed(element(".mask"), what))?;
                let size = u64::from(width) * u64::from(height);
                if size == 0 || size >= 1 << 31 {
                    let what = format!("a mask needs an image, and this one is {width}×{height}");
                    return Err(FormatError::malformed(element(".mask"), what));
                }
                annotation.shape = Shape::Rle(Box::new(crop.into_rle(width, height)));
            }
            other => {
                let what = format!("`{other}` is no shape of LabelMe's");
                return Err(FormatError::malformed(element(".shape_type"), what));
            }
        }
        flags(&mut annotation, drawn.flags.unwrap_or_default());
        if let Some(text) = drawn.description.filter(|text| !text.is_empty()) {
            annotation.more_mut().text = vec![Transcription::of(text)];
        }
        if drawn.score.is_some() {
            annotation.more_mut().score = drawn.score;
        }
        if drawn.group_id.is_some() {
            annotation.more_mut().group = drawn.group_id;
        }
        if !drawn.rest.is_empty() {
            annotation.more_mut().attributes.extend(drawn.rest);
        }
        join(&mut dataset.annotations, annotation);
    }
    for (label, is_so) in file.flags.unwrap_or_default() {
        if is_so == Value::Bool(true) {
            let category = category(&mut dataset, &label);
            dataset.annotations.push(Annotation { category, ..Annotation::default() });
        }
    }
    Ok(Some(dataset))
}

/// Adds an annotation, or its polygon to the thing that it is a part of.
fn join(annotations: &mut Vec<Annotation>, annotation: Annotation) {
    let group = |annotation: &Annotation| annotation.more.as_ref().and_then(|more| more.group);
    if let (Some(own), Shape::Polygon(part)) = (group(&annotation), &annotation.shape)
        && let Some(whole) = annotations.iter_mut().find(|whole| {
            group(whole) == Some(own)
                && whole.category == annotation.category
                && matches!(whole.shape, Shape::Polygon(_))
        })
        && let Shape::Polygon(polygon) = &mut whole.shape
    {
        polygon.parts = polygon.parts.iter().chain(&part.parts).cloned().collect();
        return;
    }
    annotations.push(annotation);
}

/// Returns the category of a label, which is a new one if need be.
pub fn category(dataset: &mut Dataset, label: &str) -> Option<u32> {
    (!label.is_empty()).then(|| dataset.category_of(label))
}

fn flags(annotation: &mut Annotation, flags: Attributes) {
    let mut others = Attributes::new();
    for (name, value) in flags {
        match FLAGS.iter().find(|(known, _)| *known == name) {
            Some((_, flag)) => annotation.flags.set(*flag, value == Value::Bool(true)),
            None => {
                others.insert(name, value);
            }
        }
    }
    if !others.is_empty() {
        annotation.more_mut().attributes.insert("flags".into(), others.into());
    }
}

/// Reads a mask's PNG, whose corner is at `corner` of the image; what isn't black is set.
fn mask(text: &str, corner: Point) -> std::result::Result<Crop, String> {
    let png = STANDARD.decode(text.trim()).map_err(|error| format!("not base64: {error}"))?;
    let place = |value: f64| value.round().clamp(0.0, f64::from(u32::MAX / 2)) as u32;
    Ok(Crop { left: place(corner.x), top: place(corner.y), ..pixels_of(png)? })
}

/// Reads the pixels of a PNG; what isn't black is set.
pub fn pixels_of(png: Vec<u8>) -> std::result::Result<Crop, String> {
    let mut reader = ImageReader::with_format(std::io::Cursor::new(png), image::ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST);
    reader.limits(limits);
    let pixels = reader.decode().map_err(|error| format!("not a PNG: {error}"))?.into_luma8();
    Ok(Crop {
        left: 0,
        top: 0,
        width: pixels.width(),
        height: pixels.height(),
        pixels: pixels.as_raw().iter().map(|pixel| *pixel != 0).collect(),
    })
}
