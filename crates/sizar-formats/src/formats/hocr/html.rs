//! The tags and the text of HTML, well-formed or not.
//!
//! hOCR needs to know which elements are in which; a browser's whole parser is not needed for it.

use std::borrow::Cow;

/// What comes next in a document.
#[derive(Debug, PartialEq)]
pub enum Tag<'a> {
    /// An element begins. It ends at once if it can't hold anything, like `<br>`.
    Open {
        name: &'a str,
        attributes: &'a str,
        at: usize,
        is_empty: bool,
    },
    Close {
        name: &'a str,
    },
    Text(&'a str),
}

/// Goes through a document from tag to tag.
pub struct Tags<'a> {
    text: &'a str,
    at: usize,
}

/// Elements without content.
const EMPTY: [&str; 8] = ["br", "meta", "link", "img", "hr", "input", "wbr", "col"];

impl<'a> Tags<'a> {
    pub fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn until(&mut self, end: &str) {
        let rest = &self.text[self.at..];
        self.at += rest.find(end).map_or(rest.len(), |found| found + end.len());
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
            let next = rest.strip_prefix('<').and_then(|after| after.chars().next());
            if !next.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
                // text, which may begin with a `<` that is no tag's
                let begin = self.at;
                let next = memchr::memchr(b'<', &rest.as_bytes()[1..]);
                self.at += next.map_or(rest.len(), |found| found + 1);
                return Some(Tag::Text(&self.text[begin..self.at]));
            }
            if rest.starts_with("<!--") {
                self.until("-->");
                continue;
            }
            if rest.starts_with("<!") || rest.starts_with("<?") {
                self.until(">");
                continue;
            }
            let at = self.at;
            let end = end_of_tag(rest);
            self.at += end;
            let inner = rest[1..end].trim_end_matches('>');
            if let Some(name) = inner.strip_prefix('/') {
                return Some(Tag::Close { name: name.trim() });
            }
            let (inner, closes) = match inner.strip_suffix('/') {
                Some(inner) => (inner, true),
                None => (inner, false),
            };
            let split = inner.find(|c: char| c.is_ascii_whitespace()).unwrap_or(inner.len());
            let (name, attributes) = inner.split_at(split);
            let lower = name.to_ascii_lowercase();
            if lower == "script" || lower == "style" {
                self.until(if lower == "script" { "</script" } else { "</style" });
                self.until(">");
                continue;
            }
            let is_empty = closes || EMPTY.contains(&&*lower);
            return Some(Tag::Open { name, attributes, at, is_empty });
        }
    }
}

/// Where the tag at the beginning of `text` ends; quotes may hold a `>`.
fn end_of_tag(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// Returns the value of an attribute, as it is written.
pub fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let key = &rest[..end];
        rest = rest[end..].trim_start();
        let Some(after) = rest.strip_prefix('=') else {
            if end == 0 {
                rest = rest.get(1..).unwrap_or_default();
            }
            continue;
        };
        let after = after.trim_start();
        let (value, next) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inner = &after[1..];
                let close = inner.find(quote).unwrap_or(inner.len());
                (&inner[..close], inner.get(close + 1..).unwrap_or_default())
            }
            _ => {
                let close = after.find(|c: char| c.is_ascii_whitespace()).unwrap_or(after.len());
                after.split_at(close)
            }
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next.trim_start();
    }
    None
}

/// Replaces `&amp;`, `&#39;` and the like.
pub fn decoded(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('&') else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = rest[1..].split_once(';').map(|(name, _)| name).filter(|name| name.len() < 12);
        let letter = name.and_then(|name| match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            "nbsp" => Some('\u{a0}'),
            "shy" => Some('\u{ad}'),
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)
            }
        });
        match (letter, name) {
            (Some(letter), Some(name)) => {
                out.push(letter);
                rest = &rest[name.len() + 2..];
            }
            _ => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_text_come_one_after_the_other() {
        let text = "<!DOCTYPE html><p class='a>b'>x &lt; y<br/>a < b<!-- <p> --><BR></p><script>if (a<b) {}</script>é";
        let mut found = Vec::new();
        for tag in Tags::of(text) {
            found.push(match tag {
                Tag::Open { name, attributes, is_empty, .. } => {
                    format!("<{name}|{}|{is_empty}>", attribute(attributes, "class").unwrap_or(""))
                }
                Tag::Close { name } => format!("</{name}>"),
                Tag::Text(text) => decoded(text).into_owned(),
            });
        }
        assert_eq!(
            found,
            ["<p|a>b|false>", "x < y", "<br||true>", "a ", "< b", "<BR||true>", "</p>", "é"]
        );
    }

    #[test]
    fn attributes_are_found_in_any_spelling() {
        let text = " id=a1  hidden Title = 'bbox 1 2; x' class=\"ocr_line\"";
        assert_eq!(attribute(text, "title"), Some("bbox 1 2; x"));
        assert_eq!(attribute(text, "class"), Some("ocr_line"));
        assert_eq!(attribute(text, "id"), Some("a1"));
        assert_eq!(attribute(text, "style"), None);
        assert_eq!(attribute("= = =", "style"), None);
        assert_eq!(attribute(" a=\"x", "a"), Some("x"));
    }

    #[test]
    fn references_to_letters_are_replaced() {
        assert_eq!(decoded("a &amp;&#39;&#xe9;&unknown; &"), "a &'é&unknown; &");
    }
}
