//! Numbers of a run, read from what it printed or made.

use std::fmt;
use std::str::FromStr;

use camino::Utf8Path;
use fs_err as fs;
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::values::is_name;
use crate::run::Attempt;

/// The most bytes of a log or result that are read for a metric: the last of a log.
const MOST: u64 = 64 << 20;

/// What is behind a name in what a program prints, where nothing else is said: `loss: 0.3`.
const NUMBER: &str = r"[ \t]*[:=]?[ \t]*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)";

/// A number that every task of a sweep is asked for.
///
/// It is typed as `NAME` (the last number behind that word in what the program printed),
/// `NAME=REGEX` (the last match there, or its first group), or `NAME=FILE:KEY` (in a result that is
/// JSON, JSON lines or a table; of several lines the last).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Metric {
    pub name: String,
    text: String,
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A pattern over what was printed.
    Log {
        pattern: String,
    },
    File {
        path: String,
        key: Vec<String>,
    },
}

/// A text that names no metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetric {
    #[error("`{text}` is not NAME, NAME=REGEX or NAME=FILE:KEY")]
    Form { text: String },
    #[error("`{pattern}` is no regular expression: {why}")]
    Pattern { pattern: String, why: String },
}

/// A value of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(f64),
    Text(String),
}

impl Value {
    /// Writes a number with six digits that count, for a table that people compare.
    pub fn rounded(&self) -> String {
        match self {
            Self::Number(number) => {
                let rounded = format!("{number:.5e}").parse().unwrap_or(*number);
                Self::Number(rounded).to_string()
            }
            Self::Text(text) => text.clone(),
        }
    }

    /// Reads a number, or keeps the text.
    pub fn of(text: &str) -> Self {
        match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Self::Number(number),
            _ => Self::Text(text.trim().to_owned()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The kinds of files that values are read from.
const FILES: [&str; 5] = [".json", ".jsonl", ".ndjson", ".csv", ".tsv"];

impl FromStr for Metric {
    type Err = InvalidMetric;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || InvalidMetric::Form { text: text.to_owned() };
        let (name, from) = text.split_once('=').unwrap_or((text, ""));
        if !is_name(name) {
            return Err(form());
        }
        let (name, text) = (name.to_owned(), text.to_owned());
        let file = from
            .rsplit_once(':')
            .filter(|(path, key)| FILES.iter().any(|end| path.ends_with(end)) && !key.is_empty());
        let source = match file {
            Some((path, key)) => Source::File {
                path: path.trim_start_matches("./").to_owned(),
                key: key.split('.').map(str::to_owned).collect(),
            },
            None if from.is_empty() => {
                let word = regex::escape(&name);
                Source::Log { pattern: format!(r"(?i)\b{word}\b{NUMBER}") }
            }
            None => Source::Log { pattern: from.to_owned() },
        };
        if let Source::Log { pattern } = &source {
            regex(pattern).map_err(|error| InvalidMetric::Pattern {
                pattern: pattern.clone(),
                why: error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
            })?;
        }
        Ok(Self { name, text, source })
    }
}

impl TryFrom<String> for Metric {
    type Error = InvalidMetric;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.text
    }
}

fn regex(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(pattern).multi_line(true).build()
}

/// Metrics that are ready to be read from many attempts.
pub(super) struct Readers(Vec<(Metric, Option<Regex>)>);

impl Readers {
    pub fn of(metrics: &[Metric]) -> Self {
        let reader = |metric: &Metric| {
            let pattern = match &metric.source {
                Source::Log { pattern } => regex(pattern).ok(),
                Source::File { .. } => None,
            };
            (metric.clone(), pattern)
        };
        Self(metrics.iter().map(reader).collect())
    }

    /// Reads all metrics of an attempt that is here; none where there is no such value.
    pub fn read(&self, attempt: &Attempt) -> Vec<Option<Value>> {
        let log = self.0.iter().any(|(_, pattern)| pattern.is_some());
        let log = log.then(|| text(&attempt.log())).flatten().unwrap_or_default();
        self.0
            .iter()
            .map(|(metric, pattern)| match (&metric.source, pattern) {
                (Source::Log { .. }, Some(pattern)) => of_log(&log, pattern),
                (Source::File { path, key }, _) => of_file(&attempt.result(path), key),
                _ => None,
            })
            .collect()
    }
}

fn text(path: &Utf8Path) -> Option<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST))).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn of_log(log: &str, pattern: &Regex) -> Option<Value> {
    let last = pattern.captures_iter(log).last()?;
    let found = last.get(1).or_else(|| last.get(0))?;
    Some(Value::of(found.as_str()))
}

