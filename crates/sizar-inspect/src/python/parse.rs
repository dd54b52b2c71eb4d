//! The only place that calls ruff's parser, which promises no stability.
//!
//! The parser recovers: a broken file, or one of Python 2, still gives a tree of what it has,
//! and a list of errors beside it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ruff_python_ast::token::Token;
use ruff_python_ast::{ModModule, PythonVersion, Stmt};
use ruff_python_parser::{Mode, ParseOptions, Parsed, UnsupportedSyntaxError, parse_unchecked};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::lines::Lines;
use super::nesting;

/// The largest text that is parsed; a tree takes some thirty times as much memory.
const LARGEST: usize = 64 << 20;

/// A Python file, parsed as far as it can be.
pub struct Module {
    /// The text as it was parsed; statements that nest too deeply to be read are blank in it.
    pub text: String,
    parsed: Stage,
    lines: Lines,
    unread: Vec<Unread>,
}

/// What is kept of the parser's answer.
enum Stage {
    /// All of it.
    Whole(Parsed<ModModule>),
    /// What stays when nobody asks for the tokens any more.
    Tree { syntax: ModModule, problems: Vec<SyntaxProblem>, valid: bool },
}

/// Something that was not parsed.
struct Unread {
    line: u32,
    message: &'static str,
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
    ///
    /// What cannot be parsed at all (nested too deeply, too large) is among the problems.
    pub fn parse(text: String) -> Self {
        if text.len() > LARGEST {
            return Self::unread(text, "the file is too large to be read as Python");
        }
        let flat = nesting::flatten(text);
        let message = "the statement is nested too deeply to be read";
        let unread: Vec<_> = flat.lines.into_iter().map(|line| Unread { line, message }).collect();
        let text = flat.text;
        // The parser is not ours, and no file may stop an inspection.
        let Ok(parsed) = catch_unwind(AssertUnwindSafe(|| parse_module(&text))) else {
            return Self::unread(text, "the file cannot be read as Python");
        };
        if nesting::is_too_deep(parsed.tokens()) {
            // Dropping such a tree would overflow the stack.
            std::mem::forget(parsed);
            return Self::unread(text, message);
        }
        let lines = Lines::of(&text);
        Self { text, parsed: Stage::Whole(parsed), lines, unread }
    }

    fn unread(text: String, message: &'static str) -> Self {
        let parsed = parse_module("");
        // Offsets of such a text are never asked for, since there are no nodes.
        let lines = Lines::of("");
        let unread = vec![Unread { line: 1, message }];
        Self { text, parsed: Stage::Whole(parsed), lines, unread }
    }

    /// Returns the statements of the module.
    pub fn statements(&self) -> &[Stmt] {
        match &self.parsed {
            Stage::Whole(parsed) => &parsed.syntax().body,
            Stage::Tree { syntax, .. } => &syntax.body,
        }
    }

    /// Gives back the memory of the tokens, which only those read who look at single files.
    #[must_use]
    pub fn without_tokens(mut self) -> Self {
        let problems = self.problems();
        let valid = self.is_valid();
        self.parsed = match self.parsed {
            Stage::Whole(parsed) => Stage::Tree { syntax: parsed.into_syntax(), problems, valid },
            tree @ Stage::Tree { .. } => tree,
        };
        self
    }

    /// Returns the errors, in the order of the file.
    pub fn problems(&self) -> Vec<SyntaxProblem> {
        let parsed = match &self.parsed {
            Stage::Whole(parsed) => parsed,
            Stage::Tree { problems, .. } => return problems.clone(),
        };
        let mut problems: Vec<_> = self
            .unread
            .iter()
            .map(|unread| SyntaxProblem {
                line: unread.line,
                message: unread.message.to_owned(),
                range: TextRange::default(),
            })
            .chain(parsed.errors().iter().map(|error| SyntaxProblem {
                line: self.line(error.location.start()),
                message: error.error.to_string(),
                range: error.location,
            }))
            .collect();
        problems.sort_by_key(|problem| problem.line);
        problems
    }

    /// Returns whether the grammar of Python 3 reads all of the file.
    pub fn is_valid(&self) -> bool {
        match &self.parsed {
            Stage::Whole(parsed) => self.unread.is_empty() && parsed.errors().is_empty(),
            Stage::Tree { valid, .. } => *valid,
        }
    }

    /// Returns the tokens of the file; none [without them](Self::without_tokens).
    pub fn tokens(&self) -> &[Token] {
        match &self.parsed {
            Stage::Whole(parsed) => parsed.tokens(),
            Stage::Tree { .. } => &[],
        }
    }

    /// Returns the syntax that Python 3.0 did not have; none [without
    /// tokens](Self::without_tokens).
    pub(super) fn newer_syntax(&self) -> &[UnsupportedSyntaxError] {
        match &self.parsed {
            Stage::Whole(parsed) => parsed.unsupported_syntax_errors(),
            Stage::Tree { .. } => &[],
        }
    }

    /// Returns the line of an offset, from 1.
    pub fn line(&self, offset: TextSize) -> u32 {
        self.lines.line(offset.to_u32())
    }

    /// Returns the line of a node, from 1.
    pub fn line_of(&self, node: &impl Ranged) -> u32 {
        self.line(node.start())
    }

    /// Returns the source of a node.
    pub fn source_of(&self, node: &impl Ranged) -> &str {
        self.text.get(node.range().to_std_range()).unwrap_or_default()
    }
}

fn parse_module(text: &str) -> Parsed<ModModule> {
    // The oldest target makes the parser name all syntax that came later.
    let oldest = PythonVersion { major: 3, minor: 0 };
    parse_unchecked(text, ParseOptions::from(Mode::Module).with_target_version(oldest))
        .try_into_module()
        .expect("the module mode parses a module")
}

/// What some editors write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Decodes a source file as Python would, without failing: UTF-8 (with or without a byte order
/// mark), else Latin-1, which every sequence of bytes is.
pub fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// As [`decode`]; bytes that are UTF-8 become the text without being copied.
pub fn into_text(bytes: Vec<u8>) -> String {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        return decode(&bytes);
    }
    String::from_utf8(bytes).unwrap_or_else(|error| decode(error.as_bytes()))
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
        for bytes in [&b"# caf\xe9"[..], b"# caf\xc3\xa9", b"\xef\xbb\xbf# caf\xc3\xa9"] {
            assert_eq!(decode(bytes), "# caf\u{e9}");
            assert_eq!(into_text(bytes.to_vec()), "# caf\u{e9}");
        }
    }

    #[test]
    fn depth_does_not_overflow_the_stack() {
        let count = 100_000;
        for (open, close) in
            [("(", ")"), ("[", "]"), ("f(", ")"), ("-", ""), ("a.", ""), ("{1:", "}")]
        {
            let text = format!("import os\nx = {}1{}\n", open.repeat(count), close.repeat(count));
            let module = Module::parse(text);
            assert!(!module.is_valid(), "{open}");
            assert!(module.statements().first().is_some_and(Stmt::is_import_stmt));
        }
        let nested = "f\"{".repeat(5_000) + &"}\"".repeat(5_000);
        assert!(!Module::parse(nested).is_valid());
    }
}
