//! Shapes of data sets: which files and folders a loader expects below which folder.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ruff_python_ast::Expr;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use sizar_model::inspection::DataShape;

use super::datasets::prefixes;
use super::facts::one_line;
use super::reading::{Call, Reading, literal};
use super::secrets;

/// A shape of a data set: a `[[shape]]` of `knowledge/datasets.toml`, which explains the fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    pub name: String,
    pub title: String,
    /// The format, as `sizar data` names it.
    pub format: String,
    /// What documents it: an address.
    pub source: String,
    #[serde(default)]
    pub calls: Vec<String>,
    #[serde(default)]
    pub root: Option<String>,
    #[serde(default)]
    pub modules: Vec<String>,
    #[serde(default)]
    pub marks: Vec<String>,
    #[serde(default)]
    pub with: Option<String>,
    #[serde(default)]
    pub tails: Vec<String>,
    #[serde(default)]
    pub options: Vec<String>,
    #[serde(default)]
    pub parts: Vec<Part>,
    #[serde(default)]
    pub file: Option<String>,
    #[serde(default)]
    pub year: Option<String>,
    #[serde(default)]
    pub below: String,
    #[serde(default)]
    pub binds: Vec<String>,
    #[serde(default)]
    pub splits: Vec<String>,
    #[serde(default)]
    pub one_split: bool,
    #[serde(default)]
    pub images: Option<String>,
    #[serde(default)]
    pub moves: BTreeMap<String, String>,
    #[serde(default)]
    pub edits: BTreeMap<String, [String; 2]>,
    #[serde(default)]
    pub wants: Option<String>,
    #[serde(default)]
    pub needs: Vec<String>,
}

/// A part of a data set for which drivers have an option of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Where it is, below the folder.
    pub path: String,
    /// What drivers call the option, `-` as `_`, the most certain first.
    pub options: Vec<String>,
}

/// What stands for a year in the table.
const YEAR: &str = "{year}";

impl Shape {
    /// Finds the shape in a path: returns what comes before it, and the year that the path says.
    pub fn find<'t>(&self, path: &'t str) -> Option<(&'t str, Option<&'t str>)> {
        self.marks.iter().find_map(|mark| find_mark(path, mark))
    }
}

/// Finds the parts of `mark` among those of `path`, one after the other.
fn find_mark<'t>(path: &'t str, mark: &str) -> Option<(&'t str, Option<&'t str>)> {
    let starts = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
    for start in starts {
        let mut parts = path.get(start..)?.split('/');
        let mut year = None;
        let fits = mark.split('/').all(|wanted| {
            parts.next().is_some_and(|part| match same(part, wanted) {
                Some(found) => {
                    year = year.or(Some(found).filter(|found| !found.is_empty()));
                    true
                }
                None => false,
            })
        });
        if fits {
            return Some((path.get(..start)?.trim_end_matches('/'), year));
        }
    }
    None
}

/// Compares a part of a path with one of a mark; returns the year, or nothing where none belongs.
fn same<'t>(part: &'t str, wanted: &str) -> Option<&'t str> {
    let Some((before, after)) = wanted.split_once(YEAR) else {
        return (part == wanted).then_some("");
    };
    let year = part.strip_prefix(before)?.strip_suffix(after)?;
    (year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit())).then_some(year)
}

#[derive(Deserialize)]
struct Table {
    shape: Vec<Shape>,
}

/// The table, turned round.
struct Known {
    shapes: Vec<Shape>,
    calls: FxHashMap<String, Vec<usize>>,
    modules: FxHashMap<String, Vec<usize>>,
    /// The first parts of marks; of those with a year, what comes before it.
    words: FxHashSet<String>,
    years: Vec<String>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("../../../../knowledge/datasets.toml"))
        .expect("a test reads the table");
    let mut known = Known {
        shapes: table.shape,
        calls: FxHashMap::default(),
        modules: FxHashMap::default(),
        words: FxHashSet::default(),
        years: Vec::new(),
    };
    for (at, shape) in known.shapes.iter().enumerate() {
        for call in &shape.calls {
            known.calls.entry(call.clone()).or_default().push(at);
        }
        for module in &shape.modules {
            known.modules.entry(module.clone()).or_default().push(at);
        }
        for first in shape.marks.iter().filter_map(|mark| mark.split('/').next()) {
            match first.split_once(YEAR) {
                Some((before, _)) => known.years.push(before.to_owned()),
                None => {
                    known.words.insert(first.to_owned());
                }
            }
        }
    }
    known
});

/// Returns all shapes, in the order in which they are tried.
pub fn shapes() -> &'static [Shape] {
    &KNOWN.shapes
}

/// Looks at a call: is it a loader?
pub(super) fn call(reading: &mut Reading<'_>, call: &Call<'_, '_>) {
    for shape in KNOWN.calls.get(call.method()).into_iter().flatten() {
        let Some(shape) = KNOWN.shapes.get(*shape) else { continue };
        let root = shape.root.as_deref().and_then(|name| {
            let argument = call.keyword(name).or_else(|| call.positional(0))?;
            Some(secrets::redact(&reading.meaning(argument)))
        });
        let year = call.keyword("year").and_then(literal).map(str::to_owned);
        let call = seen("call", call.name, call.line());
        see(reading, shape, DataShape { root, year, ..call });
    }
}

