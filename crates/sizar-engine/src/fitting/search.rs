//! Looks for shapes and their places among what was seen and what was typed.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_inspect::{Shape, shapes};
use sizar_model::Inspection;
use sizar_model::inspection::{DataShape, DriverOption};

use super::arguments::{Typed, Value, normal, shown};
use super::seen::{Base, Root, read};
use super::shaped::{fill, is_data_folder, joined, year_of};
use super::{Asked, Expectation, Reason, Unknown};

/// What takes no path.
const NO_TEXT: [&str; 3] = ["bool", "int", "float"];

/// How far a place is known, the surest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    /// The user passes it.
    Passed,
    /// Options of the driver name the parts, and nobody passes them.
    Parts,
    /// It is written where the data are loaded.
    Written,
    /// It is the default of what the loader is given.
    Default,
    /// It is the default of an option that is called like it.
    Guessed,
    /// A folder of data that is written into the driver.
    Near,
    /// An option says it, and nobody the option.
    Unset,
}

/// A shape at a place.
pub(super) struct Candidate<'a> {
    pub shape: &'static Shape,
    pub certainty: Certainty,
    /// The folder that the shape is below; none where its option is not set.
    pub root: Option<String>,
    pub option: Option<&'a DriverOption>,
    has_tail: bool,
    pub file: Option<String>,
    pub year: Option<String>,
    /// Whether it is clear that the option is for this data set, and nothing else.
    pub is_clear: bool,
    /// The driver's options for parts of the data set.
    pub parts: Vec<(&'a DriverOption, &'static str)>,
    pub reasons: Vec<Reason>,
}

impl Candidate<'_> {
    /// Starts with what was seen.
    pub(super) fn of(shape: &'static Shape, seen: &DataShape) -> Self {
        let words = match seen.kind.as_str() {
            "call" => format!("`{}` is called", seen.text),
            "import" => format!("`{}` is imported", seen.text),
            _ => format!("the code names `{}`", seen.text),
        };
        let reason = Reason { words, path: seen.path.clone(), line: seen.line };
        Self {
            shape,
            certainty: Certainty::Written,
            root: None,
            option: None,
            has_tail: true,
            file: None,
            year: seen.year.clone(),
            is_clear: false,
            parts: Vec::new(),
            reasons: vec![reason],
        }
    }
}

impl<'a> Candidate<'a> {
    /// The options for the parts of the data set, and where these are below `place`.
    pub(super) fn of_parts(
        &self,
        place: &Utf8Path,
        year: Option<&str>,
    ) -> Vec<(&'a DriverOption, String)> {
        let at = |path: &str| place.join(fill(path, year)).into_string();
        self.parts.iter().map(|(option, path)| (*option, at(path))).collect()
    }
}

/// Where a shape is in the table.
pub(super) fn order_of(shape: &Shape) -> usize {
    shapes().iter().position(|known| known.name == shape.name).unwrap_or_default()
}

pub(super) fn said(words: impl Into<String>) -> Reason {
    Reason { words: words.into(), path: String::new(), line: 0 }
}

/// What the candidates are looked for in.
pub(super) struct Search<'a> {
    pub inspection: &'a Inspection,
    pub typed: Typed<'a>,
    pub asked: &'a Asked<'a>,
}

impl<'a> Search<'a> {
    /// Returns whether a file is one that the driver imports.
    fn is_near(&self, path: &str) -> bool {
        self.typed.driver.is_none_or(|driver| driver.closure.iter().any(|file| file == path))
    }

    /// Returns what was seen of the format, in the driver's own files if there is anything.
    fn seen(&self) -> Vec<(&'static Shape, &'a DataShape)> {
        let fits = |shape: &&Shape| self.asked.format.is_none_or(|format| shape.format == format);
        let all: Vec<(&'static Shape, &DataShape)> = self
            .inspection
            .data_shapes
            .iter()
            .filter_map(|seen| {
                Some((shapes().iter().filter(fits).find(|it| it.name == seen.shape)?, seen))
            })
            .collect();
        let near: Vec<_> =
            all.iter().copied().filter(|(_, seen)| self.is_near(&seen.path)).collect();
        if near.is_empty() { all } else { near }
    }

    pub(super) fn candidates(&self) -> Vec<Candidate<'a>> {
        let mut candidates = Vec::new();
        for (shape, seen) in self.seen() {
            let start = Candidate::of(shape, seen);
            let parts = self.parts(shape);
            let is_passed = |(option, _): &(&DriverOption, _)| {
                matches!(self.typed.value(option), Value::Passed(_))
            };
            if parts.iter().any(is_passed) {
                // the user's own places: what belongs at which of them is the user's to say
                continue;
            }
            let found = match seen.kind.as_str() {
                _ if !parts.is_empty() => Some(Self::by_parts(start, parts)),
                "path" => self.by_path(start, seen),
                _ => match seen.root.as_deref().and_then(read) {
                    Some(root) => self.by_root(start, &root),
                    None => self.by_name(start, ""),
                },
            };
            candidates.extend(found);
        }
        candidates
    }

