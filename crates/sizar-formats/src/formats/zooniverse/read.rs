//! Reads a classification export.

use std::collections::BTreeMap;
use std::io::Read;

use camino::Utf8Path;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value, json};

use super::export::ORIGINAL;
use super::mark::Mark;
use super::merge::{Agreement, merge};
use crate::error::{FormatError, Position, Result};
use crate::model::{Annotation, Category, Dataset, Image, Note, Provenance};
use crate::pixels::is_image_name;

/// An image as volunteers saw it.
#[derive(Default)]
struct Subject {
    name: String,
    size: [u32; 2],
    said: Map<String, Value>,
    volunteers: FxHashSet<usize>,
    /// The marks of each tool, with their volunteers.
    marks: BTreeMap<Tool, Vec<(usize, Mark)>>,
    /// The volunteers of each answer to each question.
    answers: BTreeMap<(String, String), FxHashSet<usize>>,
}

/// What marks have to have in common.
type Tool = (String, &'static str);

/// The columns that are read.
struct Columns {
    user: usize,
    user_ip: Option<usize>,
    metadata: Option<usize>,
    annotations: usize,
    subject: usize,
}

/// Reads an export and brings its volunteers together; a table of something else is nothing.
pub fn classifications(
    path: &Utf8Path,
    file: impl Read,
    agreement: &Agreement,
) -> Result<Option<Dataset>> {
    let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let headers = table.headers().map_err(|error| broken(path, &error))?.clone();
    let find = |name: &str| headers.iter().position(|header| header.trim() == name);
    let (Some(annotations), Some(subject), Some(user)) =
        (find("annotations"), find("subject_data"), find("user_name"))
    else {
        return Ok(None);
    };
    let columns = Columns {
        user,
        user_ip: find("user_ip"),
        metadata: find("metadata"),
        annotations,
        subject,
    };
    let mut reader = Reader {
        path,
        columns,
        users: FxHashMap::default(),
        subjects: Vec::new(),
        known: FxHashMap::default(),
        notes: Vec::new(),
        marks: 0,
        classifications: 0,
    };
    let mut record = csv::StringRecord::new();
    while table.read_record(&mut record).map_err(|error| broken(path, &error))? {
        reader.classification(&record)?;
    }
    Ok(Some(reader.finish(agreement)))
}

fn broken(path: &Utf8Path, error: &csv::Error) -> FormatError {
    let at = match error.position() {
        Some(position) => Position::line(path, position.line(), 1),
        None => Position::whole(path),
    };
    FormatError::malformed(at, format!("not a table: {error}"))
}

struct Reader<'p> {
    path: &'p Utf8Path,
    columns: Columns,
    users: FxHashMap<String, usize>,
    subjects: Vec<Subject>,
    /// The subject of each id and frame.
    known: FxHashMap<(String, u64), usize>,
    notes: Vec<Note>,
    marks: usize,
    classifications: usize,
}

