//! Reads Pascal VOC.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use roxmltree::Node;
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::labelme::is_of_the_web_tool;
use super::super::mask::labelmap::{self, LabelMap};
use super::lists::{self, Names, below};
use super::masks::{self, Classes};
use crate::error::{FormatError, Position, Result};
use crate::formats::{Look, ReadOptions};
use crate::model::{
    Annotation, Box2, Category, Dataset, Flags, Image, Note, Point, Polygon, Provenance, Shape,
};
use crate::xml::{XmlFile, child, children, number, text};

/// An image with its things, the names of their classes beside them.
struct Page {
    file: Utf8PathBuf,
    /// The folder of the data set, and the name below it by which lists and masks know the image.
    base: Utf8PathBuf,
    inner: String,
    image: Image,
    things: Vec<(String, Annotation, [f64; 4])>,
}

/// Reads all annotations of a folder, its lists, and its masks where there are some.
pub fn read(look: &Look, options: &ReadOptions) -> Result<Dataset> {
    let files = look.with_extension(&["xml"]);
    let pages: Vec<Page> = files
        .par_iter()
        .map(|file| page(file))
        .collect::<Result<Vec<Option<Page>>>>()?
        .into_iter()
        .flatten()
        .collect();
    if pages.is_empty() {
        return Err(FormatError::malformed(
            Position::whole(look.path()),
            "no XML file with <annotation> in it",
        ));
    }
    let labels = labels(&pages);
    let mut dataset = Dataset { roots: roots(look), ..Dataset::default() };
    let origin = origin(&pages, options, look, labels.as_ref(), &mut dataset);
    dataset.categories = categories(&pages, options, labels.as_ref());
    let indices: FxHashMap<Box<str>, u32> = dataset
        .categories
        .iter()
        .enumerate()
        .map(|(at, category)| (category.name.clone(), at as u32))
        .collect();
    let mut names = Names::default();
    let mut seen = FxHashSet::default();
    let repeated: FxHashSet<Box<str>> = pages
        .iter()
        .filter(|page| !seen.insert(&page.image.name))
        .map(|page| page.image.name.clone())
        .collect();
    for mut page in pages {
        let at = dataset.images.len() as u32;
        names.insert(&page.base, &page.inner, at);
        let is_repeated = repeated.contains(&page.image.name);
        if let Some(name) = in_folder(look, &page, is_repeated) {
            page.image.name = name.into();
        }
        dataset.images.push(page.image);
        for (name, mut annotation, [left, top, right, bottom]) in page.things {
            annotation.image = at;
            annotation.category = indices.get(&*name).copied();
            let shift = f64::from(origin);
            annotation.bbox = Some(Box2::from_corners(left - shift, top - shift, right, bottom));
            dataset.annotations.push(annotation);
        }
    }
    lists::read(look, &names, &mut dataset)?;
    let classes = Classes { labels: labels.as_ref(), given: options.classes.as_deref() };
    masks::read(look, &names, &classes, &mut dataset)?;
    Ok(dataset)
}

/// Finds `labelmap.txt` beside a folder of annotations: one elsewhere is of something else.
fn labels(pages: &[Page]) -> Option<LabelMap> {
    let bases: BTreeSet<&Utf8PathBuf> = pages.iter().map(|page| &page.base).collect();
    bases.into_iter().find_map(|base| LabelMap::read(&base.join(labelmap::FILE)))
}

/// Lists the classes: those that are given, or those of `labelmap.txt`, and then others that occur.
fn categories(pages: &[Page], options: &ReadOptions, labels: Option<&LabelMap>) -> Vec<Category> {
    let mut names: Vec<&str> =
        pages.iter().flat_map(|page| page.things.iter().map(|(name, ..)| &**name)).collect();
    names.sort_unstable();
    names.dedup();
    let mut all: Vec<Category> = match (&options.classes, labels) {
        (Some(classes), _) => classes.iter().map(|name| Category::named(&**name)).collect(),
        (None, Some(labels)) => labels.classes().map(Category::named).collect(),
        (None, None) => Vec::new(),
    };
    let known: FxHashSet<Box<str>> = all.iter().map(|category| category.name.clone()).collect();
    let more = names.into_iter().filter(|name| !known.contains(*name));
    all.extend(more.map(Category::named));
    all
}

/// Returns the name of an image with the folders of its XML file, where the file leaves them out and
/// it is there, or another has the same name.
fn in_folder(look: &Look, page: &Page, is_repeated: bool) -> Option<String> {
    let folder = Utf8Path::new(&page.inner).parent().filter(|it| !it.as_str().is_empty())?;
    if page.image.name.contains('/') {
        return None;
    }
    let name = folder.join(&*page.image.name);
    let file = page.base.join("JPEGImages").join(&name);
    let is_there =
        || file.strip_prefix(look.path()).is_ok_and(|relative| look.has(relative.as_str()));
    (is_repeated || is_there()).then(|| name.into_string())
}

/// Where names of images begin: at each `JPEGImages`, whatever folders are in it.
fn roots(look: &Look) -> Vec<Utf8PathBuf> {
    let mut roots: Vec<Utf8PathBuf> = look
        .files()
        .iter()
        .filter_map(|file| {
            file.ancestors().skip(1).find(|folder| folder.file_name() == Some("JPEGImages"))
        })
        .map(|folder| look.path().join(folder))
        .collect();
    roots.dedup();
    if !look.is_folder() {
        if let Some((base, _)) = below(look.path(), "Annotations") {
            roots.push(base.join("JPEGImages"));
        }
        if let Some(above) = look.folder().parent() {
            roots.push(above.join("JPEGImages"));
        }
    }
    roots.push(look.folder().to_owned());
    roots
}

