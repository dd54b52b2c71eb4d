//! Reads ALTO.

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;

use crate::error::{FormatError, Result};
use crate::formats::pages::kinds::REGIONS;
use crate::formats::pages::{CONTAINER, Kinds, files, points, tree};
use crate::model::{
    Annotation, AnnotationIx, Attributes, Box2, Dataset, Ellipse, Image, Level, Note, Point,
    Polygon, ReadingOrder, Shape, Transcription,
};
use crate::pixels;
use crate::xml::{XmlFile, attribute, child, children, text};

type Xml<'a, 'i> = roxmltree::Node<'a, 'i>;

/// Reads one file, mostly of one page; `image` makes an image of the name that it gives it.
///
/// What isn't ALTO is nothing.
pub fn pages(file: &XmlFile, image: &dyn Fn(&str) -> Image) -> Result<Option<Dataset>> {
    let document = file.parse()?;
    let root = document.root_element();
    if root.tag_name().name() != "alto" {
        return Ok(None);
    }
    let about = child(root, "Description");
    let source = about.and_then(|about| child(about, "sourceImageInformation"));
    let named = source.and_then(|source| text(source, "fileName")).unwrap_or_default();
    let unit = about.and_then(|about| text(about, "MeasurementUnit")).unwrap_or("pixel");
    let layout = child(root, "Layout").ok_or_else(|| file.error(root, "there is no <Layout>"))?;
    let tags = tags(root);
    let mut whole = Dataset::default();
    for (count, page) in children(layout, "Page").enumerate() {
        let mut found = image(named);
        if count > 0 {
            // a file for each page is the rule; the others need names of their own
            found.name = format!("{}[{}]", found.name, count + 1).into();
            found.file = None;
        }
        let mut reader = Reader {
            file,
            tags: &tags,
            kinds: Kinds::default(),
            dataset: Dataset::default(),
            keys: FxHashMap::default(),
            next: Vec::new(),
            scale: 1.0,
        };
        reader.page(page, found, unit)?;
        if let Some(order) = child(root, "ReadingOrder") {
            reader.order(order)?;
        } else {
            reader.order_by_next();
        }
        let Reader { mut dataset, kinds, .. } = reader;
        dataset.categories = kinds.categories;
        whole.append(dataset);
    }
    Ok(Some(whole))
}

/// A tag: its label, and the element of PAGE that it says it is.
#[derive(Clone, Copy)]
struct Tag<'a> {
    label: &'a str,
    kind: &'a str,
}

fn tags<'a>(root: Xml<'a, '_>) -> FxHashMap<&'a str, Tag<'a>> {
    let tags = child(root, "Tags").into_iter().flat_map(|tags| tags.children());
    let types = ["OtherTag", "LayoutTag", "StructureTag", "RoleTag"];
    tags.filter(|tag| types.contains(&tag.tag_name().name()))
        .filter_map(|tag| {
            let label = attribute(tag, "LABEL")?.trim();
            let kind = attribute(tag, "TYPE").unwrap_or_default().trim();
            Some((attribute(tag, "ID")?.trim(), Tag { label, kind }))
        })
        .collect()
}

struct Reader<'f, 't> {
    file: &'f XmlFile,
    tags: &'f FxHashMap<&'t str, Tag<'t>>,
    kinds: Kinds,
    dataset: Dataset,
    keys: FxHashMap<Box<str>, AnnotationIx>,
    next: Vec<(AnnotationIx, Box<str>)>,
    /// Pixels per unit.
    scale: f64,
}

/// Attributes that are read otherwise.
const TAKEN: [&str; 20] = [
    "ID",
    "HPOS",
    "VPOS",
    "WIDTH",
    "HEIGHT",
    "TAGREFS",
    "STYLEREFS",
    "PROCESSINGREFS",
    "TYPE",
    "BASELINE",
    "CONTENT",
    "WC",
    "GC",
    "CC",
    "LANG",
    "language",
    "IDNEXT",
    "FILEID",
    "PROCESSING",
    "type",
];

