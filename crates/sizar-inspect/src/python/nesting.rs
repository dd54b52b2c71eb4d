//! Keeps trees shallow enough to be walked and dropped on a thread's ordinary stack.
//!
//! Ruff's parser grows its stack as needed, but a tree is walked and dropped by recursion. Code
//! nested deeper than any person writes is blanked before parsing (generated or hostile files), so
//! that offsets and lines stay as they were.

use memchr::{memchr, memchr3};
use ruff_python_ast::token::{Token, TokenKind};

/// The deepest tree that is kept: brackets, operators and blocks together.
const DEEPEST: u32 = 500;
/// CPython reads no more than 100 levels of indentation.
const DEEPEST_BLOCK: usize = 100;

/// A text in which statements that nest too deeply are blank.
pub(super) struct Flattened {
    pub(super) text: String,
    /// The lines that were blanked, from 1: the first of each statement.
    pub(super) lines: Vec<u32>,
}

/// Blanks what nests too deeply, and returns the text as it was where nothing does.
pub(super) fn flatten(text: String) -> Flattened {
    if !may_be_deep(text.as_bytes()) {
        return Flattened { text, lines: Vec::new() };
    }
    let deep = Scan::new(text.as_bytes()).run();
    if deep.is_empty() {
        return Flattened { text, lines: Vec::new() };
    }
    let mut bytes = text.into_bytes();
    let mut lines = Vec::with_capacity(deep.len());
    for &(start, end, line) in &deep {
        lines.push(line);
        if let Some(statement) = bytes.get_mut(start..end) {
            statement
                .iter_mut()
                .filter(|byte| !matches!(byte, b'\n' | b'\r'))
                .for_each(|b| *b = b' ');
        }
    }
    // The cuts are at line ends, which are whole characters.
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Flattened { text, lines }
}

/// Returns whether the tokens, which know the strings exactly, nest deeper than is kept.
pub(super) fn is_too_deep(tokens: &[Token]) -> bool {
    // a token makes two levels at most: a statement of few tokens is not looked at more closely
    tokens
        .split_inclusive(|token| token.kind() == TokenKind::Newline)
        .any(|statement| statement.len() > DEEPEST as usize / 2 && is_deep_statement(statement))
}

fn is_deep_statement(tokens: &[Token]) -> bool {
    let mut depth = Depth::default();
    tokens.iter().any(|token| {
        match token.kind() {
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => depth.open(),
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => depth.close(),
            TokenKind::Comma | TokenKind::Semi => depth.next_element(),
            TokenKind::Newline => depth.reset(),
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::String
            | TokenKind::NonLogicalNewline
            | TokenKind::Comment
            | TokenKind::Indent
            | TokenKind::Dedent => {}
            _ => depth.operator(),
        }
        depth.total > DEEPEST
    })
}

/// An upper bound of the depth at one place of a statement.
#[derive(Default)]
struct Depth {
    /// Operators since the last comma, for each open bracket.
    levels: Vec<u32>,
    /// The same outside of brackets.
    outside: u32,
    total: u32,
}

impl Depth {
    fn operator(&mut self) {
        *self.levels.last_mut().unwrap_or(&mut self.outside) += 1;
        self.total += 1;
    }

    /// Counts the bracket for what it holds, and as an operator of what it follows (`f()()`).
    fn open(&mut self) {
        self.operator();
        self.levels.push(1);
        self.total += 1;
    }

    fn close(&mut self) {
        self.total -= self.levels.pop().unwrap_or(0);
    }

    fn next_element(&mut self) {
        // The bracket itself stays.
        let (level, kept) = match self.levels.last_mut() {
            Some(level) => (level, 1),
            None => (&mut self.outside, 0),
        };
        self.total -= *level - kept;
        *level = kept;
    }

    fn reset(&mut self) {
        self.levels.clear();
        self.outside = 0;
        self.total = 0;
    }
}

/// What a byte means to [`may_be_deep`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Nothing but what may be an operator.
    Plain,
    Newline,
    Open,
    Close,
    Comma,
    Quote,
    Comment,
    Backslash,
}

const MARKS: [Mark; 256] = {
    let mut table = [Mark::Plain; 256];
    table[b'\n' as usize] = Mark::Newline;
    table[b'(' as usize] = Mark::Open;
    table[b'[' as usize] = Mark::Open;
    table[b'{' as usize] = Mark::Open;
    table[b')' as usize] = Mark::Close;
    table[b']' as usize] = Mark::Close;
    table[b'}' as usize] = Mark::Close;
    table[b',' as usize] = Mark::Comma;
    table[b';' as usize] = Mark::Comma;
    table[b'"' as usize] = Mark::Quote;
    table[b'\'' as usize] = Mark::Quote;
    table[b'#' as usize] = Mark::Comment;
    table[b'\\' as usize] = Mark::Backslash;
    table
};

