//! Writes ALTO.

use std::fmt::{Display, Write as _};

use super::schema;
use crate::error::{FormatError, Result};
use crate::formats::pages::ids::Ids;
use crate::formats::pages::kinds::{self, Element, FRAMES};
use crate::formats::pages::{Node, Tree, points, tree};
use crate::model::{
    AnnotationIx, Attributes, Box2, Dataset, Image, Level, Point, ReadingOrder, Shape,
    Transcription,
};
use crate::xml::Writer;

/// A version of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V2,
    V3,
    V4,
}

impl Version {
    /// Reads a version as a person names it; the newest if they don't.
    pub fn named(name: Option<&str>) -> Result<Self> {
        match name {
            None | Some("4" | "4.3") => Ok(Self::V4),
            Some("3" | "3.1") => Ok(Self::V3),
            Some("2" | "2.1") => Ok(Self::V2),
            Some(other) => {
                let what = format!("there is no ALTO `{other}` that sizar writes");
                Err(FormatError::cannot_write(what).with_hint("known are `2`, `3` and `4`"))
            }
        }
    }

    fn numbers(self) -> (u8, u8) {
        match self {
            Self::V2 => (2, 1),
            Self::V3 => (3, 1),
            Self::V4 => (4, 3),
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
    let mut page = Writing {
        dataset,
        tree: &tree,
        image,
        version,
        ids: Ids::of(dataset, annotations),
        tags: Vec::new(),
    };
    let mut xml = Writer::document();
    let (major, minor) = version.numbers();
    let space = format!("http://www.loc.gov/standards/alto/ns-v{major}#");
    let location =
        format!("{space} http://www.loc.gov/standards/alto/v{major}/alto-{major}-{minor}.xsd");
    xml.open(
        "alto",
        &[
            ("xmlns", &space),
            ("xmlns:xsi", &"http://www.w3.org/2001/XMLSchema-instance"),
            ("xsi:schemaLocation", &location),
        ],
    );
    xml.open("Description", &[]);
    xml.leaf("MeasurementUnit", "pixel");
    xml.open("sourceImageInformation", &[]);
    xml.leaf("fileName", called);
    xml.close();
    xml.close();
    for node in &tree.regions {
        page.gather_tags(node);
    }
    if !page.tags.is_empty() {
        xml.open("Tags", &[]);
        for (kind, label, id) in &page.tags {
            xml.empty("OtherTag", &[("ID", id), ("TYPE", kind), ("LABEL", label)]);
        }
        xml.close();
    }
    if let Some(order) = image.reading_order.as_deref().filter(|_| version == Version::V4) {
        page.order(&mut xml, order);
    }
    xml.open("Layout", &[]);
    let none = Attributes::default();
    let said = image.attributes.as_deref().unwrap_or(&none);
    let id = page.ids.fresh("page");
    let number = said.get("PHYSICAL_IMG_NR").and_then(|number| number.as_str()).unwrap_or("1");
    let mut about: Vec<(&str, &dyn Display)> = vec![
        ("ID", &id),
        ("PHYSICAL_IMG_NR", &number),
        ("WIDTH", &image.width),
        ("HEIGHT", &image.height),
    ];
    let extra = known("Page", said);
    about.extend(extra.iter().map(|(key, value)| (*key, value as &dyn Display)));
    xml.open("Page", &about);
    let is_frame = |node: &&Node| page.element(node).name == "PrintSpace";
    let frame = tree.regions.iter().find(is_frame).and_then(|node| tree.bounds(node));
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    let place = position(frame.or(Some(Box2::new(0.0, 0.0, width, height))));
    let place: Vec<(&str, &dyn Display)> =
        place.iter().map(|(key, value)| (*key, value as &dyn Display)).collect();
    xml.open("PrintSpace", &place);
    for region in &tree.regions {
        page.block(&mut xml, region);
    }
    xml.finish()
}

struct Writing<'a> {
    dataset: &'a Dataset,
    tree: &'a Tree<'a>,
    image: &'a Image,
    version: Version,
    ids: Ids,
    /// Element of PAGE, label, id.
    tags: Vec<(&'static str, String, String)>,
}

impl<'a> Writing<'a> {
    fn element(&self, node: &Node) -> Element<'a> {
        let Some(annotation) = self.tree.of(node) else {
            return Element { name: "TextRegion", kind: None };
        };
        let kind = annotation.more.as_ref().and_then(|more| more.region_type.as_deref());
        kinds::element(self.dataset, annotation.category, tree::level(annotation), kind)
    }

    /// The tag of a region or a line that ALTO's own element doesn't say all of.
    fn tag(&self, node: &Node) -> Option<(&'static str, String)> {
        let Element { name, kind } = self.element(node);
        match (name, kind) {
            ("Word" | "Glyph" | "Border" | "PrintSpace", _) => None,
            (_, Some(kind)) => Some((name, kind.to_owned())),
            ("TextRegion" | "ImageRegion" | "SeparatorRegion" | "TextLine", None) => None,
            (_, None) => Some((name, name.to_owned())),
        }
    }

    fn gather_tags(&mut self, node: &Node) {
        if let Some((kind, label)) = node.annotation.and_then(|_| self.tag(node))
            && !self.tags.iter().any(|(known, name, _)| *known == kind && *name == label)
        {
            let id = self.ids.fresh("TYPE_");
            self.tags.push((kind, label, id));
        }
        for child in &node.children {
            self.gather_tags(child);
        }
    }

    /// The attributes of a block or a line.
    fn about(
        &mut self,
        node: &Node,
        element: &str,
        bounds: Option<Box2>,
    ) -> Vec<(&'static str, String)> {
        let id = match node.annotation {
            None if element == "TextBlock" => self.ids.container(),
            annotation => self.ids.take(annotation),
        };
        let mut about = vec![("ID", id)];
        about.extend(position(bounds));
        if let Some((kind, label)) = node.annotation.and_then(|_| self.tag(node))
            && let Some((.., id)) =
                self.tags.iter().find(|(known, name, _)| *known == kind && *name == label)
        {
            about.push(("TAGREFS", id.clone()));
        }
        if let Some(more) = self.tree.of(node).and_then(|annotation| annotation.more.as_ref()) {
            about.extend(known(element, &more.attributes));
        }
        about
    }

    fn bounds(&self, node: &Node) -> Option<Box2> {
        let (width, height) = (f64::from(self.image.width), f64::from(self.image.height));
        self.tree.bounds(node).or(Some(Box2::new(0.0, 0.0, width, height)))
    }

    fn block(&mut self, xml: &mut Writer, node: &Node) {
        let name = self.element(node).name;
        if FRAMES.contains(&name) && node.annotation.is_some() {
            return;
        }
        let of = |child: &Node| self.tree.of(child).map_or(Level::Line, tree::level);
        let (regions, lines): (Vec<&Node>, Vec<&Node>) =
            node.children.iter().partition(|child| of(child) == Level::Region);
        let is_composed = !regions.is_empty() || (!lines.is_empty() && name != "TextRegion");
        let element = match name {
            _ if is_composed => "ComposedBlock",
            "TextRegion" => "TextBlock",
            "SeparatorRegion" => "GraphicalElement",
            _ => "Illustration",
        };
        let bounds = self.bounds(node);
        let about = self.about(node, element, bounds);
        open(xml, element, &about);
        self.shape(xml, node);
        for region in regions {
            self.block(xml, region);
        }
        if is_composed && !lines.is_empty() {
            let inner = Node { annotation: None, children: lines.into_iter().cloned().collect() };
            self.block(xml, &inner);
        } else if element == "TextBlock" {
            for line in &lines {
                self.line(xml, line);
            }
            if lines.is_empty() {
                self.text_of_block(xml, node, bounds);
            }
        }
        xml.close();
    }

    /// The text of a block without lines comes into lines of the block's size.
    fn text_of_block(&mut self, xml: &mut Writer, node: &Node, bounds: Option<Box2>) {
        let Some(text) = self.tree.of(node).and_then(|annotation| annotation.text()) else {
            return;
        };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let mut about = vec![("ID", self.ids.fresh("made"))];
            about.extend(position(bounds));
            open(xml, "TextLine", &about);
            let mut about = vec![("CONTENT", line.to_owned())];
            about.extend(position(bounds));
            empty(xml, "String", &about);
            xml.close();
        }
    }

