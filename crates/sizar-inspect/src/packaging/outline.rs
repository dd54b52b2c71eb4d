//! TOML and JSON as one tree in which every value knows its line.

use toml::de::{DeTable, DeValue};

/// A value and the line on which it, or its key, stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outline {
    pub line: u32,
    pub shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Text(String),
    Bool(bool),
    List(Vec<Outline>),
    /// In the order of the file.
    Table(Vec<(String, Outline)>),
    /// Numbers and dates, as written.
    Other(String),
}

impl Outline {
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Goes down along `keys`.
    pub(super) fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// Returns the entries of a table; a value of another shape has none.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.shape {
            Shape::Table(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the items of a list; a value of another shape has none.
    pub(super) fn items(&self) -> &[Self] {
        match &self.shape {
            Shape::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Text(text) | Shape::Other(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the text under `key`.
    pub(super) fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }
}

/// Where the lines of a text start.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect(),
        )
    }

    fn at(&self, offset: usize) -> u32 {
        self.0.partition_point(|&end| end < offset) as u32 + 1
    }
}

/// Reads TOML as far as it goes, with the errors beside it.
pub(super) fn toml(text: &str) -> (Outline, Vec<String>) {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let outline = Outline { line: 1, shape: from_table(table.get_ref(), &lines) };
    let errors = errors
        .iter()
        .map(|error| {
            let line = error.span().map_or(1, |span| lines.at(span.start));
            format!("line {line}: {}", super::text::shorten(error.message()))
        })
        .collect();
    (outline, errors)
}

fn from_table(table: &DeTable<'_>, lines: &Lines) -> Shape {
    let mut entries: Vec<(String, Outline)> = table
        .iter()
        .map(|(key, value)| {
            let line = lines.at(key.span().start);
            (key.get_ref().to_string(), Outline { line, shape: from_toml(value.get_ref(), lines) })
        })
        .collect();
    entries.sort_by_key(|(_, value)| value.line);
    Shape::Table(entries)
}

fn from_toml(value: &DeValue<'_>, lines: &Lines) -> Shape {
    match value {
        DeValue::String(text) => Shape::Text(text.to_string()),
        DeValue::Boolean(value) => Shape::Bool(*value),
        DeValue::Integer(value) => Shape::Other(value.as_str().to_owned()),
        DeValue::Float(value) => Shape::Other(value.as_str().to_owned()),
        DeValue::Datetime(value) => Shape::Other(value.to_string()),
        DeValue::Array(items) => Shape::List(
            items
                .iter()
                .map(|item| Outline {
                    line: lines.at(item.span().start),
                    shape: from_toml(item.get_ref(), lines),
                })
                .collect(),
        ),
        DeValue::Table(table) => from_table(table, lines),
    }
}

/// Reads JSON; lines are those where a key, in the order of the file, is written next.
pub(super) fn json(text: &str) -> Result<Outline, serde_json::Error> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    let mut cursor = Cursor { text, lines: Lines::of(text), offset: 0 };
    Ok(from_json(&value, &mut cursor))
}

struct Cursor<'t> {
    text: &'t str,
    lines: Lines,
    offset: usize,
}

impl Cursor<'_> {
    /// Moves past the next `"key"` and returns its line.
    fn pass(&mut self, key: &str) -> u32 {
        let quoted = format!("\"{key}\"");
        if let Some(found) = self.text.get(self.offset..).and_then(|rest| rest.find(&quoted)) {
            self.offset += found + quoted.len();
        }
        self.lines.at(self.offset)
    }
}

fn from_json(value: &serde_json::Value, cursor: &mut Cursor<'_>) -> Outline {
    let line = cursor.lines.at(cursor.offset);
    let shape = match value {
        serde_json::Value::String(text) => Shape::Text(text.clone()),
        serde_json::Value::Bool(value) => Shape::Bool(*value),
        serde_json::Value::Array(items) => {
            Shape::List(items.iter().map(|item| from_json(item, cursor)).collect())
        }
        serde_json::Value::Object(entries) => Shape::Table(
            entries
                .iter()
                .map(|(key, value)| {
                    let line = cursor.pass(key);
                    (key.clone(), Outline { line, ..from_json(value, cursor) })
                })
                .collect(),
        ),
        other => Shape::Other(other.to_string()),
    };
    Outline { line, shape }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_keeps_lines_and_what_is_before_an_error() {
        let (outline, errors) = toml("[a]\nb = [\n 'x',\n 'y']\n[c]\nd = = 3\ne = 'f'\n");
        assert_eq!(outline.at(&["a", "b"]).unwrap().items()[1].line, 4);
        assert_eq!(outline.at(&["c", "e"]).unwrap().text(), Some("f"));
        assert!(errors[0].starts_with("line 6"));
    }

    #[test]
    fn json_finds_the_lines_of_keys() {
        let outline = json("{\n \"a\": {\n  \"b\": 1},\n \"c\": \"b\"\n}").unwrap();
        assert_eq!(outline.at(&["a", "b"]).unwrap().line, 3);
        assert_eq!(outline.get("c").unwrap().line, 4);
    }
}
