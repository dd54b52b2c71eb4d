//! Brings what many ended attempts left in few round trips, before each is brought by itself.
//!
//! It is only a shortcut: what did not come so, or is not what its receipt says, is asked for
//! again by [`bring`](super::bring::bring), which trusts nothing that it has not verified.

use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::{Artifact, Progress, Receipt, RunId};

use super::bring::{below, coming, is_here, keep};
use super::{ElsewhereError, Layout};
use crate::acquire::limits::Limits;
use crate::home::Home;
use crate::run::{Attempt, chain};
use crate::target::Place;
use crate::transport::transfer::get_tree;

/// How many attempts are brought together.
const AT_ONCE: usize = 250;
/// Larger results are not brought so: their own progress is worth seeing.
const LARGEST: u64 = 1 << 20;
/// The most bytes of results that are brought together.
const MOST: u64 = 64 << 20;

/// An attempt whose receipt is there.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub run: RunId,
    pub attempt: u32,
}

impl Left {
    fn receipt(&self) -> String {
        format!("{}/attempt-{}/receipt.json", self.run, self.attempt)
    }

    fn usage(&self) -> String {
        format!("{}/attempt-{}/usage.csv", self.run, self.attempt)
    }

    fn log(&self) -> String {
        format!("{}/job-{}.out", self.run, self.attempt)
    }
}

/// Brings receipts, logs and small results of many attempts to where the rest of them will come.
pub(super) fn bring_many(
    home: &Home,
    place: &mut Place,
    layout: &Layout,
    left: Vec<Left>,
    progress: &dyn Progress,
) {
    let wanted: Vec<Left> = left
        .into_iter()
        .filter(|left| !Attempt::of(home, &left.run, left.attempt).folder().exists())
        .collect();
    for some in wanted.chunks(AT_ONCE) {
        if some.len() < 2 {
            return;
        }
        progress.begin(format!("bringing what {} tasks left", some.len()));
        let brought = bring_some(home, place, layout, some);
        progress.end(format!("brought what {} tasks left", some.len()));
        if let Err(error) = brought {
            tracing::debug!(error = chain(&error), "they are brought one by one");
            return;
        }
    }
}

fn bring_some(
    home: &Home,
    place: &mut Place,
    layout: &Layout,
    some: &[Left],
) -> Result<(), ElsewhereError> {
    let staging = home.staging()?;
    let staging = Utf8Path::from_path(staging.path()).unwrap_or(Utf8Path::new("/nowhere"));
    let first = staging.join("first");
    let all = some.iter().flat_map(|left| [left.receipt(), left.log(), left.usage()]);
    if fetch(place, layout, all, &first).is_err() {
        // a plain script keeps no record of use
        let all = some.iter().flat_map(|left| [left.receipt(), left.log()]);
        fetch(place, layout, all, &first)?;
    }
    let mut small: Vec<(&Left, Artifact, Utf8PathBuf)> = Vec::new();
    let mut bytes = 0;
    for left in some {
        let folder = coming(home, Attempt::of(home, &left.run, left.attempt).folder())?;
        let failed = |source| ElsewhereError::File { path: folder.clone(), source };
        let text = fs::read(first.join(left.receipt())).map_err(failed)?;
        let receipt: Receipt = serde_json::from_slice(&text)
            .map_err(|source| ElsewhereError::Json { what: "receipt", source })?;
        keep(&first.join(left.log()), &folder.join("log")).map_err(failed)?;
        if first.join(left.usage()).is_file() {
            keep(&first.join(left.usage()), &folder.join("usage.csv")).map_err(failed)?;
        }
        keep(&first.join(left.receipt()), &folder.join("receipt.json")).map_err(failed)?;
        for result in receipt.results {
            let Some(path) = below(&result.path) else { continue };
            if result.size <= LARGEST && bytes + result.size <= MOST {
                bytes += result.size;
                small.push((left, result, path));
            }
        }
    }
    let second = staging.join("second");
    let place_of =
        |left: &Left, path: &Utf8Path| format!("{}/attempt-{}/{path}", left.run, left.attempt);
    let paths: Vec<String> = small.iter().map(|(left, _, path)| place_of(left, path)).collect();
    if paths.is_empty() {
        return Ok(());
    }
    fetch(place, layout, paths, &second)?;
    for (left, result, path) in small {
        let root = second.join(format!("{}/attempt-{}", left.run, left.attempt));
        if !is_here(&root, &path, &result) {
            continue;
        }
        let folder = coming(home, Attempt::of(home, &left.run, left.attempt).folder())?;
        keep(&root.join(&path), &folder.join(&path))
            .map_err(|source| ElsewhereError::File { path: folder.join(&path), source })?;
    }
    Ok(())
}

fn fetch(
    place: &mut Place,
    layout: &Layout,
    paths: impl IntoIterator<Item = String>,
    into: &Utf8Path,
) -> Result<(), ElsewhereError> {
    let runs = layout.root().join("runs");
    let limits = Limits { bytes: u64::MAX, ratio: u64::MAX, ..Limits::from_environment() };
    let paths: Vec<OsString> = paths.into_iter().map(OsString::from).collect();
    let (came, _) = place.bringing(|place| {
        let transport = &mut *place.transport;
        get_tree(transport, runs.as_str(), &paths, into, limits, &sizar_model::Silent)
    });
    Ok(came?)
}
