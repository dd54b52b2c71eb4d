//! From a specification to a folder: resolve, lock, install.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_env::knowledge::{self, Stage};
use sizar_env::{lock, name, shims};
use sizar_inspect::packaging::name_on_index;
use sizar_model::environment::LockedSource;
use sizar_model::{
    Checkout, CondaPackage, Deviation, EnvLock, EnvSpec, Installer, Invocation, LockedPackage,
    ProjectInstall,
};

use super::SetupError;
use super::conda::{self, Refusal};
use super::error::io;
use super::folder::{self, Building};
use super::generated;
use super::inside;
use super::interpreters::Interpreter;
use super::pip;
use super::python_config;
use super::tree_build;
use super::uv;
use super::workshop::{View, Workshop};
use crate::failpoint;
use crate::home::Home;

/// A step that did not succeed, for the repair loop.
#[derive(Debug)]
pub struct StepFailed {
    pub stage: Stage,
    pub output: String,
}

/// What a step leads to: an error of ours ends the setup, a failed step goes to repair.
pub type Step<T> = Result<Result<T, StepFailed>, SetupError>;

/// Resolves a specification, mending the metadata of releases on the way.
pub fn resolve(
    workshop: &Workshop<'_>,
    checkout: &Checkout,
    spec: &mut EnvSpec,
    package: Option<&str>,
    interpreter: &Interpreter,
) -> Step<EnvLock> {
    workshop.reach_named_in(spec.requirements.iter().map(String::as_str));
    let nothing = spec.requirements.is_empty() && spec.extra_build_requirements.is_empty();
    let resolved = match spec.installer {
        _ if nothing => Ok(Vec::new()),
        Installer::Uv => uv::resolve(workshop, spec, package, interpreter)?,
        Installer::Pip => pip::resolve(workshop, spec, interpreter)?,
    };
    let packages = match resolved {
        Ok(packages) => packages,
        Err(failed) => return Ok(Err(failed)),
    };
    let metadata = mended(spec, &packages);
    let mut deviations = spec.deviations.clone();
    deviations.extend(metadata.keys().map(|release| {
        let why = knowledge::metadata().get(release).map_or(NO_LONGER_READ, |known| &known.reason);
        Deviation { rule: "mended-metadata".into(), reason: format!("{release} {why}") }
    }));
    let source = &checkout.source;
    Ok(Ok(EnvLock {
        version: lock::VERSION,
        python: interpreter.version,
        platform: interpreter.platform.clone(),
        source: LockedSource {
            locator: source.locator.clone(),
            revision: source.revision.clone(),
            digest: source.digest,
            install: spec.project,
        },
        requirements: spec.requirements.clone(),
        exclude_newer: spec.exclude_newer,
        exclude_newer_package: spec.exclude_newer_package.clone(),
        build_constraints: spec.build_constraints.clone(),
        extra_build_requirements: spec.extra_build_requirements.clone(),
        metadata,
        shims: spec.shims.clone(),
        installer: spec.installer,
        build_steps: spec.build_steps.clone(),
        source_edits: spec.source_edits.clone(),
        left_out: spec.left_out.clone(),
        variables: spec.variables.clone(),
        deviations,
        packages,
        conda: Vec::new(),
        verification: None,
    }))
}

const NO_LONGER_READ: &str = "states its requirements in a form that is no longer read";

/// Returns the mended metadata of what is locked: nobody needs that of other releases, and pip of
/// the time reads what it says itself.
fn mended(spec: &EnvSpec, packages: &[LockedPackage]) -> BTreeMap<String, Vec<String>> {
    if spec.installer == Installer::Pip {
        return BTreeMap::new();
    }
    let releases: BTreeSet<String> =
        packages.iter().map(|package| format!("{}=={}", package.name, package.version)).collect();
    let of_locked = spec.metadata.iter().filter(|(release, _)| releases.contains(*release));
    of_locked.map(|(release, requires)| (release.clone(), requires.clone())).collect()
}

/// A folder with everything of a lock in it.
pub struct Installed {
    pub prefix: Utf8PathBuf,
    /// Requirements of the source's own metadata that nothing in the lock meets.
    pub missing: Vec<String>,
    /// Whether the folder was there already.
    pub reused: bool,
}

