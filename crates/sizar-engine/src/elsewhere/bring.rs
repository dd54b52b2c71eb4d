//! Brings home what a run made, and trusts nothing that its receipt does not confirm.

use std::ffi::OsString;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::resources::ByteSize;
use sizar_model::{Artifact, Digest, Progress, Receipt, RunId};

use super::{ElsewhereError, Layout, sealed};
use crate::acquire::limits::Limits;
use crate::failpoint;
use crate::home::Home;
use crate::run::{Attempt, digest};
use crate::target::Place;
use crate::transport::Step;
use crate::transport::transfer::{CHUNK, get_file, get_tree};

/// The most bytes of a receipt: a million results.
const RECEIPT: u64 = 256 << 20;
/// The most bytes of what a program used: a thousand lines.
const USAGE: u64 = 256 << 10;
/// How many results one step brings: their names have to fit into one command line.
const AT_ONCE: usize = 500;

/// Brings the receipt, the log and the results of an ended attempt home, and verifies them.
///
/// They get their names only when every file is here and is what the receipt says; what was
/// brought by an earlier try that broke off is not brought again.
///
/// # Errors
///
/// [`ElsewhereError::Corrupt`] where a file is not what its digest says, [`ElsewhereError::File`]
/// where it cannot be kept here. What is on the target stays there.
pub(super) fn bring(
    home: &Home,
    place: &mut Place,
    layout: &Layout,
    run: &RunId,
    attempt: u32,
    progress: &dyn Progress,
) -> Result<Receipt, ElsewhereError> {
    let named = Attempt::of(home, run, attempt);
    if let Some(receipt) = named.receipt() {
        return Ok(receipt);
    }
    let folder = coming(home, named.folder())?;
    // those of many that ended together have come together
    let whole = |text: &Vec<u8>| serde_json::from_slice::<Receipt>(text).is_ok();
    let come = fs::read(folder.join("receipt.json")).ok().filter(whole);
    let used = layout.attempt(run, attempt).join("usage.csv");
    let mut steps = vec![Step::get_file(used.as_str(), USAGE)];
    if come.is_none() {
        steps.push(Step::get_file(layout.receipt(run, attempt).as_str(), RECEIPT));
    }
    // what has come with others needs no round trip of its own
    let answers = if come.is_none() { place.transport.run(&steps)? } else { Vec::new() };
    let mut text = come
        .unwrap_or_else(|| answers.get(1).map(|answer| answer.stdout.clone()).unwrap_or_default());
    let json = |source| ElsewhereError::Json { what: "receipt", source };
    let mut receipt: Receipt = serde_json::from_slice(&text).map_err(json)?;
    if receipt.attempt != attempt {
        let message = format!("it is of attempt {}", receipt.attempt);
        return Err(ElsewhereError::Corrupt { run: run.clone(), message });
    }
    let coming = Coming { home, run, there: layout.attempt(run, attempt), folder: &folder };
    match sealed::seal_of(&text).map_err(json)? {
        None => coming.all(place, wanted(run, &receipt)?, progress)?,
        Some(seal) => {
            let list = sealed::list(place, run, &coming.there, &seal)?;
            coming.all(place, list.clone(), progress)?;
            receipt.results = sealed::artifacts(&folder, &list)?;
            text = serde_json::to_vec_pretty(&receipt).map_err(json)?;
        }
    }
    log(place, layout, run, attempt, &folder)?;
    let failed = |source| ElsewhereError::File { path: folder.clone(), source };
    // an older sizar there kept none
    if let Some(used) = answers.first().filter(|answer| answer.is_success()) {
        fs::write(folder.join("usage.csv"), &used.stdout).map_err(failed)?;
    }
    fs::write(folder.join("receipt.json"), &text).map_err(failed)?;
    fs::create_dir_all(folder.join("work")).map_err(failed)?;
    failpoint::hit("elsewhere:before-rename");
    fs::rename(&folder, named.folder()).map_err(failed)?;
    Ok(receipt)
}

/// Makes the folder in which an attempt lies until all of it is here.
pub(super) fn coming(home: &Home, named: &Utf8Path) -> Result<Utf8PathBuf, ElsewhereError> {
    home.folder("runs")?;
    let folder = Utf8PathBuf::from(format!("{named}.coming"));
    fs::create_dir_all(&folder)
        .map_err(|source| ElsewhereError::File { path: folder.clone(), source })?;
    Ok(folder)
}