    fn line(&mut self, xml: &mut Writer, node: &Node) {
        let bounds = self.bounds(node);
        let mut about = self.about(node, "TextLine", bounds);
        let annotation = self.tree.of(node);
        let baseline: &[Point] = match annotation.map(|line| (&line.more, &line.shape)) {
            Some((Some(more), _)) if !more.baseline.is_empty() => &more.baseline,
            Some((_, Shape::Polyline(points))) => points,
            _ => &[],
        };
        if !baseline.is_empty() {
            about.push((
                "BASELINE",
                match self.version {
                    Version::V4 => joined(baseline),
                    // a number until 4.0: the middle of it
                    _ => {
                        let sum: f64 = baseline.iter().map(|point| point.y).sum();
                        (sum / baseline.len() as f64).round().to_string()
                    }
                },
            ));
        }
        let readings =
            annotation.and_then(|line| line.more.as_ref()).map_or(&[][..], |more| &more.text);
        if let Some(language) = readings.first().and_then(|reading| reading.language.as_deref())
            && schema::fits("TextLine", "LANG", language)
        {
            about.push(("LANG", language.to_owned()));
        }
        open(xml, "TextLine", &about);
        self.shape(xml, node);
        let words: Vec<(&Node, &[Transcription])> = node
            .children
            .iter()
            .filter_map(|word| Some((word, &*self.tree.of(word)?.more.as_ref()?.text)))
            .collect();
        let has_text = words.iter().any(|(_, text)| !text.is_empty());
        let whole = readings.first().map_or("", |reading| &reading.text);
        if words.is_empty() || (!has_text && !whole.is_empty()) {
            let mut about = vec![("CONTENT", whole.to_owned())];
            about.extend(position(bounds));
            let sure = readings.first().and_then(|reading| reading.confidence);
            about.extend(sure.map(|sure| ("WC", sure.clamp(0.0, 1.0).to_string())));
            self.string(xml, &about, readings.get(1..).unwrap_or_default(), &[]);
        } else {
            let mut spoken = String::new();
            for (at, (word, readings)) in words.into_iter().enumerate() {
                if at > 0 {
                    xml.empty("SP", &[]);
                    spoken.push(' ');
                }
                let content = readings.first().map_or("", |reading| &reading.text);
                spoken.push_str(content);
                let mut about = vec![("ID", self.ids.take(word.annotation))];
                about.push(("CONTENT", content.to_owned()));
                about.extend(position(self.tree.bounds(word)));
                let sure = readings.first().and_then(|reading| reading.confidence);
                about.extend(sure.map(|sure| ("WC", sure.clamp(0.0, 1.0).to_string())));
                let others = readings.get(1..).unwrap_or_default();
                self.string(xml, &about, others, std::slice::from_ref(word));
            }
            if let Some(hyphen) = whole.strip_prefix(&*spoken)
                && matches!(hyphen, "-" | "\u{ad}" | "¬" | "⸗" | "=" | "‐")
            {
                xml.empty("HYP", &[("CONTENT", &hyphen)]);
            }
        }
        xml.close();
    }

