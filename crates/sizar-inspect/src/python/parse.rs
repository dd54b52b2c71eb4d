//! The only place that calls ruff's parser, which promises no stability.
//!
//! The parser recovers: a broken file, or one of Python 2, still gives a tree of what it has,
//! and a list of errors beside it.

use ruff_python_ast::{ModModule, Stmt};
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_unchecked};
use ruff_source_file::LineIndex;
use ruff_text_size::{Ranged, TextRange, TextSize};

/// A Python file, parsed as far as it can be.
pub struct Module {
    /// The text as it was parsed.
    pub text: String,
    parsed: Parsed<ModModule>,
    lines: LineIndex,
}

/// A place where the grammar of Python 3 does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxProblem {
    /// From 1.
    pub line: u32,
    pub message: String,
    pub range: TextRange,
}

impl Module {
    /// Parses `text`, whatever it is.
    pub fn parse(text: String) -> Self {
        let options = ParseOptions::from(Mode::Module);
        let parsed = parse_unchecked(&text, options)
            .try_into_module()
            .expect("the module mode parses a module");
        let lines = LineIndex::from_source_text(&text);
        Self { text, parsed, lines }
    }

    /// Returns the statements of the module.
    pub fn statements(&self) -> &[Stmt] {
        &self.parsed.syntax().body
    }

    /// Returns the errors, in the order of the file.
    pub fn problems(&self) -> Vec<SyntaxProblem> {
        self.parsed
            .errors()
            .iter()
            .map(|error| SyntaxProblem {
                line: self.line(error.location.start()),
                message: error.error.to_string(),
                range: error.location,
            })
            .collect()
    }

    /// Returns the line of an offset, from 1.
    pub fn line(&self, offset: TextSize) -> u32 {
        self.lines.line_index(offset).get() as u32
    }

    /// Returns the line of a node, from 1.
    pub fn line_of(&self, node: &impl Ranged) -> u32 {
        self.line(node.start())
    }

    /// Returns the source of a node.
    pub fn source_of(&self, node: &impl Ranged) -> &str {
        &self.text[node.range()]
    }
}

/// Decodes a source file as Python would, without failing: UTF-8 (with or without a byte order
/// mark), else Latin-1, which every sequence of bytes is.
pub fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_2_still_gives_its_statements() {
        let module = Module::parse("import os\nprint 'hello'\nimport sys\n".to_owned());
        assert!(!module.problems().is_empty());
        assert!(module.statements().iter().filter(|s| s.is_import_stmt()).count() == 2);
    }

    #[test]
    fn latin_1_is_decoded() {
        assert_eq!(decode(b"# caf\xe9"), "# caf\u{e9}");
    }
}