/// Installs a lock into the folder that its digest names, if it is not there already.
pub fn install(
    home: &Home,
    workshop: &Workshop<'_>,
    checkout: &Checkout,
    lock: &EnvLock,
    package: Option<&str>,
    interpreter: &Interpreter,
) -> Step<Installed> {
    let progress = workshop.progress();
    let references: Vec<String> = lock
        .packages
        .iter()
        .filter_map(|package| Some(format!("{} @ {}", package.name, package.url.as_ref()?)))
        .collect();
    workshop.reach_named_in(references.iter().map(String::as_str));
    let building = match folder::claim(home, lock, || {
        progress.note("waiting for another sizar that makes the same environment");
    })? {
        folder::Claim::Ready(prefix) => {
            let missing = missing_requirements(&prefix, lock, package)?;
            return Ok(Ok(Installed { prefix, missing, reused: true }));
        }
        folder::Claim::Build(building) => building,
    };
    if !lock.conda.is_empty()
        && let Err(refusal) = from_conda(home, workshop, lock, building.prefix())?
    {
        building.abandon()?;
        let output = format!("Error: {}\n", refusal.0);
        return Ok(Err(StepFailed { stage: Stage::Install, output }));
    }
    if let Err(failed) = fill(workshop, checkout, lock, package, interpreter, &building)? {
        building.abandon()?;
        return Ok(Err(failed));
    }
    add_shims(workshop, lock, interpreter, building.prefix())?;
    let missing = missing_requirements(building.prefix(), lock, package)?;
    failpoint::hit("setup:before-ready");
    let prefix = building.finish(lock, &interpreter.prefix)?;
    failpoint::hit("setup:after-ready");
    Ok(Ok(Installed { prefix, missing, reused: false }))
}

/// Puts what conda gives into an empty prefix.
fn from_conda(
    home: &Home,
    workshop: &Workshop<'_>,
    lock: &EnvLock,
    prefix: &Utf8Path,
) -> Result<Result<(), Refusal>, SetupError> {
    let (offline, progress) = (workshop.is_offline(), workshop.progress());
    let scripts = match conda::install(home, &lock.conda, prefix, offline, progress)? {
        Ok(scripts) => scripts,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !scripts.is_empty() {
        workshop.note(format!(
            "conda's scripts of {} were not run: they run outside every sandbox",
            scripts.join(", ")
        ));
    }
    Ok(Ok(()))
}

fn fill(
    workshop: &Workshop<'_>,
    checkout: &Checkout,
    lock: &EnvLock,
    package: Option<&str>,
    interpreter: &Interpreter,
    building: &Building,
) -> Step<()> {
    let prefix = building.prefix();
    let filled = match lock.installer {
        Installer::Uv => uv::fill(workshop, checkout, lock, package, interpreter, prefix)?,
        Installer::Pip => pip::fill(workshop, checkout, lock, package, interpreter, prefix)?,
    };
    if let Err(failed) = filled {
        return Ok(Err(failed));
    }
    // before builds inside the tree, which may ask it
    python_config::write(prefix, lock.python)?;
    if let Err(failed) = tree_build::build(workshop, checkout, lock, prefix, interpreter)? {
        return Ok(Err(failed));
    }
    generated::keep(checkout, lock, package, prefix)?;
    failpoint::hit("setup:after-install");
    Ok(Ok(()))
}

/// Writes the start-up shims of a lock into its environment, whatever installed the rest.
fn add_shims(
    workshop: &Workshop<'_>,
    lock: &EnvLock,
    interpreter: &Interpreter,
    prefix: &Utf8Path,
) -> Result<(), SetupError> {
    let files = shims::files(&lock.shims);
    if files.is_empty() {
        return Ok(());
    }
    let site = site_packages(Utf8Path::new(""), lock);
    for (relative, text) in files {
        inside::write(prefix, &site.join(relative), text.as_bytes())?;
    }
    let folder = inside::folder(prefix, &site.join(shims::FOLDER))?;
    // runs cannot write there, and would compile them each time; without what is installed, whose
    // start-up hooks have nothing to do where one can write
    let compile = Invocation::new(interpreter.path.as_str()).args([
        "-S",
        "-E",
        "-m",
        "compileall",
        "-q",
        folder.as_str(),
    ]);
    let view = View {
        readable: vec![interpreter.prefix.clone(), prefix.to_owned()],
        writable: vec![folder],
        is_ours: true,
        ..View::default()
    };
    workshop.run(&compile, view, None)?;
    Ok(())
}

/// Returns whether a lock has a distribution, from the package index or from conda.
pub fn provides(lock: &EnvLock, distribution: &str) -> bool {
    let from_conda = |package: &CondaPackage| {
        name_on_index(&package.name).is_some_and(|known| name::normalise(known) == distribution)
    };
    lock.packages.iter().any(|locked| locked.name == distribution)
        || lock.conda.iter().any(from_conda)
}

/// Returns the folder of installed packages.
pub fn site_packages(prefix: &Utf8Path, lock: &EnvLock) -> Utf8PathBuf {
    let python = lock.python.without_patch();
    prefix.join("lib").join(format!("python{python}")).join("site-packages")
}

/// Returns the folder of a distribution's metadata: `.dist-info`, or the `.egg-info` of a package
/// that could not be made a wheel.
pub fn metadata_folder(
    prefix: &Utf8Path,
    lock: &EnvLock,
    package: &str,
) -> Result<Option<Utf8PathBuf>, SetupError> {
    let site = site_packages(prefix, lock);
    let entries = fs::read_dir(&site).map_err(io(&site))?;
    let installed: Vec<(String, Utf8PathBuf)> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| {
            let stem = file.strip_suffix(".dist-info").or(file.strip_suffix(".egg-info"))?;
            let stem = stem.split('-').next()?;
            Some((name::normalise(stem), site.join(&file)))
        })
        .collect();
    let wanted = name::normalise(package);
    // a source that computes its name is the one distribution that the lock does not list
    let is_locked = |name: &str| {
        let seeded =
            lock.installer == Installer::Pip && matches!(name, "pip" | "setuptools" | "wheel");
        seeded || provides(lock, name)
    };
    let own = installed.iter().find(|(name, _)| *name == wanted);
    let own = own.or_else(|| installed.iter().find(|(name, _)| !is_locked(name)));
    Ok(own.map(|(_, folder)| folder.clone()))
}

