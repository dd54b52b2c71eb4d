//! Fields of OAR's JSON, where a number is a number or a text of digits.
//!
//! Newer versions name the fields as the database does (`job_name`, `start_time`), so a field is
//! asked for under all its names: <https://github.com/reframe-hpc/reframe/pull/2945>.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::scheduler::SchedulerError;

pub(super) const ID: &[&str] = &["Job_Id", "id", "job_id", "resource_id"];
pub(super) const NAME: &[&str] = &["name", "job_name"];
pub(super) const OWNER: &[&str] = &["owner", "user", "job_user"];
pub(super) const START: &[&str] = &["startTime", "start_time"];
pub(super) const STOP: &[&str] = &["stopTime", "stop_time"];
pub(super) const SCHEDULED_START: &[&str] = &["scheduledStart", "scheduled_start"];
pub(super) const QUEUE: &[&str] = &["queue", "queue_name"];
pub(super) const HOSTS: &[&str] =
    &["assigned_network_address", "network_addresses", "assigned_hostnames"];

/// An object and its id.
pub(super) type Numbered = (u64, Map<String, Value>);

/// Reads an object of objects, keyed by id, or a list of objects that hold their id. No text at
/// all says that there is none.
pub(super) fn objects(program: &str, text: &str) -> Result<Vec<Numbered>, SchedulerError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    // a warning of a site's plugin may stand before it
    let start = text
        .lines()
        .find(|line| line.trim_start().starts_with(['{', '[']) && !line.starts_with("[ADMISSION"))
        .and_then(|line| text.find(line));
    let Some(start) = start else { return Err(SchedulerError::unreadable(program, text)) };
    let value: Value = serde_json::from_str(&text[start..])
        .map_err(|source| SchedulerError::Json { program: program.to_owned(), source })?;
    let mut read: Vec<Numbered> = match value {
        Value::Object(objects) => objects
            .into_iter()
            .filter_map(|(id, value)| Some((id.parse().ok()?, object(value)?)))
            .collect(),
        Value::Array(values) => values
            .into_iter()
            .filter_map(object)
            .filter_map(|object| Some((u64::try_from(number(&object, ID)?).ok()?, object)))
            .collect(),
        _ => Vec::new(),
    };
    read.sort_by_key(|(id, _)| *id);
    Ok(read)
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn first<'a>(object: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a Value> {
    keys.iter().find_map(|key| object.get(*key))
}

pub(super) fn number(object: &Map<String, Value>, keys: &[&str]) -> Option<i64> {
    match first(object, keys)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(super) fn text(object: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    match first(object, keys)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads seconds since 1970; 0 says that it has not happened.
pub(super) fn time(object: &Map<String, Value>, keys: &[&str]) -> Option<Timestamp> {
    number(object, keys)
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
}

pub(super) fn texts(object: &Map<String, Value>, keys: &[&str]) -> Vec<String> {
    let Some(Value::Array(values)) = first(object, keys) else { return Vec::new() };
    values
        .iter()
        .filter_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect()
}
