//! Reads the page of one project.

use jiff::Timestamp;
use serde::Deserialize;
use sizar_model::SafeUrl;
use url::Url;

use super::IndexError;
use crate::http::Document;

/// A project and its files, in the order of the index.
#[derive(Clone, Debug)]
pub struct Project {
    /// The normalized name.
    pub name: String,
    pub files: Vec<IndexFile>,
}

/// A file of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFile {
    pub filename: String,
    pub url: SafeUrl,
    /// The SHA-256 digest, in lower-case hexadecimal digits.
    pub sha256: Option<String>,
    pub size: Option<u64>,
    pub upload_time: Option<Timestamp>,
    /// Whether it was withdrawn (PEP 592).
    pub yanked: bool,
    /// The Pythons that it is for, as specifiers (PEP 503).
    pub requires_python: Option<String>,
}

/// Reads a page in either form.
pub(super) fn read(base: &Url, document: &Document) -> Result<Vec<IndexFile>, IndexError> {
    let media_type = document.media_type.as_str();
    if media_type.ends_with("json") {
        read_json(base, &document.body)
    } else if media_type.ends_with("html") {
        Ok(read_html(base, &String::from_utf8_lossy(&document.body)))
    } else {
        let url = SafeUrl::new(base.as_str());
        Err(IndexError::NotAnIndex { url, media_type: media_type.to_owned() })
    }
}

#[derive(Deserialize)]
struct JsonPage {
    files: Vec<JsonFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: Hashes,
    size: Option<u64>,
    upload_time: Option<String>,
    /// `true`, `false`, or the reason as a text.
    #[serde(default)]
    yanked: serde_json::Value,
    requires_python: Option<String>,
}

#[derive(Default, Deserialize)]
struct Hashes {
    sha256: Option<String>,
}

fn read_json(base: &Url, body: &[u8]) -> Result<Vec<IndexFile>, IndexError> {
    let page: JsonPage = serde_json::from_slice(body)
        .map_err(|source| IndexError::Unreadable { url: SafeUrl::new(base.as_str()), source })?;
    let read = |file: JsonFile| {
        Some(IndexFile {
            url: SafeUrl::new(base.join(&file.url).ok()?),
            filename: file.filename,
            sha256: file.hashes.sha256.map(|hash| hash.to_ascii_lowercase()),
            size: file.size,
            requires_python: file.requires_python.filter(|text| !text.is_empty()),
            upload_time: file.upload_time.and_then(|time| time.parse().ok()),
            yanked: match file.yanked {
                serde_json::Value::Bool(yanked) => yanked,
                serde_json::Value::String(_) => true,
                _ => false,
            },
        })
    };
    Ok(page.files.into_iter().filter_map(read).collect())
}

/// Reads the anchors of a page, without minding what else the HTML holds or lacks.
fn read_html(base: &Url, text: &str) -> Vec<IndexFile> {
    let mut files = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        let Some(after) = after.strip_prefix(['a', 'A']) else { continue };
        let Some(end) = tag_end(after) else { break };
        let (attributes, tail) = after.split_at(end);
        rest = tail;
        // `<abbr>` and the like
        if !attributes.starts_with(|character: char| character.is_ascii_whitespace()) {
            continue;
        }
        files.extend(anchor(base, &read_attributes(attributes)));
    }
    files
}

/// Returns where the tag ends whose name was just read; a `>` in a quoted value does not end it.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

fn anchor(base: &Url, attributes: &[(String, String)]) -> Option<IndexFile> {
    let get = |name: &str| attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let mut url = base.join(get("href")?).ok()?;
    let sha256 = url
        .fragment()
        .and_then(|fragment| fragment.strip_prefix("sha256="))
        .map(str::to_ascii_lowercase);
    url.set_fragment(None);
    let last = url.path_segments()?.next_back()?.to_owned();
    let filename = percent_decoded(&last);
    (!filename.is_empty()).then(|| IndexFile {
        filename,
        url: SafeUrl::new(url),
        sha256,
        size: None,
        upload_time: None,
        yanked: get("data-yanked").is_some(),
        requires_python: get("data-requires-python").filter(|text| !text.is_empty()).cloned(),
    })
}

