//! What a loader is given, as far as its source tells: an option of the driver's, or a path.

/// What an expression of a path begins with, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub base: Base,
    /// Parts that are joined to it.
    pub suffix: Vec<String>,
}

/// What a path begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// A name, such as `data_root` of `args.data_root`.
    Name(String),
    Text(String),
}

/// A word of an expression.
enum Word<'a> {
    Name(&'a str),
    Text(String),
    /// A text of which a part is computed.
    Unknown,
}

/// Words that are no values.
const SYNTAX: [&str; 10] = ["if", "else", "or", "and", "not", "in", "is", "None", "True", "False"];

/// Reads the source of an expression as a path; none where its beginning is not known.
pub(super) fn read(source: &str) -> Option<Root> {
    let mut words = words(source).into_iter();
    let base = match words.next()? {
        Word::Name(name) => Base::Name(name.rsplit('.').next().unwrap_or(name).to_owned()),
        Word::Text(text) => Base::Text(text),
        Word::Unknown => return None,
    };
    let suffix = words.map_while(|word| match word {
        Word::Text(text) => Some(text.trim_matches('/').to_owned()),
        Word::Name(_) | Word::Unknown => None,
    });
    Some(Root { base, suffix: suffix.collect() })
}

/// Returns the text of a source that is a text, or a path of one.
pub(super) fn text_of(source: &str) -> Option<String> {
    match read(source)? {
        Root { base: Base::Text(text), suffix } => {
            let parts = std::iter::once(text.as_str()).chain(suffix.iter().map(String::as_str));
            Some(parts.collect::<Vec<_>>().join("/"))
        }
        Root { .. } => None,
    }
}

/// Returns the values of an expression in order: names that are not called, and texts.
fn words(source: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '\'' {
            let inner = rest.get(1..).unwrap_or_default();
            let Some(end) = inner.find(first) else { break };
            words.push(Word::Text(inner.get(..end).unwrap_or_default().to_owned()));
            rest = inner.get(end + 1..).unwrap_or_default();
        } else if first.is_alphabetic() || first == '_' {
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            rest = after;
            let quoted = after.starts_with(['"', '\'']) && name.len() <= 2;
            if quoted && name.contains(['f', 'F']) {
                // `f"{root}/x"`
                words.push(Word::Unknown);
                break;
            }
            if !quoted && !after.starts_with('(') && !SYNTAX.contains(&name) {
                words.push(Word::Name(name));
            }
        } else {
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_source() {
        let name = |name: &str, suffix: &[&str]| {
            let suffix = suffix.iter().map(|part| (*part).to_owned()).collect();
            Some(Root { base: Base::Name(name.to_owned()), suffix })
        };
        let text = |text: &str, suffix: &[&str]| {
            let suffix = suffix.iter().map(|part| (*part).to_owned()).collect();
            Some(Root { base: Base::Text(text.to_owned()), suffix })
        };
        for (source, expected) in [
            ("args.data_root", name("data_root", &[])),
            ("'./data'", text("./data", &[])),
            ("os.path.expanduser('~/data')", text("~/data", &[])),
            ("Path(opt.root) / \"train\"", name("root", &["train"])),
            ("os.path.join(args.data, 'train')", name("data", &["train"])),
            (
                "os.path.join(args.data_path, 'train' if is_train else 'val')",
                name("data_path", &["train"]),
            ),
            ("f'{root}/x'", None),
            ("", None),
        ] {
            assert_eq!(read(source), expected, "{source}");
        }
        assert_eq!(text_of("Path('data') / 'voc'").as_deref(), Some("data/voc"));
        assert_eq!(text_of("None"), None);
        assert_eq!(text_of("DATA"), None);
    }
}