    /// A shape that was seen without a place; a loader's before others.
    pub(super) fn placeless(&self) -> Option<Candidate<'a>> {
        let seen = self.seen().into_iter().filter(|(shape, _)| shape.with.is_none());
        let (shape, seen) =
            seen.min_by_key(|(shape, seen)| (seen.kind != "call", order_of(shape)))?;
        Some(Candidate::of(shape, seen))
    }

    /// The driver's options for parts of the shape, where it has those for images and annotations.
    fn parts(&self, shape: &'static Shape) -> Vec<(&'a DriverOption, &'static str)> {
        let found = |part: &'static sizar_inspect::Part| {
            Some((self.typed.option(&part.options)?, part.path.as_str()))
        };
        let both = shape.parts.len() > 1
            && shape.parts[..2]
                .iter()
                .all(|part| found(part).is_some_and(|(option, _)| self.may_be_filled(option)));
        if !both {
            return Vec::new();
        }
        shape.parts.iter().filter_map(found).filter(|(it, _)| self.may_be_filled(it)).collect()
    }

    /// Returns whether a text can be added to what was typed for an option.
    pub(super) fn may_be_filled(&self, option: &DriverOption) -> bool {
        let all = self.typed.driver.map(|driver| driver.options.as_slice()).unwrap_or_default();
        // behind a subcommand, only its own are known
        let is_behind = option.subcommand.is_some() || all.iter().all(|it| it.subcommand.is_none());
        let is_text = option.kind.as_deref().is_none_or(|kind| !NO_TEXT.contains(&kind));
        let is_one =
            option.nargs.as_deref().is_none_or(|count| ["?", "+", "*", "1"].contains(&count));
        shown(option).starts_with("--")
            && is_behind
            && is_text
            && is_one
            && option.choices.is_none()
    }

    /// Options that name the parts: they are filled, and the parts laid out together.
    fn by_parts(
        mut start: Candidate<'a>,
        parts: Vec<(&'a DriverOption, &'static str)>,
    ) -> Candidate<'a> {
        for (option, _) in &parts {
            let words = format!("`{}` names a part of the data set", shown(option));
            start.reasons.push(Reason { words, path: option.path.clone(), line: option.line });
        }
        Candidate { certainty: Certainty::Parts, parts, is_clear: true, ..start }
    }

    /// A path in the code that is part of the shape: what comes before it is the folder.
    fn by_path(&self, mut start: Candidate<'a>, seen: &DataShape) -> Option<Candidate<'a>> {
        let shape = start.shape;
        // an expression around it may say more of its beginning
        let here = |path: &str, line: u32| path == seen.path && line == seen.line;
        let mut paths = self.inspection.hard_coded_paths.iter();
        let whole = paths
            .find(|it| here(&it.path, it.line) && shape.find(&it.value).is_some())
            .map(|it| it.value.as_str());
        let text = whole.unwrap_or(&seen.text);
        let (prefix, _) = shape.find(text)?;
        // `root + '/VOCdevkit'`: no data set begins at the root of the disk
        let begins = |it: &Shape| it.find(text).is_some_and(|(before, _)| before.is_empty());
        let alike = shapes().iter().filter(|it| it.format == shape.format);
        if text.starts_with('/') && alike.into_iter().any(begins) {
            return self.by_name(start, prefix.trim_start_matches('/'));
        }
        if let Some(with) = &shape.with {
            let beside = joined(prefix, with);
            let mut paths = self.inspection.hard_coded_paths.iter();
            let other =
                paths.find(|it| self.is_near(&it.path) && joined(&it.value, "") == beside)?;
            let (path, line) = (other.path.clone(), other.line);
            let words = format!("the code names `{}`", other.value);
            start.reasons.push(Reason { words, path, line });
        }
        if whole.is_some() || prefix.starts_with(['/', '~', '.']) {
            return Some(Candidate { root: Some(prefix.to_owned()), ..start });
        }
        self.by_name(start, prefix)
    }

    /// What a loader is given.
    fn by_root(&self, mut start: Candidate<'a>, root: &Root) -> Option<Candidate<'a>> {
        let shape = start.shape;
        let is_tail = |part: &str| shape.tails.iter().any(|tail| tail == part);
        let suffix: Vec<&str> =
            root.suffix.iter().map(String::as_str).take_while(|part| !is_tail(part)).collect();
        let mut has_tail = suffix.len() < root.suffix.len();
        let base = match &root.base {
            Base::Text(text) => {
                let (before, last) = text.rsplit_once('/').unwrap_or(("", text.as_str()));
                let cut = is_tail(last) && root.suffix.is_empty();
                has_tail |= cut;
                start.certainty = Certainty::Written;
                if cut { before.to_owned() } else { text.clone() }
            }
            Base::Name(name) => {
                let Some(option) = self.typed.option_named(name) else {
                    return self.by_name(start, "");
                };
                start = self.with_option(start, option, Certainty::Default);
                start.is_clear = true;
                let Some(value) = start.root.take() else { return Some(start) };
                value
            }
        };
        start.root = Some(suffix.iter().fold(base, |path, part| joined(&path, part)));
        start.has_tail = has_tail || shape.tails.is_empty();
        Some(start)
    }

    /// An option of the driver that is called like it, or a folder of data in the driver's file.
    fn by_name(&self, start: Candidate<'a>, prefix: &str) -> Option<Candidate<'a>> {
        let below = |mut it: Candidate<'a>| {
            it.root = it.root.map(|root| joined(&root, prefix));
            it
        };
        if let Some(option) = self.typed.option(&start.shape.options) {
            // an option such as `--coco-path` is for nothing else
            let format = start.shape.format.clone();
            let is_clear = option
                .flags
                .iter()
                .any(|flag| normal(flag).split('_').next() == Some(format.as_str()));
            let start = Candidate { is_clear, ..start };
            return Some(below(self.with_option(start, option, Certainty::Guessed)));
        }
        let file = self.typed.driver.map_or("", |driver| driver.path.as_str());
        let mut roots = self
            .inspection
            .hard_coded_paths
            .iter()
            .filter(|it| it.path == file && !it.exists && is_data_folder(&it.value));
        let root = roots.next()?;
        if roots.any(|other| other.value != root.value) {
            return None;
        }
        let words = format!("the driver names `{}`", root.value);
        let mut start = start;
        start.reasons.push(Reason { words, path: root.path.clone(), line: root.line });
        Some(below(Candidate {
            certainty: Certainty::Near,
            root: Some(root.value.clone()),
            ..start
        }))
    }

    /// Takes the value of an option as the folder.
    fn with_option(
        &self,
        mut start: Candidate<'a>,
        option: &'a DriverOption,
        by_default: Certainty,
    ) -> Candidate<'a> {
        let name = shown(option);
        let (value, certainty, words) = match self.typed.value(option) {
            Value::Passed(value) => {
                let words = format!("`{name} {value}` is passed to the driver");
                (Some(value), Certainty::Passed, words)
            }
            Value::Default(value) => {
                let words = format!("`{name}` is `{value}` by default");
                (Some(value), by_default, words)
            }
            Value::Unset => (None, Certainty::Unset, format!("`{name}` says where")),
        };
        start.reasons.push(Reason { words, path: option.path.clone(), line: option.line });
        start.option = Some(option);
        start.certainty = certainty;
        start.root = value;
        if let (Some(file), Some(value)) = (&start.shape.file, &start.root) {
            // the option names a file of the folder
            let ending = Utf8Path::new(file).extension();
            let path = Utf8Path::new(value);
            if path.extension() == ending && ending.is_some() {
                start.file = path.file_name().map(str::to_owned);
                let folder = path.parent().map(ToString::to_string);
                start.root = Some(folder.unwrap_or_default());
            }
        }
        start
    }

    /// What is known of a candidate beside its place.
    pub(super) fn of(&self, candidate: &Candidate<'_>) -> Expectation {
        let shape = candidate.shape;
        // one place may say the year, and another the folder
        let year = candidate.year.clone().or_else(|| year_of(self.inspection, shape));
        let filled = |list: &[String]| -> Vec<String> {
            list.iter().map(|text| fill(text, year.as_deref())).collect()
        };
        // the shape's own file may be called otherwise
        let called = |bind: String| match (&shape.file, &candidate.file) {
            (Some(own), Some(file)) if *own == bind => file.clone(),
            _ => bind,
        };
        // a loader that is given the folder of the classes itself knows no splits
        let flat = !shape.tails.is_empty() && !candidate.has_tail;
        Expectation {
            shape: Some(shape),
            format: format_name(&shape.format),
            place: Utf8PathBuf::new(),
            binds: if flat {
                Vec::new()
            } else {
                filled(&shape.binds).into_iter().map(called).collect()
            },
            splits: if flat { Vec::new() } else { filled(&shape.splits) },
            one_split: shape.one_split || flat,
            file: candidate.file.clone(),
            reasons: candidate.reasons.clone(),
            others: Vec::new(),
            fills: Vec::new(),
            year,
        }
    }

    /// The user says where; what was seen may still say which shape.
    pub(super) fn by_hand(
        &self,
        there: &Utf8Path,
        best: Option<&Candidate<'_>>,
    ) -> Result<Expectation, Unknown> {
        let mut expectation = match (best, self.asked.format) {
            (Some(best), _) => self.of(best),
            (None, Some(format)) => Expectation {
                shape: None,
                format: format_name(format),
                place: Utf8PathBuf::new(),
                year: None,
                binds: Vec::new(),
                splits: Vec::new(),
                one_split: false,
                file: None,
                reasons: vec![said("the source shows no shape of this format")],
                others: Vec::new(),
                fills: Vec::new(),
            },
            (None, None) => return Err(self.nothing()),
        };
        expectation.binds.clear();
        expectation.place = there.to_owned();
        expectation.reasons.insert(0, said(format!("`--data` says `{there}`")));
        if let Some(best) = best {
            expectation.reasons.truncate(1);
            expectation.reasons.extend(best.reasons.first().cloned());
            let year = expectation.year.clone();
            expectation.fill(best.of_parts(there, year.as_deref()));
        }
        Ok(expectation)
    }

    pub(super) fn nothing(&self) -> Unknown {
        let parts = self.seen().into_iter().flat_map(|(shape, _)| self.parts(shape));
        let mut passed = parts.filter_map(|(option, _)| match self.typed.value(option) {
            Value::Passed(value) => Some((shown(option).to_owned(), value)),
            _ => None,
        });
        if let Some((option, value)) = passed.next() {
            return Unknown::PartPassed { option, value, data: self.asked.data.to_owned() };
        }
        let what = match self.asked.format {
            Some(format) => format!("a data set in the format `{format}`"),
            None => "a data set".to_owned(),
        };
        let mut seen: Vec<Reason> = Vec::new();
        for it in &self.inspection.data_shapes {
            let words = format!("`{}`, which is {}", it.text, title_of(&it.shape));
            seen.push(Reason { words, path: it.path.clone(), line: it.line });
        }
        for it in self.inspection.datasets.iter().filter(|it| it.kind != "download") {
            let words = format!("`{}` ({})", it.text, it.kind);
            seen.push(Reason { words, path: it.path.clone(), line: it.line });
        }
        let missing = self.inspection.hard_coded_paths.iter().filter(|it| !it.exists);
        for it in missing {
            let words = format!("the path `{}`", it.value);
            seen.push(Reason { words, path: it.path.clone(), line: it.line });
        }
        // the driver's own files first, and one word for each line
        seen.sort_by_key(|it| !self.is_near(&it.path));
        let mut lines = BTreeSet::new();
        seen.retain(|it| lines.insert((it.path.clone(), it.line)));
        let format = self.asked.format.unwrap_or("voc");
        Unknown::Nothing {
            what,
            seen,
            example: self.example(format),
            instead: self.instead(),
            data: self.asked.data.to_owned(),
        }
    }

    /// The format that the driver expects, where it is another than was asked for.
    fn instead(&self) -> Option<&'static str> {
        self.asked.format?;
        let any = Asked { format: None, ..*self.asked };
        let search = Search { asked: &any, ..*self };
        let candidates = search.candidates();
        let best = candidates.iter().min_by_key(|it| (it.certainty, order_of(it.shape)))?;
        Some(format_name(&best.shape.format))
    }

    pub(super) fn example(&self, format: &str) -> String {
        let place = match format {
            "voc" => "data/VOCdevkit/VOC2012",
            "coco" => "data/coco",
            _ => "data",
        };
        format!("{format}:{}:{place}", self.asked.data)
    }
}

fn title_of(shape: &str) -> &'static str {
    shapes().iter().find(|it| it.name == shape).map_or("a data set", |it| it.title.as_str())
}

/// The name of a format, as long as the program lives.
fn format_name(name: &str) -> &'static str {
    sizar_formats::formats::named(name).map_or("", |format| format.name())
}
