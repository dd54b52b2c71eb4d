//! Where code comes from.

use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Digest;

/// An address whose user name, password and query never reach a message.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SafeUrl(String);

impl SafeUrl {
    /// Wraps an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// Returns the address with its secrets: for programs, never for people or records.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `user@host:path`, git's short form of ssh: the user name is no secret there
        let Some((scheme, rest)) = self.0.split_once("://") else { return f.write_str(&self.0) };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        match authority.rsplit_once('@') {
            Some((user, host)) if scheme == "ssh" && !user.contains(':') => {
                write!(f, "{scheme}://{user}@{host}{path}")
            }
            Some((_, host)) => write!(f, "{scheme}://***@{host}{path}"),
            None => write!(f, "{scheme}://{authority}{path}"),
        }
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafeUrl({self})")
    }
}

/// Where code comes from, as a person writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locator {
    /// A folder on this machine.
    Folder(Utf8PathBuf),
    /// A git repository; `rev` is a branch, a tag or a commit.
    Git { url: SafeUrl, rev: Option<String> },
    /// A source distribution on the Python package index.
    Pypi { name: String, version: Option<String> },
    /// An archive on this machine.
    ArchiveFile(Utf8PathBuf),
    /// An archive to be downloaded.
    ArchiveUrl(SafeUrl),
}

/// A text that is no address of code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLocator {
    #[error("an empty text is not the address of a repository")]
    Empty,
    #[error("`{0}` is not `github:owner/name`, optionally with `@rev`")]
    Github(String),
    #[error("`{0}` is not `pypi:name`, optionally with `==version`")]
    Pypi(String),
    #[error("`{0}` would be read by git as an option, not as an address")]
    Option(String),
}

/// The file names by which archives are known.
const ARCHIVE_SUFFIXES: &[&str] = &[
    ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst",
    ".tzst",
];

/// Returns whether `name` ends as an archive does that sizar can unpack.
pub fn is_archive_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ARCHIVE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

impl FromStr for Locator {
    type Err = InvalidLocator;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidLocator::Empty);
        }
        if text.starts_with('-') {
            return Err(InvalidLocator::Option(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("github:") {
            return github(rest).ok_or_else(|| InvalidLocator::Github(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("pypi:") {
            return pypi(rest).ok_or_else(|| InvalidLocator::Pypi(text.to_owned()));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Ok(by_scheme(scheme, text));
        }
        if let Some(url) = scp_like(text) {
            let (url, rev) = split_rev(url);
            return Ok(Self::Git { url: SafeUrl::new(url), rev });
        }
        if is_archive_name(text) {
            return Ok(Self::ArchiveFile(text.into()));
        }
        Ok(Self::Folder(text.into()))
    }
}

fn by_scheme(scheme: &str, text: &str) -> Locator {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    if matches!(scheme, "http" | "https") && is_archive_name(path) {
        return Locator::ArchiveUrl(SafeUrl::new(text));
    }
    let text = text.strip_prefix("git+").unwrap_or(text);
    let (url, rev) = split_rev(text);
    Locator::Git { url: SafeUrl::new(url), rev }
}

/// Recognises git's `user@host:path`, which has no scheme.
fn scp_like(text: &str) -> Option<&str> {
    let (host, path) = text.split_once(':')?;
    let valid = host.contains('@') && !host.contains('/') && !path.is_empty();
    valid.then_some(text)
}

/// Splits `@rev` off the last part of an address; the `@` of `user@host` stays.
fn split_rev(text: &str) -> (String, Option<String>) {
    let path_start = match text.find("://") {
        Some(scheme) => text[scheme + 3..].find('/').map(|slash| scheme + 3 + slash),
        None => text.find(':'),
    };
    let at = path_start.and_then(|start| text[start..].rfind('@').map(|at| start + at));
    match at {
        Some(at) if at + 1 < text.len() => (text[..at].to_owned(), Some(text[at + 1..].to_owned())),
        _ => (text.to_owned(), None),
    }
}

fn github(rest: &str) -> Option<Locator> {
    let (path, rev) = match rest.split_once('@') {
        Some((path, rev)) if !rev.is_empty() => (path, Some(rev.to_owned())),
        Some(_) => return None,
        None => (rest, None),
    };
    let (owner, name) = path.split_once('/')?;
    let name = name.strip_suffix(".git").unwrap_or(name);
    let valid = |part: &str| {
        !part.is_empty()
            && !matches!(part, "." | "..")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    (valid(owner) && valid(name)).then(|| Locator::Git {
        url: SafeUrl::new(format!("https://github.com/{owner}/{name}")),
        rev,
    })
}

fn pypi(rest: &str) -> Option<Locator> {
    let (name, version) = match rest.split_once("==") {
        Some((name, version)) => (name.trim(), Some(version.trim().to_owned())),
        None => (rest.trim(), None),
    };
    let plain = |text: &str, more: &[char]| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(&c))
    };
    let valid = plain(name, &['-', '_', '.'])
        && version.as_deref().is_none_or(|version| plain(version, &['.', '-', '_', '+', '!']));
    valid.then(|| Locator::Pypi { name: name.to_owned(), version })
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) | Self::ArchiveFile(path) => write!(f, "{path}"),
            Self::Git { url, rev: None } | Self::ArchiveUrl(url) => write!(f, "{url}"),
            Self::Git { url, rev: Some(rev) } => write!(f, "{url}@{rev}"),
            Self::Pypi { name, version: None } => write!(f, "pypi:{name}"),
            Self::Pypi { name, version: Some(version) } => write!(f, "pypi:{name}=={version}"),
        }
    }
}