impl<'t> Reader<'_, 't> {
    fn page(&mut self, page: Xml<'_, '_>, mut image: Image, unit: &str) -> Result<()> {
        let (width, height) = (
            self.number(page, "WIDTH")?.unwrap_or(0.0),
            self.number(page, "HEIGHT")?.unwrap_or(0.0),
        );
        if unit != "pixel" {
            let measured = image.file.as_deref().map(pixels::measure).and_then(Result::ok);
            match measured {
                Some(measured) if width > 0.0 => self.scale = f64::from(measured.width) / width,
                _ => self.dataset.notes.push(Note {
                    code: "unit",
                    at: self.file.position(page),
                    message: format!(
                        "the page counts in {unit}, and without its image nobody knows how many \
                         pixels that is: numbers are left as they are"
                    ),
                }),
            }
        }
        let side = |side: f64| (side * self.scale).round().clamp(0.0, f64::from(u32::MAX)) as u32;
        (image.width, image.height) = (side(width), side(height));
        let attributes = attributes(page);
        image.attributes = (!attributes.is_empty()).then(|| Box::new(attributes));
        if let Some(split) = files::split_of(image.name.as_ref().into()).map(str::to_owned) {
            image.splits.insert(self.dataset.split(&split));
        }
        let whole = Box2::new(0.0, 0.0, f64::from(image.width), f64::from(image.height));
        self.dataset.images.push(image);
        for space in page.children().filter(Xml::is_element) {
            if space.tag_name().name() == "PrintSpace" {
                let bounds = self.bounds(space)?;
                if bounds.is_some_and(|bounds| bounds != whole && bounds.area() > 0.0) {
                    let category = self.kinds.of("PrintSpace", None);
                    self.push(space, Level::Region, category, None)?;
                }
            }
            for block in space.children().filter(Xml::is_element) {
                self.block(block, None, 0)?;
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        node: Xml<'_, '_>,
        parent: Option<AnnotationIx>,
        depth: usize,
    ) -> Result<()> {
        let element = match node.tag_name().name() {
            "TextBlock" | "ComposedBlock" => "TextRegion",
            "Illustration" => "ImageRegion",
            "GraphicalElement" => "SeparatorRegion",
            "TextLine" => return self.line(node, parent),
            _ => return Ok(()),
        };
        if depth > tree::DEEPEST {
            let what = format!("blocks in each other more than {} deep", tree::DEEPEST);
            return Err(FormatError::refused(self.file.position(node), what));
        }
        if attribute(node, "ID").is_some_and(|id| id.trim().starts_with(CONTAINER)) {
            let mut inner = node.children().filter(Xml::is_element);
            return inner.try_for_each(|inner| self.block(inner, parent, depth + 1));
        }
        let tag = self.tag(node);
        let label = tag.map(|tag| tag.label).or_else(|| attribute(node, "TYPE"));
        let by_tag = |word: &str| REGIONS.iter().copied().find(|region| *region == word);
        let (element, kind) = match tag.and_then(|tag| by_tag(tag.kind)) {
            Some(region) => (region, label.filter(|label| *label != region)),
            None => match label.and_then(by_tag) {
                Some(region) => (region, None),
                None => (element, label),
            },
        };
        let category = self.kinds.of(element, kind);
        let at = self.push(node, Level::Region, category, parent)?;
        self.dataset.annotations[at as usize].more_mut().region_type = kind.map(Into::into);
        for inner in node.children().filter(Xml::is_element) {
            self.block(inner, Some(at), depth + 1)?;
        }
        Ok(())
    }

    fn line(&mut self, node: Xml<'_, '_>, parent: Option<AnnotationIx>) -> Result<()> {
        let kind = self.tag(node).map(|tag| tag.label);
        let category = self.kinds.of("TextLine", kind);
        let at = self.push(node, Level::Line, category, parent)?;
        let baseline = self.baseline(node)?;
        let line = &mut self.dataset.annotations[at as usize];
        if !baseline.is_empty() {
            // eScriptorium's box of a line without an outline
            line.bbox = line.bbox.filter(|bounds| bounds.area() > 0.0);
        }
        let more = line.more_mut();
        more.region_type = kind.map(Into::into);
        more.baseline = baseline;
        let strings: Vec<Xml<'_, '_>> = children(node, "String").collect();
        let pieces = || node.children().filter(|piece| piece.has_tag_name_local(&["SP", "HYP"]));
        let has_spaces = pieces().any(|piece| piece.tag_name().name() == "SP");
        let (mut whole, mut is_first) = (String::new(), true);
        for piece in node.children().filter(Xml::is_element) {
            match piece.tag_name().name() {
                "String" => {
                    if !is_first && !has_spaces {
                        whole.push(' ');
                    }
                    is_first = false;
                    whole.push_str(attribute(piece, "CONTENT").unwrap_or_default());
                }
                "SP" => whole.push(' '),
                "HYP" => whole.push_str(attribute(piece, "CONTENT").unwrap_or_default()),
                _ => {}
            }
        }
        let mut confidence = None;
        let is_whole_line = match strings[..] {
            [only] => {
                let is_plain = pieces().next().is_none() && child(only, "Glyph").is_none();
                let bounds = self.bounds(only)?;
                confidence = share(only, "WC");
                is_plain && (bounds.is_none() || bounds == self.bounds(node)?)
            }
            _ => false,
        };
        if !whole.is_empty() {
            let language = attribute(node, "LANG").map(Into::into);
            let confidence = confidence.filter(|_| is_whole_line);
            let mut text = vec![Transcription { text: whole.into(), confidence, language }];
            if is_whole_line {
                text.extend(strings.iter().flat_map(|only| alternatives(*only, "ALTERNATIVE")));
            }
            self.dataset.annotations[at as usize].more_mut().text = text;
        }
        if !is_whole_line {
            for string in strings {
                self.word(string, at)?;
            }
        }
        Ok(())
    }

    fn word(&mut self, node: Xml<'_, '_>, line: AnnotationIx) -> Result<()> {
        let category = self.kinds.of("Word", None);
        let at = self.push(node, Level::Word, category, Some(line))?;
        let readings = readings(node, "WC", "ALTERNATIVE");
        self.dataset.annotations[at as usize].more_mut().text = readings;
        for glyph in children(node, "Glyph") {
            let category = self.kinds.of("Glyph", None);
            let inner = self.push(glyph, Level::Glyph, category, Some(at))?;
            let readings = self::readings(glyph, "GC", "Variant");
            self.dataset.annotations[inner as usize].more_mut().text = readings;
        }
        Ok(())
    }

    /// Adds an annotation with what all elements may have: id, box, shape, attributes.
    fn push(
        &mut self,
        node: Xml<'_, '_>,
        level: Level,
        category: u32,
        parent: Option<AnnotationIx>,
    ) -> Result<AnnotationIx> {
        let at = self.dataset.annotations.len() as AnnotationIx;
        let shape = self.shape(node)?;
        let bounds = self.bounds(node)?;
        // a box that only repeats the shape's isn't said twice
        let repeats = |own: &Box2| {
            shape.bounds().is_some_and(|around| {
                let near = |a: f64, b: f64| (a - b).abs() <= 1.0;
                near(own.x, around.x)
                    && near(own.y, around.y)
                    && near(own.right(), around.right())
                    && near(own.bottom(), around.bottom())
            })
        };
        let bbox = bounds.filter(|own| !repeats(own));
        let mut annotation =
            Annotation { category: Some(category), bbox, shape, ..Annotation::default() };
        let more = annotation.more_mut();
        more.level = Some(level);
        more.parent = parent;
        more.attributes = attributes(node);
        if let Some(key) = attribute(node, "ID").map(str::trim) {
            more.key = Some(key.into());
            self.keys.entry(key.into()).or_insert(at);
        }
        if let Some(next) = attribute(node, "IDNEXT") {
            self.next.push((at, next.trim().into()));
        }
        self.dataset.annotations.push(annotation);
        Ok(at)
    }

    fn tag(&self, node: Xml<'_, '_>) -> Option<Tag<'t>> {
        let references = attribute(node, "TAGREFS")?;
        references.split_ascii_whitespace().find_map(|id| self.tags.get(id)).copied()
    }

    fn number(&self, node: Xml<'_, '_>, name: &str) -> Result<Option<f64>> {
        let Some(text) = attribute(node, name).map(str::trim).filter(|text| !text.is_empty())
        else {
            return Ok(None);
        };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.file.error(node, format!("`{text}` in `{name}` is not a number"))),
        }
    }

    fn bounds(&self, node: Xml<'_, '_>) -> Result<Option<Box2>> {
        let get = |name| self.number(node, name);
        let (Some(x), Some(y)) = (get("HPOS")?, get("VPOS")?) else { return Ok(None) };
        let (width, height) = (get("WIDTH")?.unwrap_or(0.0), get("HEIGHT")?.unwrap_or(0.0));
        let scaled = |value: f64| value * self.scale;
        Ok(Some(Box2::new(scaled(x), scaled(y), scaled(width), scaled(height))))
    }

    fn points(&self, node: Xml<'_, '_>, text: &str) -> Result<Vec<Point>> {
        let mut points = points::parse(text).map_err(|what| self.file.error(node, what))?;
        if (self.scale - 1.0).abs() > f64::EPSILON {
            for point in &mut points {
                *point = Point::new(point.x * self.scale, point.y * self.scale);
            }
        }
        Ok(points)
    }

    fn shape(&self, node: Xml<'_, '_>) -> Result<Shape> {
        let Some(inner) = child(node, "Shape").and_then(|shape| shape.first_element_child()) else {
            return Ok(Shape::None);
        };
        let get = |name| self.number(inner, name).map(|number| number.unwrap_or(0.0) * self.scale);
        Ok(match inner.tag_name().name() {
            "Polygon" => {
                let ring = self.points(inner, attribute(inner, "POINTS").unwrap_or_default())?;
                match ring.is_empty() {
                    true => Shape::None,
                    false => Shape::Polygon(Polygon::simple(ring)),
                }
            }
            "Ellipse" => Shape::Ellipse(Box::new(Ellipse {
                centre: Point::new(get("HPOS")?, get("VPOS")?),
                radius_x: get("HLENGTH")? / 2.0,
                radius_y: get("VLENGTH")? / 2.0,
                rotation: self.number(inner, "ROTATION")?.unwrap_or(0.0),
            })),
            "Circle" => {
                let radius = get("RADIUS")?;
                Shape::Ellipse(Box::new(Ellipse {
                    centre: Point::new(get("HPOS")?, get("VPOS")?),
                    radius_x: radius,
                    radius_y: radius,
                    rotation: 0.0,
                }))
            }
            _ => Shape::None,
        })
    }

    fn baseline(&self, node: Xml<'_, '_>) -> Result<Vec<Point>> {
        let Some(text) = attribute(node, "BASELINE") else { return Ok(Vec::new()) };
        // until version 4.0 it is a height
        if let Ok(height) = text.trim().parse::<f64>()
            && height.is_finite()
        {
            let (height, bounds) = (height * self.scale, self.bounds(node)?);
            return Ok(bounds.map_or(Vec::new(), |bounds| {
                vec![Point::new(bounds.x, height), Point::new(bounds.right(), height)]
            }));
        }
        self.points(node, text)
    }

    fn order(&mut self, node: Xml<'_, '_>) -> Result<()> {
        let mut groups = Vec::new();
        for group in node.children().filter(Xml::is_element) {
            groups.extend(self.group(group, 0)?);
        }
        let order = match groups.len() {
            0 | 1 => groups.pop(),
            _ => Some(ReadingOrder::Ordered(groups)),
        };
        if let Some(image) = self.dataset.images.last_mut() {
            image.reading_order = order.map(Box::new);
        }
        Ok(())
    }

    fn group(&mut self, node: Xml<'_, '_>, depth: usize) -> Result<Option<ReadingOrder>> {
        if depth > tree::DEEPEST {
            let what = format!("groups in each other more than {} deep", tree::DEEPEST);
            return Err(FormatError::refused(self.file.position(node), what));
        }
        let is_ordered = match node.tag_name().name() {
            "OrderedGroup" => true,
            "UnorderedGroup" => false,
            "ElementRef" => {
                let references = attribute(node, "REF").unwrap_or_default();
                let mut found = Vec::new();
                for key in references.split_ascii_whitespace() {
                    match self.keys.get(key) {
                        Some(at) => found.push(ReadingOrder::Region(*at)),
                        None => self.dataset.notes.push(Note {
                            code: "unknown-region",
                            at: self.file.position(node),
                            message: format!("the reading order names `{key}`, which is not there"),
                        }),
                    }
                }
                return Ok(match found.len() {
                    0 | 1 => found.pop(),
                    _ => Some(ReadingOrder::Ordered(found)),
                });
            }
            _ => return Ok(None),
        };
        let mut members = Vec::new();
        for inner in node.children().filter(Xml::is_element) {
            members.extend(self.group(inner, depth + 1)?);
        }
        Ok((!members.is_empty()).then_some(match is_ordered {
            true => ReadingOrder::Ordered(members),
            false => ReadingOrder::Unordered(members),
        }))
    }

    /// Follows `IDNEXT` from the first block to the last.
    fn order_by_next(&mut self) {
        let next: FxHashMap<AnnotationIx, AnnotationIx> =
            self.next.iter().filter_map(|(at, key)| Some((*at, *self.keys.get(key)?))).collect();
        if next.is_empty() {
            return;
        }
        let named: FxHashSet<AnnotationIx> = next.values().copied().collect();
        let mut order = Vec::new();
        let mut seen = FxHashSet::default();
        let mut starts: Vec<AnnotationIx> =
            next.keys().copied().filter(|at| !named.contains(at)).collect();
        starts.sort_unstable();
        for start in starts {
            let mut at = Some(start);
            while let Some(here) = at.filter(|here| seen.insert(*here)) {
                order.push(ReadingOrder::Region(here));
                at = next.get(&here).copied();
            }
        }
        if let Some(image) = self.dataset.images.last_mut()
            && !order.is_empty()
        {
            image.reading_order = Some(Box::new(ReadingOrder::Ordered(order)));
        }
    }
}

