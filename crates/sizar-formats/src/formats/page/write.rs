//! Writes PAGE.

use std::fmt::Display;

use super::schema;
use crate::error::{FormatError, Result};
use crate::formats::pages::ids::{Ids, date_time};
use crate::formats::pages::kinds::{self, CHART_TYPES, FRAMES, GRAPHIC_TYPES, TEXT_TYPES};
use crate::formats::pages::{Node, Tree, points, tree};
use crate::model::{AnnotationIx, Attributes, Dataset, Image, Level, Point, ReadingOrder, Shape};
use crate::xml::Writer;

/// A version of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V2013,
    V2019,
    /// 2019 as eScriptorium writes it: a line that nobody outlined has no `Coords`, which would
    /// become its mask there.
    EScriptorium,
}

impl Version {
    /// Reads a version as a person names it; the newest if they don't.
    pub fn named(name: Option<&str>) -> Result<Self> {
        match name {
            None | Some("2019" | "2019-07-15") => Ok(Self::V2019),
            Some("2013" | "2013-07-15") => Ok(Self::V2013),
            Some(other) => {
                let what = format!("there is no PAGE `{other}` that sizar writes");
                Err(FormatError::cannot_write(what).with_hint("known are `2013` and `2019`"))
            }
        }
    }

    fn date(self) -> &'static str {
        match self {
            Self::V2013 => "2013-07-15",
            Self::V2019 | Self::EScriptorium => "2019-07-15",
        }
    }
}

/// Writes the page of `image`, which the file calls `called`.
pub fn document(
    dataset: &Dataset,
    image: &Image,
    annotations: &[AnnotationIx],
    called: &str,
    version: Version,
) -> String {
    let tree = Tree::build(dataset, annotations);
    let mut page = Writing { dataset, tree: &tree, version, ids: Ids::of(dataset, annotations) };
    let mut xml = Writer::document();
    let space = format!("http://schema.primaresearch.org/PAGE/gts/pagecontent/{}", version.date());
    let location = format!("{space} {space}/pagecontent.xsd");
    xml.open(
        "PcGts",
        &[
            ("xmlns", &space),
            ("xmlns:xsi", &"http://www.w3.org/2001/XMLSchema-instance"),
            ("xsi:schemaLocation", &location),
        ],
    );
    let provenance = image.provenance.as_deref();
    let said = |said: Option<&String>| said.cloned();
    let date = date_time(provenance.and_then(|from| from.date.as_deref()));
    xml.open("Metadata", &[]);
    let creator = said(provenance.and_then(|from| from.author.as_ref()));
    xml.leaf("Creator", creator.as_deref().unwrap_or("sizar"));
    xml.leaf("Created", &date);
    xml.leaf("LastChange", &date);
    xml.close();
    let none = Attributes::default();
    let extra =
        page.known("Page", image.attributes.as_deref().unwrap_or(&none), &["imageFilename"]);
    let mut about: Vec<(&str, &dyn Display)> = vec![
        ("imageFilename", &called),
        ("imageWidth", &image.width),
        ("imageHeight", &image.height),
    ];
    about.extend(extra.iter().map(|(key, value)| (*key, value as &dyn Display)));
    xml.open("Page", &about);
    for frame in FRAMES {
        let is_frame = |node: &&Node| page.element(node).name == frame;
        if let Some(node) = tree.regions.iter().find(is_frame) {
            xml.open(frame, &[]);
            page.coordinates(&mut xml, node, image);
            xml.close();
        }
    }
    if let Some(order) = &image.reading_order
        && let Some(order) = tree::order_of_regions(dataset, order)
    {
        page.order(&mut xml, &order);
    }
    for region in &tree.regions {
        page.area(&mut xml, region, Level::Region, image);
    }
    xml.finish()
}

struct Writing<'a> {
    dataset: &'a Dataset,
    tree: &'a Tree<'a>,
    version: Version,
    ids: Ids,
}

