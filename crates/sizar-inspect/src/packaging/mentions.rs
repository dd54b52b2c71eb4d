//! Distributions that the prose, lists and tables of a README name.
//!
//! Only names of `knowledge/popular.toml` count: every other word may be anything. A version is
//! read wherever such a name stands before one; a name alone counts only in a list of
//! requirements, or in a sentence that says what is required.

use std::sync::LazyLock;

use regex::Regex;

use super::popular;
use super::read::Read;
use super::readme::pinned;
use super::text::{group, pattern, words};

/// Words of headings under which requirements are listed.
const ASKING: &[&str] = &[
    "requirement",
    "requirements",
    "dependency",
    "dependencies",
    "prerequisite",
    "prerequisites",
    "environment",
    "install",
    "installation",
    "installing",
    "setup",
    "packages",
    "libraries",
];

/// What a heading says of the lines under it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    asks: bool,
}

impl Section {
    /// Returns the section that `line` begins, if it is a heading.
    pub(super) fn begun_by(line: &str) -> Option<Self> {
        let heading = heading(line.trim())?.to_ascii_lowercase().replace("set-up", "setup");
        Some(Self { asks: words(&heading).any(|word| ASKING.contains(&word)) })
    }
}

/// Returns the words of a heading: `## Words`, `**Words**`, or a line of few words, with a colon or
/// without.
fn heading(line: &str) -> Option<&str> {
    if let Some(words) = line.strip_prefix("**") {
        return (!words.is_empty() && !words.starts_with('#')).then_some(words);
    }
    if line.starts_with('#') {
        let words = line.trim_start_matches('#');
        let level = line.len() - words.len();
        return (level <= 6 && !words.is_empty()).then_some(words);
    }
    let words = line.strip_suffix(':').unwrap_or(line);
    let plain = words.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ');
    let begins = words.starts_with(|letter: char| letter.is_ascii_uppercase());
    (plain && begins && (3..=41).contains(&words.len())).then_some(words)
}

/// `PyTorch Lightning` is one name.
static PHRASES: LazyLock<Regex> = LazyLock::new(|| {
    let phrases: Vec<String> =
        popular::phrases().map(|phrase| regex::escape(phrase).replace(' ', "[ -]")).collect();
    Regex::new(&format!("(?i)(?-u:\\b)(?:{})(?-u:\\b)", phrases.join("|")))
        .expect("escaped words and spaces")
});

