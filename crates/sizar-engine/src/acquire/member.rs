//! The names of members: what may become a path in a tree.

use super::tree_writer::TreeError;

/// How strictly the names of a container are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRules {
    /// Zip: names use `/` only, so a backslash is a path in disguise.
    Zip,
    /// Tar: a backslash is a letter.
    Tar,
    /// Git: neither backslashes nor colons mean anything.
    Git,
}

/// Turns a member's name into a path in the tree, without `.` and empty parts.
///
/// An empty path is the tree itself (`./`).
///
/// # Errors
///
/// Names that are no UTF-8, hold control characters, are absolute or have `..`.
pub fn member_path(name: &[u8], rules: NameRules) -> Result<String, TreeError> {
    let Ok(text) = std::str::from_utf8(name) else {
        return Err(TreeError::UnreadableName { member: String::from_utf8_lossy(name).into() });
    };
    let member = || text.escape_debug().to_string();
    if text.chars().any(char::is_control) {
        return Err(TreeError::UnreadableName { member: member() });
    }
    if rules == NameRules::Zip && text.contains('\\') {
        return Err(TreeError::Backslash { member: text.to_owned() });
    }
    let drive = rules != NameRules::Git
        && matches!(text.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    if text.starts_with('/') || drive {
        return Err(TreeError::AbsoluteMember { member: member() });
    }
    let mut path = String::with_capacity(text.len());
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(TreeError::EscapingMember { member: member() }),
            part => {
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(part);
            }
        }
    }
    Ok(path)
}

/// Returns whether a path lies in a `.git` folder: what is there could run programs when
/// somebody calls `git` in the tree.
pub fn is_in_git_folder(path: &str) -> bool {
    path.split('/').any(|part| part.eq_ignore_ascii_case(".git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths() {
        let path = |name: &str| member_path(name.as_bytes(), NameRules::Tar).unwrap();
        assert_eq!(path("./a//b/./c"), "a/b/c");
        assert_eq!(path("a/b/"), "a/b");
        assert_eq!(path("./"), "");
        assert_eq!(path("a..b/..c"), "a..b/..c");
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        let refused = |name: &[u8], rules| member_path(name, rules).is_err();
        for rules in [NameRules::Zip, NameRules::Tar, NameRules::Git] {
            for name in ["/etc/passwd", "../x", "a/../../x", "a/..", "a\0b", "a\nb", "a\u{1b}[2J"] {
                assert!(refused(name.as_bytes(), rules), "{name:?}");
            }
            assert!(refused(b"caf\xe9.py", rules));
        }
        assert!(refused(b"C:x", NameRules::Tar) && refused(b"C:/x", NameRules::Zip));
        assert!(refused(b"a\\b", NameRules::Zip) && !refused(b"a\\b", NameRules::Tar));
        assert!(!refused(b"a:b", NameRules::Git));
    }
}
