//! Notebooks: `!pip install`, `%conda install`, and the Python that ran them.

use serde::Deserialize;

use super::command_line;
use super::kind::Kind;
use super::read::Read;

#[derive(Deserialize)]
struct Notebook {
    #[serde(default)]
    cells: Vec<Cell>,
    /// Format 3 and older.
    #[serde(default)]
    worksheets: Vec<Worksheet>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Worksheet {
    #[serde(default)]
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(default)]
    cell_type: String,
    #[serde(default, alias = "input")]
    source: Source,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    Lines(Vec<String>),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl Default for Source {
    fn default() -> Self {
        Self::Lines(Vec::new())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    language_info: LanguageInfo,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LanguageInfo {
    name: String,
    version: String,
}

/// Reads a notebook from its JSON.
pub(super) fn read(path: &str, text: &str) -> Read {
    let mut read = Read::new(path, Kind::Notebook);
    let notebook: Notebook = match serde_json::from_str(text) {
        Ok(notebook) => notebook,
        Err(error) => {
            read.cannot_read(format!("not a notebook: {error}"));
            return read;
        }
    };
    let cells =
        notebook.cells.into_iter().chain(notebook.worksheets.into_iter().flat_map(|w| w.cells));
    for cell in cells.filter(|cell| cell.cell_type == "code") {
        let source = match cell.source {
            Source::Lines(lines) => lines.concat(),
            Source::Text(source) => source,
            Source::Other(_) => continue,
        };
        code(&mut read, text, &source);
    }
    let language = notebook.metadata.language_info;
    if language.name == "python" {
        let line = line_of(text, &format!("\"version\": \"{}\"", language.version));
        read.python_named(&language.version, line);
    }
    read
}

fn code(read: &mut Read, text: &str, source: &str) {
    let is_shell = ["%%bash", "%%sh", "%%shell", "!#"]
        .iter()
        .any(|magic| source.trim_start().starts_with(magic));
    for (_, command) in super::requirements_txt::logical_lines(source) {
        let bare = command.trim_start();
        if is_shell || bare.starts_with(['!', '%']) {
            let command = bare.trim_start_matches(['!', '%']);
            if command_line::is_install(command) {
                let line = line_of(text, bare.split(['"', '\\']).next().unwrap_or(bare));
                command_line::read(read, command, line, "mentioned");
            }
        }
    }
}

/// The line of the JSON in which `part` is first.
fn line_of(text: &str, part: &str) -> u32 {
    text.find(part).map_or(1, |offset| super::text::line_at(text, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_install_and_name_the_python() {
        let json = "{\n \"cells\": [\n  {\"cell_type\": \"markdown\", \"source\": [\"!pip install not\"]},\n  {\"cell_type\": \"code\", \"outputs\": [{\"text\": 3}],\n   \"source\": [\"import os\\n\",\n    \"!pip install -q einops==0.3\\n\",\n    \"%conda install lxml\"]},\n  {\"cell_type\": \"code\", \"source\": \"%%bash\\napt-get install -y sox\"}\n ],\n \"metadata\": {\"language_info\": {\"name\": \"python\",\n   \"version\": \"3.7.3\"}}\n}";
        let read = read("x.ipynb", json);
        let told: Vec<_> = read.declared.iter().map(|d| (d.name.as_str(), d.line)).collect();
        assert_eq!(told, [("einops", 6), ("lxml", 7)]);
        assert_eq!(read.system_packages[0].text, "sox");
        assert_eq!((read.python.named[0].text.as_str(), read.python.named[0].line), ("3.7.3", 11));
    }

    #[test]
    fn what_is_no_notebook_is_said() {
        assert_eq!(read("x.ipynb", "<html>").file.unreadable.len(), 1);
    }
}
