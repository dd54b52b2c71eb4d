//! Jupyter notebooks: their code as one Python text, their shell lines, and their errors.
//!
//! Formats 3 and 4 are read. A line of the text keeps the line of the file where it stands, as
//! far as it can be found there.

use serde::Deserialize;

/// A notebook's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notebook {
    /// The code cells as one text; magics and shell lines are replaced by `pass`.
    pub code: String,
    /// For each line of `code`, its line in the file.
    lines: Vec<u32>,
    /// The lines that begin with `!` or `%`, and those of `%%bash` cells (with a `!`).
    pub magics: Vec<Magic>,
    /// The errors that the authors' last run left in the outputs.
    pub errors: Vec<CellError>,
    /// The kernel's language, in lower case, where the notebook names it.
    pub language: Option<String>,
}

/// A line for the shell or for IPython.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magic {
    /// The line in the file.
    pub line: u32,
    /// The line as written, with its `!` or `%`.
    pub text: String,
}

/// An error among the outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellError {
    /// The line in the file where the cell's code begins.
    pub line: u32,
    /// `ModuleNotFoundError` and the like.
    pub name: String,
    pub message: String,
}

/// A file that is no notebook.
#[derive(Debug, thiserror::Error)]
pub enum NotebookError {
    #[error("it is not the JSON of a notebook")]
    Json(#[source] serde_json::Error),
}

impl Notebook {
    /// Reads the text of an `.ipynb` file.
    ///
    /// # Errors
    ///
    /// [`NotebookError`] where the text is not the JSON of a notebook.
    pub fn read(text: &str) -> Result<Self, NotebookError> {
        let stored: Stored = serde_json::from_str(text).map_err(NotebookError::Json)?;
        let mut reader = Reader::new(text);
        reader.notebook.language = stored.metadata.and_then(Metadata::language);
        let sheets = stored.worksheets.unwrap_or_default().into_iter();
        let old = sheets.flat_map(|sheet| sheet.cells.unwrap_or_default());
        for cell in stored.cells.unwrap_or_default().into_iter().chain(old) {
            reader.cell(cell);
        }
        Ok(reader.notebook)
    }

    /// Returns the line of the file for a line of `code`, both from 1.
    pub fn line(&self, code_line: u32) -> u32 {
        let at = (code_line as usize).saturating_sub(1);
        self.lines.get(at).or(self.lines.last()).copied().unwrap_or(1)
    }

    /// Returns whether the kernel speaks Python; a notebook that does not say is taken to.
    pub fn is_python(&self) -> bool {
        self.language.as_deref().is_none_or(|language| language.contains("python"))
    }
}

#[derive(Deserialize)]
struct Stored {
    cells: Option<Vec<Cell>>,
    worksheets: Option<Vec<Sheet>>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Sheet {
    cells: Option<Vec<Cell>>,
}

#[derive(Deserialize)]
struct Metadata {
    kernelspec: Option<Kernel>,
    language_info: Option<Kernel>,
}

#[derive(Deserialize)]
struct Kernel {
    language: Option<String>,
    name: Option<String>,
}

impl Metadata {
    fn language(self) -> Option<String> {
        let info = self.language_info.and_then(|info| info.name);
        let kernel = self.kernelspec.and_then(|kernel| kernel.language);
        info.or(kernel).map(|name| name.to_ascii_lowercase())
    }
}

#[derive(Deserialize)]
struct Cell {
    #[serde(rename = "cell_type")]
    kind: Option<String>,
    source: Option<Text>,
    /// What format 3 called the source.
    input: Option<Text>,
    outputs: Option<Vec<Output>>,
}

#[derive(Deserialize)]
struct Output {
    #[serde(rename = "output_type")]
    kind: Option<String>,
    ename: Option<String>,
    evalue: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Lines(Vec<String>),
    Whole(String),
}

impl Text {
    fn joined(self) -> String {
        match self {
            Self::Lines(lines) => lines.concat(),
            Self::Whole(text) => text,
        }
    }
}

/// Finds the lines of the file while it collects the lines of code.
struct Reader<'a> {
    file: &'a str,
    /// Where the last found line of code stands in the file, and on which line that is.
    offset: usize,
    line: u32,
    misses: u32,
    notebook: Notebook,
}

/// What a cell's first line makes of the rest.
enum CellKind {
    Python,
    Shell,
    Foreign,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str) -> Self {
        Self { file, offset: 0, line: 1, misses: 0, notebook: Notebook::default() }
    }

    fn cell(&mut self, cell: Cell) {
        if cell.kind.as_deref() != Some("code") {
            return;
        }
        let source = cell.source.or(cell.input).map(Text::joined).unwrap_or_default();
        let mut lines = source.lines();
        let first = self.locate(source.lines().next().unwrap_or_default());
        let kind = match source.trim_start().strip_prefix("%%") {
            Some(rest) => {
                let text = lines.next().unwrap_or_default();
                self.magic(text, first);
                cell_kind(rest)
            }
            None => CellKind::Python,
        };
        for text in lines {
            let line = self.locate(text);
            match kind {
                CellKind::Python => self.python(text, line),
                CellKind::Shell => {
                    let magic = Magic { line, text: format!("!{}", text.trim()) };
                    self.notebook.magics.push(magic);
                }
                CellKind::Foreign => {}
            }
        }
        for output in cell.outputs.unwrap_or_default() {
            // format 3 said `pyerr`
            if matches!(output.kind.as_deref(), Some("error" | "pyerr")) {
                self.notebook.errors.push(CellError {
                    line: first,
                    name: output.ename.unwrap_or_default(),
                    message: output.evalue.unwrap_or_default(),
                });
            }
        }
    }

