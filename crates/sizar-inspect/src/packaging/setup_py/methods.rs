//! Methods of texts, files and dictionaries, as a `setup.py` uses them.

use ruff_python_ast::Arguments;

use super::interpreter::Interpreter;
use super::value::{Located, Value};

impl<'m> Interpreter<'m> {
    pub(super) fn method(&mut self, value: Value, method: &str, arguments: &'m Arguments) -> Value {
        match value {
            Value::Text(text) => self.of_text(&text, method, arguments),
            Value::File(path) => self.of_file(&path, method),
            Value::Dict(entries) => {
                let value = Value::Dict(entries);
                match method {
                    "values" => match value {
                        Value::Dict(entries) => {
                            Value::List(entries.into_iter().map(|(_, v)| v).collect())
                        }
                        other => other,
                    },
                    "keys" => Value::List(value.items()),
                    "copy" => value,
                    "get" | "pop" | "setdefault" => {
                        let mut given = arguments.args.iter();
                        let key = given.next().map(|key| self.evaluate(key));
                        let found = key
                            .as_ref()
                            .and_then(Value::text)
                            .and_then(|key| value.get(key))
                            .cloned();
                        found
                            .or_else(|| given.next().map(|default| self.evaluate(default)))
                            .unwrap_or(Value::Unknown)
                    }
                    _ => Value::Unknown,
                }
            }
            Value::List(items) if method == "copy" => Value::List(items),
            _ => Value::Unknown,
        }
    }

    fn of_text(&mut self, text: &Located, method: &str, arguments: &'m Arguments) -> Value {
        let given: Vec<Value> =
            arguments.args.iter().map(|argument| self.evaluate(argument)).collect();
        let first = given.first().and_then(Value::text);
        let changed = |new: &str| {
            let start = text.text.find(new).unwrap_or(0);
            Value::Text(text.part(start, new))
        };
        match method {
            "strip" | "lstrip" | "rstrip" => {
                let cut = |c: char| first.map_or(c.is_whitespace(), |set| set.contains(c));
                changed(match method {
                    "strip" => text.text.trim_matches(cut),
                    "lstrip" => text.text.trim_start_matches(cut),
                    _ => text.text.trim_end_matches(cut),
                })
            }
            "split" | "rsplit" => match first {
                Some(separator) if !separator.is_empty() => text.split(text.text.split(separator)),
                _ => text.split(text.text.split_whitespace()),
            },
            "partition" => {
                let separator = first.unwrap_or(" ");
                let (before, after) = text.text.split_once(separator).unwrap_or((&text.text, ""));
                Value::List(vec![
                    Value::Text(text.with(before)),
                    Value::Text(text.with(separator)),
                    Value::Text(text.with(after)),
                ])
            }
            "splitlines" => text.split(text.text.lines()),
            "decode" | "encode" | "expandtabs" => Value::Text(text.clone()),
            "lower" => Value::Text(text.with(text.text.to_lowercase())),
            "upper" => Value::Text(text.with(text.text.to_uppercase())),
            "replace" => match (first, given.get(1).and_then(Value::text)) {
                (Some(old), Some(new)) if !old.is_empty() && new.len() < 100 => {
                    Value::Text(text.with(text.text.replace(old, new)))
                }
                _ => Value::Unknown,
            },
            "format" => self.format(text, &given, arguments),
            "join" => {
                let Some(Value::List(items)) = given.first() else { return Value::Unknown };
                let parts: Option<Vec<&str>> = items.iter().map(Value::text).collect();
                parts.map_or(Value::Unknown, |parts| Value::Text(text.with(parts.join(&text.text))))
            }
            // pathlib's joinpath on a text taken as a path
            "read_text" | "open" | "joinpath" => match self.as_path(Value::Text(text.clone())) {
                Value::File(path) => self.of_file(&path, method),
                _ => Value::Unknown,
            },
            _ => Value::Unknown,
        }
    }

    fn of_file(&mut self, path: &str, method: &str) -> Value {
        match method {
            "read" | "read_text" | "read_bytes" => {
                self.content(path).map_or(Value::Unknown, Value::Text)
            }
            "readlines" => self.lines_of(path),
            "readline" => match self.lines_of(path) {
                Value::List(lines) => lines.into_iter().next().unwrap_or(Value::Unknown),
                other => other,
            },
            "open" | "resolve" | "absolute" | "expanduser" | "__enter__" => {
                Value::File(path.to_owned())
            }
            _ => Value::Unknown,
        }
    }

    /// `'{}>={}'.format(a, b)`, `'{name}'.format(name=…)`
    fn format(&mut self, text: &Located, given: &[Value], arguments: &'m Arguments) -> Value {
        let mut result = String::new();
        let mut next = 0;
        let mut rest = text.text.as_str();
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}') else { return Value::Unknown };
            result.push_str(&rest[..open]);
            let field = rest[open + 1..open + close].split([':', '!']).next().unwrap_or_default();
            let value = if field.is_empty() {
                next += 1;
                given.get(next - 1).cloned()
            } else if let Ok(index) = field.parse::<usize>() {
                given.get(index).cloned()
            } else {
                arguments.find_keyword(field).map(|keyword| self.evaluate(&keyword.value))
            };
            match value {
                Some(Value::Text(value)) if result.len() < 10_000 => result.push_str(&value.text),
                _ => return Value::Unknown,
            }
            rest = &rest[open + close + 1..];
        }
        result.push_str(rest);
        Value::Text(text.with(result))
    }
}
