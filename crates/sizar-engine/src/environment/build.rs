//! From a specification to a folder: resolve, lock, install.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_env::knowledge::Stage;
use sizar_env::uv::{self, BuildRules, Uv};
use sizar_env::{diagnosis, lock, name, pylock};
use sizar_inspect::packaging::name_on_index;
use sizar_model::environment::LockedSource;
use sizar_model::{Checkout, CondaPackage, EnvLock, EnvSpec, ProjectInstall};

use super::SetupError;
use super::conda::{self, Refusal};
use super::error::io;
use super::folder::{self, Building};
use super::index;
use super::interpreters::Interpreter;
use super::scratch::copy_tree;
use super::workshop::{RequirementFiles, View, Workshop};
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
    let packages = loop {
        if spec.requirements.is_empty() {
            break Vec::new();
        }
        let text = spec.requirements.join("\n") + "\n";
        let files =
            RequirementFiles::write(workshop, &text, &spec.constraints, &spec.build_constraints)?;
        let uv = workshop.uv(&BuildRules::of_spec(spec, package))?;
        let answer = workshop.answers().join("pylock.toml");
        remove_file(&answer)?;
        let call = uv.compile(&interpreter.path, &files.files(), &answer);
        let ended = workshop.run_uv(&call, interpreter, View::default())?;
        if ended.success {
            break pylock::packages(&fs::read_to_string(&answer).map_err(io(&answer))?)?;
        }
        // each round mends a release that was not mended before, so this ends
        if workshop.is_offline() || !index::mend_metadata(spec, &ended.output) {
            return Ok(Err(StepFailed {
                stage: stage_of(&ended.output, Stage::Resolve),
                output: ended.output,
            }));
        }
    };
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
        exclude_newer: spec.exclude_newer,
        exclude_newer_package: spec.exclude_newer_package.clone(),
        build_constraints: spec.build_constraints.clone(),
        extra_build_requirements: spec.extra_build_requirements.clone(),
        metadata: spec.metadata.clone(),
        shims: spec.shims.clone(),
        installer: spec.installer,
        build_steps: spec.build_steps.clone(),
        variables: spec.variables.clone(),
        deviations: spec.deviations.clone(),
        packages,
        conda: Vec::new(),
        verification: None,
    }))
}

fn stage_of(output: &str, otherwise: Stage) -> Stage {
    if output.contains("Failed to build") || output.contains("Failed to download and build") {
        Stage::Build
    } else {
        otherwise
    }
}

fn remove_file(path: &Utf8Path) -> Result<(), SetupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(path)(error)),
        _ => Ok(()),
    }
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
    let mut filled = fill(workshop, checkout, lock, package, interpreter, &building)?;
    if let Err(failed) = &filled
        && let Some(own) = diagnosis::own_name(&failed.output)
    {
        filled = fill(workshop, checkout, lock, Some(&own), interpreter, &building)?;
    }
    match filled {
        Ok(()) => {}
        Err(failed) => {
            building.abandon()?;
            return Ok(Err(failed));
        }
    }
    let missing = missing_requirements(building.prefix(), lock, package)?;
    failpoint::hit("setup:before-ready");
    let prefix = building.finish(lock)?;
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
    let uv = workshop.uv(&BuildRules::of_lock(lock, package))?;
    let view = || View { readable: Vec::new(), writable: vec![prefix.to_owned()] };
    let failed =
        |output: String| Ok(Err(StepFailed { stage: stage_of(&output, Stage::Install), output }));
    // a prefix of conda's is an environment already
    let of_conda = !lock.conda.is_empty();
    if !of_conda {
        let ended = workshop.run_uv(&uv.venv(&interpreter.path, prefix), interpreter, view())?;
        if !ended.success {
            return failed(ended.output);
        }
    }
    let install = |files: &RequirementFiles| {
        let call = uv.install(&prefix.join("bin/python"), &files.files());
        // conda's newer Pythons say that others should keep away
        if of_conda { call.arg("--break-system-packages") } else { call }
    };
    failpoint::hit("setup:after-venv");
    if !lock.packages.is_empty() {
        let text = uv::locked_requirements(lock);
        let files = RequirementFiles::write(workshop, &text, &[], &lock.build_constraints)?;
        let ended = workshop.run_uv(&install(&files), interpreter, view())?;
        if !ended.success {
            return failed(ended.output);
        }
    }
    if lock.source.install == ProjectInstall::Install
        && let Some(package) = package
    {
        // builds write into their tree; the checkout is nobody's to write to
        let copy = workshop.path("source");
        if copy.exists() {
            fs::remove_dir_all(&copy).map_err(io(&copy))?;
        }
        copy_tree(&checkout.path, &copy)?;
        let text = uv::project_requirement(package, &copy);
        let files = RequirementFiles::write(workshop, &text, &[], &lock.build_constraints)?;
        let mut view = view();
        view.writable.push(copy);
        let ended = workshop.run_uv(&install(&files), interpreter, view)?;
        if !ended.success {
            return failed(ended.output);
        }
    }
    // files that do not compile belong to another Python and are never imported
    let view =
        View { readable: vec![interpreter.prefix.clone()], writable: vec![prefix.to_owned()] };
    workshop.run(&Uv::compile_bytecode(prefix), view, None)?;
    failpoint::hit("setup:after-install");
    Ok(Ok(()))
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

/// Returns the folder of a distribution's metadata.
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
            let stem = file.strip_suffix(".dist-info")?.split('-').next()?;
            Some((name::normalise(stem), site.join(&file)))
        })
        .collect();
    let wanted = name::normalise(package);
    // a source that computes its name is the one distribution that the lock does not list
    let is_locked = |name: &str| provides(lock, name);
    let own = installed.iter().find(|(name, _)| *name == wanted);
    let own = own.or_else(|| installed.iter().find(|(name, _)| !is_locked(name)));
    Ok(own.map(|(_, folder)| folder.clone()))
}

/// Reads the requirements that the source has by its own metadata, and that are not locked: a
/// `setup.py` may compute them.
fn missing_requirements(
    prefix: &Utf8Path,
    lock: &EnvLock,
    package: Option<&str>,
) -> Result<Vec<String>, SetupError> {
    let (ProjectInstall::Install, Some(package)) = (lock.source.install, package) else {
        return Ok(Vec::new());
    };
    let Some(folder) = metadata_folder(prefix, lock, package)? else { return Ok(Vec::new()) };
    let path = folder.join("METADATA");
    let metadata = fs::read_to_string(&path).map_err(io(&path))?;
    Ok(metadata
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("Requires-Dist:"))
        .map(str::trim)
        // what belongs to an extra was not asked for; other markers are uv's to read
        .filter(|requirement| !requirement.contains("extra =="))
        .filter(|requirement| !requirement.contains(';'))
        .filter(|requirement| {
            let name = name::of_requirement(requirement);
            !provides(lock, &name) && name != package
        })
        .map(str::to_owned)
        .collect())
}
