//! Where a repository's tree comes from.

use std::process::Command;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::row::Row;

/// Lays out the tree of `row` in `work`, or says that it is to be fetched.
///
/// A clone is copied with its history: sizar dates the code by it, and probes write into trees.
pub fn lay_out(row: &Row, sources: &Utf8Path, work: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let clone = find(row, sources)
        .with_context(|| format!("`{sources}` has no clone of {} ({})", row.name, row.github))?;
    let clone = clone.canonicalize_utf8()?;
    let tree = work.join("tree");
    if !tree.exists() {
        let head = git(&clone, &["rev-parse", "HEAD"]).unwrap_or_default();
        let other = !row.commit.is_empty() && head.trim() != row.commit;
        if clone.join(".git").exists() && other {
            // a copy would keep what only the other commit has
            git(work, &["clone", "--quiet", "--no-checkout", clone.as_str(), tree.as_str()])?;
        } else if clone.join(".git").exists() {
            copy(&clone, &tree)?;
        } else if clone.join("HEAD").is_file() && clone.join("objects").is_dir() {
            git(work, &["clone", "--quiet", "--no-checkout", clone.as_str(), tree.as_str()])?;
            lay_out_present(&tree, if row.commit.is_empty() { "HEAD" } else { &row.commit })?;
        } else {
            copy(&clone, &tree)?;
            return Ok(tree);
        }
        let head = git(&tree, &["rev-parse", "HEAD"]).unwrap_or_default();
        if !row.commit.is_empty() && head.trim() != row.commit {
            lay_out_present(&tree, &row.commit)?;
        }
    }
    Ok(tree)
}

/// Finds the clone under one of the usual names.
fn find(row: &Row, sources: &Utf8Path) -> Option<Utf8PathBuf> {
    let base = row.github.rsplit('/').next().unwrap_or_default();
    let joined = |mark: &str| row.github.replace('/', mark);
    let names = [
        row.name.clone(),
        row.github.clone(),
        joined("+"),
        joined("__"),
        joined("_"),
        joined("-"),
        base.to_owned(),
        row.name.to_lowercase(),
    ];
    let mut places = names.iter().filter(|name| !name.is_empty()).flat_map(|name| {
        let plain = sources.join(name);
        [plain.join("repo/.git"), plain.join("repo"), sources.join(format!("{name}.git")), plain]
    });
    places.find(|place| {
        let bare = place.join("HEAD").is_file() && place.join("objects").is_dir();
        // `NAME/repo` counts only as a clone: a repository may have a folder of that name
        place.is_dir() && (bare || place.join(".git").exists() || place.file_name() != Some("repo"))
    })
}

fn copy(from: &Utf8Path, to: &Utf8Path) -> anyhow::Result<()> {
    let status = Command::new("cp")
        .args(["--archive", "--reflink=auto", from.as_str(), to.as_str()])
        .status()
        .context("`cp` could not be started")?;
    if !status.success() {
        bail!("`{from}` could not be copied");
    }
    Ok(())
}

/// Lays out `revision` as far as its files are there: a snapshot may lack its largest.
fn lay_out_present(tree: &Utf8Path, revision: &str) -> anyhow::Result<()> {
    let commit = git(tree, &["rev-parse", "--verify", &format!("{revision}^{{commit}}")])?;
    let commit = commit.trim();
    git(tree, &["update-ref", "--no-deref", "HEAD", commit])?;
    git(tree, &["read-tree", commit])?;
    // one file that is absent must not keep the others away
    let listed = git(tree, &["ls-files", "-z"])?;
    if git(tree, &["checkout-index", "--force", "--all"]).is_err() {
        for file in listed.split('\0').filter(|file| !file.is_empty()) {
            let _ = git(tree, &["checkout-index", "--force", "--", file]);
        }
    }
    Ok(())
}

fn git(folder: &Utf8Path, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .args(["-C", folder.as_str(), "-c", "safe.directory=*"])
        .args(args)
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .context("`git` could not be started")?;
    if !output.status.success() {
        bail!("git {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