impl Writing<'_> {
    fn element(&self, node: &Node) -> kinds::Element<'_> {
        let Some(annotation) = self.tree.of(node) else {
            return kinds::Element { name: "TextRegion", kind: None };
        };
        let kind = annotation.more.as_ref().and_then(|more| more.region_type.as_deref());
        let level = tree::level(annotation);
        let mut found = kinds::element(self.dataset, annotation.category, level, kind);
        if self.version == Version::V2013 && matches!(found.name, "CustomRegion" | "MapRegion") {
            found.name = "UnknownRegion";
        }
        found
    }

    fn area(&mut self, xml: &mut Writer, node: &Node, level: Level, image: &Image) {
        let kinds::Element { name, kind } = match self.tree.of(node) {
            Some(_) => self.element(node),
            None if level == Level::Region => kinds::Element { name: "TextRegion", kind: None },
            None => kinds::Element { name: "TextLine", kind: None },
        };
        if FRAMES.contains(&name) {
            return;
        }
        let kind = kind.map(str::to_owned);
        let none = Attributes::default();
        let more = self.tree.of(node).and_then(|annotation| annotation.more.as_deref());
        let said = more.map_or(&none, |more| &more.attributes);
        let id = match node.annotation {
            None if level == Level::Region => self.ids.container(),
            annotation => self.ids.take(annotation),
        };
        let mut attributes: Vec<(&'static str, String)> = vec![("id", id)];
        let types: &[&str] = match name {
            "TextRegion" if self.version == Version::V2013 => &TEXT_TYPES[..16],
            "TextRegion" => &TEXT_TYPES,
            "GraphicRegion" => &GRAPHIC_TYPES,
            "ChartRegion" => &CHART_TYPES,
            _ => &[],
        };
        let mut custom = said.get("custom").and_then(|custom| custom.as_str()).map(str::to_owned);
        if let Some(kind) = &kind {
            let in_custom = custom.as_deref().and_then(super::read::structure_type);
            let has_type = name == "CustomRegion" || types.contains(&kind.as_str());
            // a category that was renamed makes what `custom` says of it old
            let is_old = in_custom.is_some_and(|known| known != kind);
            if is_old || (in_custom.is_none() && !has_type) {
                custom = Some(with_structure(custom.as_deref(), kind));
            }
            if has_type {
                attributes.push(("type", kind.clone()));
            }
        }
        attributes.extend(custom.map(|custom| ("custom", custom)));
        attributes.extend(self.known(name, said, &["id", "type", "custom"]));
        let attributes: Vec<(&str, &dyn Display)> =
            attributes.iter().map(|(key, value)| (*key, value as &dyn Display)).collect();
        xml.open(name, &attributes);
        let shape = self.tree.of(node).map_or(&Shape::None, |annotation| &annotation.shape);
        let is_outlined = !matches!(shape, Shape::None | Shape::Polyline(_))
            || self.tree.of(node).is_some_and(|annotation| annotation.bbox.is_some());
        if is_outlined || level != Level::Line || self.version != Version::EScriptorium {
            self.coordinates(xml, node, image);
        }
        if level == Level::Line {
            self.baseline(xml, node);
        }
        let of = |child: &Node| self.tree.of(child).map_or(Level::Line, tree::level);
        let mut inner: Vec<(Level, &Node)> =
            node.children.iter().map(|child| (of(child), child)).collect();
        // regions in a region come before its lines
        inner.sort_by_key(|(level, _)| *level);
        for (level, child) in inner {
            // only text regions hold lines
            if level == Level::Region || name == "TextRegion" || !name.ends_with("Region") {
                self.area(xml, child, level, image);
            } else {
                self.lines_of_others(xml, child, image);
            }
        }
        if level != Level::Region || name == "TextRegion" {
            self.text(xml, node);
        }
        xml.close();
    }

    /// A line in an image or a table comes into a text region of its own.
    fn lines_of_others(&mut self, xml: &mut Writer, line: &Node, image: &Image) {
        let region = Node { annotation: None, children: vec![line.clone()] };
        self.area(xml, &region, Level::Region, image);
    }

    fn coordinates(&self, xml: &mut Writer, node: &Node, image: &Image) {
        let bounds = self.tree.bounds(node).or_else(|| {
            let (width, height) = (f64::from(image.width), f64::from(image.height));
            Some(crate::model::Box2::new(0.0, 0.0, width, height))
        });
        let shape = self.tree.of(node).map_or(&Shape::None, |annotation| &annotation.shape);
        let outline = points::outline(shape, bounds);
        xml.empty("Coords", &[("points", &points::whole(&outline, ',', ' '))]);
    }

    fn baseline(&self, xml: &mut Writer, node: &Node) {
        let Some(annotation) = self.tree.of(node) else { return };
        let baseline: &[Point] = match (&annotation.more, &annotation.shape) {
            (Some(more), _) if !more.baseline.is_empty() => &more.baseline,
            (_, Shape::Polyline(points)) => points,
            _ => return,
        };
        xml.empty("Baseline", &[("points", &points::whole(baseline, ',', ' '))]);
    }

    fn text(&self, xml: &mut Writer, node: &Node) {
        let more = self.tree.of(node).and_then(|annotation| annotation.more.as_ref());
        let readings = more.map_or(&[][..], |more| &more.text);
        // 2013 has one reading
        let most = if self.version == Version::V2013 { 1 } else { readings.len() };
        for (index, reading) in readings.iter().take(most).enumerate() {
            let mut attributes: Vec<(&str, &dyn Display)> = Vec::new();
            if readings.len() > 1 && self.version != Version::V2013 {
                attributes.push(("index", &index));
            }
            let confidence = reading.confidence.map(|conf| conf.clamp(0.0, 1.0));
            if let Some(confidence) = &confidence {
                attributes.push(("conf", confidence));
            }
            xml.open("TextEquiv", &attributes);
            xml.leaf("Unicode", &reading.text);
            xml.close();
        }
    }

    fn order(&mut self, xml: &mut Writer, order: &ReadingOrder) {
        xml.open("ReadingOrder", &[]);
        match order {
            ReadingOrder::Region(_) => {
                self.group(xml, &ReadingOrder::Ordered(vec![order.clone()]), None);
            }
            ReadingOrder::Ordered(_) | ReadingOrder::Unordered(_) => self.group(xml, order, None),
        }
        xml.close();
    }

    fn group(&mut self, xml: &mut Writer, order: &ReadingOrder, index: Option<usize>) {
        let mut attributes: Vec<(&str, &dyn Display)> = Vec::new();
        if let Some(index) = &index {
            attributes.push(("index", index));
        }
        let (members, is_ordered) = match order {
            ReadingOrder::Region(at) => {
                let id = self.ids.of_annotation(*at);
                attributes.push(("regionRef", &id));
                let name = if index.is_some() { "RegionRefIndexed" } else { "RegionRef" };
                xml.empty(name, &attributes);
                return;
            }
            ReadingOrder::Ordered(members) => (members, true),
            ReadingOrder::Unordered(members) => (members, false),
        };
        let name = match (is_ordered, index.is_some()) {
            (true, true) => "OrderedGroupIndexed",
            (true, false) => "OrderedGroup",
            (false, true) => "UnorderedGroupIndexed",
            (false, false) => "UnorderedGroup",
        };
        let id = self.ids.fresh("ro");
        attributes.insert(0, ("id", &id));
        xml.open(name, &attributes);
        for (at, member) in members.iter().enumerate() {
            self.group(xml, member, is_ordered.then_some(at));
        }
        xml.close();
    }

    /// What `element` may say of what is said, `but` what is written otherwise.
    fn known(&self, element: &str, said: &Attributes, but: &[&str]) -> Vec<(&'static str, String)> {
        let known = schema::SCHEMA.optional(element).filter(|name| !but.contains(name));
        known
            .filter(|name| self.version != Version::V2013 || !schema::SINCE_2019.contains(name))
            .filter_map(|name| {
                let text = match said.get(name)? {
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                schema::SCHEMA.fits(element, name, &text).then_some((name, text))
            })
            .collect()
    }
}

/// Puts the type into what `custom` says.
fn with_structure(custom: Option<&str>, kind: &str) -> String {
    // what ends a value can't be in it
    let kind = kind.replace(['{', '}', ';'], "-");
    let structure = format!("structure {{type:{kind};}}");
    let Some(custom) = custom.map(str::trim).filter(|custom| !custom.is_empty()) else {
        return structure;
    };
    let Some(start) = custom.find("structure") else { return format!("{custom} {structure}") };
    let end = custom[start..].find('}').map_or(custom.len(), |end| start + end + 1);
    format!("{}{structure}{}", &custom[..start], &custom[end..])
}

#[cfg(test)]
mod tests {
    use super::with_structure;

    #[test]
    fn the_type_takes_its_place_in_custom() {
        assert_eq!(with_structure(None, "Main"), "structure {type:Main;}");
        // SegmOnto's subtypes
        assert_eq!(with_structure(None, "Main:a#1"), "structure {type:Main:a#1;}");
        assert_eq!(
            with_structure(Some("readingOrder {index:0;} structure {type:a; x:1;} y {}"), "b"),
            "readingOrder {index:0;} structure {type:b;} y {}"
        );
        assert_eq!(with_structure(Some("x {}"), "a;b"), "x {} structure {type:a-b;}");
    }
}
