//! What the checks saw in one file.

use sizar_model::inspection::{DataShape, Finding, Severity, Sighting};

use super::secrets;

/// The longest text of a sighting.
const MAX_TEXT: usize = 160;

/// What the checks saw in one file, in the order of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub devices: Vec<Sighting>,
    pub paths: Vec<PathUse>,
    pub datasets: Vec<Sighting>,
    pub data_shapes: Vec<DataShape>,
    pub weights: Vec<Sighting>,
    pub services: Vec<Sighting>,
    /// Names whose use matters to an environment.
    pub uses: Vec<Sighting>,
    pub findings: Vec<Finding>,
}

/// A path written into the code, before anybody looked whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathUse {
    pub value: String,
    /// `home`, `absolute` or `relative`.
    pub kind: &'static str,
    /// From 1.
    pub line: u32,
}

impl Facts {
    /// Replaces every line by another.
    pub fn map_lines(&mut self, line: impl Fn(u32) -> u32) {
        let Self { devices, datasets, weights, services, uses, .. } = self;
        let lists = [devices, datasets, weights, services, uses];
        lists.into_iter().flatten().for_each(|seen| seen.line = line(seen.line));
        self.paths.iter_mut().for_each(|path| path.line = line(path.line));
        self.data_shapes.iter_mut().for_each(|seen| seen.line = line(seen.line));
        self.findings.iter_mut().for_each(|finding| finding.line = line(finding.line));
    }

    /// Sorts by line, and keeps one of what is said twice of one line.
    pub fn settle(&mut self) {
        let Self { devices, datasets, weights, services, uses, .. } = self;
        for list in [devices, datasets, weights, services, uses] {
            list.sort_by(|a, b| (a.line, &a.kind, &a.text).cmp(&(b.line, &b.kind, &b.text)));
            list.dedup();
        }
        self.paths.sort_by(|a, b| (a.line, &a.value).cmp(&(b.line, &b.value)));
        self.paths.dedup();
        self.data_shapes
            .sort_by(|a, b| (a.line, &a.shape, &a.text).cmp(&(b.line, &b.shape, &b.text)));
        self.data_shapes.dedup();
        self.findings.sort_by(|a, b| (a.line, &a.id, &a.message).cmp(&(b.line, &b.id, &b.message)));
        self.findings.dedup();
    }
}

/// Makes a sighting; secrets in its text are blotted out, and it is cut to a readable length.
pub fn sighting(kind: &str, text: &str, path: &str, line: u32) -> Sighting {
    let text = secrets::redact(&one_line(text));
    Sighting { kind: kind.to_owned(), text, path: path.to_owned(), line }
}

/// Makes a finding; its identifier is one of the catalogue's.
pub fn finding(id: &str, message: impl Into<String>, path: &str, line: u32) -> Finding {
    let severity = super::catalogue::explain(id).map_or(Severity::Info, |entry| entry.severity);
    let message = secrets::redact(&message.into());
    Finding { id: id.to_owned(), severity, message, path: path.to_owned(), line }
}

/// Puts a snippet of source on one line and cuts it.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > MAX_TEXT {
            let end = line.floor_char_boundary(MAX_TEXT);
            line.truncate(end);
            line.push('…');
            break;
        }
    }
    line
}
