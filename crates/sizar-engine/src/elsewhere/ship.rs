//! The user's data on their way to the target: trees of the store, as code is.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::Progress;

use super::carry::Carrier;
use super::manifest::cache;
use super::push::push;
use super::{ElsewhereError, Layout, addresses};
use crate::dataset::{self, Archive, is_address};
use crate::home::Home;
use crate::run::{Input, RunRequest};
use crate::target::Place;
use crate::transfer::{Manifest, Rules, Scan, TransferError};

/// How often a folder is listed anew where a file of it changed while it was sent.
const TRIES: u32 = 3;

/// Sends the user's data, as far as they are not there; returns the request and the inputs as they
/// are there.
///
/// # Errors
///
/// [`ElsewhereError`] of the file or the connection that failed; what is half sent does not bear
/// its name.
pub(super) fn data(
    place: &mut Place,
    carrier: &Carrier<'_>,
    request: &RunRequest,
    inputs: &[Input],
) -> Result<(RunRequest, Vec<Input>), ElsewhereError> {
    let mut request = request.clone();
    let mut inputs = inputs.to_vec();
    let mut sent: BTreeMap<Utf8PathBuf, Utf8PathBuf> = BTreeMap::new();
    let bindings =
        request.job.data.iter_mut().chain(inputs.iter_mut().map(|input| &mut input.binding));
    for binding in bindings {
        let here = binding.here.clone();
        // a file of a folder that goes anyway goes with it
        let within = sent.iter().find_map(|(folder, there): (&Utf8PathBuf, &Utf8PathBuf)| {
            let below = here.strip_prefix(folder).ok()?;
            let inside = !below.components().any(|part| part.as_str() == ".git");
            inside
                .then(|| if below.as_str().is_empty() { there.clone() } else { there.join(below) })
        });
        let there = match within {
            Some(there) => there,
            None if is_address(here.as_str()) => address(place, carrier, &here)?,
            None => one(place, carrier, &here)?,
        };
        binding.here.clone_from(&there);
        sent.insert(here, there);
    }
    Ok((request, inputs))
}

/// Has what lies at an address fetched there; here, where that fails or nothing is reached from there.
pub(super) fn address(
    place: &mut Place,
    carrier: &Carrier<'_>,
    address: &Utf8Path,
) -> Result<Utf8PathBuf, ElsewhereError> {
    if let Some(there) = addresses::fetch(place, carrier, address)? {
        return Ok(there);
    }
    let archive = Archive::from_environment();
    one(
        place,
        carrier,
        &dataset::fetch(carrier.home, address.as_str(), &archive, carrier.progress)?,
    )
}

/// Brings a file or folder to a target, unless it is there; returns where it lies there.
///
/// # Errors
///
/// [`ElsewhereError`] of the file or the connection that failed.
pub fn send(
    home: &Home,
    place: &mut Place,
    here: &Utf8Path,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, ElsewhereError> {
    let layout = Layout::at(place.root());
    let program = push(home, place, &layout, progress)?;
    one(place, &Carrier { home, layout: &layout, program: Some(&program), progress }, here)
}

/// What is sent of one binding.
struct Cargo {
    root: Utf8PathBuf,
    manifest: Manifest,
    /// The file that is meant, where it is one.
    file: Option<String>,
}

/// Lists what a path leads to.
fn list(carrier: &Carrier<'_>, here: &Utf8Path) -> Result<Cargo, ElsewhereError> {
    let failed = |source| ElsewhereError::File { path: here.to_owned(), source };
    let real = here.canonicalize_utf8().map_err(failed)?;
    let is_folder = fs::metadata(&real).map_err(failed)?.is_dir();
    let cache = cache(carrier.home, &real);
    let scan = Scan { cache: cache.as_deref(), ..Scan::data(real.as_std_path()) };
    let file = real.file_name().filter(|_| !is_folder).map(str::to_owned);
    let (root, scanned) = match (&file, real.parent()) {
        (Some(name), Some(parent)) => {
            let rules = Rules::Only(name.as_ref());
            (parent.to_owned(), Scan { root: parent.as_std_path(), rules, ..scan }.run()?)
        }
        _ => (real.clone(), scan.run()?),
    };
    for path in scanned.left_out.iter().take(5) {
        carrier
            .progress
            .note(format!("`{root}/{path}` cannot be read, or is no file: it stays here"));
    }
    if file.is_some() && scanned.manifest.entries().is_empty() {
        return Err(failed(std::io::ErrorKind::PermissionDenied.into()));
    }
    Ok(Cargo { root, manifest: scanned.manifest, file })
}

fn one(
    place: &mut Place,
    carrier: &Carrier<'_>,
    here: &Utf8Path,
) -> Result<Utf8PathBuf, ElsewhereError> {
    let what = format!("`{}`", here.file_name().unwrap_or("data"));
    let mut tries = 0;
    loop {
        let Cargo { root, manifest, file } = list(carrier, here)?;
        let name = manifest.name();
        let there = carrier.layout.tree(&name);
        let there = file.map_or(there.clone(), |file| there.join(file));
        if carrier.has(place, &carrier.layout.trees(), &[name])?.first() == Some(&true) {
            return Ok(there);
        }
        match carrier.tree(place, &manifest, root.as_std_path(), &what) {
            Ok(()) => return Ok(there),
            Err(ElsewhereError::Transfer(TransferError::Changed { path })) if tries + 1 < TRIES => {
                carrier.progress.note(format!("`{path}` changed while it was sent; it goes anew"));
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}
