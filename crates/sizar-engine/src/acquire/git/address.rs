//! Which addresses git is given.

use camino::Utf8PathBuf;
use sizar_model::SafeUrl;

use super::GitError;

/// The protocols that may be used.
const PROTOCOLS: &[&str] = &["https", "http", "ssh", "git", "file"];

/// Checks that git would take `url` for an address, over a protocol that runs no program here.
pub fn check(url: &SafeUrl) -> Result<(), GitError> {
    let text = url.expose();
    if text.starts_with('-') {
        return Err(GitError::Option { url: url.clone() });
    }
    // `ext::program` and the like start programs
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let helper = text
        .split_once("::")
        .map(|(helper, _)| helper)
        .filter(|helper| !helper.contains(['/', '@', '[']));
    match helper.or(scheme) {
        Some(protocol) if helper.is_some() || !PROTOCOLS.contains(&protocol) => {
            Err(GitError::Protocol { url: url.clone(), protocol: protocol.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Returns the folder that a `file://` address names.
pub fn local_path(url: &SafeUrl) -> Option<Utf8PathBuf> {
    let parsed = url::Url::parse(url.expose()).ok().filter(|url| url.scheme() == "file")?;
    Utf8PathBuf::from_path_buf(parsed.to_file_path().ok()?).ok()
}

/// Returns the address that is asked: GitHub no longer answers `git://`.
pub fn modern(url: &SafeUrl) -> SafeUrl {
    match url.expose().strip_prefix("git://github.com/") {
        Some(path) => SafeUrl::new(format!("https://github.com/{path}")),
        None => url.clone(),
    }
}

/// Resolves the address of a submodule against its parent's.
///
/// # Errors
///
/// An address that only the parent's machine may use: a path or `file://` in a repository that
/// came over the network.
pub fn of_submodule(parent: &SafeUrl, url: &str) -> Result<SafeUrl, GitError> {
    let local_parent = local_path(parent).is_some();
    let resolved = if url.starts_with("./") || url.starts_with("../") {
        relative(parent.expose(), url)
    } else if url.starts_with('/') {
        format!("file://{url}")
    } else {
        url.to_owned()
    };
    let resolved = modern(&SafeUrl::new(resolved));
    check(&resolved)?;
    let text = resolved.expose();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if scheme == Some("file") && !local_parent || scheme.is_none() && !text.contains(':') {
        let protocol = "file".to_owned();
        return Err(GitError::Protocol { url: resolved, protocol });
    }
    // public submodules are often written as their author's own ssh address, with her key
    if parent.expose().starts_with("https://")
        && let Some(path) = text.strip_prefix("git@github.com:")
    {
        return Ok(SafeUrl::new(format!("https://github.com/{path}")));
    }
    Ok(resolved)
}

/// Does what git does with `../name`.
fn relative(parent: &str, url: &str) -> String {
    let mut base = parent.trim_end_matches('/');
    let mut rest = url;
    let mut separator = '/';
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            rest = after;
            // the host is no part that `..` takes away
            let floor = base.find("://").map_or(0, |at| at + 3);
            let tail = base.get(floor..).unwrap_or_default();
            match tail.rfind('/').or_else(|| tail.rfind(':').filter(|_| floor == 0)) {
                Some(at) => {
                    separator = if tail.as_bytes().get(at) == Some(&b':') { ':' } else { '/' };
                    base = base.get(..floor + at).unwrap_or(base);
                }
                None => break,
            }
        } else {
            break;
        }
    }
    format!("{base}{separator}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_reach_git() {
        let refused = |text: &str| check(&SafeUrl::new(text)).is_err();
        assert!(refused("--upload-pack=touch /tmp/x"));
        assert!(refused("ext::sh -c touch% /tmp/x"));
        assert!(refused("ftp://host/x"));
        for text in ["https://h/x", "git@h:o/r", "ssh://h/x", "file:///x", "ssh://[::1]/x"] {
            assert!(!refused(text), "{text}");
        }
    }

    #[test]
    fn submodules_are_found_from_their_parent() {
        let of = |parent: &str, url: &str| {
            of_submodule(&SafeUrl::new(parent), url).map(|url| url.expose().to_owned())
        };
        assert_eq!(of("https://h/o/r.git", "../s").unwrap(), "https://h/o/s");
        assert_eq!(of("https://h/o/r/", "../../p/s.git").unwrap(), "https://h/p/s.git");
        assert_eq!(of("git@h:o/r", "../s").unwrap(), "git@h:o/s");
        assert_eq!(of("git@h:r", "../s").unwrap(), "git@h:s");
        assert_eq!(of("file:///a/r", "./s").unwrap(), "file:///a/r/s");
        assert_eq!(of("file:///a/r", "/b/s").unwrap(), "file:///b/s");
        assert_eq!(of("https://h/r", "git://github.com/o/s").unwrap(), "https://github.com/o/s");
        assert_eq!(of("https://h/r", "git@github.com:o/s").unwrap(), "https://github.com/o/s");
        for url in ["/etc", "file:///etc", "-u", "ext::sh", "name", "../../../../x/../y::z"] {
            let got = of("https://h/r", url);
            assert!(got.is_err() || got.unwrap().starts_with("https://h/"), "{url}");
        }
    }
}
