//! What a run made: the files that it created or changed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use fs_err as fs;
use rayon::prelude::*;
use sizar_model::{Artifact, Digest};

use super::working_copy::{Baseline, Stamp};

/// Folders that hold nothing but caches, wherever they are.
const CACHES: [&str; 3] = ["__pycache__", ".ipynb_checkpoints", ".pytest_cache"];

/// Folders of the home that hold nothing but caches and settings.
const HOME_CACHES: [&str; 5] =
    [".cache", ".nv", ".config/matplotlib", ".config/pip", ".local/share/jupyter/runtime"];

/// Where a run worked.
#[derive(Clone, Copy, Debug)]
pub struct Workplace<'a> {
    /// The source's tree, as it was.
    pub checkout: &'a Utf8Path,
    pub work: &'a Utf8Path,
    pub home: &'a Utf8Path,
    /// Absolute paths where the user's own data was shown: never results.
    pub shown: &'a [camino::Utf8PathBuf],
}

/// Lists what the program created or changed; links are not followed.
///
/// A file that was written with the same content is no result. What cannot be read is left out,
/// and said in the notes that come with the list.
pub fn collect(place: Workplace<'_>, baseline: &Baseline) -> (Vec<Artifact>, Vec<String>) {
    let shown: HashSet<&Path> = place.shown.iter().map(|path| path.as_std_path()).collect();
    let mut files = Vec::new();
    let mut notes = Vec::new();
    let work = place.work.as_std_path();
    walk(work, Path::new(""), &|path| shown.contains(path), &mut files, &mut notes);
    let in_work = files.len();
    let home = place.home.as_std_path();
    let cache = |path: &Path| {
        shown.contains(path) || HOME_CACHES.iter().any(|cache| path == home.join(cache))
    };
    walk(home, Path::new(""), &cache, &mut files, &mut notes);
    let checkout = place.checkout.as_std_path();
    let made: Vec<Result<Option<Artifact>, String>> = files
        .par_iter()
        .enumerate()
        .map(|(index, (path, stamp))| {
            if index < in_work {
                in_working_copy(path, *stamp, work, checkout, baseline)
            } else {
                in_home(path, *stamp, home, baseline)
            }
        })
        .collect();
    let mut results = Vec::new();
    for made in made {
        match made {
            Ok(result) => results.extend(result),
            Err(note) => notes.push(note),
        }
    }
    results.sort_by(|a, b| a.path.cmp(&b.path));
    (results, notes)
}

fn in_working_copy(
    path: &Path,
    stamp: Stamp,
    work: &Path,
    checkout: &Path,
    baseline: &Baseline,
) -> Result<Option<Artifact>, String> {
    let before = baseline.files.get(path);
    if before == Some(&stamp) {
        return Ok(None);
    }
    let artifact = artifact(work, path, stamp.size)?;
    let same_size = before.is_some_and(|before| before.size == stamp.size);
    if same_size && digest(&checkout.join(path)).is_ok_and(|digest| digest == artifact.blake3) {
        return Ok(None);
    }
    Ok(Some(artifact))
}

fn in_home(
    path: &Path,
    stamp: Stamp,
    home: &Path,
    baseline: &Baseline,
) -> Result<Option<Artifact>, String> {
    if baseline.home.get(path) == Some(&stamp) {
        return Ok(None);
    }
    let artifact = artifact(home, path, stamp.size)?;
    Ok(Some(Artifact { path: format!("~/{}", artifact.path), ..artifact }))
}

fn artifact(root: &Path, path: &Path, size: u64) -> Result<Artifact, String> {
    let Some(name) = path.to_str() else {
        return Err(format!("`{}` is left out: its name is not UTF-8", path.display()));
    };
    let blake3 =
        digest(&root.join(path)).map_err(|error| format!("a result is left out: {error}"))?;
    Ok(Artifact { path: name.to_owned(), size, blake3 })
}

/// Digests a file's content, without reading all of it into memory.
pub(crate) fn digest(path: &Path) -> std::io::Result<Digest> {
    Ok(crate::sparse::digest_of(path)?.1)
}

/// Lists the files under `root`, with their stamps; not what `leave` says.
fn walk(
    root: &Path,
    below: &Path,
    leave: &dyn Fn(&Path) -> bool,
    files: &mut Vec<(PathBuf, Stamp)>,
    notes: &mut Vec<String>,
) {
    let entries = match fs::read_dir(root.join(below)) {
        Ok(entries) => entries,
        Err(error) => {
            notes.push(format!("a folder's results are left out: {error}"));
            return;
        }
    };
    for entry in entries.flatten() {
        let path = below.join(entry.file_name());
        if leave(&root.join(&path)) {
            continue;
        }
        // of the entry itself: links are not followed
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            if !CACHES.iter().any(|cache| entry.file_name() == *cache) {
                walk(root, &path, leave, files, notes);
            }
        } else if metadata.is_file() {
            files.push((path, Stamp::of(&metadata)));
        }
    }
}