fn of_file(path: &Utf8Path, key: &[String]) -> Option<Value> {
    let text = text(path)?;
    match path.extension()? {
        "csv" => of_table(&text, b',', &key.join(".")),
        "tsv" => of_table(&text, b'\t', &key.join(".")),
        "json" => of_json(&serde_json::from_str(&text).ok()?, key),
        _ => {
            let mut lines = text.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
            lines.find_map(|value| of_json(&value, key))
        }
    }
}

fn of_table(text: &str, delimiter: u8, column: &str) -> Option<Value> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes());
    let at = reader.headers().ok()?.iter().position(|name| name == column)?;
    let cells = reader.records().filter_map(|record| Some(record.ok()?.get(at)?.to_owned()));
    cells.filter(|cell| !cell.is_empty()).last().map(|cell| Value::of(&cell))
}

/// Finds a value along a path: names of members, numbers of elements (`-1` is the last).
fn of_json(value: &serde_json::Value, key: &[String]) -> Option<Value> {
    use serde_json::Value as Json;
    // a member may have dots in its name
    if let (Json::Object(members), joined) = (value, key.join("."))
        && let Some(found) = members.get(&joined)
    {
        return of_json(found, &[]);
    }
    let Some((first, rest)) = key.split_first() else {
        return match value {
            Json::Number(number) => number.as_f64().map(Value::Number),
            Json::String(text) => Some(Value::of(text)),
            Json::Bool(truth) => Some(Value::Text(truth.to_string())),
            _ => None,
        };
    };
    let next = match value {
        Json::Object(members) => members.get(first)?,
        Json::Array(elements) => match first.strip_prefix('-') {
            Some(back) => elements.get(elements.len().checked_sub(back.parse().ok()?)?)?,
            None => elements.get(first.parse::<usize>().ok()?)?,
        },
        _ => return None,
    };
    of_json(next, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metric: &str, file: &str, content: &str) -> Option<Value> {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let metric: Metric = metric.parse().unwrap();
        match &metric.source {
            Source::Log { pattern } => of_log(content, &regex(pattern).unwrap()),
            Source::File { key, .. } => of_file(&path, key),
        }
    }

    #[test]
    fn a_table_has_the_digits_that_count() {
        for (number, written) in [
            (0.986_510_664_311, "0.986511"),
            (94.0, "94"),
            (-0.000_012_345_678, "-0.0000123457"),
            (0.0, "0"),
        ] {
            assert_eq!(Value::Number(number).rounded(), written);
        }
        assert_eq!(Value::Text("diverged".into()).rounded(), "diverged");
    }

    #[test]
    fn what_was_printed_is_searched_for_its_last_match() {
        let log = "epoch 1 loss: 0.5 acc=71%\nepoch 2 loss: 2.5e-1 acc=83%\nval_loss 9\n";
        assert_eq!(read("loss", "log", log), Some(Value::Number(0.25)));
        assert_eq!(read("epochs=^epoch ([0-9]+)", "log", log), Some(Value::Number(2.0)));
        assert_eq!(read(r"acc=acc=\d+%", "log", log), Some(Value::Text("acc=83%".into())));
        assert_eq!(read("f1", "log", log), None);
    }

    #[test]
    fn results_are_read_by_key() {
        let json = r#"{"test": {"acc": 0.9, "runs": [1, 2]}, "a.b": "7"}"#;
        let of = |key: &str| read(&format!("x=out/m.json:{key}"), "out/m.json", json);
        assert_eq!(of("test.acc"), Some(Value::Number(0.9)));
        assert_eq!(of("test.runs.-1"), Some(Value::Number(2.0)));
        assert_eq!(of("a.b"), Some(Value::Number(7.0)));
        assert_eq!(of("test.f1"), None);
        assert_eq!(of("test"), None);
        let table = "epoch,acc\n1,0.5\n2,0.75\n";
        assert_eq!(read("x=t.csv:acc", "t.csv", table), Some(Value::Number(0.75)));
        assert_eq!(read("x=t.csv:f1", "t.csv", table), None);
        let lines = "{\"acc\": 1}\n{\"acc\": 2}\n{\"other\": 1}\n{\"acc\": 3";
        assert_eq!(read("x=l.jsonl:acc", "l.jsonl", lines), Some(Value::Number(2.0)));
    }

    #[test]
    fn a_metric_survives_its_text() {
        for text in ["loss", "acc=m.json:a.b", "x=y: ([0-9]+)"] {
            let metric: Metric = text.parse().unwrap();
            assert_eq!(String::from(metric), text);
        }
        for text in ["", "=x", "x=(", "a b"] {
            assert!(text.parse::<Metric>().is_err(), "{text}");
        }
    }
}