    /// Writes a string; `word` is the node of its shape and glyphs, if it has one.
    fn string(
        &mut self,
        xml: &mut Writer,
        about: &[(&'static str, String)],
        others: &[Transcription],
        word: &[Node],
    ) {
        let glyphs: Vec<&Node> = word
            .iter()
            .flat_map(|word| &word.children)
            .filter(|glyph| self.version > Version::V2 && self.letter(glyph).is_some())
            .collect();
        let has_shape =
            word.iter().filter_map(|word| self.tree.of(word)).any(|word| word.shape != Shape::None);
        if others.is_empty() && glyphs.is_empty() && !has_shape {
            return empty(xml, "String", about);
        }
        open(xml, "String", about);
        for word in word {
            self.shape(xml, word);
        }
        for other in others {
            xml.leaf("ALTERNATIVE", &other.text);
        }
        for glyph in glyphs {
            let Some((letter, sure)) = self.letter(glyph) else { continue };
            let mut about =
                vec![("ID", self.ids.take(glyph.annotation)), ("CONTENT", letter.to_string())];
            about.extend(position(self.tree.bounds(glyph)));
            about.extend(sure.map(|sure| ("GC", sure.clamp(0.0, 1.0).to_string())));
            open(xml, "Glyph", &about);
            self.shape(xml, glyph);
            xml.close();
        }
        xml.close();
    }

    /// A glyph's letter: ALTO holds one and no more.
    fn letter(&self, glyph: &Node) -> Option<(char, Option<f32>)> {
        let reading = self.tree.of(glyph)?.more.as_ref()?.text.first()?;
        let mut letters = reading.text.chars();
        let letter = letters.next()?;
        letters.next().is_none().then_some((letter, reading.confidence))
    }

    fn shape(&self, xml: &mut Writer, node: &Node) {
        let Some(annotation) = self.tree.of(node) else { return };
        if matches!(annotation.shape, Shape::Polygon(_) | Shape::Ellipse(_)) {
            let outline = points::outline(&annotation.shape, annotation.bounds());
            xml.open("Shape", &[]);
            xml.empty("Polygon", &[("POINTS", &joined(&outline))]);
            xml.close();
        }
    }

    fn order(&mut self, xml: &mut Writer, order: &ReadingOrder) {
        xml.open("ReadingOrder", &[]);
        match order {
            ReadingOrder::Region(_) => self.group(xml, &ReadingOrder::Ordered(vec![order.clone()])),
            ReadingOrder::Ordered(_) | ReadingOrder::Unordered(_) => self.group(xml, order),
        }
        xml.close();
    }

    fn group(&mut self, xml: &mut Writer, order: &ReadingOrder) {
        let (name, members) = match order {
            ReadingOrder::Region(at) => {
                let (id, of) = (self.ids.fresh("ref"), self.ids.of_annotation(*at));
                return xml.empty("ElementRef", &[("ID", &id), ("REF", &of)]);
            }
            ReadingOrder::Ordered(members) => ("OrderedGroup", members),
            ReadingOrder::Unordered(members) => ("UnorderedGroup", members),
        };
        let id = self.ids.fresh("ro");
        xml.open(name, &[("ID", &id)]);
        for member in members {
            self.group(xml, member);
        }
        xml.close();
    }
}

/// What `element` may say of what is said.
fn known(element: &str, said: &Attributes) -> Vec<(&'static str, String)> {
    let known = schema::SCHEMA.optional(element).filter(|name| !schema::WRITTEN.contains(name));
    known
        .filter_map(|name| {
            let text = said.get(name)?.as_str()?.to_owned();
            schema::fits(element, name, &text).then_some((name, text))
        })
        .collect()
}

fn position(bounds: Option<Box2>) -> Vec<(&'static str, String)> {
    let Some(bounds) = bounds else { return Vec::new() };
    let sides = [bounds.x, bounds.y, bounds.width, bounds.height];
    ["HPOS", "VPOS", "WIDTH", "HEIGHT"]
        .into_iter()
        .zip(sides.map(|side| side.to_string()))
        .collect()
}

fn joined(points: &[Point]) -> String {
    let mut text = String::with_capacity(points.len() * 10);
    for point in points {
        if !text.is_empty() {
            text.push(' ');
        }
        let _ = write!(text, "{} {}", point.x, point.y);
    }
    text
}

fn open(xml: &mut Writer, name: &'static str, about: &[(&'static str, String)]) {
    let about: Vec<(&str, &dyn Display)> =
        about.iter().map(|(key, value)| (*key, value as &dyn Display)).collect();
    xml.open(name, &about);
}

fn empty(xml: &mut Writer, name: &'static str, about: &[(&'static str, String)]) {
    let about: Vec<(&str, &dyn Display)> =
        about.iter().map(|(key, value)| (*key, value as &dyn Display)).collect();
    xml.empty(name, &about);
}
