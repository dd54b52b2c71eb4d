//! `requirements.txt` and its relatives, as pip reads them, and as people fill them.

use super::kind::{Kind, scope_of};
use super::read::Read;
use super::text::{group, pattern};
use super::{command_line, conda_list};

/// Reads a requirements file; `scope` is that of the file which includes it.
pub(super) fn read(path: &str, text: &str, scope: Option<&str>) -> Read {
    if let Some(style) = conda_list::recognise(text) {
        return conda_list::read(path, text, style);
    }
    let mut read = Read::new(path, Kind::RequirementsTxt);
    let scope = scope_of(path).or(scope).unwrap_or("install").to_owned();
    for (line, text) in logical_lines(text) {
        entry(&mut read, &text, line, &scope);
    }
    read
}

/// Joins continued lines and cuts comments; each with the line that it starts on.
pub(super) fn logical_lines(text: &str) -> Vec<(u32, String)> {
    pattern!(COMMENT, r"(^|\s)#.*$");
    let mut lines: Vec<(u32, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        // a comment between continued lines does not end them
        if open && line.trim_start().starts_with('#') {
            continue;
        }
        let line = COMMENT.replace(line, "");
        let (part, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line.as_ref(), false),
        };
        match lines.last_mut() {
            Some((_, last)) if open => {
                last.push(' ');
                last.push_str(part.trim());
            }
            _ => lines.push((number, part.trim().to_owned())),
        }
        open = goes_on;
    }
    lines.retain(|(_, line)| !line.is_empty());
    lines
}

/// Reads one logical line.
pub(super) fn entry(read: &mut Read, written: &str, line: u32, scope: &str) {
    pattern!(OPTION, r"^(--?[A-Za-z][A-Za-z-]*)(?:\s*=\s*|\s+|$)(.*)$");
    pattern!(JOINED, r"^(-[rcefi])([^\s=-].*)$");
    pattern!(
        NOISE,
        r"^(?:Package\s+Version\b.*|[-=\s]+|\[[\w.-]+\]|```.*|WARNING: .*|You are using pip .*)$"
    );
    let written = written.trim_start_matches('\u{feff}').trim();
    if written.is_empty() || NOISE.is_match(written) {
        return;
    }
    if command_line::is_install(written) {
        command_line::read(read, written, line, scope);
        return;
    }
    let option = JOINED.captures(written).or_else(|| OPTION.captures(written));
    let Some(option) = option else {
        requirement(read, written, line, scope);
        return;
    };
    let value = group(&option, 2).trim().trim_matches(['"', '\'']);
    match group(&option, 1) {
        "-r" | "--requirement" => read.refer(value, Kind::RequirementsTxt, scope, line, true),
        "-c" | "--constraint" => read.refer(value, Kind::RequirementsTxt, "constraint", line, true),
        "-e" | "--editable" => editable(read, value, written, line, scope),
        "-i" | "--index-url" | "--pypi-url" => read.index("index", value, line),
        "--extra-index-url" => read.index("extra_index", value, line),
        "-f" | "--find-links" => read.index("find_links", value, line),
        "--pre"
        | "--no-index"
        | "--no-binary"
        | "--only-binary"
        | "--prefer-binary"
        | "--trusted-host"
        | "--require-hashes"
        | "--use-feature"
        | "--no-deps"
        | "--always-unzip"
        | "-Z"
        | "--use-wheel"
        | "--no-use-wheel"
        | "--process-dependency-links" => {}
        other => read.cannot_read(format!("line {line}: the option `{other}` is unknown")),
    }
}

fn editable(read: &mut Read, value: &str, written: &str, line: u32, scope: &str) {
    read.require_with(value, written, line, scope, None);
}

/// A requirement, without the options for one requirement (`--hash`, `--install-option`).
fn requirement(read: &mut Read, written: &str, line: u32, scope: &str) {
    pattern!(PER_REQUIREMENT, r"\s+--[a-z][a-z-]*[=\s].*$");
    let bare = PER_REQUIREMENT.replace(written, "");
    read.require_with(&bare, written, line, scope, None);
}