/// Takes a quick look at a text, in which every byte of code counts as an operator.
///
/// Hardly any file holds a statement that is deep even so; one that does gets a [`Scan`].
fn may_be_deep(bytes: &[u8]) -> bool {
    // bytes since the last comma of the innermost open bracket, the same for each bracket around
    // it and for what is outside of all, and all of these together
    let (mut level, mut around, mut total) = (0, Vec::new(), 0);
    let mut at = 0;
    while let Some(rest) = bytes.get(at..) {
        let plain = rest.iter().take_while(|&&byte| MARKS[usize::from(byte)] == Mark::Plain);
        let plain = plain.count();
        level += plain;
        total += plain;
        if total > DEEPEST as usize {
            return true;
        }
        let Some(&byte) = rest.get(plain) else { break };
        at += plain + 1;
        match MARKS[usize::from(byte)] {
            Mark::Newline if around.is_empty() => {
                (level, total) = (0, 0);
                let indent = indent_at(bytes, at);
                if indent > DEEPEST_BLOCK {
                    return true;
                }
                at += indent;
            }
            Mark::Plain | Mark::Newline => {}
            Mark::Open => {
                around.push(level + 1);
                level = 1;
                total += 2;
            }
            Mark::Close => {
                if let Some(outer) = around.pop() {
                    total -= level;
                    level = outer;
                }
            }
            Mark::Comma => {
                // the bracket itself stays
                let kept = usize::from(!around.is_empty());
                total -= level - kept;
                level = kept;
            }
            Mark::Quote => (at, _) = skip_string(bytes, at - 1, byte),
            Mark::Comment => {
                let rest = bytes.get(at..).unwrap_or_default();
                at += memchr(b'\n', rest).unwrap_or(rest.len());
            }
            Mark::Backslash => at += 1,
        }
    }
    false
}

/// Returns how many blanks begin at `at`.
fn indent_at(bytes: &[u8], at: usize) -> usize {
    let line = bytes.get(at..).unwrap_or_default();
    line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// The bytes that words consist of; those of other scripts count as letters.
const IN_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let ascii = byte as u8;
        table[byte] = ascii.is_ascii_alphanumeric() || ascii == b'_' || byte >= 0x80;
        byte += 1;
    }
    table
};

/// The letters of `lambda`.
const LONGEST_OPERATOR: usize = 6;

/// Whether a word is an operator, under which a tree grows deeper.
fn is_operator(word: &[u8]) -> bool {
    // by the first letter: most words are none of them
    match word {
        [b'i', b'f' | b'n' | b's'] | [b'o', b'r'] => true,
        [b'n', b'o', b't'] | [b'a', b'n', b'd'] => true,
        [b'e', ..] => word == b"else",
        [b'a', ..] => word == b"await",
        [b'y', ..] => word == b"yield",
        [b'l', ..] => word == b"lambda",
        _ => false,
    }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
    depth: Depth,
    indents: Vec<usize>,
    /// Start and first line of the statement at hand.
    statement: (usize, u32),
    deep: Vec<(usize, usize, u32)>,
}