impl Reader<'_> {
    fn classification(&mut self, record: &csv::StringRecord) -> Result<()> {
        let line = record.position().map_or(0, csv::Position::line);
        let at = Position::line(self.path, line, 1);
        let json = |column: usize, name: &str| -> Result<Value> {
            let text = record.get(column).unwrap_or_default();
            serde_json::from_str(text).map_err(|error| {
                FormatError::malformed(at.clone(), format!("`{name}` is not JSON: {error}"))
            })
        };
        let annotations = json(self.columns.annotations, "annotations")?;
        let subject = json(self.columns.subject, "subject_data")?;
        let metadata = match self.columns.metadata {
            Some(column) if record.get(column).is_some_and(|text| !text.is_empty()) => {
                json(column, "metadata")?
            }
            _ => Value::Null,
        };
        let Some((id, said)) = subject.as_object().and_then(|subjects| subjects.iter().next())
        else {
            return Err(FormatError::malformed(at, "`subject_data` names no subject"));
        };
        let Some(tasks) = annotations.as_array() else {
            return Err(FormatError::malformed(at, "`annotations` is not a list"));
        };
        let user = record.get(self.columns.user).unwrap_or_default();
        let address = self.columns.user_ip.and_then(|column| record.get(column));
        let user = if user.is_empty() { address.unwrap_or_default() } else { user };
        let next = self.users.len();
        let user = *self.users.entry(user.to_owned()).or_insert(next);
        let empty = Map::new();
        let said = said.as_object().unwrap_or(&empty);
        let first = self.subject(id, 0, said, &metadata);
        if !self.subjects[first].volunteers.insert(user) {
            self.notes.push(Note {
                code: "seen-twice",
                at,
                message: format!(
                    "a volunteer who classified `{}` before: the first time counts",
                    self.subjects[first].name
                ),
            });
            return Ok(());
        }
        self.classifications += 1;
        for task in tasks {
            let name = task.get("task").and_then(Value::as_str).unwrap_or_default();
            let question = task.get("task_label").and_then(Value::as_str).unwrap_or(name).trim();
            let question = if question.is_empty() { name } else { question };
            match task.get("value") {
                Some(Value::String(answer)) => self.answer(first, question, answer, user),
                Some(Value::Array(values)) => {
                    for value in values {
                        match value {
                            Value::String(answer) => self.answer(first, question, answer, user),
                            Value::Object(mark) if is_mark(mark) => {
                                let frame = value.get("frame").and_then(Value::as_u64).unwrap_or(0);
                                let at_frame = self.subject(id, frame, said, &metadata);
                                self.subjects[at_frame].volunteers.insert(user);
                                self.mark(at_frame, name, value, user, &at);
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the place of a subject's frame, which is new if it wasn't there.
    fn subject(
        &mut self,
        id: &str,
        frame: u64,
        said: &Map<String, Value>,
        metadata: &Value,
    ) -> usize {
        let key = (id.to_owned(), frame);
        if let Some(at) = self.known.get(&key) {
            let subject = &mut self.subjects[*at];
            if subject.size == [0, 0] {
                subject.size = size(metadata, frame);
            }
            return *at;
        }
        let mut name = image_name(said).unwrap_or_else(|| format!("subject-{id}"));
        if frame > 0 {
            name = format!("{name}[{}]", frame + 1);
        }
        self.subjects.push(Subject {
            name,
            size: size(metadata, frame),
            said: said.clone(),
            ..Subject::default()
        });
        self.known.insert(key, self.subjects.len() - 1);
        self.subjects.len() - 1
    }

    fn answer(&mut self, subject: usize, question: &str, answer: &str, user: usize) {
        let answer = answer.split_whitespace().collect::<Vec<_>>().join(" ");
        if !answer.is_empty() {
            let answers = &mut self.subjects[subject].answers;
            answers.entry((question.to_owned(), answer)).or_default().insert(user);
        }
    }

    fn mark(&mut self, subject: usize, task: &str, value: &Value, user: usize, at: &Position) {
        let label = value.get("tool_label").and_then(Value::as_str).map(str::trim);
        let label = label.filter(|label| !label.is_empty()).map(str::to_owned);
        let tool = value.get("tool").or_else(|| value.get("toolIndex")).and_then(Value::as_u64);
        let label = label.unwrap_or_else(|| format!("{task} tool {}", tool.unwrap_or(0)));
        let subject = &mut self.subjects[subject];
        match Mark::read(value, subject.size) {
            Ok(mark) => {
                self.marks += 1;
                subject.marks.entry((label, mark.kind())).or_default().push((user, mark));
            }
            Err(message) => {
                self.notes.push(Note { code: "unread-mark", at: at.clone(), message });
            }
        }
    }

    fn finish(self, agreement: &Agreement) -> Dataset {
        let mut dataset = Dataset { notes: self.notes, ..Dataset::default() };
        let (mut kept, mut left_over) = (0, 0);
        for subject in self.subjects {
            let image = dataset.images.len() as u32;
            let volunteers = subject.volunteers.len();
            let longest = f64::from(subject.size[0].max(subject.size[1]).max(1));
            let name = subject.name;
            let mut left_here = 0;
            for ((label, _), marks) in &subject.marks {
                let (agreed, left) = merge(marks, volunteers, longest, agreement);
                kept += marks.len() - left;
                left_here += left;
                for thing in agreed {
                    let category = Some(category(&mut dataset, label, None));
                    let mut annotation = Annotation { image, category, ..Annotation::default() };
                    thing.mark.place(&mut annotation);
                    let more = annotation.more_mut();
                    more.score = Some(thousandth(thing.marked as f64 / volunteers as f64));
                    more.attributes = agreed_on(volunteers, thing.marked);
                    more.attributes.insert("likeness".into(), json!(thousandth(thing.likeness)));
                    dataset.annotations.push(annotation);
                }
            }
            let mut undecided = FxHashSet::default();
            for (question, _) in subject.answers.keys() {
                undecided.insert(question.as_str());
            }
            for ((question, answer), users) in &subject.answers {
                if users.len() as f64 <= agreement.share * volunteers as f64 {
                    continue;
                }
                undecided.remove(question.as_str());
                let category = Some(category(&mut dataset, answer, Some(question)));
                let mut annotation = Annotation { image, category, ..Annotation::default() };
                let more = annotation.more_mut();
                more.score = Some(thousandth(users.len() as f64 / volunteers as f64));
                more.attributes = agreed_on(volunteers, users.len());
                dataset.annotations.push(annotation);
            }
            left_over += left_here;
            if left_here > 0 || !undecided.is_empty() {
                dataset.notes.push(Note {
                    code: "no-agreement",
                    at: Position::element(self.path, format!("subject `{name}`")),
                    message: format!(
                        "{left_here} marks and {} questions without a majority of {volunteers} \
                         volunteers are left out",
                        undecided.len()
                    ),
                });
            }
            dataset.images.push(Image {
                name: name.into(),
                width: subject.size[0],
                height: subject.size[1],
                provenance: provenance(&subject.said).map(Box::new),
                ..Image::default()
            });
        }
        dataset.info.name = Some("Zooniverse classifications".into());
        let said = &mut dataset.info.attributes;
        said.insert("volunteers".into(), self.users.len().into());
        said.insert("classifications".into(), self.classifications.into());
        said.insert("marks".into(), self.marks.into());
        said.insert("marks_agreed_on".into(), kept.into());
        said.insert("marks_left_out".into(), left_over.into());
        said.insert("overlap_at_least".into(), json!(agreement.overlap));
        said.insert("share_above".into(), json!(agreement.share));
        dataset
    }
}

fn agreed_on(volunteers: usize, marked: usize) -> Map<String, Value> {
    let mut said = Map::new();
    said.insert("volunteers".into(), volunteers.into());
    said.insert("marked".into(), marked.into());
    said
}

fn thousandth(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Tells a drawing from other values that are objects, like the choices of a list.
fn is_mark(value: &Map<String, Value>) -> bool {
    ["x", "x1", "points", "pathX"].iter().any(|name| value.contains_key(*name))
}

/// Answers are classes; yes and no say nothing without their question.
fn category(dataset: &mut Dataset, label: &str, question: Option<&str>) -> u32 {
    let is_bare = ["yes", "no", "true", "false"].contains(&&*label.to_lowercase());
    let name = match question {
        Some(question) if is_bare => format!("{question}: {label}"),
        _ => label.to_owned(),
    };
    dataset.category(&name).unwrap_or_else(|| {
        let supercategory = question.map(Into::into);
        dataset.categories.push(Category { supercategory, ..Category::named(name) });
        dataset.categories.len() as u32 - 1
    })
}

/// The size of the image itself, not of what was on a screen.
fn size(metadata: &Value, frame: u64) -> [u32; 2] {
    let frames = metadata.get("subject_dimensions").and_then(Value::as_array);
    let frame = frames.and_then(|frames| frames.get(frame as usize));
    let side = |name: &str| {
        let side = frame.and_then(|frame| frame.get(name)).and_then(Value::as_f64);
        side.unwrap_or(0.0).clamp(0.0, 65_535.0) as u32
    };
    [side("naturalWidth"), side("naturalHeight")]
}

/// The name of the image among what was said of it: ours, a column called so, or any name of one.
fn image_name(said: &Map<String, Value>) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).filter(|text| !text.is_empty());
    if let Some(name) = said.get(ORIGINAL).and_then(text) {
        return Some(name);
    }
    let known = ["image", "filename", "file_name", "image_name", "file", "image_file", "name"];
    let named = said.iter().find_map(|(key, value)| {
        let key = key.trim_start_matches(['#', '!', '/']).to_lowercase().replace([' ', '-'], "_");
        known.contains(&&*key).then(|| text(value)).flatten()
    });
    let any = || {
        said.values()
            .filter_map(text)
            .find(|text| is_image_name(Utf8Path::new(text)) && !text.starts_with("http"))
    };
    named.or_else(any)
}

fn provenance(said: &Map<String, Value>) -> Option<Provenance> {
    let get =
        |names: &[&str]| names.iter().find_map(|name| said.get(*name)?.as_str().map(str::to_owned));
    let urls = get(&["origin", "link", "url"]).filter(|url| url.starts_with("http"));
    let found = Provenance {
        urls: urls.into_iter().collect(),
        author: get(&["author", "attribution"]),
        source: get(&["source"]),
        ..Provenance::default()
    };
    (found != Provenance::default()).then_some(found)
}