/// Exactly which code: what a locator meant when it was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The locator, without secrets.
    pub locator: String,
    /// The commit, or the release of an sdist.
    pub revision: Option<String>,
    /// The digest of the tree: paths, modes and contents, without `.git`.
    pub digest: Digest,
    /// The date of the last commit, of the sdist's upload, or of the newest file.
    pub date: Option<Timestamp>,
    /// The date of the last commit that changed code (`*.py`, packaging files), if git tells.
    pub code_date: Option<Timestamp>,
    /// The newest tag that the commit descends from, if git tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Whether this is a folder of the user's own (trusted with the network at run time).
    pub own: bool,
}

/// A source with its files on disk, which nobody writes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    pub source: Source,
    /// The absolute path of the tree.
    pub path: Utf8PathBuf,
    /// What a person should know: LFS pointers that were left, submodules that did not answer.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Locator {
        text.parse().expect("a locator")
    }

    #[test]
    fn every_form_of_address_is_read() {
        assert_eq!(parse("./here"), Locator::Folder("./here".into()));
        assert_eq!(parse("a.tar.XZ"), Locator::ArchiveFile("a.tar.XZ".into()));
        assert!(matches!(parse("https://x.org/a.zip?t=1"), Locator::ArchiveUrl(_)));
        assert_eq!(
            parse("github:owner/name@v1.0"),
            Locator::Git {
                url: SafeUrl::new("https://github.com/owner/name"),
                rev: Some("v1.0".into())
            }
        );
        assert_eq!(
            parse("ssh://git@host/repo"),
            Locator::Git { url: SafeUrl::new("ssh://git@host/repo"), rev: None }
        );
        assert_eq!(
            parse("git@host:owner/repo.git@main"),
            Locator::Git { url: SafeUrl::new("git@host:owner/repo.git"), rev: Some("main".into()) }
        );
        assert_eq!(
            parse("pypi:madmom==0.16.1"),
            Locator::Pypi { name: "madmom".into(), version: Some("0.16.1".into()) }
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "  ",
            "github:owner",
            "github:o/n@",
            "github:../..",
            "pypi:",
            "pypi:a b",
            "--upload-pack=x",
        ] {
            assert!(text.parse::<Locator>().is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_never_reach_a_message() {
        let url = SafeUrl::new("https://me:token@host/repo?private=1");
        assert_eq!(url.to_string(), "https://***@host/repo");
        assert!(!format!("{url:?}").contains("token"));
    }
}
