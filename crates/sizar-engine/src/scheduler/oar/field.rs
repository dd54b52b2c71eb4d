//! Fields of OAR's JSON, where a number is a number or a text of digits.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::scheduler::SchedulerError;

/// Reads an object of objects, keyed by id. No text at all says that there is none.
pub(super) fn objects(
    program: &str,
    text: &str,
) -> Result<Vec<(u64, Map<String, Value>)>, SchedulerError> {
    // a warning of a site's plugin may stand before it
    let Some(start) = text.find('{') else {
        return match text.trim() {
            "" | "[]" => Ok(Vec::new()),
            words => Err(SchedulerError::unreadable(program, words)),
        };
    };
    let objects: Map<String, Value> = serde_json::from_str(&text[start..])
        .map_err(|source| SchedulerError::Json { program: program.to_owned(), source })?;
    let mut read: Vec<(u64, Map<String, Value>)> = objects
        .into_iter()
        .filter_map(|(id, object)| match object {
            Value::Object(object) => Some((id.parse().ok()?, object)),
            _ => None,
        })
        .collect();
    read.sort_by_key(|(id, _)| *id);
    Ok(read)
}

pub(super) fn number(object: &Map<String, Value>, key: &str) -> Option<i64> {
    match object.get(key)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(super) fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads seconds since 1970; 0 says that it has not happened.
pub(super) fn time(object: &Map<String, Value>, key: &str) -> Option<Timestamp> {
    number(object, key)
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
}

pub(super) fn texts(object: &Map<String, Value>, key: &str) -> Vec<String> {
    let Some(Value::Array(values)) = object.get(key) else { return Vec::new() };
    values
        .iter()
        .filter_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect()
}
