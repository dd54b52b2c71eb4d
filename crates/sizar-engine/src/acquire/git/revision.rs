//! Which commit a revision means.

use sizar_model::Progress;

use super::{GitError, Mirror};
use crate::acquire::AcquireOptions;
use crate::home::Home;

/// How many names an error suggests.
const NEAREST: usize = 5;

impl Mirror {
    /// Finds the commit that `revision` means: a tag, a branch, a commit or the beginning of
    /// one; without a revision, the address's default branch. Fetches if it is not known.
    ///
    /// # Errors
    ///
    /// [`GitError::UnknownRevision`] with the nearest names.
    pub fn resolve(
        &mut self,
        home: &Home,
        revision: Option<&str>,
        options: AcquireOptions,
        progress: &dyn Progress,
    ) -> Result<String, GitError> {
        let commit = self.resolve_locked(home, revision, options, progress)?;
        self.unlock();
        Ok(commit)
    }

    fn resolve_locked(
        &mut self,
        home: &Home,
        revision: Option<&str>,
        options: AcquireOptions,
        progress: &dyn Progress,
    ) -> Result<String, GitError> {
        if let Some(commit) = self.look_up(revision)? {
            return Ok(commit);
        }
        if !self.is_fresh() && !options.offline {
            self.update(home, progress)?;
            if let Some(commit) = self.look_up(revision)? {
                return Ok(commit);
            }
        }
        let Some(revision) = revision else {
            return Err(GitError::Empty { url: self.url().clone() });
        };
        if !options.offline
            && let Some(name) = self.fetch_one(revision, progress)
            && let Some(commit) = self.commit(&name)?
        {
            return Ok(commit);
        }
        let names = self.names()?;
        if names.is_empty() {
            return Err(GitError::Empty { url: self.url().clone() });
        }
        Err(GitError::UnknownRevision {
            url: self.url().clone(),
            revision: revision.to_owned(),
            nearest: nearest(revision, names),
        })
    }

    fn look_up(&self, revision: Option<&str>) -> Result<Option<String>, GitError> {
        let candidates = match revision {
            Some(revision) => vec![
                format!("refs/tags/{revision}"),
                format!("refs/heads/{revision}"),
                revision.to_owned(),
            ],
            None => ["refs/sizar/head", "HEAD", "refs/heads/main", "refs/heads/master"]
                .map(str::to_owned)
                .to_vec(),
        };
        for candidate in &candidates {
            if let Some(commit) = self.commit(candidate)? {
                return Ok(Some(commit));
            }
        }
        Ok(None)
    }

    fn commit(&self, name: &str) -> Result<Option<String>, GitError> {
        let wanted = format!("{name}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted];
        let found = self.git().ask(&arguments)?.map(|text| text.trim().to_owned());
        Ok(found.filter(|commit| commit.bytes().all(|byte| byte.is_ascii_hexdigit())))
    }

    fn names(&self) -> Result<Vec<String>, GitError> {
        let arguments = ["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/tags"];
        Ok(self.git().ask(&arguments)?.unwrap_or_default().lines().map(str::to_owned).collect())
    }
}

/// Returns the names that take the fewest edits to become `wanted`, the nearest first.
fn nearest(wanted: &str, mut names: Vec<String>) -> Vec<String> {
    names.sort_by_cached_key(|name| (edits(wanted, name), name.clone()));
    names.dedup();
    names.truncate(NEAREST);
    names
}

/// Counts the letters to insert, remove or replace (Levenshtein's distance).
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (b, above) in other.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(a != *b)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_first() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        let names = ["v1.0", "main", "dev", "v2.0", "x/y", "v1.1"].map(str::to_owned).to_vec();
        assert_eq!(nearest("v1.2", names)[..2], ["v1.0", "v1.1"]);
    }
}
