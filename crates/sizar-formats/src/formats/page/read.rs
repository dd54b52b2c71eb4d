//! Reads PAGE.

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::error::{FormatError, Result};
use crate::formats::pages::kinds::{FRAMES, REGIONS};
use crate::formats::pages::{CONTAINER, Kinds, files, points, tree};
use crate::model::{
    Annotation, AnnotationIx, Attributes, Dataset, Image, Level, Note, Point, Polygon, Provenance,
    ReadingOrder, Shape, Transcription,
};
use crate::xml::{XmlFile, attribute, child, text};

type Xml<'a, 'i> = roxmltree::Node<'a, 'i>;

/// Reads one file; `image` makes an image of the name that the page gives it.
///
/// What isn't PAGE is nothing.
pub fn page(file: &XmlFile, image: &dyn Fn(&str) -> Image) -> Result<Option<Dataset>> {
    let document = file.parse()?;
    let root = document.root_element();
    if root.tag_name().name() != "PcGts" {
        return Ok(None);
    }
    let page = child(root, "Page").ok_or_else(|| file.error(root, "there is no <Page>"))?;
    let named = attribute(page, "imageFilename").unwrap_or_default();
    let mut image = Image {
        width: size(file, page, "imageWidth")?,
        height: size(file, page, "imageHeight")?,
        provenance: provenance(root).map(Box::new),
        ..image(named)
    };
    let taken = ["imageFilename", "imageWidth", "imageHeight"];
    let attributes = attributes(page, &taken);
    image.attributes = (!attributes.is_empty()).then(|| Box::new(attributes));
    let mut reader = Reader { file, kinds: Kinds::default(), dataset: Dataset::default() };
    for node in page.children().filter(Xml::is_element) {
        reader.area(node, None, 0)?;
    }
    let Reader { kinds, mut dataset, .. } = reader;
    if let Some(order) = child(page, "ReadingOrder").and_then(|order| order.first_element_child()) {
        let keys = keys(&dataset);
        let mut notes = Vec::new();
        image.reading_order = reading_order(file, order, &keys, &mut notes, 0)?.map(Box::new);
        dataset.notes.extend(notes);
    }
    if let Some(split) = files::split_of(image.name.as_ref().into()).map(str::to_owned) {
        image.splits.insert(dataset.split(&split));
    }
    dataset.categories = kinds.categories;
    dataset.images.push(image);
    Ok(Some(dataset))
}

struct Reader<'f> {
    file: &'f XmlFile,
    kinds: Kinds,
    dataset: Dataset,
}

impl Reader<'_> {
    /// Reads an element if it marks an area, with all in it.
    fn area(
        &mut self,
        node: Xml<'_, '_>,
        parent: Option<AnnotationIx>,
        depth: usize,
    ) -> Result<()> {
        let name = node.tag_name().name();
        let (level, element) = match name {
            "TextLine" => (Level::Line, name),
            "Word" => (Level::Word, name),
            "Glyph" => (Level::Glyph, name),
            _ => {
                let known = REGIONS.iter().chain(&FRAMES).find(|known| **known == name);
                let Some(known) = known else { return Ok(()) };
                (Level::Region, *known)
            }
        };
        if depth > tree::DEEPEST {
            let what = format!("regions in each other more than {} deep", tree::DEEPEST);
            return Err(FormatError::refused(self.file.position(node), what));
        }
        if attribute(node, "id").is_some_and(|id| id.starts_with(CONTAINER)) {
            let mut inner = node.children().filter(Xml::is_element);
            return inner.try_for_each(|inner| self.area(inner, parent, depth + 1));
        }
        let custom = attribute(node, "custom");
        let kind = custom.and_then(structure_type).or_else(|| attribute(node, "type"));
        let category = match level {
            Level::Region | Level::Line => self.kinds.of(element, kind),
            Level::Word | Level::Glyph => self.kinds.of(element, None),
        };
        let at = self.dataset.annotations.len() as AnnotationIx;
        let mut annotation = Annotation { category: Some(category), ..Annotation::default() };
        let more = annotation.more_mut();
        more.key = attribute(node, "id").map(Into::into);
        more.level = Some(level);
        more.parent = parent;
        more.region_type = kind.map(Into::into);
        more.attributes = attributes(node, &["id", "type", "custom"]);
        if let Some(custom) = custom
            && kind.is_none_or(|kind| custom.trim() != format!("structure {{type:{kind};}}"))
        {
            more.attributes.insert("custom".into(), custom.into());
        }
        self.dataset.annotations.push(annotation);
        let mut readings: Vec<(u32, Transcription)> = Vec::new();
        for inner in node.children().filter(Xml::is_element) {
            match inner.tag_name().name() {
                "Coords" => {
                    let ring = coordinates(self.file, inner)?;
                    if !ring.is_empty() {
                        self.dataset.annotations[at as usize].shape =
                            Shape::Polygon(Polygon::simple(ring));
                    }
                }
                "Baseline" => {
                    let line = coordinates(self.file, inner)?;
                    self.dataset.annotations[at as usize].more_mut().baseline = line;
                }
                "TextEquiv" => readings.extend(reading(inner, readings.len())),
                _ => self.area(inner, Some(at), depth + 1)?,
            }
        }
        readings.sort_by_key(|(index, _)| *index);
        self.dataset.annotations[at as usize].more_mut().text =
            readings.into_iter().map(|(_, reading)| reading).collect();
        Ok(())
    }
}