/// Reads the requirements that the source has by its own metadata, and that are neither locked nor
/// left out on purpose: a `setup.py` may compute them.
fn missing_requirements(
    prefix: &Utf8Path,
    lock: &EnvLock,
    package: Option<&str>,
) -> Result<Vec<String>, SetupError> {
    let (ProjectInstall::Install, Some(package)) = (lock.source.install, package) else {
        return Ok(Vec::new());
    };
    let Some(folder) = metadata_folder(prefix, lock, package)? else { return Ok(Vec::new()) };
    Ok(own_requirements(&folder)?
        .into_iter()
        .filter(|requirement| {
            let name = name::of_requirement(requirement);
            !provides(lock, &name) && name != package && !lock.left_out.contains(&name)
        })
        .collect())
}

/// Whether the source's own package has nothing in it but its metadata: `find_packages` passes over
/// folders without `__init__.py`, which work all the same from the source's own folder.
pub fn installs_nothing(
    prefix: &Utf8Path,
    lock: &EnvLock,
    package: Option<&str>,
) -> Result<bool, SetupError> {
    let (ProjectInstall::Install, Some(package)) = (lock.source.install, package) else {
        return Ok(false);
    };
    let Some(folder) = metadata_folder(prefix, lock, package)? else { return Ok(false) };
    let (Some("dist-info"), Some(name)) = (folder.extension(), folder.file_name()) else {
        return Ok(false);
    };
    let path = folder.join("RECORD");
    let record = fs::read(&path).map_err(io(&path))?;
    let record = String::from_utf8_lossy(&record).into_owned();
    let metadata = format!("{name}/");
    Ok(record.lines().all(|line| line.trim_start_matches('"').starts_with(&metadata)))
}

/// Reads the requirements in a folder of metadata that hold without an extra or a marker.
fn own_requirements(folder: &Utf8Path) -> Result<Vec<String>, SetupError> {
    if folder.extension() == Some("egg-info") {
        let path = folder.join("requires.txt");
        if !path.is_file() {
            return Ok(Vec::new());
        }
        // bytes, because nobody said in which encoding
        let text = fs::read(&path).map_err(io(&path))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        // what follows a `[section]` belongs to an extra or a marker
        let plain = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
        return Ok(plain.filter(|line| !line.is_empty()).map(str::to_owned).collect());
    }
    let path = folder.join("METADATA");
    let metadata = fs::read(&path).map_err(io(&path))?;
    Ok(String::from_utf8_lossy(&metadata)
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("Requires-Dist:"))
        .map(str::trim)
        // what belongs to an extra was not asked for; other markers are the installer's to read
        .filter(|requirement| !requirement.contains("extra =="))
        .filter(|requirement| !requirement.contains(';'))
        .map(str::to_owned)
        .collect())
}