/// An attempt on its way home.
struct Coming<'a> {
    home: &'a Home,
    run: &'a RunId,
    /// Its folder on the target.
    there: Utf8PathBuf,
    /// Where it lies here until all of it has come.
    folder: &'a Utf8Path,
}

/// A file that an attempt made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Below the attempt's folder.
    pub path: Utf8PathBuf,
    pub size: u64,
    pub sum: Sum,
}

/// What tells whether a file is what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    Blake3(Digest),
    /// In hexadecimal.
    Sha256(String),
}

impl Sum {
    fn holds(&self, path: &Utf8Path) -> std::io::Result<bool> {
        Ok(match self {
            Self::Blake3(sum) => digest(path.as_std_path())? == *sum,
            Self::Sha256(sum) => sealed::sha256(path)? == *sum,
        })
    }
}

impl Wanted {
    /// Returns a result as its receipt names it; none where it would lie elsewhere.
    pub fn of(result: &Artifact) -> Option<Self> {
        let sum = Sum::Blake3(result.blake3);
        Some(Self { path: below(&result.path)?, size: result.size, sum })
    }

    /// Returns whether it lies in `folder`, as it was.
    pub fn is_in(&self, folder: &Utf8Path) -> bool {
        let path = folder.join(&self.path);
        let plain = fs::symlink_metadata(&path)
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == self.size);
        plain && self.sum.holds(&path).unwrap_or(false)
    }

    /// Returns what it is called in messages.
    fn name(&self) -> &str {
        self.path.as_str().strip_prefix("work/").unwrap_or(self.path.as_str())
    }
}

/// Returns what a receipt names.
fn wanted(run: &RunId, receipt: &Receipt) -> Result<Vec<Wanted>, ElsewhereError> {
    let one = |result| {
        Wanted::of(result).ok_or_else(|| ElsewhereError::Corrupt {
            run: run.clone(),
            message: format!("`{}` leads out of its folder", result.path),
        })
    };
    receipt.results.iter().map(one).collect()
}

impl Coming<'_> {
    /// Brings what is not here yet, the small ones first, and verifies each.
    fn all(
        &self,
        place: &mut Place,
        mut wanted: Vec<Wanted>,
        progress: &dyn Progress,
    ) -> Result<(), ElsewhereError> {
        let all: u64 = wanted.iter().map(|wanted| wanted.size).sum();
        let missing: Vec<Wanted> = wanted.extract_if(.., |one| !one.is_in(self.folder)).collect();
        let here: u64 = wanted.iter().map(|wanted| wanted.size).sum();
        let mut wanted = missing;
        if wanted.is_empty() {
            return Ok(());
        }
        // small ones first: numbers, logs and figures are what is looked at first
        wanted.sort_by_key(|wanted| wanted.size);
        let bytes: u64 = wanted.iter().map(|wanted| wanted.size).sum();
        let what = format!("{} results ({}) of {}", wanted.len(), ByteSize(bytes), self.run);
        progress.begin(format!("bringing {what}"));
        for some in batches(&wanted) {
            let full = |error| self.full(error, &wanted, here, all);
            self.batch(place, some, progress).map_err(full)?;
        }
        progress.end(format!("brought {what}"));
        Ok(())
    }

    /// Brings some results, and keeps those that are what they were.
    fn batch(
        &self,
        place: &mut Place,
        some: &[Wanted],
        progress: &dyn Progress,
    ) -> Result<(), ElsewhereError> {
        let Self { home, run, there, folder } = self;
        let other = |result: &Wanted| ElsewhereError::Corrupt {
            run: (*run).clone(),
            message: format!("`{}` has another content", result.name()),
        };
        let failed = |path: &Utf8Path| {
            let path = folder.join(path);
            move |source| ElsewhereError::File { path, source }
        };
        if let [result] = some
            && result.size > CHUNK
        {
            let path = &result.path;
            // in pieces, of which those that came stay over a broken line
            let part = folder.join(format!("{path}.part"));
            if let Some(parent) = part.parent() {
                fs::create_dir_all(parent).map_err(failed(path))?;
            }
            let remote = there.join(path);
            get_file(&mut *place.transport, remote.as_str(), result.size, &part, progress)?;
            if !result.sum.holds(&part).map_err(failed(path))? {
                fs::remove_file(&part).map_err(failed(path))?;
                return Err(other(result));
            }
            return fs::rename(&part, folder.join(path)).map_err(failed(path));
        }
        let staging = home.staging()?;
        let root = Utf8Path::from_path(staging.path()).unwrap_or(folder).join("results");
        let paths: Vec<OsString> = some.iter().map(|one| one.path.as_str().into()).collect();
        let limits = Limits { bytes: u64::MAX, ratio: u64::MAX, ..Limits::from_environment() };
        get_tree(&mut *place.transport, there.as_str(), &paths, &root, limits, progress)?;
        for result in some {
            if !result.is_in(&root) {
                return Err(other(result));
            }
            let path = &result.path;
            keep(&root.join(path), &folder.join(path)).map_err(failed(path))?;
        }
        Ok(())
    }

    /// Says how far it came where this machine's disk is full: `here` is what had come before.
    fn full(
        &self,
        error: ElsewhereError,
        wanted: &[Wanted],
        here: u64,
        all: u64,
    ) -> ElsewhereError {
        if !is_full(&error) {
            return error;
        }
        let size = |path: Utf8PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let come = wanted.iter().map(|one| {
            let path = self.folder.join(&one.path);
            size(path.clone()).max(size(format!("{path}.part").into()))
        });
        ElsewhereError::DiskFull {
            run: self.run.clone(),
            here: ByteSize(here + come.sum::<u64>()),
            all: ByteSize(all),
        }
    }
}

