//! XML from strangers: entities are refused, encodings are respected, positions are known.
//!
//! The tree is [`roxmltree`]'s, which opens no file and no address. Entities that a document
//! defines itself are refused before it is parsed: no format here needs them, and they are how
//! XML reads foreign files and grows without end.

use std::borrow::Cow;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use roxmltree::{Document, Node, ParsingOptions};

use crate::error::{FormatError, Position, Result};

/// Files above this are not annotations of a page.
const LARGEST: u64 = 1 << 30;

/// A file's text, decoded; [`XmlFile::parse`] borrows from it.
pub struct XmlFile {
    path: Utf8PathBuf,
    text: String,
}

impl XmlFile {
    /// Reads and decodes `path`.
    pub fn read(path: &Utf8Path) -> Result<Self> {
        let size = fs_err::metadata(path)?.len();
        if size > LARGEST {
            let what = format!("{} MB of XML in one file", size >> 20);
            return Err(FormatError::refused(Position::whole(path), what));
        }
        Self::from_bytes(path, fs_err::read(path)?)
    }

    /// Decodes `bytes`, which are said to be of `path`.
    pub fn from_bytes(path: &Utf8Path, bytes: Vec<u8>) -> Result<Self> {
        let text = decode(path, bytes)?;
        let file = Self { path: path.to_owned(), text };
        file.refuse_entities()?;
        Ok(file)
    }

    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Parses the text into a tree.
    pub fn parse(&self) -> Result<Document<'_>> {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        Document::parse_with_options(&self.text, options).map_err(|error| {
            if matches!(error, roxmltree::Error::UnexpectedEndOfStream) {
                // the parser doesn't say where that is
                let bytes = self.text.as_bytes();
                let end = Position::of_offset(&self.path, bytes, bytes.trim_ascii_end().len());
                return FormatError::malformed(end, "not XML: the file ends too early");
            }
            let at = error.pos();
            let message = error.to_string();
            // the position is said by ours
            let what = message.rsplit_once(" at ").map_or(&*message, |(what, _)| what).to_owned();
            FormatError::malformed(
                Position::line(&self.path, at.row.into(), at.col.into()),
                format!("not XML: {what}"),
            )
        })
    }

    /// Returns where `node` begins.
    pub fn position(&self, node: Node<'_, '_>) -> Position {
        Position::of_offset(&self.path, self.text.as_bytes(), node.range().start)
    }

    /// An error at `node`.
    pub fn error(&self, node: Node<'_, '_>, what: impl Into<Cow<'static, str>>) -> FormatError {
        FormatError::malformed(self.position(node), what)
    }

    fn refuse_entities(&self) -> Result<()> {
        let Some(start) = self.text.find("<!DOCTYPE") else { return Ok(()) };
        let Some(entity) = memchr::memmem::find(&self.text.as_bytes()[start..], b"<!ENTITY") else {
            return Ok(());
        };
        Err(FormatError::refused(
            Position::of_offset(&self.path, self.text.as_bytes(), start + entity),
            "the document defines entities, which can read other files and grow without end",
        ))
    }
}

/// Makes text of `bytes` by their mark, their declaration, or as UTF-8.
fn decode(path: &Utf8Path, bytes: Vec<u8>) -> Result<String> {
    let marked = encoding_rs::Encoding::for_bom(&bytes).map(|(encoding, _)| encoding);
    let encoding = match marked.or_else(|| declared(&bytes)) {
        Some(encoding) if encoding != encoding_rs::UTF_8 => encoding,
        _ => {
            return String::from_utf8(bytes).map(without_mark).map_err(|error| {
                let (bad, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
                FormatError::malformed(
                    Position::of_offset(path, bytes, bad),
                    format!("byte 0x{:02x} is not UTF-8, and no other encoding is declared", bytes[bad]),
                )
                .with_hint("if it is Latin-1, begin the file with <?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>")
            });
        }
    };
    let (text, _, broken) = encoding.decode(&bytes);
    if broken {
        let what = format!("the file is not the {} that it says it is", encoding.name());
        return Err(FormatError::malformed(Position::whole(path), what));
    }
    Ok(text.into_owned())
}

fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// Reads the encoding out of `<?xml … encoding="…"?>`.
fn declared(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let head = &bytes[..bytes.len().min(256)];
    if !head.starts_with(b"<?xml") {
        return None;
    }
    let head = &head[..memchr::memmem::find(head, b"?>")?];
    let rest = &head[memchr::memmem::find(head, b"encoding")? + 8..];
    let mut parts = rest.splitn(3, |byte| matches!(byte, b'"' | b'\''));
    encoding_rs::Encoding::for_label(parts.nth(1)?)
}

/// Returns the first child element of this local name.
pub fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

/// Returns the child elements of this local name, whatever their namespace.
pub fn children<'a, 'i, 'n>(
    node: Node<'a, 'i>,
    name: &'n str,
) -> impl Iterator<Item = Node<'a, 'i>> + use<'a, 'i, 'n> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// Returns the text of the first child of this name, without the space around it.
pub fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name).and_then(|child| child.text()).map(str::trim)
}

/// Returns an attribute by its local name.
pub fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes().find(|attribute| attribute.name() == name).map(|attribute| attribute.value())
}

/// Reads the text of `node` as a number; NaN and infinities are none.
pub fn number<T: FromStr + Into<f64> + Copy>(file: &XmlFile, node: Node<'_, '_>) -> Result<T> {
    let text = node.text().unwrap_or_default().trim();
    match text.parse::<T>() {
        Ok(number) if number.into().is_finite() => Ok(number),
        _ => {
            Err(file
                .error(node, format!("`{text}` in <{}> is not a number", node.tag_name().name())))
        }
    }
}
