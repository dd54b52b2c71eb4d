//! Keys and tokens that were left in the code: seen, named, and never repeated.

use std::sync::LazyLock;

use regex::Regex;

/// A kind of secret, and how it looks.
struct Shape {
    name: &'static str,
    pattern: &'static str,
}

const SHAPES: &[Shape] = &[
    Shape { name: "an AWS access key", pattern: r"(?-u:\b)(?:AKIA|ASIA)[0-9A-Z]{16}(?-u:\b)" },
    Shape { name: "a Hugging Face token", pattern: r"(?-u:\b)hf_[A-Za-z0-9]{30,}(?-u:\b)" },
    Shape { name: "an Anthropic API key", pattern: r"(?-u:\b)sk-ant-[A-Za-z0-9_-]{20,}" },
    Shape {
        name: "an OpenAI API key",
        pattern: r"(?-u:\b)sk-(?:proj-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{32,})",
    },
    Shape {
        name: "a GitHub token",
        pattern: r"(?-u:\b)(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{30,})",
    },
    Shape { name: "a Slack token", pattern: r"(?-u:\b)xox[abprs]-[A-Za-z0-9-]{10,}" },
    Shape { name: "a Google API key", pattern: r"(?-u:\b)AIza[0-9A-Za-z_-]{35}" },
    Shape {
        name: "a Telegram bot token",
        pattern: r"(?-u:\b)[0-9]{8,10}:AA[0-9A-Za-z_-]{33}(?-u:\b)",
    },
    Shape { name: "a private key", pattern: r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----" },
    Shape {
        name: "a user name and password in an address",
        pattern: r"(?-u:\b)[a-z][a-z0-9+]{1,9}://[^ /:@'\x22{}$<>]+:[^ /@'\x22{}$<>]{3,}@",
    },
];

static ANY: LazyLock<Regex> = LazyLock::new(|| {
    let patterns: Vec<String> = SHAPES.iter().map(|shape| format!("({})", shape.pattern)).collect();
    Regex::new(&patterns.join("|")).expect("the patterns are valid")
});

/// Returns what kind of secret stands in `text`, if one does.
pub fn recognise(text: &str) -> Option<&'static str> {
    if !may_hold_one(text) {
        return None;
    }
    let captures = ANY.captures(text)?;
    let at = (1..captures.len()).find(|&group| captures.get(group).is_some())?;
    SHAPES.get(at - 1).map(|shape| shape.name)
}

/// Blots out every secret in `text`.
pub fn redact(text: &str) -> String {
    if !may_hold_one(text) {
        return text.to_owned();
    }
    ANY.replace_all(text, "***").into_owned()
}

/// Every shape is long, and has letters by which it is known; most strings do not.
fn may_hold_one(text: &str) -> bool {
    if text.len() < 12 {
        return false;
    }
    let bytes = text.as_bytes();
    let here =
        |at: usize, letters: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(letters));
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'A' => here(at, b"AKIA") || here(at, b"ASIA") || here(at, b"AIza"),
        b'h' => here(at, b"hf_"),
        b's' => here(at, b"sk-"),
        b'g' => here(at, b"gh") && here(at + 3, b"_") || here(at, b"github_pat_"),
        b'x' => here(at, b"xox"),
        b':' => here(at, b"://") && memchr::memchr(b'@', bytes).is_some() || here(at, b":AA"),
        b'-' => here(at, b"-----BEGIN "),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognised_and_blotted_out() {
        let aws = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
        let hugging = format!("hf_{}", "a1".repeat(17));
        for (text, name) in [
            (aws, "an AWS access key"),
            (hugging, "a Hugging Face token"),
            (format!("sk-{}", "A1b2".repeat(12)), "an OpenAI API key"),
            (format!("ghp_{}", "a".repeat(36)), "a GitHub token"),
            ("mongodb://me:secret@host/db".to_owned(), "a user name and password in an address"),
        ] {
            let line = format!("key = '{text}'");
            assert_eq!(recognise(&line), Some(name), "{line}");
            assert!(!redact(&line).contains(&text), "{line}");
        }
    }

    #[test]
    fn names_and_templates_are_no_secrets() {
        for text in [
            "sk-learn and sk-image are libraries",
            "hf_dataset_name_or_path",
            "https://user:{password}@host/",
            "https://example.org:8080/path@x",
            "task-specific-model-with-a-very-long-name-that-goes-on",
        ] {
            assert_eq!(recognise(text), None, "{text}");
            assert_eq!(redact(text), text);
        }
    }
}
