//! Reads the XML of LabelMe's first tool, the one of the web page.
//!
//! The elements are those of its manual (<https://github.com/CSAILVision/LabelMeAnnotationTool>) and
//! of what CVAT and datumaro write as `LabelMe 3.0`: objects with a polygon, a box that is a polygon
//! of four corners, or a mask in a file; things that were deleted stay in the file, marked as such.

use std::collections::BTreeMap;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::read::{category, pixels_of};
use crate::error::{FormatError, Position, Result};
use crate::formats::Look;
use crate::formats::pages::files;
use crate::model::{Annotation, Attributes, Box2, Dataset, Flags, Point, Polygon, Shape};
use crate::raster::crop::Crop;
use crate::xml::{XmlFile, child, children, number, text};

type Xml<'a, 'i> = roxmltree::Node<'a, 'i>;

/// The folders of the tool, beside each other.
const ANNOTATIONS: &str = "Annotations";
const IMAGES: &str = "Images";
const MASKS: &str = "Masks";

/// Tells from the beginning of a file whether it is of this kind, and not Pascal VOC's.
pub fn is_its(head: &str) -> bool {
    let marks = ["<pt>", "<segm>", "<sourceAnnotation>", "<nrows>"];
    head.contains("<annotation") && marks.iter().any(|mark| head.contains(mark))
}

/// Reads one file, at `relative` below the folder of `look`; what isn't LabelMe's is nothing.
pub fn image(look: &Look, file: &XmlFile, relative: &Utf8Path) -> Result<Option<Dataset>> {
    if !is_its(file.text()) {
        return Ok(None);
    }
    let document = file.parse()?;
    let root = document.root_element();
    if root.tag_name().name() != "annotation" {
        return Ok(None);
    }
    let named = text(root, "filename").unwrap_or_default();
    let mut image = files::resolve(look, &among(relative, IMAGES), named);
    if let Some(size) = child(root, "imagesize") {
        for (field, side) in [("ncols", &mut image.width), ("nrows", &mut image.height)] {
            // the tool leaves them empty where it does not know
            if let Some(node) = child(size, field).filter(|_| text(size, field).is_some()) {
                *side = number::<f64>(file, node)?.clamp(0.0, f64::from(u32::MAX)) as u32;
            }
        }
    }
    let mut dataset = Dataset::default();
    let folder = text(root, "folder").unwrap_or_default().replace('\\', "/");
    if let Some(split) = files::split_of(&Utf8Path::new(&folder).join("image")) {
        image.splits.insert(dataset.split(split));
    }
    let (width, height) = (image.width, image.height);
    dataset.images.push(image);
    let groups = groups(root);
    for object in children(root, "object") {
        if matches!(text(object, "deleted"), Some("1" | "true" | "yes")) {
            continue;
        }
        let mut annotation = Annotation::default();
        let drawn = child(object, "polygon").or_else(|| child(object, "segm"));
        let Some(drawn) = drawn else {
            return Err(file.error(object, "an <object> without <polygon> or <segm>"));
        };
        if drawn.tag_name().name() == "segm" {
            let mask = mask(look, file, drawn, relative, [width, height])?;
            annotation.shape = Shape::Rle(Box::new(mask));
        } else {
            let points = points(file, drawn)?;
            match text(object, "type") {
                Some("bounding_box") => annotation.bbox = Box2::around(points),
                _ => annotation.shape = Shape::Polygon(Polygon::simple(points)),
            }
        }
        annotation.category = category(&mut dataset, text(object, "name").unwrap_or_default());
        annotation.flags.set(Flags::OCCLUDED, text(object, "occluded") == Some("yes"));
        let mut attributes = attributes(text(object, "attributes").unwrap_or_default());
        if let Some(name) = text(drawn, "username").filter(|name| !name.is_empty()) {
            attributes.insert("username".into(), name.into());
        }
        if !attributes.is_empty() {
            annotation.more_mut().attributes = attributes;
        }
        if let Some(group) = text(object, "id").and_then(|id| groups.get(id)) {
            annotation.more_mut().group = Some(*group);
        }
        dataset.annotations.push(annotation);
    }
    Ok(Some(dataset))
}

fn points(file: &XmlFile, drawn: Xml<'_, '_>) -> Result<Vec<Point>> {
    let point = |point: Xml<'_, '_>| -> Result<Point> {
        let of = |axis: &str| {
            let node = child(point, axis);
            node.ok_or_else(|| file.error(point, format!("a <pt> without <{axis}>")))
        };
        Ok(Point::new(number(file, of("x")?)?, number(file, of("y")?)?))
    };
    children(drawn, "pt").map(point).collect()
}

