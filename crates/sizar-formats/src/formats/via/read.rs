//! Reads VIA.

use camino::Utf8Path;
use serde_json::{Map, Value};

use crate::error::{FormatError, Position, Result};
use crate::formats::pages::files;
use crate::model::{
    Annotation, Box2, Dataset, Ellipse, Image, Note, Point, Polygon, Shape, Transcription,
};

/// Names of attributes that are a class.
const CLASSES: [&str; 6] = ["class", "category", "label", "type", "name", "object"];
/// Names of attributes that are what is written there.
const TEXTS: [&str; 2] = ["text", "transcription"];

/// Reads a project or exported annotations; other JSON is nothing.
pub fn document(path: &Utf8Path, relative: &Utf8Path, bytes: &[u8]) -> Result<Option<Dataset>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let whole: Value = serde_json::from_slice(bytes).map_err(|error| {
        let message = error.to_string();
        let what = message.rsplit_once(" at line ").map_or(&*message, |(what, _)| what).to_owned();
        let at = Position::line(path, error.line() as u64, error.column() as u64);
        FormatError::malformed(at, format!("not JSON: {what}"))
    })?;
    let Value::Object(whole) = &whole else { return Ok(None) };
    let (prefix, files) = match whole.get("_via_img_metadata") {
        Some(Value::Object(files)) => ("_via_img_metadata", files),
        Some(_) => {
            let at = Position::element(path, "_via_img_metadata");
            return Err(FormatError::malformed(at, "not an object"));
        }
        None => ("", whole),
    };
    let is_via = |file: &Value| file.get("filename").is_some() && file.get("regions").is_some();
    if !files.values().all(is_via) {
        return Ok(None);
    }
    let class = class_attribute(whole, files);
    let mut dataset = Dataset::default();
    let name = whole.get("_via_settings").and_then(|settings| settings.pointer("/project/name"));
    dataset.info.name = name.and_then(Value::as_str).map(str::to_owned);
    if class.is_none() && files.values().any(|file| !regions(file).is_empty()) {
        dataset.notes.push(Note {
            code: "no-class",
            at: Position::whole(path),
            message: "no attribute of the regions is known to be their class".into(),
        });
    }
    let options = class
        .and_then(|class| whole.get("_via_attributes")?.get("region")?.get(class)?.get("options"));
    for option in options.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
        dataset.category_of(option);
    }
    // a project may list its images in the order of its owner
    let listed = whole.get("_via_image_id_list").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    let mut order: Vec<&str> = listed.filter(|key| files.contains_key(*key)).collect();
    if order.len() != files.len() {
        order = files.keys().map(String::as_str).collect();
    }
    for key in order {
        let Some(file) = files.get(key) else { continue };
        let element = |inner: &str| Position::element(path, format!("{prefix}[{key:?}]{inner}"));
        let named = file
            .get("filename")
            .and_then(Value::as_str)
            .ok_or_else(|| FormatError::malformed(element(".filename"), "not a name of a file"))?;
        let here = relative.parent().unwrap_or("".into()).join(named);
        let mut image = Image { name: here.as_str().into(), ..Image::default() };
        if let Some(split) = files::split_of(&here).map(str::to_owned) {
            image.splits.insert(dataset.split(&split));
        }
        let index = dataset.images.len() as u32;
        let mut said = match file.get("file_attributes") {
            Some(Value::Object(said)) => said.clone(),
            _ => Map::new(),
        };
        if let Some(Value::String(caption)) = said.shift_remove("caption")
            && !caption.is_empty()
        {
            let mut annotation = Annotation { image: index, ..Annotation::default() };
            annotation.more_mut().caption = Some(caption);
            dataset.annotations.push(annotation);
        }
        image.attributes = (!said.is_empty()).then(|| Box::new(said));
        dataset.images.push(image);
        for (at, region) in regions(file).into_iter().enumerate() {
            let mut annotation = region_of(region).map_err(|what| {
                FormatError::malformed(element(&format!(".regions[{at}]")), what)
            })?;
            annotation.image = index;
            let said = region.get("region_attributes").and_then(Value::as_object);
            for (name, value) in said.into_iter().flatten() {
                let text = spoken(value);
                if Some(name.as_str()) == class {
                    if let Some(text) = text.filter(|text| !text.is_empty()) {
                        annotation.category = Some(dataset.category_of(&text));
                    }
                } else if TEXTS.contains(&&**name)
                    && let Some(text) = text
                {
                    annotation.more_mut().text = vec![Transcription::of(text)];
                } else {
                    annotation.more_mut().attributes.insert(name.clone(), value.clone());
                }
            }
            dataset.annotations.push(annotation);
        }
    }
    Ok(Some(dataset))
}