/// Returns whether it was this machine's disk that had no room.
fn is_full(error: &ElsewhereError) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return matches!(
                error.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            );
        }
        source = error.source();
    }
    false
}

/// Divides what is to come: large ones alone, small ones together.
fn batches(wanted: &[Wanted]) -> Vec<&[Wanted]> {
    let mut batches = Vec::new();
    let mut from = 0;
    let mut bytes = 0;
    for (index, result) in wanted.iter().enumerate() {
        if index > from && (bytes + result.size > CHUNK || index - from == AT_ONCE) {
            batches.push(&wanted[from..index]);
            (from, bytes) = (index, 0);
        }
        bytes += result.size;
    }
    if from < wanted.len() {
        batches.push(&wanted[from..]);
    }
    batches
}

/// Moves a verified file to where it stays until all are here.
pub(super) fn keep(from: &Utf8Path, to: &Utf8Path) -> std::io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::rename(from, to)
}

/// Returns where a result lies below its attempt's folder; none where it would lie elsewhere.
pub(super) fn below(path: &str) -> Option<Utf8PathBuf> {
    let path = match path.strip_prefix("~/") {
        Some(path) => Utf8Path::new("home").join(path),
        None => Utf8Path::new("work").join(path),
    };
    path.components().all(|part| matches!(part, Utf8Component::Normal(_))).then_some(path)
}

/// Brings what the job printed, as far as it is kept.
fn log(
    place: &mut Place,
    layout: &Layout,
    run: &RunId,
    attempt: u32,
    folder: &Utf8Path,
) -> Result<(), ElsewhereError> {
    if folder.join("log").exists() {
        return Ok(());
    }
    let path = folder.join("log.part");
    let failed = |source| ElsewhereError::File { path: path.clone(), source };
    let mut file = fs::File::create(&path).map_err(failed)?;
    let step = Step::get_file(layout.output(run, attempt).as_str(), 0)
        .limit(std::time::Duration::from_mins(30));
    // a job that could print nothing left no file
    place.transport.drain(&step, &mut file, &sizar_model::Silent)?;
    fs::rename(&path, folder.join("log")).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_results_come_alone_and_small_ones_together() {
        let one = |size| {
            let blake3 = Digest::of(&[]);
            Wanted::of(&Artifact { path: "a".to_owned(), size, blake3 }).unwrap()
        };
        let wanted = [one(1), one(CHUNK - 1), one(2), one(CHUNK + 1)];
        let sizes: Vec<usize> = batches(&wanted).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [2, 1, 1]);
        assert!(batches(&[]).is_empty());
    }

    #[test]
    fn results_lie_below_their_attempt() {
        assert_eq!(below("out/a.txt").unwrap(), "work/out/a.txt");
        assert_eq!(below("~/.keras/x").unwrap(), "home/.keras/x");
        for path in ["../x", "a/../../x", "/etc/passwd", "~/../x"] {
            assert_eq!(below(path), None, "{path}");
        }
    }
}
