//! Regions, lines, words and glyphs in each other, for writers that nest them.

use rustc_hash::FxHashSet;

use crate::model::{Annotation, AnnotationIx, Box2, Dataset, Level, ReadingOrder, Shape};

/// An annotation in its place; one without an index holds orphans.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub annotation: Option<AnnotationIx>,
    pub children: Vec<Node>,
}

/// The hierarchy of a page: regions, with what is in them.
pub struct Tree<'a> {
    pub dataset: &'a Dataset,
    pub regions: Vec<Node>,
}

/// Returns the level of an annotation: what it says, else a line if it has one, else a region.
pub fn level(annotation: &Annotation) -> Level {
    let more = annotation.more.as_ref();
    more.and_then(|more| more.level).unwrap_or_else(|| {
        let is_line = more.is_some_and(|more| !more.baseline.is_empty())
            || matches!(annotation.shape, Shape::Polyline(_));
        if is_line { Level::Line } else { Level::Region }
    })
}

impl<'a> Tree<'a> {
    /// Builds the hierarchy of the annotations of one image.
    ///
    /// Lines without a region come into one that is made for them, and words into lines.
    pub fn build(dataset: &'a Dataset, annotations: &[AnnotationIx]) -> Self {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); annotations.len()];
        let mut tops = Vec::new();
        let place = |at: AnnotationIx| annotations.binary_search(&at).ok();
        let get = |at: AnnotationIx| &dataset.annotations[at as usize];
        for (at, index) in annotations.iter().enumerate() {
            let annotation = get(*index);
            // a parent has to be above: that rules out circles
            let parent = annotation
                .more
                .as_ref()
                .and_then(|more| more.parent)
                .and_then(place)
                .filter(|parent| *parent != at)
                .filter(|parent| {
                    let (above, below) = (level(get(annotations[*parent])), level(annotation));
                    above < below || (above == Level::Region && below == above && *parent < at)
                });
            match parent {
                Some(parent) => children[parent].push(at),
                None => tops.push(at),
            }
        }
        let mut tree = Self { dataset, regions: Vec::new() };
        let mut orphans = Vec::new();
        for top in tops {
            let node = grow(annotations, &mut children, top, 0);
            match level(get(annotations[top])) {
                Level::Region => tree.regions.push(node),
                Level::Line => orphans.push(node),
                Level::Word => orphans.push(Node { annotation: None, children: vec![node] }),
                // a glyph without its word says nothing
                Level::Glyph => {}
            }
        }
        for region in &mut tree.regions {
            tree_words(dataset, region);
        }
        if !orphans.is_empty() {
            tree.regions.push(Node { annotation: None, children: orphans });
        }
        tree
    }

    /// Returns the annotation of a node, if it has one.
    pub fn of(&self, node: &Node) -> Option<&'a Annotation> {
        node.annotation.map(|at| &self.dataset.annotations[at as usize])
    }

    /// Returns the box of a node: its own, else the one around its children.
    pub fn bounds(&self, node: &Node) -> Option<Box2> {
        self.of(node).and_then(Annotation::bounds).or_else(|| {
            let boxes = node.children.iter().filter_map(|child| self.bounds(child));
            Box2::around(boxes.flat_map(|bounds| bounds.corners()))
        })
    }
}

fn grow(
    annotations: &[AnnotationIx],
    children: &mut [Vec<usize>],
    at: usize,
    depth: usize,
) -> Node {
    let below = std::mem::take(&mut children[at]);
    let children = match depth < super::tree::DEEPEST {
        true => below.into_iter().map(|c| grow(annotations, children, c, depth + 1)).collect(),
        false => Vec::new(),
    };
    Node { annotation: Some(annotations[at]), children }
}

/// Regions in regions deeper than this are no page's.
pub const DEEPEST: usize = 64;

/// Puts words that lie straight in a region into a line each.
fn tree_words(dataset: &Dataset, region: &mut Node) {
    for child in &mut region.children {
        let Some(at) = child.annotation else { continue };
        match level(&dataset.annotations[at as usize]) {
            Level::Region => tree_words(dataset, child),
            Level::Word => {
                let word = std::mem::take(child);
                child.children.push(word);
            }
            Level::Line | Level::Glyph => {}
        }
    }
}

/// Returns the reading order with regions only: a line stands for its region.
pub fn order_of_regions(dataset: &Dataset, order: &ReadingOrder) -> Option<ReadingOrder> {
    let mut order = order.clone();
    let mut seen = FxHashSet::default();
    let kept = order.renumber(&mut |mut at| {
        for _ in 0..DEEPEST {
            let annotation = dataset.annotations.get(at as usize)?;
            if level(annotation) == Level::Region {
                return seen.insert(at).then_some(at);
            }
            at = annotation.more.as_ref()?.parent?;
        }
        None
    });
    kept.then_some(order)
}
