//! A folder of the user's own, used where it lies.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sizar_model::{Checkout, Digest, Source};

use super::AcquireError;
use super::git::{Git, dates, tag};
use crate::home::Home;
use crate::tree_digest::{SETTLE, TreeDigester, write_by_rename};

/// How many unreadable files a note lists.
const LISTED: usize = 3;

/// What git knows about a folder.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct History {
    commit: Option<String>,
    date: Option<Timestamp>,
    code_date: Option<Timestamp>,
    #[serde(default)]
    tag: Option<String>,
    /// The repository's commit, which holds nothing of this folder.
    #[serde(default)]
    foreign_to: Option<String>,
}

/// Describes the folder `path`, which is absolute.
pub(super) fn describe(home: &Home, path: Utf8PathBuf) -> Result<Checkout, AcquireError> {
    // without the cache it only takes longer: a read-only home is no reason to stop here
    let caches = home.folder("cache/trees").ok();
    let name = Digest::of(path.as_str().as_bytes()).short();
    let cache = caches.as_ref().map(|folder| folder.join(format!("{name}.json")));
    let known = caches.as_ref().map(|folder| folder.join(format!("{name}.history.json")));
    let digester =
        TreeDigester { without: Some(home.root()), cache: cache.as_deref(), settle: SETTLE };
    let (tree, history) =
        rayon::join(|| digester.digest(&path), || history(&path, known.as_deref()));
    let tree = tree?;
    let mut notes = Vec::new();
    if !tree.unreadable.is_empty() {
        let listed: Vec<_> =
            tree.unreadable.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
        let more = tree.unreadable.len().saturating_sub(LISTED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        notes.push(format!("these files cannot be read: {}{more}", listed.join(", ")));
    }
    Ok(Checkout {
        source: Source {
            locator: path.to_string(),
            revision: history.commit,
            digest: tree.digest,
            date: history.date.or(tree.newest),
            code_date: history.code_date,
            tag: history.tag,
            own: true,
        },
        path,
        notes,
    })
}

/// Asks git about the folder; everything is unknown where there is no git, or no commit.
///
/// The dates of a commit stay what they are, so they are remembered in `known`.
fn history(path: &Utf8Path, known: Option<&Utf8Path>) -> History {
    if !path.ancestors().any(|folder| folder.join(".git").exists()) {
        return History::default();
    }
    let git = Git::in_folder(path);
    let head = git.ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
    let Ok(Some(head)) = head else { return History::default() };
    let commit = head.trim().to_owned();
    let remembered = || serde_json::from_slice::<History>(&fs::read(known?).ok()?).ok();
    if let Some(history) = remembered() {
        if history.foreign_to.as_deref() == Some(&commit) {
            return History::default();
        }
        // without a date of the code the repository may have been shallow, and completed since
        if history.commit.as_deref() == Some(&commit) && history.code_date.is_some() {
            return history;
        }
    }
    let history = match dates(&git, &commit, Some(".")) {
        Err(_) => return History::default(),
        // a folder inside a repository of other things
        Ok((None, _)) => History { foreign_to: Some(commit), ..History::default() },
        Ok((date, code_date)) => {
            let tag = tag(&git, &commit).unwrap_or_default();
            History { commit: Some(commit), date, code_date, tag, foreign_to: None }
        }
    };
    if let Some(known) = known
        && let Ok(text) = serde_json::to_vec(&history)
        && let Err(error) = write_by_rename(known, &text)
    {
        tracing::debug!(%known, %error, "the dates of the folder are not remembered");
    }
    history
}