/// The regions of an image: a list, or an object in version 1.
fn regions(file: &Value) -> Vec<&Value> {
    match file.get("regions") {
        Some(Value::Array(regions)) => regions.iter().collect(),
        Some(Value::Object(regions)) => regions.values().collect(),
        _ => Vec::new(),
    }
}

/// Finds the attribute that is the class.
fn class_attribute<'a>(
    whole: &'a Map<String, Value>,
    files: &'a Map<String, Value>,
) -> Option<&'a str> {
    let declared = whole.get("_via_attributes").and_then(|all| all.get("region")?.as_object());
    let chosen = |value: &Value| {
        let kind = value.get("type").and_then(Value::as_str);
        matches!(kind, Some("dropdown" | "radio" | "checkbox"))
    };
    let mut from_lists = declared.into_iter().flatten().filter(|(_, value)| chosen(value));
    if let (Some((name, _)), None) = (from_lists.next(), from_lists.next()) {
        return Some(name);
    }
    let regions = files.values().flat_map(regions);
    let used = regions.filter_map(|region| region.get("region_attributes")?.as_object());
    let mut names: Vec<&str> =
        declared.into_iter().chain(used).flat_map(Map::keys).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let known = CLASSES
        .iter()
        .find_map(|class| names.iter().copied().find(|name| name.eq_ignore_ascii_case(class)));
    known.or(match names[..] {
        [only] if !TEXTS.contains(&only) => Some(only),
        _ => None,
    })
}

/// The value of an attribute as text; of ticked boxes the first.
fn spoken(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(ticked) => ticked
            .iter()
            .find(|(_, is_so)| **is_so == Value::Bool(true))
            .map(|(name, _)| name.clone()),
        _ => None,
    }
}

fn region_of(region: &Value) -> std::result::Result<Annotation, String> {
    let drawn = region.get("shape_attributes").ok_or("there are no `shape_attributes`")?;
    let number = |name: &str| {
        drawn
            .get(name)
            .and_then(Value::as_f64)
            .filter(|number| number.is_finite())
            .ok_or_else(|| format!("`{name}` of the shape is not a number"))
    };
    let list = |name: &str| -> std::result::Result<Vec<f64>, String> {
        let list = drawn.get(name).and_then(Value::as_array);
        let numbers: Option<Vec<f64>> =
            list.and_then(|list| list.iter().map(Value::as_f64).collect());
        numbers.ok_or_else(|| format!("`{name}` of the shape is not a list of numbers"))
    };
    let points = || -> std::result::Result<Vec<Point>, String> {
        let (xs, ys) = (list("all_points_x")?, list("all_points_y")?);
        if xs.len() != ys.len() {
            return Err(format!("{} coordinates across and {} down", xs.len(), ys.len()));
        }
        Ok(xs.into_iter().zip(ys).map(|(x, y)| Point::new(x, y)).collect())
    };
    let mut annotation = Annotation::default();
    match drawn.get("name").and_then(Value::as_str).unwrap_or_default() {
        "rect" => {
            annotation.bbox =
                Some(Box2::new(number("x")?, number("y")?, number("width")?, number("height")?));
        }
        "circle" => {
            let radius = number("r")?;
            annotation.shape = Shape::Ellipse(Box::new(Ellipse {
                centre: Point::new(number("cx")?, number("cy")?),
                radius_x: radius,
                radius_y: radius,
                rotation: 0.0,
            }));
        }
        "ellipse" => {
            annotation.shape = Shape::Ellipse(Box::new(Ellipse {
                centre: Point::new(number("cx")?, number("cy")?),
                radius_x: number("rx")?,
                radius_y: number("ry")?,
                rotation: number("theta").unwrap_or(0.0).to_degrees(),
            }));
        }
        "point" => {
            let point = Point::new(number("cx")?, number("cy")?);
            annotation.shape = Shape::Points([point].into());
        }
        "polygon" => annotation.shape = Shape::Polygon(Polygon::simple(points()?)),
        "polyline" => annotation.shape = Shape::Polyline(points()?.into()),
        other => return Err(format!("`{other}` is no shape of VIA's")),
    }
    Ok(annotation)
}
