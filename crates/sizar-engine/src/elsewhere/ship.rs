//! The user's data on their way to the target: trees of the store, as code is.

use std::collections::{BTreeMap, HashSet};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::Progress;

use super::carry::{Carrier, Look};
use super::manifest::cache;
use super::push::push_and_look;
use super::{ElsewhereError, Layout, addresses};
use crate::dataset::{self, Archive, Bounds, is_address};
use crate::home::Home;
use crate::run::{Input, RunRequest};
use crate::target::Place;
use crate::transfer::{Manifest, Rules, Scan, TransferError};

/// How often a folder is listed anew where a file of it changed while it was sent.
const TRIES: u32 = 3;

/// The user's data as they are here, by their paths.
#[derive(Debug, Default)]
pub(super) struct Freight(BTreeMap<Utf8PathBuf, Cargo>);

/// What is sent of one binding.
#[derive(Debug)]
struct Cargo {
    root: Utf8PathBuf,
    manifest: Manifest,
    /// The file that is meant, where it is one.
    file: Option<String>,
}

impl Freight {
    /// Lists what a run is given, each folder once.
    ///
    /// # Errors
    ///
    /// [`ElsewhereError`] of what cannot be read.
    pub fn of(
        home: &Home,
        request: &RunRequest,
        inputs: &[Input],
        progress: &dyn Progress,
    ) -> Result<Self, ElsewhereError> {
        let mut freight = Self::default();
        let given = request.job.data.iter();
        for binding in given.chain(inputs.iter().map(|input| &input.binding)) {
            let here = &binding.here;
            if within(&freight.0, here).is_none() && !is_address(here.as_str()) {
                freight.0.insert(here.clone(), list(home, here, progress)?);
            }
        }
        Ok(freight)
    }

    /// Returns the names of its trees.
    pub fn names(&self) -> Vec<String> {
        self.0.values().map(|cargo| cargo.manifest.name()).collect()
    }
}

/// Returns what goes anyway that holds `here`, and where in it that is.
fn within<'a, T>(
    going: &'a BTreeMap<Utf8PathBuf, T>,
    here: &'a Utf8Path,
) -> Option<(&'a T, &'a Utf8Path)> {
    going.iter().find_map(|(folder, one)| {
        let below = here.strip_prefix(folder).ok()?;
        let inside = !below.components().any(|part| part.as_str() == ".git");
        inside.then_some((one, below))
    })
}

/// Sends the user's data, as far as they are not there; returns the request and the inputs as they
/// are there.
///
/// The trees of `freight` whose names are in `there` were seen there a moment ago.
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
    (mut freight, there): (Freight, &HashSet<String>),
) -> Result<(RunRequest, Vec<Input>), ElsewhereError> {
    let mut request = request.clone();
    let mut inputs = inputs.to_vec();
    let mut sent: BTreeMap<Utf8PathBuf, Utf8PathBuf> = BTreeMap::new();
    let bindings =
        request.job.data.iter_mut().chain(inputs.iter_mut().map(|input| &mut input.binding));
    for binding in bindings {
        let here = binding.here.clone();
        // a file of a folder that goes anyway goes with it
        let there = match within(&sent, &here) {
            Some((folder, below)) if below.as_str().is_empty() => folder.clone(),
            Some((folder, below)) => folder.join(below),
            None if is_address(here.as_str()) => {
                address(place, carrier, &here, &Bounds::default())?
            }
            None => match freight.0.remove(&here) {
                Some(cargo) if there.contains(&cargo.manifest.name()) => {
                    cargo.there(carrier.layout)
                }
                cargo => one(place, carrier, &here, cargo)?,
            },
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
    bounds: &Bounds,
) -> Result<Utf8PathBuf, ElsewhereError> {
    if let Some(there) = addresses::fetch(place, carrier, address, bounds)? {
        return Ok(there);
    }
    let archive = Archive::from_environment();
    let from = (&archive, bounds);
    let here = dataset::fetch(carrier.home, address.as_str(), from, carrier.progress)?;
    let cargo = list(carrier.home, &here, carrier.progress)?;
    let look = Look { folder: &carrier.layout.trees(), names: vec![cargo.manifest.name()] };
    if carrier.look(place, &look)?.contains(&cargo.manifest.name()) {
        return Ok(cargo.there(carrier.layout));
    }
    one(place, carrier, &here, Some(cargo))
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
    let (connected, listed) = std::thread::scope(|scope| {
        let transport = &mut place.transport;
        let connecting = scope.spawn(|| transport.run(&[]));
        let listed = list(home, here, progress);
        (connecting.join(), listed)
    });
    let cargo = listed?;
    connected.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let look = Look { folder: &layout.trees(), names: vec![cargo.manifest.name()] };
    let (program, there) = push_and_look(home, place, &layout, &look, progress)?;
    if there.contains(&cargo.manifest.name()) {
        return Ok(cargo.there(&layout));
    }
    let carrier = Carrier { home, layout: &layout, program: Some(&program), progress };
    one(place, &carrier, here, Some(cargo))
}

impl Cargo {
    /// Returns where it lies there.
    fn there(&self, layout: &Layout) -> Utf8PathBuf {
        let tree = layout.tree(&self.manifest.name());
        self.file.as_ref().map_or(tree.clone(), |file| tree.join(file))
    }
}

/// Lists what a path leads to.
fn list(home: &Home, here: &Utf8Path, progress: &dyn Progress) -> Result<Cargo, ElsewhereError> {
    let failed = |source| ElsewhereError::File { path: here.to_owned(), source };
    let real = here.canonicalize_utf8().map_err(failed)?;
    let is_folder = fs::metadata(&real).map_err(failed)?.is_dir();
    let cache = cache(home, &real);
    let scan = Scan { cache: cache.as_deref(), progress, ..Scan::data(real.as_std_path()) };
    let file = real.file_name().filter(|_| !is_folder).map(str::to_owned);
    let (root, scanned) = match (&file, real.parent()) {
        (Some(name), Some(parent)) => {
            let rules = Rules::Only(name.as_ref());
            (parent.to_owned(), Scan { root: parent.as_std_path(), rules, ..scan }.run()?)
        }
        _ => (real.clone(), scan.run()?),
    };
    for path in scanned.left_out.iter().take(5) {
        progress.note(format!("`{root}/{path}` cannot be read, or is no file: it stays here"));
    }
    if file.is_some() && scanned.manifest.entries().is_empty() {
        return Err(failed(std::io::ErrorKind::PermissionDenied.into()));
    }
    Ok(Cargo { root, manifest: scanned.manifest, file })
}

/// Sends what was listed, and what it has become where it changes meanwhile; returns where it lies
/// there.
fn one(
    place: &mut Place,
    carrier: &Carrier<'_>,
    here: &Utf8Path,
    mut listed: Option<Cargo>,
) -> Result<Utf8PathBuf, ElsewhereError> {
    let what = format!("`{}`", here.file_name().unwrap_or("data"));
    let mut tries = 0;
    loop {
        let cargo = match listed.take() {
            Some(cargo) => cargo,
            None => list(carrier.home, here, carrier.progress)?,
        };
        match carrier.tree(place, &cargo.manifest, (cargo.root.as_std_path(), here), &what) {
            Ok(()) => return Ok(cargo.there(carrier.layout)),
            Err(ElsewhereError::Transfer(TransferError::Changed { path })) if tries + 1 < TRIES => {
                carrier.progress.note(format!("`{path}` changed while it was sent; it goes anew"));
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}
