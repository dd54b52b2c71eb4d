//! XML written with an element a line.

use std::fmt::Display;
use std::fmt::Write as _;

/// Writes elements, indented; what is not ASCII stays as it is.
pub struct Writer {
    out: String,
    open: Vec<&'static str>,
    indent: &'static str,
}

impl Writer {
    /// Begins a document with the XML declaration.
    pub fn document() -> Self {
        Self {
            out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
            open: Vec::new(),
            indent: "  ",
        }
    }

    /// Begins a document without a declaration, indented by tabs, as Pascal VOC's files are.
    pub fn bare() -> Self {
        Self { out: String::with_capacity(1 << 12), open: Vec::new(), indent: "\t" }
    }

    /// Opens an element.
    pub fn open(&mut self, name: &'static str, attributes: &[(&str, &dyn Display)]) {
        self.start(name, attributes);
        self.out.push_str(">\n");
        self.open.push(name);
    }

    /// Closes the innermost open element.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.pad();
            self.end(name);
        }
    }

    /// Writes an element without content.
    pub fn empty(&mut self, name: &'static str, attributes: &[(&str, &dyn Display)]) {
        self.start(name, attributes);
        self.out.push_str("/>\n");
    }

    /// Writes an element with text.
    pub fn leaf(&mut self, name: &'static str, text: impl Display) {
        self.leaf_with(name, &[], text);
    }

    /// Writes an element with attributes and text.
    pub fn leaf_with(
        &mut self,
        name: &'static str,
        attributes: &[(&str, &dyn Display)],
        text: impl Display,
    ) {
        self.start(name, attributes);
        self.out.push('>');
        let begin = self.out.len();
        let _ = write!(self.out, "{text}");
        self.escape_from(begin, false);
        self.end(name);
    }

    /// Closes what is open and returns the document.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        self.pad();
        self.out.push('<');
        self.out.push_str(name);
        for (key, value) in attributes {
            let _ = write!(self.out, " {key}=\"");
            let begin = self.out.len();
            let _ = write!(self.out, "{value}");
            self.escape_from(begin, true);
            self.out.push('"');
        }
    }

    fn end(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push_str(">\n");
    }

    fn pad(&mut self) {
        for _ in 0..self.open.len() {
            self.out.push_str(self.indent);
        }
    }

    /// Escapes what was written since `begin`; control characters, which XML can't hold, go.
    fn escape_from(&mut self, begin: usize, is_attribute: bool) {
        let special = |c: char| match c {
            '&' | '<' | '>' => true,
            '"' | '\n' | '\t' | '\r' if is_attribute => true,
            '\n' | '\t' | '"' => false,
            c => c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}'),
        };
        // the two that are beyond ASCII begin with 0xef
        let may_be_special = |byte: &u8| matches!(byte, ..b' ' | b'&' | b'<' | b'>' | b'"' | 0xef);
        if !self.out.as_bytes()[begin..].iter().any(may_be_special) {
            return;
        }
        let raw = self.out.split_off(begin);
        for c in raw.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' if is_attribute => self.out.push_str("&quot;"),
                '\n' if is_attribute => self.out.push_str("&#10;"),
                '\t' if is_attribute => self.out.push_str("&#9;"),
                '\r' => self.out.push_str("&#13;"),
                c if special(c) => {}
                c => self.out.push(c),
            }
        }
    }
}