/// Records what a line of prose, a list item or the row of a table names.
pub(super) fn read(read: &mut Read, written: &str, line: u32, section: Section) {
    pattern!(LINK, r"\[([^\]\[]+)\]\([^)\s]*\)", needs["]("]);
    pattern!(ADDRESS, r"(?:https?|git|ssh|ftp)://\S+", needs["://"]);
    // an address has names and versions of its own, badges apart, which are read elsewhere
    let text = LINK.replace_all(written, "$1");
    let text = ADDRESS.replace_all(&text, " ");
    let text =
        PHRASES.replace_all(&text, |found: &regex::Captures<'_>| group(found, 0).replace(' ', "-"));
    versions(read, &text, written, line);
    if section.asks {
        list(read, &text, written, line);
    }
    sentence(read, &text, written, line);
}

fn versions(read: &mut Read, text: &str, written: &str, line: u32) {
    pattern!(
        NAMED,
        r"(?i)(?:^|[^\w./@:-])([A-Za-z][\w-]*\w)([\s*_`\]\[(:|v]|\(?version\s)*(>=|<=|==|≥|>|<|~=|=)?\s*[`*v(]*(\d+\.\d+(?:\.\d+)*(?:\.?post\d+)?)(\.x)?(?:\b|$)(\s*\+|\s*\(?(?:or|and)\s+(?:newer|later|above|higher|greater|up))?"
    );
    // most lines of prose have no number with a dot in it
    let digits =
        |three: &[u8]| matches!(three, [a, b'.', b] if a.is_ascii_digit() && b.is_ascii_digit());
    if !text.as_bytes().windows(3).any(digits) {
        return;
    }
    let is_row = text.trim_start().starts_with('|') || text.matches('|').count() > 1;
    for found in NAMED.captures_iter(text) {
        let Some(distribution) = popular::spoken(group(&found, 1)) else { continue };
        let (operator, version) = (group(&found, 3), group(&found, 4));
        if popular::is_a_word(distribution) && operator.is_empty() && !is_row && !is_item(text) {
            continue;
        }
        let requirement = match operator {
            "≥" | ">=" => format!("{distribution}>={version}"),
            operator @ ("<=" | ">" | "<" | "~=") => format!("{distribution}{operator}{version}"),
            _ if !group(&found, 6).is_empty() => format!("{distribution}>={version}"),
            _ => pinned(distribution, version),
        };
        mention(read, distribution, &requirement, written, line);
    }
}

fn is_item(text: &str) -> bool {
    pattern!(ITEM, r"^\s*(?:[-*+•]|\d+[.)])\s+\S");
    ITEM.is_match(text)
}

/// `- numpy, scipy and PyTorch >= 0.4`: a list item in which everything is a requirement.
fn list(read: &mut Read, text: &str, written: &str, line: u32) {
    pattern!(ITEM, r"^\s*(?:[-*+•]|\d+[.)])\s+(.*?)[.,;]?\s*$");
    pattern!(REMARK, r"\([^()]*\)", needs["("]);
    let Some(item) = ITEM.captures(text) else { return };
    let item = REMARK.replace_all(group(&item, 1), " ");
    let parts: Vec<&str> = parts(&item).collect();
    let known: Vec<Part> = parts.iter().map(|part| Part::of(part)).collect();
    if known.contains(&Part::Words) {
        return;
    }
    for part in known {
        if let Part::Distribution(name) = part {
            mention(read, name, name, written, line);
        }
    }
}

/// `The code requires numpy, scipy and nibabel.`: a sentence that names at least two.
fn sentence(read: &mut Read, text: &str, written: &str, line: u32) {
    pattern!(
        ASKS,
        r"(?i)\b(?:requires?|depends?\s+on|relies\s+on|dependenc(?:y|ies)(?:\s+are|:)|requirements?(?:\s+are|:)|prerequisites?:|you(?:\s+will)?\s+need|needs?)\s+(?:the\s+following\s+\w+:)?\s*(.*)$",
        needs ["require", "depend", "relies", "prerequisite", "need"]
    );
    let Some(found) = ASKS.captures(text) else { return };
    let rest = group(&found, 1);
    let rest = rest.split(". ").next().unwrap_or(rest).trim_end_matches('.');
    let named: Vec<&'static str> = parts(rest)
        .filter_map(|part| {
            let word = part.split_whitespace().next()?.trim_matches(['`', '*', '_', '"']);
            popular::spoken(word).filter(|distribution| !popular::is_a_word(distribution))
        })
        .collect();
    if named.len() < 2 {
        return;
    }
    for distribution in named {
        mention(read, distribution, distribution, written, line);
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    pattern!(BETWEEN, r"\s*(?:[,;&]|\band\b)\s*");
    BETWEEN
        .split(text)
        .map(|part| part.trim_matches([' ', '`', '*', '_', '.']))
        .filter(|part| !part.is_empty())
}

/// What a part of a list names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Distribution(&'static str),
    /// What no index has: Python, CUDA.
    Platform,
    /// Anything else.
    Words,
}

impl Part {
    fn of(part: &str) -> Self {
        const PLATFORMS: &[&str] =
            &["python", "python3", "cuda", "cudnn", "gcc", "ubuntu", "linux"];
        pattern!(
            NAME,
            r"^([A-Za-z][\w-]*)[\s`*]*(?:(?:version\s*)?[<>=~≥v]*\s*[\d.]+[\dx*.]*\+?(?:\s*(?:or|and)\s+\w+)?)?$"
        );
        let Some(found) = NAME.captures(part) else { return Self::Words };
        let name = group(&found, 1);
        if PLATFORMS.contains(&name.to_ascii_lowercase().as_str()) {
            return Self::Platform;
        }
        popular::spoken(name).map_or(Self::Words, Self::Distribution)
    }
}

/// Records a requirement once for a line; a name alone says less than one with a version.
fn mention(read: &mut Read, name: &str, requirement: &str, written: &str, line: u32) {
    let bare = requirement == name;
    let known = read.declared.iter().any(|declared| {
        let same = declared.requirement.as_deref() == Some(requirement);
        declared.name == name && (bare || declared.line == line && same)
    });
    if !known {
        read.require_with(requirement, written, line, "mentioned", Some("read from prose"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::*;

    fn told(line: &str, section: Section) -> String {
        let mut seen = Read::new("README.md", Kind::Readme);
        read(&mut seen, line, 1, section);
        let told: Vec<&str> =
            seen.declared.iter().filter_map(|d| d.requirement.as_deref()).collect();
        told.join(" ")
    }

    #[test]
    fn names_with_versions_count_anywhere() {
        for (line, expected) in [
            ("- NumPy 1.16", "numpy==1.16.*"),
            ("- pandas (>=0.25)", "pandas>=0.25"),
            ("- [timm](https://x.org/v1.2) 0.3.2", "timm==0.3.2"),
            ("- [einops](https://x.org/einops-9.9) 0.3", "einops==0.3.*"),
            ("| numpy | 1.18.1 |", "numpy==1.18.1"),
            ("| torch | `1.4.0` |", "torch==1.4.0"),
            (
                "We use PyTorch Lightning 1.2 and librosa v0.8.0.",
                "pytorch-lightning==1.2.* librosa==0.8.0",
            ),
            ("OpenCV (4.1), scikit-learn ≥ 0.22", "opencv-python==4.1.* scikit-learn>=0.22"),
            ("scipy 1.4 or later", "scipy>=1.4"),
            ("it makes 3.5 requests 2.0 times", ""),
            ("transformers==4.5.1 is needed", "transformers==4.5.1"),
            ("Table 3.1 of numpy", ""),
            ("Figure 2.1 shows networks 1.5 times", ""),
        ] {
            assert_eq!(told(line, Section::default()), expected, "{line}");
        }
    }

    #[test]
    fn headings_are_told_from_prose() {
        for (line, words) in [
            ("# A", Some(" A")),
            ("######B", Some("B")),
            ("####### seven", None),
            ("#", None),
            ("**Set up**", Some("Set up**")),
            ("**", None),
            ("Requirements:", Some("Requirements")),
            ("Required packages", Some("Required packages")),
            ("Of", None),
            ("required packages", None),
            ("Python 3 packages", None),
            ("Two:colons:", None),
        ] {
            assert_eq!(heading(line), words, "{line}");
        }
    }

    #[test]
    fn names_alone_count_where_requirements_are_listed() {
        let asks = Section::begun_by("## Requirements").unwrap();
        for (line, expected) in [
            ("- PyTorch, torchvision", "torch torchvision"),
            ("* numpy, scipy and `scikit-learn`", "numpy scipy scikit-learn"),
            ("- Python 3.6", ""),
            ("- CUDA 10.1, numpy", "numpy"),
            ("- numpy arrays of the images", ""),
            ("- a GPU with numpy", ""),
            ("1. tqdm", "tqdm"),
        ] {
            assert_eq!(told(line, asks), expected, "{line}");
            assert_eq!(told(line, Section::default()), "", "{line}");
        }
        assert_eq!(
            told("Our code requires numpy, scipy and nibabel.", Section::default()),
            "numpy scipy nibabel"
        );
        assert_eq!(told("Training requires numpy.", Section::default()), "");
        assert_eq!(Section::begun_by("## 2. Set-Up of it"), Some(asks));
        assert_eq!(Section::begun_by("## Reset-up, installed"), Some(Section::default()));
        assert_eq!(Section::begun_by("## Results"), Some(Section::default()));
        assert_eq!(Section::begun_by("some words of prose, with more"), None);
    }
}