/// Reads a mask, whose file lies in `Masks` where the annotations lie in `Annotations`, in such a
/// folder beside the annotations or above them (CVAT's way), or beside them; what isn't black is set.
fn mask(
    look: &Look,
    file: &XmlFile,
    drawn: Xml<'_, '_>,
    relative: &Utf8Path,
    [width, height]: [u32; 2],
) -> Result<crate::model::Rle> {
    let named = text(drawn, "mask").unwrap_or_default();
    // the file is a stranger's: nothing leads out of the folder
    let is_below = |part| matches!(part, Utf8Component::Normal(_));
    if named.is_empty() || !Utf8Path::new(named).components().all(is_below) {
        return Err(file.error(drawn, format!("`{named}` in <mask> is not the name of a file")));
    }
    let first = among(relative, MASKS).with_file_name(named);
    // its name may have folders that are in the path of the annotations, too
    let masks: Vec<Utf8PathBuf> = first.ancestors().map(|folder| folder.join(named)).collect();
    let above = relative.ancestors().skip(1).map(|folder| folder.join(MASKS).join(named));
    let mut places = std::iter::once(first.clone())
        .chain(masks)
        .chain(above)
        .chain([relative.with_file_name(named)])
        .map(|place| look.folder().join(place));
    let Some(path) = places.find(|path| path.is_file()) else {
        return Err(file.error(drawn, format!("the mask `{first}` is not there")));
    };
    let pixels = pixels_of(fs_err::read(&path)?)
        .map_err(|what| FormatError::malformed(Position::whole(&path), what))?;
    let sides =
        if width == 0 || height == 0 { [pixels.width, pixels.height] } else { [width, height] };
    if u64::from(sides[0]) * u64::from(sides[1]) >= 1 << 31 {
        let what = format!("a mask of {}×{} pixels", sides[0], sides[1]);
        return Err(FormatError::refused(Position::whole(&path), what));
    }
    Ok(Crop { left: 0, top: 0, ..pixels }.into_rle(sides[0], sides[1]))
}

/// Returns where something is in another folder of the tool's.
fn among(relative: &Utf8Path, folder: &str) -> Utf8PathBuf {
    let parts = relative.components().map(|part| match part.as_str() {
        ANNOTATIONS => folder,
        part => part,
    });
    parts.collect()
}

/// Returns the group of each object, by its id, that has parts or is a part of another.
fn groups(root: Xml<'_, '_>) -> BTreeMap<String, i64> {
    let mut groups: BTreeMap<String, i64> = BTreeMap::new();
    let mut last = 0;
    for object in children(root, "object") {
        let (Some(id), Some(parts)) = (text(object, "id"), child(object, "parts")) else {
            continue;
        };
        let related: Vec<&str> = ["hasparts", "ispartof"]
            .into_iter()
            .filter_map(|name| text(parts, name))
            .flat_map(|ids| ids.split(','))
            .map(str::trim)
            .filter(|id| !id.is_empty())
            .collect();
        if related.is_empty() {
            continue;
        }
        let all = || related.iter().copied().chain([id]);
        let known: Vec<i64> = all().filter_map(|id| groups.get(id).copied()).collect();
        let group = known.first().copied().unwrap_or_else(|| {
            last += 1;
            last
        });
        // what was two groups until here is one
        let is_one = known.iter().all(|other| *other == group);
        for other in groups.values_mut().filter(|other| !is_one && known.contains(other)) {
            *other = group;
        }
        groups.extend(all().map(|id| (id.to_owned(), group)));
    }
    groups
}

/// Reads `colour=red, old, name=a\,b`: what has no value is true.
fn attributes(said: &str) -> Attributes {
    let mut parts = vec![(String::new(), None::<String>)];
    let mut letters = said.chars();
    while let Some(letter) = letters.next() {
        let plain = match letter {
            ',' => {
                parts.push((String::new(), None));
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            letter => letter,
        };
        if let Some((name, value)) = parts.last_mut() {
            match value {
                None if letter == '=' => *value = Some(String::new()),
                None => name.push(plain),
                Some(value) => value.push(plain),
            }
        }
    }
    let parts = parts.into_iter().filter(|(name, _)| !name.trim().is_empty());
    parts.map(|(name, value)| (name.trim().to_owned(), typed(value))).collect()
}

/// A number or a truth value where the text is how it would be written, else the text.
fn typed(value: Option<String>) -> Value {
    let Some(value) = value else { return Value::Bool(true) };
    let text = value.trim();
    let is_same = |read: &Value| {
        let spelled = read.to_string();
        (read.is_number() || read.is_boolean()) && spelled == text
    };
    let read = match text {
        "True" => Some(Value::Bool(true)),
        "False" => Some(Value::Bool(false)),
        text => serde_json::from_str::<Value>(text).ok().filter(|read| is_same(read)),
    };
    let unquoted = || text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    read.unwrap_or_else(|| unquoted().unwrap_or(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_names_with_or_without_values() {
        let read = attributes(
            r#"old, colour=red\, green, a\=b=1, "c"="1", d=1.5, e=true, f=False, g=01, "#,
        );
        let expected = serde_json::json!({
            "old": true, "colour": "red, green", "a=b": 1, "\"c\"": "1", "d": 1.5, "e": true, "f": false, "g": "01",
        });
        assert_eq!(Value::Object(read.into_iter().collect()), expected);
        assert!(attributes(" ").is_empty());
    }
}
