//! What a batch script is made of, and what may stand in a directive.

use std::fmt;
use std::str::FromStr;

use camino::Utf8Path;
use sizar_model::{JobHandle, Resources};

use super::ArrayRange;

/// A batch script before it is written in a scheduler's words.
#[derive(Clone, Debug)]
pub struct JobScript<'a> {
    /// The submission key.
    pub name: &'a JobName,
    pub resources: &'a Resources,
    /// What reads the body: `/bin/sh`, `/bin/bash -l`.
    pub shell: &'a str,
    /// The folder it starts in.
    pub folder: &'a Utf8Path,
    /// Where its output goes. `{job}` stands for the job's id (`123`, `123_4`).
    pub stdout: &'a Utf8Path,
    pub stderr: &'a Utf8Path,
    pub array: Option<ArrayRange>,
    /// The jobs that must have ended before.
    pub after: &'a [Dependency],
    /// Whether the scheduler may run it again after a node failed or it was preempted.
    pub requeue: bool,
    /// What it does.
    pub body: &'a str,
}

/// A job that must have ended before another starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    pub job: JobHandle,
    /// Whether it must have ended well. OAR knows no such wish: there, the body looks.
    pub success: bool,
}

/// A job's name, which is its submission key: letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName(String);

impl JobName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for JobName {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts && text.len() <= 100 && text.chars().all(letter) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ScriptError::Name { name: text.to_owned() })
        }
    }
}

/// A script that cannot be written so that it means what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    #[error("`{name}` cannot be a job's name: letters, digits, `-`, `_` and `.` can, up to 100")]
    Name { name: String },
    #[error("the {field} {value:?} holds a line break or another control character")]
    ControlCharacter { field: &'static str, value: String },
    #[error("the {field} {value:?} holds {character:?}, which {scheduler} cannot be given there")]
    Character { field: &'static str, value: String, character: char, scheduler: &'static str },
    #[error("{scheduler} knows no {field}")]
    Unsupported { field: &'static str, scheduler: &'static str },
    #[error("line {line} of the script reads as a directive: `{text}`")]
    DirectiveInBody { line: usize, text: String },
}

/// Returns `value` if it stays in its line.
pub(super) fn one_line<'a>(field: &'static str, value: &'a str) -> Result<&'a str, ScriptError> {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if value.contains(breaks) {
        return Err(ScriptError::ControlCharacter { field, value: value.to_owned() });
    }
    Ok(value)
}

/// Refuses a body that a scheduler would take directives from.
pub(super) fn no_directives(body: &str, prefixes: &[&str]) -> Result<(), ScriptError> {
    let found = body
        .lines()
        .enumerate()
        .find(|(_, line)| prefixes.iter().any(|prefix| line.starts_with(prefix)));
    match found {
        Some((number, line)) => {
            Err(ScriptError::DirectiveInBody { line: number + 1, text: line.to_owned() })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A script with nothing but its name, in `/home/alice/run`.
    pub(in crate::scheduler) fn plain<'a>(
        name: &'a JobName,
        resources: &'a Resources,
    ) -> JobScript<'a> {
        JobScript {
            name,
            resources,
            shell: "/bin/sh",
            folder: Utf8Path::new("/home/alice/run"),
            stdout: Utf8Path::new("/home/alice/run/job-{job}.out"),
            stderr: Utf8Path::new("/home/alice/run/job-{job}.err"),
            array: None,
            after: &[],
            requeue: false,
            body: "echo hello\n",
        }
    }

    #[test]
    fn names_are_harmless_words() {
        for name in ["sizar-2026-1", "a.b_c", "1"] {
            assert_eq!(name.parse::<JobName>().unwrap().as_str(), name);
        }
        let long = "x".repeat(101);
        for name in ["", "a b", "a'", "a;b", "-x", "a\nb", "a,b", "é", long.as_str()] {
            assert!(name.parse::<JobName>().is_err(), "{name}");
        }
    }

    #[test]
    fn values_stay_in_their_line() {
        for value in ["a\nb", "a\r", "\u{1b}[0m", "a\u{85}b", "a\u{2028}b", "\0"] {
            assert!(one_line("partition", value).is_err(), "{value:?}");
        }
        assert_eq!(one_line("partition", "gpu é \"#"), Ok("gpu é \"#"));
    }
}