fn read_attributes(mut text: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    loop {
        text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if text.is_empty() {
            return attributes;
        }
        let end = text.find(|c: char| c.is_ascii_whitespace() || c == '=').unwrap_or(text.len());
        // a stray `=` has no name before it: stepped over, so that the loop always goes on
        let (name, rest) = text.split_at(end.max(usize::from(text.starts_with('='))));
        let rest = rest.trim_start();
        let (value, rest) = match rest.strip_prefix('=').map(str::trim_start) {
            None => ("", rest),
            Some(quoted) if quoted.starts_with(['"', '\'']) => {
                let (quote, inner) = quoted.split_at(1);
                inner.split_once(quote).unwrap_or((inner, ""))
            }
            Some(plain) => {
                let end = plain.find(|c: char| c.is_ascii_whitespace()).unwrap_or(plain.len());
                plain.split_at(end)
            }
        };
        attributes.push((name.to_ascii_lowercase(), unescaped(value)));
        text = rest;
    }
}

/// Replaces the entities that occur in addresses.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digits = (byte == b'%').then(|| (ahead.next(), ahead.next()));
        if let Some((Some(high), Some(low))) = digits
            && let (Some(high), Some(low)) =
                (char::from(high).to_digit(16), char::from(low).to_digit(16))
        {
            bytes.push((high * 16 + low) as u8);
            rest = ahead;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("https://index.org/simple/a/").unwrap()
    }

    #[test]
    fn a_json_page_is_read() {
        let body = br#"{"meta":{"api-version":"1.1"},"name":"a","files":[
            {"filename":"a-1.tar.gz","url":"../../f/a-1.tar.gz","hashes":{"sha256":"AB"},"size":3,
             "upload-time":"2018-11-14T15:05:20.123456Z","yanked":"broken","requires-python":">=2.7"},
            {"filename":"a-2.tar.gz","url":"https://f.org/a-2.tar.gz","hashes":{},"yanked":false}]}"#;
        let files = read_json(&base(), body).unwrap();
        assert_eq!(files[0].url.expose(), "https://index.org/f/a-1.tar.gz");
        assert_eq!(files[0].sha256.as_deref(), Some("ab"));
        assert_eq!(files[0].requires_python.as_deref(), Some(">=2.7"));
        assert!(files[0].yanked && !files[1].yanked);
        assert_eq!(files[0].upload_time.unwrap().to_string(), "2018-11-14T15:05:20.123456Z");
    }

    #[test]
    fn an_html_page_is_read_as_it_comes() {
        let text = "<!DOCTYPE html><HTML><abbr href=no>x</abbr>
            <A HREF='/f/a-1.tar.gz#sha256=ab' data-requires-python=\"&gt;=3\">a-1.tar.gz</A><br>
            <a data-yanked = \"\" href=a%2B1-2.zip>x <a href=\"a-3>b.zip\"> <a = href=b.zip> <a";
        let files = read_html(&base(), text);
        let names: Vec<_> = files.iter().map(|file| file.filename.as_str()).collect();
        assert_eq!(names, ["a-1.tar.gz", "a+1-2.zip", "a-3>b.zip", "b.zip"]);
        assert_eq!(files[0].sha256.as_deref(), Some("ab"));
        assert_eq!(files[0].url.expose(), "https://index.org/f/a-1.tar.gz");
        assert!(files[1].yanked && !files[2].yanked);
        assert_eq!(files[0].requires_python.as_deref(), Some(">=3"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[<a =\"'>h/ref%é&;#-]{0,60}") {
            let _ = read_html(&base(), &text);
        }
    }
}