/// The type in `custom="structure {type:…;}"`.
pub fn structure_type(custom: &str) -> Option<&str> {
    let (_, rest) = custom.split_once("structure")?;
    let inner = rest.trim_start().strip_prefix('{')?.split('}').next()?;
    let pairs = inner.split(';').filter_map(|pair| pair.split_once(':'));
    pairs
        .map(|(key, value)| (key.trim(), value.trim()))
        .find(|(key, value)| *key == "type" && !value.is_empty())
        .map(|(_, value)| value)
}

fn coordinates(file: &XmlFile, node: Xml<'_, '_>) -> Result<Vec<Point>> {
    if let Some(text) = attribute(node, "points") {
        return points::parse(text).map_err(|what| {
            let name = node.tag_name().name();
            file.error(node, format!("{what} in the points of <{name}>"))
        });
    }
    // until 2010, points were elements
    let each = node.children().filter(|inner| inner.tag_name().name() == "Point");
    each.map(|inner| {
        let number = |name| attribute(inner, name).and_then(|value| value.parse::<f64>().ok());
        match (number("x"), number("y")) {
            (Some(x), Some(y)) if x.is_finite() && y.is_finite() => Ok(Point::new(x, y)),
            _ => Err(file.error(inner, "a <Point> needs numbers as `x` and `y`")),
        }
    })
    .collect()
}

fn reading(node: Xml<'_, '_>, count: usize) -> Option<(u32, Transcription)> {
    let written = child(node, "Unicode").or_else(|| child(node, "PlainText"))?;
    let whole = match written.children().count() {
        0 => return None,
        1 => written.text()?.to_owned(),
        // comments cut text in pieces
        _ => written.children().filter_map(|piece| piece.text()).collect(),
    };
    let confidence = attribute(node, "conf").and_then(|conf| conf.trim().parse().ok());
    let index = attribute(node, "index").and_then(|index| index.trim().parse().ok());
    let confidence = confidence.filter(|conf: &f32| conf.is_finite());
    let language = None;
    Some((
        index.unwrap_or(count as u32),
        Transcription { text: whole.into(), confidence, language },
    ))
}

fn provenance(root: Xml<'_, '_>) -> Option<Provenance> {
    let metadata = child(root, "Metadata")?;
    let get = |name| text(metadata, name).filter(|text| !text.is_empty()).map(str::to_owned);
    let found = Provenance { date: get("Created"), author: get("Creator"), ..Default::default() };
    (found != Provenance::default()).then_some(found)
}

fn attributes(node: Xml<'_, '_>, but: &[&str]) -> Attributes {
    let kept = node.attributes().filter(|attribute| !but.contains(&attribute.name()));
    kept.map(|attribute| (attribute.name().to_owned(), Value::from(attribute.value()))).collect()
}

fn size(file: &XmlFile, page: Xml<'_, '_>, name: &str) -> Result<u32> {
    let Some(text) = attribute(page, name) else { return Ok(0) };
    match text.trim().parse::<f64>() {
        Ok(size) if (0.0..=f64::from(u32::MAX)).contains(&size) => Ok(size as u32),
        _ => Err(file.error(page, format!("`{text}` is no {name}"))),
    }
}

fn keys(dataset: &Dataset) -> FxHashMap<&str, AnnotationIx> {
    let keyed = dataset.annotations.iter().enumerate();
    keyed
        .filter_map(|(at, annotation)| {
            Some((annotation.more.as_ref()?.key.as_deref()?, at as AnnotationIx))
        })
        .collect()
}

fn reading_order(
    file: &XmlFile,
    node: Xml<'_, '_>,
    keys: &FxHashMap<&str, AnnotationIx>,
    notes: &mut Vec<Note>,
    depth: usize,
) -> Result<Option<ReadingOrder>> {
    if depth > tree::DEEPEST {
        let what = format!("groups in each other more than {} deep", tree::DEEPEST);
        return Err(FormatError::refused(file.position(node), what));
    }
    let is_ordered = match node.tag_name().name() {
        "OrderedGroup" | "OrderedGroupIndexed" => true,
        "UnorderedGroup" | "UnorderedGroupIndexed" => false,
        "RegionRef" | "RegionRefIndexed" => {
            let key = attribute(node, "regionRef").unwrap_or_default();
            let found = keys.get(key).copied();
            if found.is_none() {
                notes.push(Note {
                    code: "unknown-region",
                    at: file.position(node),
                    message: format!("the reading order names `{key}`, which is not there"),
                });
            }
            return Ok(found.map(ReadingOrder::Region));
        }
        _ => return Ok(None),
    };
    let mut members = Vec::new();
    for inner in node.children().filter(Xml::is_element) {
        if let Some(member) = reading_order(file, inner, keys, notes, depth + 1)? {
            let index = attribute(inner, "index").and_then(|index| index.trim().parse().ok());
            members.push((index.unwrap_or(i64::MAX), member));
        }
    }
    if is_ordered {
        members.sort_by_key(|(index, _)| *index);
    }
    let members: Vec<_> = members.into_iter().map(|(_, member)| member).collect();
    Ok((!members.is_empty()).then_some(match is_ordered {
        true => ReadingOrder::Ordered(members),
        false => ReadingOrder::Unordered(members),
    }))
}
