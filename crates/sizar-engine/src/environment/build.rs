//! From a specification to a folder: resolve, lock, install.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_env::knowledge::Stage;
use sizar_env::uv::{self, BuildRules};
use sizar_env::{diagnosis, lock, name, pins, pylock, shims};
use sizar_inspect::packaging::name_on_index;
use sizar_model::environment::LockedSource;
use sizar_model::{
    Checkout, CondaPackage, EnvLock, EnvSpec, Installer, Invocation, LockedPackage, ProjectInstall,
};

use super::SetupError;
use super::conda::{self, Refusal};
use super::error::io;
use super::folder::{self, Building};
use super::index;
use super::interpreters::Interpreter;
use super::pip;
use super::python_config;
use super::scratch::copy_tree;
use super::source_edits;
use super::tree_build;
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
    workshop.reach_named_in(spec.requirements.iter().map(String::as_str));
    let nothing = spec.requirements.is_empty() && spec.extra_build_requirements.is_empty();
    let resolved = match spec.installer {
        _ if nothing => Ok(Vec::new()),
        Installer::Uv => resolve_with_uv(workshop, spec, package, interpreter)?,
        Installer::Pip => pip::resolve(workshop, spec, interpreter)?,
    };
    let packages = match resolved {
        Ok(packages) => packages,
        Err(failed) => return Ok(Err(failed)),
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
        requirements: spec.requirements.clone(),
        exclude_newer: spec.exclude_newer,
        exclude_newer_package: spec.exclude_newer_package.clone(),
        build_constraints: spec.build_constraints.clone(),
        extra_build_requirements: spec.extra_build_requirements.clone(),
        metadata: spec.metadata.clone(),
        shims: spec.shims.clone(),
        installer: spec.installer,
        build_steps: spec.build_steps.clone(),
        source_edits: spec.source_edits.clone(),
        left_out: spec.left_out.clone(),
        variables: spec.variables.clone(),
        deviations: spec.deviations.clone(),
        packages,
        conda: Vec::new(),
        verification: None,
    }))
}

fn resolve_with_uv(
    workshop: &Workshop<'_>,
    spec: &mut EnvSpec,
    package: Option<&str>,
    interpreter: &Interpreter,
) -> Step<Vec<LockedPackage>> {
    if spec.requirements.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let mut as_wheels = pins::better_as_wheels(spec.requirements.iter().chain(&spec.constraints));
    loop {
        let text = spec.requirements.join("\n") + "\n";
        let files =
            RequirementFiles::write(workshop, &text, &spec.constraints, &spec.build_constraints)?;
        let uv = workshop.uv(&BuildRules::of_spec(spec, package))?;
        let answer = workshop.answers().join("pylock.toml");
        remove_file(&answer)?;
        let call = uv.compile(&interpreter.path, &files.files(), &answer, &as_wheels);
        let ended = workshop.run_uv(&call, interpreter, View::default())?;
        if ended.success {
            let text = fs::read_to_string(&answer).map_err(io(&answer))?;
            return Ok(Ok(pylock::packages(&text)?));
        }
        // each round mends a release that was not mended before, so this ends
        if !workshop.is_offline() && index::mend_metadata(spec, &ended.output) {
            continue;
        }
        // what is needed may never have had a wheel; any other failure would be the same again
        if as_wheels.is_empty() || !diagnosis::wants_to_build(&ended.output) {
            return Ok(Err(StepFailed {
                stage: stage_of(&ended.output, Stage::Resolve),
                output: ended.output,
            }));
        }
        as_wheels.clear();
    }
}

fn stage_of(output: &str, otherwise: Stage) -> Stage {
    if diagnosis::is_build_failure(output) { Stage::Build } else { otherwise }
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
        Installer::Uv => fill_with_uv(workshop, checkout, lock, package, interpreter, prefix)?,
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
    failpoint::hit("setup:after-install");
    Ok(Ok(()))
}

fn fill_with_uv(
    workshop: &Workshop<'_>,
    checkout: &Checkout,
    lock: &EnvLock,
    package: Option<&str>,
    interpreter: &Interpreter,
    prefix: &Utf8Path,
) -> Step<()> {
    let uv = workshop.uv(&BuildRules::of_lock(lock, package))?;
    let view = || View { writable: vec![prefix.to_owned()], ..View::default() };
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
        source_edits::apply(&lock.source_edits, &copy)?;
        let text = uv::project_requirement(package, &copy);
        let files = RequirementFiles::write(workshop, &text, &[], &lock.build_constraints)?;
        let mut view = view();
        view.writable.push(copy);
        let ended = workshop.run_uv(&install(&files), interpreter, view)?;
        if !ended.success {
            return failed(ended.output);
        }
    }
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
    let site = site_packages(prefix, lock);
    for (relative, text) in files {
        let path = site.join(relative);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io(folder))?;
        }
        fs::write(&path, text).map_err(io(&path))?;
    }
    // runs cannot write there, and would compile them each time
    let compile = Invocation::new(prefix.join("bin/python").as_str()).args([
        "-m",
        "compileall",
        "-q",
        site.join(shims::FOLDER).as_str(),
    ]);
    let view = View {
        readable: vec![interpreter.prefix.clone()],
        writable: vec![prefix.to_owned()],
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