/// Names of elements, whatever their namespace.
trait Named {
    fn has_tag_name_local(&self, names: &[&str]) -> bool;
}

impl Named for Xml<'_, '_> {
    fn has_tag_name_local(&self, names: &[&str]) -> bool {
        self.is_element() && names.contains(&self.tag_name().name())
    }
}

fn readings(node: Xml<'_, '_>, confidence: &str, other: &str) -> Vec<Transcription> {
    let text = attribute(node, "CONTENT").unwrap_or_default();
    let others = alternatives(node, other);
    if text.is_empty() && others.is_empty() {
        return others;
    }
    let first = Transcription {
        text: text.into(),
        confidence: share(node, confidence),
        language: attribute(node, "LANG").map(Into::into),
    };
    std::iter::once(first).chain(others).collect()
}

fn alternatives(node: Xml<'_, '_>, name: &str) -> Vec<Transcription> {
    let others = children(node, name);
    others
        .filter_map(|other| {
            let text = attribute(other, "CONTENT").or_else(|| other.text())?;
            let confidence = share(other, "VC");
            Some(Transcription { text: text.into(), confidence, language: None })
        })
        .collect()
}

fn share(node: Xml<'_, '_>, name: &str) -> Option<f32> {
    attribute(node, name)?.trim().parse().ok().filter(|share: &f32| share.is_finite())
}

fn attributes(node: Xml<'_, '_>) -> Attributes {
    let kept = node.attributes().filter(|attribute| !TAKEN.contains(&attribute.name()));
    kept.map(|attribute| (attribute.name().to_owned(), Value::from(attribute.value()))).collect()
}