impl<'a> Scan<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            line: 1,
            depth: Depth::default(),
            indents: Vec::new(),
            statement: (0, 1),
            deep: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<(usize, usize, u32)> {
        self.begin_statement();
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    if self.depth.levels.is_empty() {
                        self.begin_statement();
                    }
                    continue;
                }
                b'\\' => {
                    if self.bytes.get(self.at + 1) == Some(&b'\n') {
                        self.line += 1;
                    }
                    self.at += 2;
                    continue;
                }
                b'#' => {
                    self.skip_line();
                    continue;
                }
                b'"' | b'\'' => {
                    self.skip_string(byte);
                    continue;
                }
                b'(' | b'[' | b'{' => self.depth.open(),
                b')' | b']' | b'}' => self.depth.close(),
                b',' | b';' => self.depth.next_element(),
                b'+' | b'-' | b'*' | b'/' | b'%' | b'@' | b'&' | b'|' | b'^' | b'~' | b'<'
                | b'>' | b'=' | b'.' | b':' | b'!' => self.depth.operator(),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => {
                    self.skip_word();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if self.depth.total > DEEPEST {
                self.blank_statement();
            }
        }
        self.deep
    }

    fn begin_statement(&mut self) {
        self.depth.reset();
        self.statement = (self.at, self.line);
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let indent = indent_at(self.bytes, self.at);
        // Empty lines and comments do not change the block.
        if matches!(rest.get(indent), None | Some(b'\n' | b'\r' | b'#')) {
            return;
        }
        while self.indents.last().is_some_and(|&last| last > indent) {
            self.indents.pop();
        }
        if indent > self.indents.last().copied().unwrap_or(0) {
            self.indents.push(indent);
        }
        if self.indents.len() > DEEPEST_BLOCK {
            self.indents.pop();
            self.blank_statement();
        }
    }

    /// Gives up the statement up to the end of the line at hand, and goes on behind it.
    fn blank_statement(&mut self) {
        self.skip_line();
        self.deep.push((self.statement.0, self.at, self.statement.1));
        self.depth.reset();
    }

    fn skip_line(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += memchr(b'\n', rest).unwrap_or(rest.len());
    }

    fn skip_word(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length =
            rest.iter().position(|&byte| !IN_WORD[usize::from(byte)]).unwrap_or(rest.len());
        if length <= LONGEST_OPERATOR && is_operator(rest.get(..length).unwrap_or_default()) {
            self.depth.operator();
            if self.depth.total > DEEPEST {
                self.blank_statement();
                return;
            }
        }
        self.at += length;
    }

    fn skip_string(&mut self, quote: u8) {
        let (end, lines) = skip_string(self.bytes, self.at, quote);
        self.at = end;
        self.line += lines;
    }
}

/// Returns where the string that begins at `start` ends, and how many lines it goes on.
fn skip_string(bytes: &[u8], start: usize, quote: u8) -> (usize, u32) {
    let (mut at, mut lines) = (start, 0);
    let triple = bytes.get(at..at + 3).is_some_and(|three| three == [quote; 3]);
    at += if triple { 3 } else { 1 };
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at += memchr3(quote, b'\\', b'\n', rest).unwrap_or(rest.len());
        let Some(&byte) = bytes.get(at) else { return (at, lines) };
        match byte {
            b'\\' => {
                if bytes.get(at + 1) == Some(&b'\n') {
                    lines += 1;
                }
                at += 2;
            }
            b'\n' if !triple => return (at, lines),
            b'\n' => {
                lines += 1;
                at += 1;
            }
            _ if byte == quote && !triple => return (at + 1, lines),
            _ if byte == quote && bytes.get(at..at + 3) == Some(&[quote; 3]) => {
                return (at + 3, lines);
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_glance_sees_all_that_a_scan_sees(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "((", "[", "{", ")", "not ", "a.", "x", "-", " ", "if a:", "f(", "lambda: ",
                    ",", ";", "\n", "\n  ", "'", "\"\"\"", "#", "\\",
                ]),
                0..12,
            ),
            times in 1_usize..400,
        ) {
            let text = parts.concat().repeat(times);
            let deep = Scan::new(text.as_bytes()).run();
            prop_assert!(deep.is_empty() || may_be_deep(text.as_bytes()));
        }
    }

    fn blanked(text: &str) -> Vec<u32> {
        flatten(text.to_owned()).lines
    }

    #[test]
    fn ordinary_code_is_left_alone() {
        let numbers = "x = [".to_owned() + &"[-1.5e-3, {'a': 2}], ".repeat(10_000) + "]\n";
        assert!(blanked(&numbers).is_empty());
        assert!(blanked(&"if a == '((((':\n    b = not c\n".repeat(2_000)).is_empty());
    }

    #[test]
    fn only_the_deep_statement_goes() {
        let deep = format!("a = 1\nb = {}1{}\nc = 2\n", "[".repeat(9_000), "]".repeat(9_000));
        let flat = flatten(deep.clone());
        assert_eq!(flat.lines, [2]);
        assert_eq!(flat.text.len(), deep.len());
        assert!(flat.text.starts_with("a = 1\n   ") && flat.text.ends_with("\nc = 2\n"));
    }

    #[test]
    fn every_kind_of_depth_is_seen() {
        for unit in ["f(", "not ", "-", "a.", "a+", "[\n", "{", "lambda: ", "a if b else ", "x()()"]
        {
            assert!(!blanked(&unit.repeat(100_000)).is_empty(), "{unit:?}");
        }
        let blocks: Vec<_> = (0..500).map(|depth| " ".repeat(depth) + "if a:").collect();
        assert!(!blanked(&blocks.join("\n")).is_empty());
    }
}