/// Looks at an imported module.
pub(super) fn import(reading: &mut Reading<'_>, module: &str, line: u32) {
    let known = prefixes(module).find_map(|prefix| KNOWN.modules.get(prefix));
    for shape in known.into_iter().flatten() {
        let Some(shape) = KNOWN.shapes.get(*shape) else { continue };
        see(reading, shape, seen("import", module, line));
    }
}

/// Looks at a text: is it a path of a shape?
pub(super) fn string(reading: &mut Reading<'_>, text: &str, place: &Expr) {
    if !may_be_a_mark(text) {
        return;
    }
    for shape in &KNOWN.shapes {
        if let Some((_, year)) = shape.find(text) {
            let line = reading.line(place);
            let year = year.map(str::to_owned);
            see(reading, shape, DataShape { year, ..seen("path", text, line) });
        }
    }
}

/// Most texts are none, by what is cheap to see.
fn may_be_a_mark(text: &str) -> bool {
    if text.len() < 3 || text.len() > 300 || text.contains([' ', '\n']) {
        return false;
    }
    text.split('/').any(|part| {
        KNOWN.words.contains(part) || KNOWN.years.iter().any(|begin| part.starts_with(begin))
    })
}

/// Notes a shape; `seen` lacks what is the same for all.
fn see(reading: &mut Reading<'_>, shape: &Shape, seen: DataShape) {
    let (shape, path) = (shape.name.clone(), reading.path.to_owned());
    let text = secrets::redact(&one_line(&seen.text));
    reading.facts.data_shapes.push(DataShape { shape, path, text, ..seen });
}

/// What was seen at a line.
fn seen(kind: &str, text: &str, line: u32) -> DataShape {
    DataShape { kind: kind.to_owned(), text: text.to_owned(), line, ..DataShape::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::parse::Module;

    /// What is seen of one shape, as `kind text root year`.
    fn shapes_in(source: &str) -> Vec<String> {
        let module = Module::parse(source.to_owned());
        let facts = Reading::of(&module, "a.py");
        let words = |seen: DataShape| {
            let root = seen.root.unwrap_or_default();
            format!("{}|{}|{root}|{}", seen.shape, seen.kind, seen.year.unwrap_or_default())
        };
        facts.data_shapes.into_iter().map(words).collect()
    }

    #[test]
    fn shapes_are_seen_where_they_are_read() {
        for (source, expected) in [
            (
                "from torchvision.datasets import VOCSegmentation as V\nV(args.root, year='2007')",
                "voc-segmentation|call|args.root|2007",
            ),
            (
                "import torchvision\nroot = os.path.join(args.data, 'x')\n\
                 torchvision.datasets.VOCDetection(root=root)",
                "voc-detection|call|os.path.join(args.data, 'x')|",
            ),
            ("p = osp.join(self.root, 'VOC/VOCdevkit/VOC2012')", "voc-devkit|path||2012"),
            ("p = root / 'train2017'", "coco|path||2017"),
            ("p = './data/imgs'", "imgs-masks|path||"),
            ("import pycocotools.coco", "coco|import||"),
            ("from ultralytics import YOLO", "ultralytics|import||"),
        ] {
            assert!(
                shapes_in(source).iter().any(|one| one == expected),
                "{source}: {:?}",
                shapes_in(source)
            );
        }
        for source in ["x = 'training2017'", "x = 'VOC20'", "'''data/imgs'''", "x = 'imgs of it'"] {
            assert!(shapes_in(source).is_empty(), "{source}: {:?}", shapes_in(source));
        }
    }

    #[test]
    fn a_mark_is_found_in_whole_parts_only() {
        for (path, mark, found) in [
            ("VOC/VOCdevkit/VOC2012", "VOCdevkit/VOC{year}", Some(("VOC", Some("2012")))),
            ("data/imgs/", "imgs", Some(("data", None))),
            ("imgs", "imgs", Some(("", None))),
            ("/imgs/x", "imgs", Some(("", None))),
            ("data/myimgs", "imgs", None),
            ("VOCdevkit", "VOCdevkit/VOC{year}", None),
        ] {
            assert_eq!(find_mark(path, mark), found, "{path}");
        }
    }

    #[test]
    fn the_table_is_whole() {
        let mut names = FxHashSet::default();
        for shape in shapes() {
            assert!(names.insert(&shape.name), "{} is there twice", shape.name);
            assert!(shape.source.starts_with("http"), "{} has a source", shape.name);
            let evidence = shape.calls.len() + shape.modules.len() + shape.marks.len();
            assert!(evidence > 0, "nothing shows {}", shape.name);
            assert!(matches!(shape.wants.as_deref(), None | Some("areas" | "boxes" | "labels")));
            assert!(matches!(shape.images.as_deref(), None | Some("jpg" | "png")));
        }
    }
}
