//! Reads Pascal VOC.

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use roxmltree::Node;
use rustc_hash::FxHashMap;

use super::super::mask::{palette, regions};
use crate::error::{FormatError, Position, Result};
use crate::formats::{Look, ReadOptions};
use crate::model::{
    Annotation, Box2, Category, Dataset, Flags, Image, Note, Point, Polygon, Provenance, Rle, Shape,
};
use crate::xml::{XmlFile, child, children, number, text};

/// An image with its things, the names of their classes beside them.
struct Page {
    file: Utf8PathBuf,
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
    let mut dataset = Dataset { roots: roots(look), ..Dataset::default() };
    let origin = origin(&pages, options, look, &mut dataset);
    let mut names: Vec<&str> =
        pages.iter().flat_map(|page| page.things.iter().map(|(name, ..)| &**name)).collect();
    names.sort_unstable();
    names.dedup();
    let names: Vec<String> = match &options.classes {
        Some(classes) => {
            let more = names.iter().filter(|name| !classes.iter().any(|known| known == **name));
            classes.iter().cloned().chain(more.map(|name| (*name).to_owned())).collect()
        }
        None => names.into_iter().map(str::to_owned).collect(),
    };
    let indices: FxHashMap<&str, u32> =
        names.iter().enumerate().map(|(at, name)| (&**name, at as u32)).collect();
    dataset.categories = names.iter().map(|name| Category::named(&**name)).collect();
    let mut stems: FxHashMap<String, u32> = FxHashMap::default();
    for page in pages {
        let at = dataset.images.len() as u32;
        stems.insert(page.file.file_stem().unwrap_or_default().to_owned(), at);
        dataset.images.push(page.image);
        for (name, mut annotation, [left, top, right, bottom]) in page.things {
            annotation.image = at;
            annotation.category = indices.get(&*name).copied();
            let shift = f64::from(origin);
            annotation.bbox = Some(Box2::from_corners(left - shift, top - shift, right, bottom));
            if origin == 0 {
                // both ends are pixels here, too
                annotation.bbox = Some(Box2::from_corners(left, top, right, bottom));
            }
            dataset.annotations.push(annotation);
        }
    }
    lists(look, &stems, &mut dataset)?;
    masks(look, &stems, &mut dataset)?;
    Ok(dataset)
}

fn roots(look: &Look) -> Vec<Utf8PathBuf> {
    let mut roots: Vec<Utf8PathBuf> = look
        .files()
        .iter()
        .filter_map(|file| file.parent())
        .filter(|folder| folder.file_name() == Some("JPEGImages"))
        .map(|folder| look.path().join(folder))
        .collect();
    roots.dedup();
    if !look.is_folder()
        && let Some(above) = look.folder().parent()
    {
        roots.push(above.join("JPEGImages"));
    }
    roots.push(look.folder().to_owned());
    roots
}

/// From which number pixels count: the format's 1, unless a corner at 0 shows that it isn't.
fn origin(pages: &[Page], options: &ReadOptions, look: &Look, dataset: &mut Dataset) -> u8 {
    if let Some(origin) = options.origin {
        return origin;
    }
    let zero = pages
        .iter()
        .find(|page| page.things.iter().any(|(_, _, [left, top, ..])| *left == 0.0 || *top == 0.0));
    let Some(page) = zero else { return 1 };
    dataset.notes.push(Note {
        code: "zero-based-boxes",
        at: Position::whole(&page.file),
        message: format!(
            "a box begins at 0, and pixels of VOC count from 1: all boxes of `{}` are taken as \
             counted from 0",
            look.path()
        ),
    });
    0
}

/// Reads one file; `None` if it is some other XML.
fn page(file: &Utf8Path) -> Result<Option<Page>> {
    let xml = XmlFile::read(file)?;
    let document = xml.parse()?;
    let root = document.root_element();
    if root.tag_name().name() != "annotation" {
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
    Ok(Some(Page { file: file.to_owned(), image, things }))
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

/// Reads `ImageSets`: each list is a split; those per class are evaluations, not splits.
fn lists(look: &Look, stems: &FxHashMap<String, u32>, dataset: &mut Dataset) -> Result<()> {
    let is_list = |file: &&Utf8PathBuf| {
        let mut folders = file.parent().into_iter().flat_map(Utf8Path::components);
        file.extension() == Some("txt") && folders.any(|part| part.as_str() == "ImageSets")
    };
    let mut lists: Vec<&Utf8PathBuf> = look.files().iter().filter(is_list).collect();
    // in the order in which people name them, whatever the file system's is
    let rank = |file: &Utf8PathBuf| {
        let known = ["train", "val", "trainval", "test"];
        known.iter().position(|name| file.file_stem() == Some(name)).unwrap_or(known.len())
    };
    lists.sort_by_key(|file| rank(file));
    for list in lists {
        let stem = list.file_stem().unwrap_or_default();
        let text = fs_err::read_to_string(look.path().join(list))?;
        // lists for a class have a second column: whether the image has it
        if text.lines().next().is_some_and(|line| line.split_whitespace().count() > 1) {
            continue;
        }
        let listed: Vec<u32> = text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter_map(|name| stems.get(name).copied())
            .collect();
        if listed.is_empty() {
            continue;
        }
        let split = dataset.split(stem);
        for image in listed {
            dataset.images[image as usize].splits.insert(split);
        }
    }
    Ok(())
}

/// Reads `SegmentationObject`: the n-th number is the n-th object of the image's file.
fn masks(look: &Look, stems: &FxHashMap<String, u32>, dataset: &mut Dataset) -> Result<()> {
    let files: Vec<(u32, Utf8PathBuf)> = look
        .files()
        .iter()
        .filter(|file| {
            file.extension() == Some("png")
                && file.parent().and_then(Utf8Path::file_name) == Some("SegmentationObject")
        })
        .filter_map(|file| Some((*stems.get(file.file_stem()?)?, look.path().join(file))))
        .collect();
    if files.is_empty() {
        return Ok(());
    }
    let read: Vec<(u32, Vec<(u32, Rle)>)> = files
        .par_iter()
        .map(|(image, file)| {
            let mask = palette::read(file)?;
            let regions = regions::regions(&mask).into_iter();
            Ok((*image, regions.filter(|(number, _)| !matches!(number, 0 | 255)).collect()))
        })
        .collect::<Result<_>>()?;
    let by_image = dataset.by_image();
    for (image, regions) in read {
        let things = by_image.of(image as usize);
        for (number, rle) in regions {
            if let Some(thing) = things.get(number as usize - 1) {
                dataset.annotations[*thing as usize].shape = Shape::Rle(Box::new(rle));
            }
        }
    }
    Ok(())
}
