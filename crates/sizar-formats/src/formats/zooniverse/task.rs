//! Reads what a volunteer said of an image in one task: answers, and marks.

use serde_json::{Map, Value};

/// One thing that was said.
#[derive(Clone, Debug, PartialEq)]
pub enum Said<'v> {
    Answer {
        question: String,
        answer: String,
    },
    /// The mark with this index of a drawing task.
    Mark {
        task: &'v str,
        index: u64,
        value: &'v Value,
    },
    /// Something else, of this kind.
    Unread {
        task: &'v str,
        kind: String,
    },
}

/// Reads an element of `annotations`.
pub fn read<'v>(task: &'v Value, said: &mut Vec<Said<'v>>) {
    let name = name(task);
    let label = task.get("task_label").and_then(Value::as_str).unwrap_or_default().trim();
    let Some(value) = task.get("value") else { return };
    let task = Task { name, question: if label.is_empty() { name } else { label }, task };
    match value {
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                task.one(value, index as u64, said);
            }
        }
        value => task.one(value, 0, said),
    }
}

/// The name of a task, like `T0`.
pub fn name(task: &Value) -> &str {
    task.get("task").and_then(Value::as_str).unwrap_or_default()
}

struct Task<'v> {
    name: &'v str,
    question: &'v str,
    task: &'v Value,
}

impl<'v> Task<'v> {
    fn one(&self, value: &'v Value, index: u64, said: &mut Vec<Said<'v>>) {
        let mut answer = |question: &str, answer: String| {
            said.push(Said::Answer { question: question.to_owned(), answer });
        };
        let unread = |kind: String| Said::Unread { task: self.name, kind };
        match value {
            Value::Object(fields) if is_mark(fields) => {
                said.push(Said::Mark { task: self.name, index, value });
            }
            // several tasks on one page
            Value::Object(fields) if fields.contains_key("task") => read(value, said),
            Value::Object(fields) if fields.contains_key("choice") => {
                if let Some(choice) = fields.get("choice").and_then(text) {
                    answer(self.question, choice);
                }
                let more = fields.get("answers").and_then(Value::as_object);
                if more.is_some_and(|more| !more.is_empty()) {
                    said.push(unread("answers about a choice of a survey".into()));
                }
            }
            Value::Object(fields) if is_choice(fields) => {
                let list = fields.get("select_label").and_then(text);
                if let Some(choice) = choice(fields) {
                    answer(list.as_deref().unwrap_or(self.question), choice);
                }
            }
            Value::Object(fields) if fields.is_empty() => {}
            Value::Object(fields) => {
                let kind = self.task.get("taskType").and_then(Value::as_str);
                said.push(unread(kind.map_or_else(
                    || {
                        let names: Vec<&str> = fields.keys().take(3).map(String::as_str).collect();
                        format!("values with `{}`", names.join("`, `"))
                    },
                    |kind| format!("values of the kind `{kind}`"),
                )));
            }
            Value::Array(values) if values.is_empty() => {}
            Value::Array(_) => said.push(unread("lists in lists".into())),
            scalar => {
                if let Some(text) = text(scalar) {
                    answer(self.question, text);
                }
            }
        }
    }
}

/// Tells a drawing from other values that are objects, like the choices of a list.
fn is_mark(value: &Map<String, Value>) -> bool {
    ["tool", "toolIndex", "toolType", "x", "y", "x1", "x_center", "points", "pathX"]
        .iter()
        .any(|name| value.contains_key(*name))
}

/// Tells a choice from a list.
fn is_choice(value: &Map<String, Value>) -> bool {
    ["select_label", "option", "selection"].iter().any(|name| value.contains_key(*name))
}

fn choice(value: &Map<String, Value>) -> Option<String> {
    ["label", "value", "selection"].iter().find_map(|name| value.get(*name).and_then(text))
}

/// A text, a number, yes or no in words; nothing where nothing was said.
fn text(value: &Value) -> Option<String> {
    let said = match value {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Number(number) => number.to_string(),
        Value::Bool(is_so) => is_so.to_string(),
        _ => String::new(),
    };
    (!said.is_empty()).then_some(said)
}

/// What was said of a mark, as an attribute of it; an error where sizar doesn't read it.
pub fn detail(value: &Value) -> Result<Option<Value>, ()> {
    match value {
        Value::String(_) => Ok(text(value).map(Value::String)),
        Value::Null => Ok(None),
        Value::Object(fields) if is_choice(fields) => Ok(choice(fields).map(Value::String)),
        Value::Object(_) => Err(()),
        Value::Array(values) => {
            let each: Vec<Value> = values
                .iter()
                .filter_map(|value| detail(value).transpose())
                .collect::<Result<_, _>>()?;
            Ok((!each.is_empty()).then_some(Value::Array(each)))
        }
        other => Ok(Some(other.clone())),
    }
}
