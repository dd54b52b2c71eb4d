//! Reads a classification export.

use std::io::{BufRead, BufReader, Read};

use camino::Utf8Path;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::collected::{Collected, Drawn};
use super::drawing::Drawing;
use super::merge::Agreement;
use super::task::{self, Said};
use crate::error::{FormatError, Position, Result};
use crate::model::{Dataset, Note};

/// The columns that are read.
struct Columns {
    user: usize,
    user_ip: Option<usize>,
    workflow: Option<usize>,
    workflow_name: Option<usize>,
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
    let mut file = BufReader::with_capacity(1 << 16, file);
    let skipped = skipped_lines(file.fill_buf()?);
    let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let headers = table.headers().map_err(|error| broken(path, &error, skipped))?.clone();
    let find = |name: &str| headers.iter().position(|header| header.trim() == name);
    let (Some(annotations), Some(subject), Some(user)) =
        (find("annotations"), find("subject_data"), find("user_name"))
    else {
        return Ok(None);
    };
    let columns = Columns {
        user,
        user_ip: find("user_ip"),
        workflow: find("workflow_id"),
        workflow_name: find("workflow_name"),
        metadata: find("metadata"),
        annotations,
        subject,
    };
    let collected = Collected::new(path);
    let mut reader = Reader { path, columns, skipped, users: FxHashMap::default(), collected };
    let mut record = csv::StringRecord::new();
    while table.read_record(&mut record).map_err(|error| broken(path, &error, skipped))? {
        reader.classification(&record)?;
    }
    Ok(Some(reader.collected.dataset(reader.users.len(), agreement)))
}

/// The table's reader has a record begin before the line feed of a CRLF, in the line before.
fn skipped_lines(head: &[u8]) -> u64 {
    let end = memchr::memchr(b'\n', head).unwrap_or_default();
    u64::from(end.checked_sub(1).is_some_and(|before| head[before] == b'\r'))
}

fn broken(path: &Utf8Path, error: &csv::Error, skipped: u64) -> FormatError {
    let at = match error.position() {
        Some(position) => Position::line(path, position.line() + skipped, 1),
        None => Position::whole(path),
    };
    FormatError::malformed(at, format!("not a table: {error}"))
}

struct Reader<'p> {
    path: &'p Utf8Path,
    columns: Columns,
    skipped: u64,
    users: FxHashMap<String, usize>,
    collected: Collected<'p>,
}

/// Whose a mark is: a volunteer's, of a subject of a workflow, in this line.
struct Whose<'c> {
    seen: usize,
    user: usize,
    at: &'c Position,
}

/// What was said of a mark in tasks of their own: by the task that it is of, and its index there.
type Details<'v> = FxHashMap<(&'v str, u64), Vec<(&'v str, &'v Value)>>;

impl Reader<'_> {
    fn classification(&mut self, record: &csv::StringRecord) -> Result<()> {
        let line = record.position().map_or(0, csv::Position::line) + self.skipped;
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
        let cell = |column: Option<usize>| column.and_then(|at| record.get(at)).unwrap_or_default();
        let user = match cell(Some(self.columns.user)) {
            "" => cell(self.columns.user_ip),
            user => user,
        };
        let next = self.users.len();
        let user = *self.users.entry(user.to_owned()).or_insert(next);
        let workflow =
            self.collected.workflow(cell(self.columns.workflow), cell(self.columns.workflow_name));
        let empty = Map::new();
        let said = said.as_object().unwrap_or(&empty);
        let seen = self.collected.seen(workflow, id);
        let frame = |reader: &mut Self, frame: u64| {
            reader.collected.frame(seen, id, frame, said, &metadata);
        };
        frame(self, 0);
        if !self.collected.volunteer(seen, user) {
            self.collected.notes.push(Note {
                code: "seen-twice",
                at,
                message: format!(
                    "a volunteer who classified `{}` before: the first time counts",
                    self.collected.name(seen)
                ),
            });
            return Ok(());
        }
        let (details, tasks): (Vec<&Value>, Vec<&Value>) =
            tasks.iter().partition(|task| task.get("markIndex").is_some_and(Value::is_u64));
        let mut details = of_marks(&details);
        let whose = Whose { seen, user, at: &at };
        let mut all = Vec::new();
        for task in tasks {
            task::read(task, &mut all);
        }
        for said in all {
            match said {
                Said::Answer { question, answer } => {
                    self.collected.answer(seen, question, answer, user);
                }
                Said::Mark { task, index, value } => {
                    let at_frame = value.get("frame").and_then(Value::as_u64).unwrap_or(0);
                    frame(self, at_frame);
                    let more = details.remove(&(task, index)).unwrap_or_default();
                    self.mark(&whose, at_frame, task, value, &more);
                }
                Said::Unread { task, kind } => self.collected.unread(task, kind, &at),
            }
        }
        for (name, _) in details.into_values().flatten() {
            self.collected.unread(name, "answers about a mark that isn't there".into(), &at);
        }
        Ok(())
    }

    fn mark(
        &mut self,
        whose: &Whose<'_>,
        frame: u64,
        task: &str,
        value: &Value,
        more: &[(&str, &Value)],
    ) {
        let label = value.get("tool_label").and_then(Value::as_str).map(str::trim);
        let label = label.filter(|label| !label.is_empty()).map(str::to_owned);
        let tool = value.get("tool").or_else(|| value.get("toolIndex")).and_then(Value::as_u64);
        let tool = tool.unwrap_or(0);
        let label = label.unwrap_or_else(|| format!("{task} tool {tool}"));
        let drawing = match Drawing::read(value, &label) {
            Ok(drawing) => drawing,
            Err(message) => return self.collected.unread_mark(task, message, whose.at),
        };
        // the older classifier has them in the mark, without a name
        let here = value.get("details").and_then(Value::as_array).into_iter().flatten();
        let here = here.enumerate().filter_map(|(index, detail)| {
            Some((format!("{task}.{tool}.{index}"), detail.get("value")?))
        });
        let named = more.iter().map(|(name, value)| ((*name).to_owned(), *value));
        let mut details = Vec::new();
        for (name, value) in here.chain(named) {
            match task::detail(value) {
                Ok(Some(value)) => details.push((name, value)),
                Ok(None) => {}
                Err(()) => {
                    self.collected.unread(&name, "answers about a mark".into(), whose.at);
                }
            }
        }
        let (task, at) = (task.to_owned(), whose.at.clone());
        let drawn = Drawn { user: whose.user, drawing, details, task, at };
        self.collected.mark(whose.seen, frame, label, drawn);
    }
}

/// Sorts tasks about marks by their marks: `T0.1.2` is about one of `T0`.
fn of_marks<'v>(tasks: &[&'v Value]) -> Details<'v> {
    let mut found = Details::default();
    for task in tasks {
        let name = task::name(task);
        let parent = name.split('.').next().unwrap_or_default();
        let index = task.get("markIndex").and_then(Value::as_u64).unwrap_or_default();
        if let Some(value) = task.get("value") {
            found.entry((parent, index)).or_default().push((name, value));
        }
    }
    found
}