    fn python(&mut self, text: &str, line: u32) {
        let continues = self.notebook.code.trim_end_matches('\n').ends_with(['\\', '(', '[', ',']);
        let trimmed = text.trim_start();
        let indent = &text[..text.len() - trimmed.len()];
        let code = if !continues && is_magic(trimmed) {
            self.magic(text, line);
            format!("{indent}pass")
        } else if let Some((target, magic)) = assigned_magic(text) {
            self.magic(magic, line);
            format!("{target}= None")
        } else {
            text.to_owned()
        };
        self.push(&code, line);
    }

    fn magic(&mut self, text: &str, line: u32) {
        self.notebook.magics.push(Magic { line, text: text.trim().to_owned() });
    }

    fn push(&mut self, code: &str, line: u32) {
        self.notebook.code.push_str(code);
        self.notebook.code.push('\n');
        self.notebook.lines.push(line);
    }

    /// Returns the line of the file where `text` stands, searching on from the last find.
    fn locate(&mut self, text: &str) -> u32 {
        // a text in another encoding is never found: give up before that costs time
        const MAX_MISSES: u32 = 20;
        if text.trim().is_empty() || self.misses > MAX_MISSES {
            return self.line;
        }
        let Ok(json) = serde_json::to_string(text) else { return self.line };
        let needle = json.trim_matches('"');
        let rest = self.file.get(self.offset..).unwrap_or_default();
        match rest.find(needle) {
            Some(at) => {
                let skipped = rest[..at].matches('\n').count();
                self.line += skipped as u32;
                self.offset += at;
            }
            None => self.misses += 1,
        }
        self.line
    }
}

fn cell_kind(magic: &str) -> CellKind {
    match magic.split_whitespace().next().unwrap_or_default() {
        "time" | "timeit" | "capture" | "prun" | "memit" | "python" | "python3" => CellKind::Python,
        "bash" | "sh" | "shell" | "script" => CellKind::Shell,
        _ => CellKind::Foreign,
    }
}

fn is_magic(line: &str) -> bool {
    let named = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    line.starts_with('!')
        || line.strip_prefix('%').is_some_and(|rest| named(rest.trim_start_matches('%')))
        || line.strip_prefix('?').is_some_and(named)
        || line.strip_suffix('?').is_some_and(|rest| !rest.contains(['#', '"', '\'', ' ']))
}

/// Splits `files = !ls` into its target and its shell line.
fn assigned_magic(line: &str) -> Option<(&str, &str)> {
    let (target, value) = line.split_once('=')?;
    let value = value.trim_start();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | ' ' | ',' | '\t' | '.');
    let shell = value.strip_prefix(['!', '%'])?;
    let named = shell.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.'));
    (named && target.chars().all(plain)).then_some((target, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTEBOOK: &str = r#"{
 "cells": [
  {"cell_type": "markdown", "source": ["import nothing"]},
  {
   "cell_type": "code",
   "source": [
    "!pip install tqdm\n",
    "%matplotlib inline\n",
    "import numpy as np\n",
    "files = !ls\n",
    "if True:\n",
    "    !echo hi\n",
    "print('%d' % 3)"
   ],
   "outputs": [{"output_type": "error", "ename": "KeyError", "evalue": "'x'"}]
  },
  {"cell_type": "code", "source": "%%bash\npip install scipy\n"},
  {"cell_type": "code", "source": "%%javascript\nalert(1)"}
 ],
 "metadata": {"language_info": {"name": "python"}},
 "nbformat": 4
}"#;

    #[test]
    fn code_and_magics_come_apart_with_their_lines() {
        let notebook = Notebook::read(NOTEBOOK).unwrap();
        assert_eq!(
            notebook.code,
            "pass\npass\nimport numpy as np\nfiles = None\nif True:\n    pass\nprint('%d' % 3)\n"
        );
        assert_eq!(notebook.line(3), 9);
        assert_eq!(notebook.line(7), 13);
        let magics: Vec<(u32, &str)> =
            notebook.magics.iter().map(|magic| (magic.line, magic.text.as_str())).collect();
        assert_eq!(
            magics,
            [
                (7, "!pip install tqdm"),
                (8, "%matplotlib inline"),
                (10, "!ls"),
                (12, "!echo hi"),
                (17, "%%bash"),
                (17, "!pip install scipy"),
                (18, "%%javascript"),
            ]
        );
        assert_eq!(notebook.errors[0].name, "KeyError");
        assert_eq!(notebook.errors[0].line, 7);
        assert!(notebook.is_python());
    }

    #[test]
    fn format_3_is_read() {
        let text = r#"{"worksheets": [{"cells": [
            {"cell_type": "code", "input": ["print 1"], "outputs": []}]}], "nbformat": 3}"#;
        assert_eq!(Notebook::read(text).unwrap().code, "print 1\n");
    }

    #[test]
    fn what_is_no_notebook_is_an_error() {
        for text in ["", "[1]", "<<<<<<< HEAD\n{}", "{\"cells\": 3}"] {
            assert!(Notebook::read(text).is_err(), "{text}");
        }
        assert_eq!(Notebook::read("{}").unwrap(), Notebook::default());
    }
}
