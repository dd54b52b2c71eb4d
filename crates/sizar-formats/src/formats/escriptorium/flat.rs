//! A page as eScriptorium knows it: regions beside each other, each with lines, each with one text.
//!
//! Its import reads the `TextRegion`s of a PAGE file that lie in no other, and of a line the words
//! where there are some, joined by spaces; of two readings it takes both. It goes by the order of the
//! file, and has lines without a region in one of the name [`CONTAINER`]
//! (`apps/imports/parsers.py` and the templates of its export).

use rustc_hash::FxHashMap;

use crate::formats::pages::kinds::{self, Element, FRAMES};
use crate::formats::pages::{CONTAINER, Node, Tree, tree};
use crate::model::{
    Annotation, AnnotationIx, Box2, Dataset, Image, Level, Polygon, ReadingOrder, Shape,
    Transcription,
};

/// Longer names of regions and lines are refused by its database.
const LONGEST_KEY: usize = 128;

/// Returns the page of `image` so that nothing of it is lost there: one image, no categories.
pub fn flatten(dataset: &Dataset, image: &Image, annotations: &[AnnotationIx]) -> Dataset {
    let tree = Tree::build(dataset, annotations);
    let said = image.reading_order.as_deref().map(ReadingOrder::flat).unwrap_or_default();
    let mut order = FxHashMap::default();
    for (at, annotation) in said.into_iter().enumerate() {
        order.entry(annotation).or_insert(at);
    }
    let mut flat = Flat { tree: &tree, order: &order, regions: Vec::new() };
    for region in &tree.regions {
        flat.region(region, None);
    }
    let mut regions = flat.regions;
    regions.sort_by_key(|region| region.rank);
    let mut page = Dataset {
        images: vec![Image { reading_order: None, ..image.clone() }],
        ..Dataset::default()
    };
    for Region { annotation, mut lines, .. } in regions {
        let parent = page.annotations.len() as AnnotationIx;
        page.annotations.push(annotation);
        lines.sort_by_key(|(rank, _)| *rank);
        page.annotations.extend(lines.into_iter().map(|(_, mut line)| {
            line.more_mut().parent = Some(parent);
            line
        }));
    }
    page
}

/// A region with its lines; the rank is its place in the reading order.
struct Region {
    rank: usize,
    annotation: Annotation,
    lines: Vec<(usize, Annotation)>,
}

struct Flat<'a> {
    tree: &'a Tree<'a>,
    order: &'a FxHashMap<AnnotationIx, usize>,
    regions: Vec<Region>,
}

impl Flat<'_> {
    fn region(&mut self, node: &Node, above: Option<usize>) {
        let own = self.tree.of(node);
        let Element { name, kind } = self.element(node, Level::Region);
        if FRAMES.contains(&name) {
            return;
        }
        let is_line = |child: &&Node| self.tree.of(child).map(tree::level) != Some(Level::Region);
        let lines: Vec<(usize, Annotation)> = node
            .children
            .iter()
            .filter(is_line)
            .map(|line| (self.rank(line).unwrap_or(usize::MAX), self.line(line)))
            .collect();
        let of_lines = lines.iter().map(|(rank, _)| *rank).min().filter(|rank| *rank < usize::MAX);
        let rank = self.rank(node).or(of_lines).or(above);
        let mut annotation = self.placed(node, Level::Region);
        if own.is_none() {
            annotation.more_mut().key = Some(CONTAINER.into());
        }
        // what is no text for PAGE is a type of region there
        let kind = kind.or(Some(name).filter(|name| *name != "TextRegion"));
        annotation.more_mut().region_type = kind.map(Into::into);
        let lines = match lines.iter().any(|(_, line)| line.text().is_some()) {
            true => lines,
            false => self.with_text(node, lines),
        };
        let rank_or_last = rank.unwrap_or(usize::MAX);
        self.regions.push(Region { rank: rank_or_last, annotation, lines });
        for inner in node.children.iter().filter(|child| !is_line(child)) {
            self.region(inner, rank);
        }
    }

    fn element(&self, node: &Node, level: Level) -> Element<'_> {
        let own = self.tree.of(node);
        let kind = own.and_then(|own| own.more.as_ref()?.region_type.as_deref());
        let category = own.and_then(|own| own.category);
        kinds::element(self.tree.dataset, category, level, kind)
    }

    fn rank(&self, node: &Node) -> Option<usize> {
        self.order.get(&node.annotation?).copied()
    }

    /// Returns what has the place and the name of a node, and nothing else yet.
    fn placed(&self, node: &Node, level: Level) -> Annotation {
        let mut placed = Annotation::default();
        if let Some(own) = self.tree.of(node) {
            (placed.bbox, placed.shape) = (own.bbox, own.shape.clone());
            let key = own.more.as_ref().and_then(|more| more.key.clone());
            placed.more_mut().key = key.filter(|key| key.len() <= LONGEST_KEY);
        } else {
            placed.bbox = self.tree.bounds(node);
        }
        placed.more_mut().level = Some(level);
        placed
    }

    fn line(&self, node: &Node) -> Annotation {
        let mut line = self.placed(node, Level::Line);
        let own = self.tree.of(node);
        let readings = own.and_then(|own| Some(&*own.more.as_ref()?.text)).unwrap_or_default();
        let said = readings.first().filter(|reading| !reading.text.is_empty()).cloned();
        let words = node.children.iter().filter_map(|word| self.tree.of(word)?.text());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let joined = || (!words.is_empty()).then(|| Transcription::of(words.join(" ")));
        let more = line.more_mut();
        more.text = said.or_else(joined).into_iter().collect();
        more.region_type = self.element(node, Level::Line).kind.map(Into::into);
        if let Some(own) = own {
            more.baseline = own.more.as_ref().map(|more| more.baseline.clone()).unwrap_or_default();
        }
        line
    }

    /// The text of a region whose lines have none is theirs, a line each; where they are not as many,
    /// it comes into lines that share its height.
    fn with_text(
        &self,
        node: &Node,
        mut there: Vec<(usize, Annotation)>,
    ) -> Vec<(usize, Annotation)> {
        let (own, bounds) = (self.tree.of(node), self.tree.bounds(node));
        let Some((text, bounds)) = own.and_then(Annotation::text).zip(bounds) else {
            return there;
        };
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.len() == there.len() {
            there.sort_by_key(|(rank, _)| *rank);
            for ((_, line), text) in there.iter_mut().zip(lines) {
                line.more_mut().text = vec![Transcription::of(text)];
            }
            return there;
        }
        let height = bounds.height / lines.len().max(1) as f64;
        let line = |(at, text): (usize, &&str)| {
            let top = bounds.y + height * at as f64;
            let corners = Box2::new(bounds.x, top, bounds.width, height).corners();
            let shape = Shape::Polygon(Polygon::simple(corners));
            let mut line = Annotation { shape, ..Annotation::default() };
            line.more_mut().level = Some(Level::Line);
            line.more_mut().text = vec![Transcription::of(*text)];
            (at, line)
        };
        there.extend(lines.iter().enumerate().map(line));
        there
    }
}
