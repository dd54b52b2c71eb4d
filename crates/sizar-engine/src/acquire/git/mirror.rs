//! Bare copies of repositories in the cache.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use jiff::Timestamp;
use sizar_model::{Digest, Progress, SafeUrl};

use super::program::Git;
use super::{GitError, address};
use crate::acquire::AcquireOptions;
use crate::home::{Home, Lock};

/// The files whose last change tells from when the code is.
const CODE: &[&str] = &[
    ":(glob)**/*.py",
    ":(glob)**/*.pyx",
    ":(glob)**/*.ipynb",
    ":(glob)**/*.cu",
    ":(glob)**/*.cpp",
    ":(glob)**/setup.cfg",
    ":(glob)**/pyproject.toml",
    ":(glob)**/requirements*.txt",
    ":(glob)**/environment*.yml",
];

/// A bare copy of a repository, with all branches and tags.
///
/// It is locked until a revision is resolved; commits are read without a lock, so that
/// repositories which hold each other as submodules never wait for each other.
#[derive(Debug)]
pub struct Mirror {
    url: SafeUrl,
    path: Utf8PathBuf,
    git: Git,
    /// Whether it was brought up to date now.
    fresh: bool,
    lock: Option<Lock>,
}

impl Mirror {
    /// Opens the copy of `url`, and makes it if there is none; a refresh fetches.
    ///
    /// # Errors
    ///
    /// [`GitError::Fetch`] where the address does not answer.
    pub fn open(
        home: &Home,
        url: &SafeUrl,
        options: AcquireOptions,
        progress: &dyn Progress,
    ) -> Result<Self, GitError> {
        let url = address::modern(url);
        address::check(&url)?;
        let name = Digest::of(url.expose().as_bytes()).short();
        let lock = home.lock(&format!("git-{name}"), || {
            progress.note(format!("another sizar is fetching {url}"));
        })?;
        let path = home.folder("cache/git")?.join(name);
        let git = Git::on(&path);
        let mut mirror = Self { url, path, git, fresh: false, lock: Some(lock) };
        let exists = mirror.path.join("HEAD").exists();
        if options.offline {
            return if exists { Ok(mirror) } else { Err(GitError::Offline { url: mirror.url }) };
        }
        if !exists {
            mirror.clone_anew(home, progress)?;
        } else if options.refresh {
            mirror.update(home, progress)?;
        }
        Ok(mirror)
    }

    /// Returns the address.
    pub fn url(&self) -> &SafeUrl {
        &self.url
    }

    /// Lets others change the copy; commits that it has stay.
    pub(super) fn unlock(&mut self) {
        self.lock = None;
    }

    /// Returns the program, on this repository.
    pub(super) fn git(&self) -> &Git {
        &self.git
    }

    /// Returns whether it was brought up to date just now.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Brings all branches and tags up to date.
    pub(super) fn update(&mut self, home: &Home, progress: &dyn Progress) -> Result<(), GitError> {
        let arguments = [
            "fetch",
            "--progress",
            "--prune",
            "--force",
            "--no-write-fetch-head",
            "--",
            self.url.expose(),
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
            "+HEAD:refs/sizar/head",
        ];
        if let Err(error) = self.git.transfer(arguments, &self.url, progress) {
            // the copy is made anew if the fault may be on this side: a lock that a killed git
            // left, or a source that can be copied but not served
            let answers = self.git.ask(&["ls-remote", "--", self.url.expose()])?.is_some();
            return if answers { self.clone_anew(home, progress) } else { Err(error) };
        }
        self.fresh = true;
        Ok(())
    }

    /// Fetches one revision that no branch or tag leads to, such as `refs/pull/1/head`.
    pub(super) fn fetch_one(&self, revision: &str, progress: &dyn Progress) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
        if revision.starts_with('-') || !revision.chars().all(plain) {
            return None;
        }
        let name = format!("refs/sizar/asked/{}", Digest::of(revision.as_bytes()).short());
        let wanted = format!("+{revision}:{name}");
        let arguments = [
            "fetch",
            "--progress",
            "--no-tags",
            "--no-write-fetch-head",
            "--",
            self.url.expose(),
            &wanted,
        ];
        self.git.transfer(arguments, &self.url, progress).ok().map(|()| name)
    }

    fn clone_anew(&mut self, home: &Home, progress: &dyn Progress) -> Result<(), GitError> {
        let staging = home.staging()?;
        let stage = Utf8Path::from_path(staging.path()).unwrap_or(home.root());
        let new = stage.join("mirror");
        let local = address::local_path(&self.url);
        let mut arguments = vec!["clone", "--bare", "--template=", "--progress"];
        let source = match &local {
            Some(path) if !path.is_dir() => return Err(GitError::Missing { path: path.clone() }),
            // copies the objects as they are, also where some are absent
            Some(path) => {
                arguments.push("--local");
                path.as_str()
            }
            None => self.url.expose(),
        };
        arguments.extend(["--", source, new.as_str()]);
        Git::default().transfer(&arguments, &self.url, progress)?;
        // the address may hold a password: it is given anew each time, not kept here
        let _ = Git::on(&new).ask(&["remote", "remove", "origin"])?;
        let old = stage.join("old");
        if self.path.exists() {
            fs::rename(&self.path, &old).map_err(|source| write_error(&self.path, source))?;
        }
        fs::rename(&new, &self.path).map_err(|source| write_error(&self.path, source))?;
        self.fresh = true;
        Ok(())
    }

    /// Returns when `commit` was made, and when the last one before it that changed code.
    pub fn dates(&self, commit: &str) -> Result<(Option<Timestamp>, Option<Timestamp>), GitError> {
        dates(&self.git, commit, None)
    }

    /// Returns the newest tag that `commit` descends from.
    pub fn tag(&self, commit: &str) -> Result<Option<String>, GitError> {
        tag(&self.git, commit)
    }
}

/// Asks for the dates of `commit`: of the last change, and of the last change of code.
///
/// With `within`, only changes in that folder (a pathspec) count. A shallow repository knows no
/// date of code, because its oldest commit seems to have made everything.
pub fn dates(
    git: &Git,
    commit: &str,
    within: Option<&str>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), GitError> {
    let last = |pathspecs: &[&str]| -> Result<Option<Timestamp>, GitError> {
        let mut arguments = vec!["log", "-1", "--format=%cI", "--no-show-signature"];
        arguments.extend(["--end-of-options", commit, "--"]);
        arguments.extend(pathspecs);
        Ok(git.ask(&arguments)?.and_then(|text| text.trim().parse().ok()))
    };
    let date = last(within.as_slice())?;
    let shallow = git.ask(&["rev-parse", "--is-shallow-repository"])?;
    let code_date = match shallow.as_deref().map(str::trim) {
        Some("false") if date.is_some() => last(CODE)?,
        _ => None,
    };
    Ok((date, code_date))
}

/// Asks for the newest tag that `commit` descends from.
pub fn tag(git: &Git, commit: &str) -> Result<Option<String>, GitError> {
    let told = git.ask(&["describe", "--tags", "--abbrev=0", commit])?;
    Ok(told.map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()))
}

fn write_error(path: &Utf8Path, source: io::Error) -> GitError {
    GitError::Write { path: path.to_owned(), source }
}