/// From which number pixels count: the format's 1, unless a corner at 0 or a file of CVAT's shows
/// that it isn't.
fn origin(
    pages: &[Page],
    options: &ReadOptions,
    look: &Look,
    labels: Option<&LabelMap>,
    dataset: &mut Dataset,
) -> u8 {
    if let Some(origin) = options.origin {
        return origin;
    }
    let has_boxes = pages.iter().any(|page| !page.things.is_empty());
    let zero = pages
        .iter()
        .find(|page| page.things.iter().any(|(_, _, [left, top, ..])| *left == 0.0 || *top == 0.0));
    let (file, why) = match (zero, labels.filter(|labels| has_boxes && !labels.from_one)) {
        (Some(page), _) => (&page.file, "a box begins at 0, and pixels of VOC count from 1"),
        (None, Some(labels)) => {
            (&labels.file, "CVAT and datumaro write this file, and their boxes begin at 0")
        }
        (None, None) => return 1,
    };
    dataset.notes.push(Note {
        code: "zero-based-boxes",
        at: Position::whole(file),
        message: format!("{why}: all boxes of `{}` are taken as counted from 0", look.path()),
    });
    0
}

/// Reads one file; `None` if it is some other XML.
fn page(file: &Utf8Path) -> Result<Option<Page>> {
    let xml = XmlFile::read(file)?;
    let document = xml.parse()?;
    let root = document.root_element();
    if root.tag_name().name() != "annotation" || is_of_the_web_tool(xml.text()) {
        return Ok(None);
    }
    let stem = file.file_stem().unwrap_or_default();
    let name = text(root, "filename").filter(|name| !name.is_empty());
    let mut name = name.map_or_else(|| format!("{stem}.jpg"), |name| name.replace('\\', "/"));
    if Utf8Path::new(&name).extension().is_none() {
        name.push_str(".jpg");
    }
    let mut image = Image { name: name.into(), ..Image::default() };
    if let Some(size) = child(root, "size") {
        for (field, target) in [("width", &mut image.width), ("height", &mut image.height)] {
            if let Some(node) = child(size, field) {
                let value: f64 = number(&xml, node)?;
                if !(0.0..=4e9).contains(&value) {
                    return Err(xml.error(node, format!("{value} is no {field}")));
                }
                *target = value as u32;
            }
        }
    }
    if let Some(source) = child(root, "source") {
        let provenance = Provenance {
            source: text(source, "database")
                .filter(|it| !it.is_empty() && *it != "Unknown")
                .map(str::to_owned),
            author: child(root, "owner").and_then(|owner| text(owner, "name")).map(str::to_owned),
            ..Provenance::default()
        };
        if provenance != Provenance::default() {
            image.provenance = Some(Box::new(provenance));
        }
    }
    let mut things = Vec::new();
    for object in children(root, "object") {
        things.push(thing(&xml, object)?);
    }
    let (base, inner) = below(file, "Annotations")
        .unwrap_or_else(|| (file.parent().unwrap_or("".into()).to_owned(), stem.to_owned()));
    Ok(Some(Page { file: file.to_owned(), base, inner, image, things }))
}

fn thing(xml: &XmlFile, object: Node<'_, '_>) -> Result<(String, Annotation, [f64; 4])> {
    let Some(name) = text(object, "name").filter(|name| !name.is_empty()) else {
        return Err(xml.error(object, "an <object> without <name>"));
    };
    let Some(bbox) = child(object, "bndbox") else {
        return Err(xml.error(object, "an <object> without <bndbox>"));
    };
    let mut corners = [0.0; 4];
    for (field, corner) in ["xmin", "ymin", "xmax", "ymax"].into_iter().zip(&mut corners) {
        let Some(node) = child(bbox, field) else {
            return Err(xml.error(bbox, format!("a <bndbox> without <{field}>")));
        };
        *corner = number(xml, node)?;
    }
    let mut annotation = Annotation::default();
    for (field, flag) in [
        ("difficult", Flags::DIFFICULT),
        ("truncated", Flags::TRUNCATED),
        ("occluded", Flags::OCCLUDED),
    ] {
        let is_set = text(object, field).is_some_and(|value| {
            value == "1" || value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("yes")
        });
        annotation.flags.set(flag, is_set);
    }
    if let Some(pose) = text(object, "pose").filter(|pose| !matches!(*pose, "" | "Unspecified")) {
        annotation.more_mut().pose = Some(pose.into());
    }
    if let Some(attributes) = child(object, "attributes") {
        self::attributes(attributes, &mut annotation);
    }
    // not VOC's own, but Roboflow's and others': x1, y1, x2, …
    if let Some(polygon) = child(object, "polygon") {
        let mut points = Vec::new();
        for index in 1.. {
            let (x, y) = (format!("x{index}"), format!("y{index}"));
            let (Some(x), Some(y)) = (child(polygon, &x), child(polygon, &y)) else { break };
            points.push(Point::new(number(xml, x)?, number(xml, y)?));
        }
        if points.len() > 2 {
            annotation.shape = Shape::Polygon(Polygon::simple(points));
        }
    }
    Ok((name.to_owned(), annotation, corners))
}

/// Takes CVAT's and datumaro's attributes: names and values, the turn of the box among them.
fn attributes(node: Node<'_, '_>, annotation: &mut Annotation) {
    for attribute in children(node, "attribute") {
        let Some(name) = text(attribute, "name").filter(|name| !name.is_empty()) else { continue };
        let value = text(attribute, "value").unwrap_or_default();
        match (name, value.parse::<f64>()) {
            ("rotation", Ok(0.0)) => {}
            ("rotation", Ok(turn)) if turn.is_finite() => {
                annotation.more_mut().rotation = Some(turn);
            }
            _ => {
                annotation.more_mut().attributes.insert(name.to_owned(), value.into());
            }
        }
    }
}
