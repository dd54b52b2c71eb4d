//! A repository of one commit, for builds that ask git for their version.

use camino::Utf8Path;
use jiff::Timestamp;

use super::GitError;
use super::program::Git;

/// Makes `folder` a repository of one commit with all that is in it, made at `date`, and tags that
/// commit where `tag` holds a version.
///
/// Nothing of the user's git settings takes part, and no hook, filter or template runs.
///
/// # Errors
///
/// [`GitError`] where there is no git, or it cannot write.
pub fn stand_in(
    folder: &Utf8Path,
    tag: Option<&str>,
    date: Option<Timestamp>,
) -> Result<(), GitError> {
    let git = Git::in_folder(folder);
    let run = |arguments: &[&str]| -> Result<(), GitError> {
        let mut command = git.command(["-c", "core.attributesFile=/dev/null"]);
        command.args(["-c", "user.name=sizar", "-c", "user.email=sizar@localhost"]);
        command.args(["-c", "core.autocrlf=false"]).args(arguments);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        if let Some(date) = date {
            command.env("GIT_AUTHOR_DATE", date.to_string());
            command.env("GIT_COMMITTER_DATE", date.to_string());
        }
        Git::finish(command, arguments.first().copied().unwrap_or_default()).map(drop)
    };
    run(&["init", "--quiet", "--template="])?;
    // what the source's own `.gitignore` names is part of it if it was in its commit
    run(&["add", "--all", "--force"])?;
    run(&["commit", "--quiet", "--allow-empty", "--no-verify", "--message=as it was"])?;
    match tag.filter(|tag| holds_version(tag)) {
        Some(tag) => run(&["tag", "--", tag]),
        None => Ok(()),
    }
}

/// Returns whether a tag is a version with at most a word before it: `1.2`, `v1.2.0rc1`,
/// `release-3.1`. Others make tools stop that read it.
fn holds_version(tag: &str) -> bool {
    let version = tag.rsplit(['-', '_', '/']).next().unwrap_or(tag);
    let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
    version.starts_with(|c: char| c.is_ascii_digit())
        && version.parse::<uv_pep440::Version>().is_ok()
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    #[test]
    fn tags_that_are_versions_are_taken() {
        for tag in ["1.2", "v1.2.0rc1", "release-3.1", "lib/v2.0"] {
            assert!(holds_version(tag), "{tag}");
        }
        for tag in ["paper", "neurips-final", "v", "latest"] {
            assert!(!holds_version(tag), "{tag}");
        }
    }

    #[test]
    fn a_build_finds_its_version_and_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs::write(root.join(".gitignore"), "*.dat\n").unwrap();
        fs::write(root.join("model.dat"), "1").unwrap();
        stand_in(root, Some("v1.2.0"), "2019-05-01T00:00:00Z".parse().ok()).unwrap();
        let git = Git::in_folder(root);
        let told = git.ask(&["describe", "--tags", "--dirty"]).unwrap();
        assert_eq!(told.as_deref(), Some("v1.2.0\n"));
        let files = git.ask(&["ls-files"]).unwrap();
        assert_eq!(files.as_deref(), Some(".gitignore\nmodel.dat\n"));
    }
}
