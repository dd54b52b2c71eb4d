//! Brings home what a run made, and trusts nothing that its receipt does not confirm.

use std::ffi::OsString;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::resources::ByteSize;
use sizar_model::{Artifact, Progress, Receipt, RunId};

use super::push::path_there;
use super::sealed::{self, Sealed};
use super::{ElsewhereError, Layout};
use crate::acquire::limits::Limits;
use crate::failpoint;
use crate::home::Home;
use crate::run::{Attempt, digest};
use crate::target::Place;
use crate::transfer::{self, Download, Pace};
use crate::transport::transfer::{CHUNK, get_file, get_tree};
use crate::transport::{Answer, Step};

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
    if let Some(seal) = sealed::seal_of(&text).map_err(json)? {
        let sealed = Sealed { run, there: &coming.there, folder: &folder };
        receipt.results = sealed.bring(place, home, &seal, progress)?;
        text = serde_json::to_vec_pretty(&receipt).map_err(json)?;
    }
    coming.results(place, &receipt, progress)?;
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

impl Coming<'_> {
    /// Brings what is not here yet, the small ones first, and verifies each.
    fn results(
        &self,
        place: &mut Place,
        receipt: &Receipt,
        progress: &dyn Progress,
    ) -> Result<(), ElsewhereError> {
        let Self { run, folder, .. } = self;
        let mut wanted: Vec<(&Artifact, Utf8PathBuf)> = Vec::new();
        for result in &receipt.results {
            let path = below(&result.path).ok_or_else(|| ElsewhereError::Corrupt {
                run: (*run).clone(),
                message: format!("`{}` leads out of its folder", result.path),
            })?;
            if !is_here(folder, &path, result) {
                wanted.push((result, path));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        // small ones first: numbers, logs and figures are what is looked at first
        wanted.sort_by_key(|(result, _)| result.size);
        let bytes: u64 = wanted.iter().map(|(result, _)| result.size).sum();
        let what = format!("{} results ({}) of {run}", wanted.len(), ByteSize(bytes));
        progress.begin(format!("bringing {what}"));
        let (came, moved) = place.bringing(|place| self.come(place, &wanted, progress));
        came.map_err(|error| self.full(error, receipt))?;
        let line = ByteSize(moved);
        progress.end(format!("brought {what}, {line} of it on the line"));
        Ok(())
    }

    /// Brings results: many or large ones in one conversation with the sizar there.
    fn come(
        &self,
        place: &mut Place,
        wanted: &[(&Artifact, Utf8PathBuf)],
        progress: &dyn Progress,
    ) -> Result<(), ElsewhereError> {
        let bytes: u64 = wanted.iter().map(|(result, _)| result.size).sum();
        let few = bytes <= CHUNK && wanted.len() <= AT_ONCE;
        let program = if few && place.pace.is_none() { None } else { self.program(place)? };
        let Some(program) = program else {
            return batches(wanted)
                .into_iter()
                .try_for_each(|some| self.batch(place, some, progress));
        };
        let coming: Vec<transfer::Coming> =
            wanted.iter().map(|(result, path)| self.coming(result, path)).collect();
        let pace = Pace::new(place.pace);
        let (root, transport) = (place.root(), &mut *place.transport);
        let mut download = Download { transport, program: &program, root: &root, pace, progress };
        download.files(&self.there, &coming).map_err(|error| match error {
            transfer::TransferError::Corrupt { path } => ElsewhereError::Corrupt {
                run: self.run.clone(),
                message: format!("`{path}` has another content"),
            },
            error => error.into(),
        })
    }

    fn coming(&self, result: &Artifact, path: &Utf8Path) -> transfer::Coming {
        transfer::Coming {
            path: path.to_owned(),
            size: result.size,
            digest: result.blake3,
            to: self.folder.join(path),
        }
    }

    /// Returns the sizar there, if it is there.
    fn program(&self, place: &mut Place) -> Result<Option<Utf8PathBuf>, ElsewhereError> {
        let layout = Layout::at(place.root());
        let Some(program) = path_there(self.home, &layout, &place.profile) else { return Ok(None) };
        let answers = place.transport.run(&[Step::program("test", ["-x", program.as_str()])])?;
        Ok(Some(program).filter(|_| answers.first().is_some_and(Answer::is_success)))
    }
}

impl Coming<'_> {
    /// Brings some results, and keeps those that are what the receipt says.
    fn batch(
        &self,
        place: &mut Place,
        some: &[(&Artifact, Utf8PathBuf)],
        progress: &dyn Progress,
    ) -> Result<(), ElsewhereError> {
        let Self { home, run, there, folder } = self;
        let other = |result: &Artifact| ElsewhereError::Corrupt {
            run: (*run).clone(),
            message: format!("`{}` has another content", result.path),
        };
        let failed = |path: &Utf8Path| {
            let path = folder.join(path);
            move |source| ElsewhereError::File { path, source }
        };
        if let [(result, path)] = some
            && result.size > CHUNK
        {
            // in pieces, of which those that came stay over a broken line
            let part = folder.join(format!("{path}.part"));
            if let Some(parent) = part.parent() {
                fs::create_dir_all(parent).map_err(failed(path))?;
            }
            let remote = there.join(path);
            get_file(&mut *place.transport, remote.as_str(), result.size, &part, progress)?;
            if digest(part.as_std_path()).map_err(failed(path))? != result.blake3 {
                fs::remove_file(&part).map_err(failed(path))?;
                return Err(other(result));
            }
            return fs::rename(&part, folder.join(path)).map_err(failed(path));
        }
        let staging = home.staging()?;
        let root = Utf8Path::from_path(staging.path()).unwrap_or(folder).join("results");
        let paths: Vec<OsString> = some.iter().map(|(_, path)| path.as_str().into()).collect();
        let limits = Limits { bytes: u64::MAX, ratio: u64::MAX, ..Limits::from_environment() };
        get_tree(&mut *place.transport, there.as_str(), &paths, &root, limits, progress)?;
        for (result, path) in some {
            if !is_here(&root, path, result) {
                return Err(other(result));
            }
            keep(&root.join(path), &folder.join(path)).map_err(failed(path))?;
        }
        Ok(())
    }

    /// Says how far it came where this machine's disk is full.
    fn full(&self, error: ElsewhereError, receipt: &Receipt) -> ElsewhereError {
        if !is_full(&error) {
            return error;
        }
        let size = |path: Utf8PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let here = receipt.results.iter().filter_map(|result| {
            let path = below(&result.path)?;
            let coming = self.coming(result, &path);
            Some(
                size(self.folder.join(format!("{path}.part")))
                    .max(size(coming.part()))
                    .max(size(coming.to)),
            )
        });
        ElsewhereError::DiskFull {
            run: self.run.clone(),
            here: ByteSize(here.sum()),
            all: ByteSize(receipt.results.iter().map(|result| result.size).sum()),
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
fn batches<'a, 'b>(
    wanted: &'a [(&'b Artifact, Utf8PathBuf)],
) -> Vec<&'a [(&'b Artifact, Utf8PathBuf)]> {
    let mut batches = Vec::new();
    let mut from = 0;
    let mut bytes = 0;
    for (index, (result, _)) in wanted.iter().enumerate() {
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

pub(super) fn is_here(folder: &Utf8Path, path: &Utf8Path, result: &Artifact) -> bool {
    let path = folder.join(path);
    let plain = fs::symlink_metadata(&path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() == result.size);
    plain && digest(path.as_std_path()).is_ok_and(|digest| digest == result.blake3)
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
    place.bringing(|place| place.transport.drain(&step, &mut file, &sizar_model::Silent)).0?;
    fs::rename(&path, folder.join("log")).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_results_come_alone_and_small_ones_together() {
        let blake3 = sizar_model::Digest::of(&[]);
        let artifact = |size| Artifact { path: "a".to_owned(), size, blake3 };
        let all = [artifact(1), artifact(CHUNK - 1), artifact(2), artifact(CHUNK + 1)];
        let wanted: Vec<_> = all.iter().map(|one| (one, Utf8PathBuf::from("a"))).collect();
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
