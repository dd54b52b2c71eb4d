//! How the authors want to be cited: `CITATION.cff`, BibTeX in READMEs, addresses of papers.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use sizar_model::inspection::Citation;

/// The longest BibTeX entry that is kept.
const MAX_BIBTEX: usize = 8_000;

static ARXIV: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)arxiv(?:\.org/(?:abs|pdf|html)/|:[ ]?|[ ])((?:[0-9]{4}\.[0-9]{4,5}|[a-z-]+/[0-9]{7})(?:v[0-9]+)?)",
    )
    .expect("the pattern is valid")
});
static DOI: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:doi\.org/|doi:[ ]?)(10\.[0-9]{4,9}/[^ \t\r\n\x22'<>)\]},]+)")
        .expect("the pattern is valid")
});
static BIBTEX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)@(?:article|inproceedings|conference|misc|techreport|phdthesis|mastersthesis|incollection|book|inbook|unpublished|software|online|proceedings)[ ]*\{")
        .expect("the pattern is valid")
});

/// Reads a `CITATION.cff`.
pub fn cff(text: &str, path: &str) -> Option<Citation> {
    let file: File = serde_saphyr::from_str(text).ok()?;
    let wanted = file.preferred_citation.as_deref();
    let take = |own: Option<&String>, other: Option<&String>| other.or(own).cloned();
    let people = wanted.map_or(&file.authors, |it| {
        if it.authors.is_empty() { &file.authors } else { &it.authors }
    });
    let year = wanted.and_then(|it| it.year.clone()).map(Year::text).or_else(|| {
        let date = file.date_released.as_ref()?;
        date.get(..4).map(str::to_owned)
    });
    let url = take(file.url.as_ref(), wanted.and_then(|it| it.url.as_ref()));
    Some(Citation {
        title: take(file.title.as_ref(), wanted.and_then(|it| it.title.as_ref())),
        authors: people.iter().filter_map(Person::name).collect(),
        year,
        doi: take(file.doi.as_ref(), wanted.and_then(|it| it.doi.as_ref())),
        paper: url,
        bibtex: None,
        path: path.to_owned(),
        line: 1,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    title: Option<String>,
    #[serde(default)]
    authors: Vec<Person>,
    doi: Option<String>,
    url: Option<String>,
    year: Option<Year>,
    date_released: Option<String>,
    preferred_citation: Option<Box<File>>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Year {
    Number(i64),
    Text(String),
}

impl Year {
    fn text(self) -> String {
        match self {
            Self::Number(year) => year.to_string(),
            Self::Text(year) => year,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Person {
    given_names: Option<String>,
    family_names: Option<String>,
    name: Option<String>,
}

impl Person {
    fn name(&self) -> Option<String> {
        match (&self.given_names, &self.family_names) {
            (Some(given), Some(family)) => Some(format!("{given} {family}")),
            _ => self.family_names.clone().or_else(|| self.name.clone()),
        }
    }
}

/// Reads a README: its first BibTeX entry, else the first paper it links to.
pub fn readme(text: &str, path: &str) -> Option<Citation> {
    let entry = BIBTEX.find(text).and_then(|found| {
        let entry = balanced(&text[found.start()..])?;
        Some((entry, line_of(text, found.start())))
    });
    let arxiv = |text: &str| {
        ARXIV.captures(text).and_then(|it| it.get(1)).map(|it| format!("arXiv:{}", it.as_str()))
    };
    if let Some((entry, line)) = entry {
        let paper = arxiv(entry).or_else(|| field(entry, "url")).or_else(|| arxiv(text));
        let authors = field(entry, "author").unwrap_or_default();
        let authors = authors.split(" and ").map(person).filter(|name| !name.is_empty()).collect();
        return Some(Citation {
            title: field(entry, "title"),
            authors,
            year: field(entry, "year"),
            doi: field(entry, "doi").or_else(|| doi(entry)),
            paper,
            bibtex: Some(entry.to_owned()),
            path: path.to_owned(),
            line,
        });
    }
    let found = ARXIV.find(text).or_else(|| DOI.find(text))?;
    Some(Citation {
        doi: doi(text),
        paper: arxiv(text),
        path: path.to_owned(),
        line: line_of(text, found.start()),
        ..Citation::default()
    })
}

fn doi(text: &str) -> Option<String> {
    let found = DOI.captures(text)?;
    // a badge's image is no part of the identifier
    let doi = found.get(1)?.as_str().trim_end_matches(['.', ';']);
    Some(doi.strip_suffix(".svg").unwrap_or(doi).to_owned())
}

/// Returns the entry up to its closing brace.
fn balanced(text: &str) -> Option<&str> {
    let mut depth = 0u32;
    for (at, byte) in text.bytes().enumerate().take(MAX_BIBTEX) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return text.get(..=at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Returns the value of a field of a BibTeX entry, without braces.
fn field(entry: &str, name: &str) -> Option<String> {
    let lower = entry.to_ascii_lowercase();
    let mut from = 0;
    loop {
        let at = from + lower.get(from..)?.find(name)?;
        from = at + name.len();
        let own_word = !lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let rest = entry.get(from..)?.trim_start();
        if let (true, Some(value)) = (own_word, rest.strip_prefix('=')) {
            return Some(plain(value.trim_start()));
        }
    }
}

fn plain(value: &str) -> String {
    let mut depth = 0u32;
    let mut quoted = false;
    let mut text = String::new();
    for (at, letter) in value.char_indices() {
        match letter {
            '"' if depth == 0 => {
                if quoted {
                    break;
                }
                quoted = true;
            }
            '{' => depth += 1,
            '}' => {
                if depth <= 1 && !quoted {
                    break;
                }
                depth = depth.saturating_sub(1);
            }
            ',' | '\n' if depth == 0 && !quoted && at > 0 => break,
            _ => text.push(letter),
        }
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    without_tex(&words)
}

/// Replaces TeX's accents by the letters they make: `B\"ock` is `Böck`.
fn without_tex(text: &str) -> String {
    const LETTERS: &[(&str, &str)] = &[
        ("\\\"a", "ä"),
        ("\\\"o", "ö"),
        ("\\\"u", "ü"),
        ("\\\"A", "Ä"),
        ("\\\"O", "Ö"),
        ("\\\"U", "Ü"),
        ("\\\"e", "ë"),
        ("\\\"i", "ï"),
        ("\\'a", "á"),
        ("\\'e", "é"),
        ("\\'E", "É"),
        ("\\'i", "í"),
        ("\\'\\i", "í"),
        ("\\'o", "ó"),
        ("\\'u", "ú"),
        ("\\'c", "ć"),
        ("\\`a", "à"),
        ("\\`e", "è"),
        ("\\`o", "ò"),
        ("\\^e", "ê"),
        ("\\^o", "ô"),
        ("\\^i", "î"),
        ("\\~n", "ñ"),
        ("\\~a", "ã"),
        ("\\c c", "ç"),
        ("\\v s", "š"),
        ("\\v c", "č"),
        ("\\v z", "ž"),
        ("\\ss", "ß"),
        ("\\&", "&"),
        ("~", " "),
    ];
    if !text.contains(['\\', '~']) {
        return text.to_owned();
    }
    LETTERS.iter().fold(text.to_owned(), |text, (tex, letter)| text.replace(tex, letter))
}

/// Turns `Last, First` round.
fn person(name: &str) -> String {
    match name.split_once(',') {
        Some((last, first)) => format!("{} {}", first.trim(), last.trim()),
        None => name.trim().to_owned(),
    }
}

fn line_of(text: &str, at: usize) -> u32 {
    text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bibtex_in_a_readme_is_read() {
        let text = "# Title\n\n```\n@inproceedings{doe2019,\n  title={A {Deep} Net},\n  \
                    booktitle={Book of titles},\n  author={Doe, Jane and John Smith},\n  \
                    year = 2019,\n  doi = \"10.1000/xyz\"\n}\n```\nhttps://arxiv.org/abs/1901.01234\n";
        let citation = readme(text, "README.md").unwrap();
        assert_eq!(citation.title.as_deref(), Some("A Deep Net"));
        assert_eq!(citation.authors, ["Jane Doe", "John Smith"]);
        assert_eq!(citation.year.as_deref(), Some("2019"));
        assert_eq!(citation.doi.as_deref(), Some("10.1000/xyz"));
        assert_eq!(citation.paper.as_deref(), Some("arXiv:1901.01234"));
        assert_eq!(citation.line, 4);
        assert!(citation.bibtex.unwrap().ends_with('}'));
    }

    #[test]
    fn accents_of_tex_become_letters() {
        let entry = "@article{x, author = {B{\\\"o}ck, Sebastian and Andr\\'e Weil}, title={T}}";
        assert_eq!(readme(entry, "R").unwrap().authors, ["Sebastian Böck", "André Weil"]);
    }

    #[test]
    fn a_link_to_a_paper_is_better_than_nothing() {
        let citation =
            readme("See\n[paper](https://arxiv.org/pdf/1505.04597v1.pdf).", "R").unwrap();
        assert_eq!(citation.paper.as_deref(), Some("arXiv:1505.04597v1"));
        assert_eq!(citation.line, 2);
        let badge = "[![DOI](https://zenodo.org/badge/DOI/10.5281/zenodo.12.svg)](https://doi.org/10.5281/zenodo.12)";
        assert_eq!(readme(badge, "R").unwrap().doi.as_deref(), Some("10.5281/zenodo.12"));
        assert_eq!(readme("nothing, @article{ never ends", "R"), None);
    }

    #[test]
    fn a_citation_file_is_read() {
        let text = "cff-version: 1.2.0\ntitle: Software\nauthors:\n  - family-names: Doe\n    given-names: Jane\n\
                    date-released: 2021-03-04\ndoi: 10.5281/zenodo.1\n\
                    preferred-citation:\n  type: article\n  title: The paper\n  year: 2020\n  authors:\n    - name: A group\n";
        let citation = cff(text, "CITATION.cff").unwrap();
        assert_eq!(citation.title.as_deref(), Some("The paper"));
        assert_eq!(citation.authors, ["A group"]);
        assert_eq!(citation.year.as_deref(), Some("2020"));
        assert_eq!(citation.doi.as_deref(), Some("10.5281/zenodo.1"));
        assert_eq!(cff("- a\n- b: [", "x"), None);
    }
}
