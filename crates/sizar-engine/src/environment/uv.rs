//! The first engine: uv resolves, and fills an environment.
//!
//! Foreign builds and the cache that all sources share never meet in one call (see
//! `docs/design/0008-two-caches.md`): what there are wheels of is installed by calls that build
//! nothing, into an environment that nothing foreign sees; what has none is built with the source's
//! own cache. Then the two are put together.

use std::collections::BTreeSet;

use camino::Utf8Path;
use fs_err as fs;
use sizar_env::knowledge::Stage;
use sizar_env::uv::{self, BuildRules};
use sizar_env::{diagnosis, heavy, name, pylock};
use sizar_model::{Checkout, EnvLock, EnvSpec, LockedPackage, ProjectInstall};

use super::SetupError;
use super::build::{Step, StepFailed};
use super::error::io;
use super::index;
use super::interpreters::Interpreter;
use super::merge::merge;
use super::scratch::copy_tree;
use super::source_edits;
use super::workshop::{Ended, RequirementFiles, UvCache, View, Workshop};
use crate::failpoint;

/// Chooses the packages of a specification, mending the metadata of releases on the way.
pub fn resolve(
    workshop: &Workshop<'_>,
    spec: &mut EnvSpec,
    package: Option<&str>,
    interpreter: &Interpreter,
) -> Step<Vec<LockedPackage>> {
    if spec.requirements.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let mut as_wheels = heavy::better_as_wheels(spec.requirements.iter().chain(&spec.constraints));
    loop {
        let text = spec.requirements.join("\n") + "\n";
        let (constraints, builds) = (&spec.constraints, &spec.build_constraints);
        let files = RequirementFiles::write(workshop, "resolve", &text, constraints, builds)?;
        let uv = workshop.uv(&BuildRules::of_spec(spec, package), UvCache::Builds)?;
        let answer = workshop.answers().join("pylock.toml");
        remove_file(&answer)?;
        let call = uv.compile(&interpreter.path, &files.files(), &answer, &as_wheels);
        let ended = workshop.run_uv(&call, interpreter, View::default(), UvCache::Builds)?;
        if ended.success {
            let text = fs::read_to_string(&answer).map_err(io(&answer))?;
            workshop.set_without_wheels(pylock::without_wheels(&text)?);
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

/// An environment that is being filled.
struct Filling<'f, 'w> {
    workshop: &'f Workshop<'w>,
    lock: &'f EnvLock,
    interpreter: &'f Interpreter,
    prefix: &'f Utf8Path,
}

/// Makes the environment of a lock at `prefix`, the source itself included where it is installed.
pub fn fill(
    workshop: &Workshop<'_>,
    checkout: &Checkout,
    lock: &EnvLock,
    package: Option<&str>,
    interpreter: &Interpreter,
    prefix: &Utf8Path,
) -> Step<()> {
    let filling = Filling { workshop, lock, interpreter, prefix };
    let failed = |ended: Ended| {
        let stage = stage_of(&ended.output, Stage::Install);
        Ok(Err(StepFailed { stage, output: ended.output }))
    };
    // a prefix of conda's is an environment already, and its Python loads what conda's packages
    // want it to at each start: it does not meet the shared cache
    let stage = match lock.conda.is_empty() {
        true => Some(workshop.wheels_stage()?),
        false => None,
    };
    let Some(stage) = stage else {
        let all = lock.packages.iter().collect();
        return match filling.builds(all, checkout, package)? {
            Ok(()) => Ok(Ok(())),
            Err(ended) => failed(ended),
        };
    };
    let ended = filling.venv(prefix)?;
    if !ended.success {
        return failed(ended);
    }
    failpoint::hit("setup:after-venv");
    // the two write to different places: one waits for the network, the other for the processor
    let (known, _) = filling.without_wheels(&workshop.without_wheels(), package);
    let first = known.clone();
    let (wheels, builds) = std::thread::scope(|scope| {
        let builds = scope.spawn(|| filling.builds(first, checkout, package));
        let wheels = filling.wheels(stage.prefix(), package);
        let builds = builds.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (wheels, builds)
    });
    let built = match wheels? {
        Ok(built) => built,
        Err(ended) => return failed(ended),
    };
    if let Err(ended) = builds? {
        return failed(ended);
    }
    let late = built.into_iter().filter(|package| !known.iter().any(|it| it.name == package.name));
    let late: Vec<&LockedPackage> = late.collect();
    if !late.is_empty() {
        let ended = filling.build(&uv::requirements_of(late), package, filling.view())?;
        if !ended.success {
            return failed(ended);
        }
    }
    if stage.prefix().exists() {
        merge(stage.prefix(), prefix)?;
    }
    Ok(Ok(()))
}

impl<'f> Filling<'f, '_> {
    fn view(&self) -> View {
        View { writable: vec![self.prefix.to_owned()], ..View::default() }
    }

    /// Makes an empty environment.
    fn venv(&self, prefix: &Utf8Path) -> Result<Ended, SetupError> {
        let uv = self.workshop.uv(&BuildRules::default(), UvCache::Shared)?;
        let call = uv.venv(&self.interpreter.path, prefix);
        self.workshop.run_uv(&call, self.interpreter, self.view(), UvCache::Shared)
    }

    /// Parts the packages, but for the source's own releases, into those that have to be built and
    /// those that have wheels.
    fn without_wheels(
        &self,
        to_build: &BTreeSet<String>,
        package: Option<&str>,
    ) -> (Vec<&'f LockedPackage>, Vec<&'f LockedPackage>) {
        // the source itself stands for its releases
        let own = package.filter(|_| self.lock.source.install == ProjectInstall::Install);
        let by_address = |url: &str| pylock::is_wheel_address(url);
        let others = self.lock.packages.iter().filter(|locked| Some(locked.name.as_str()) != own);
        others.partition(|package| {
            let has_wheel = package.url.as_deref().map(by_address);
            !has_wheel.unwrap_or_else(|| !to_build.contains(&package.name))
        })
    }

    /// Builds and installs packages, and then the source itself where it is installed.
    fn builds(
        &self,
        packages: Vec<&LockedPackage>,
        checkout: &Checkout,
        package: Option<&str>,
    ) -> Result<Result<(), Ended>, SetupError> {
        if !packages.is_empty() {
            let ended = self.build(&uv::requirements_of(packages), package, self.view())?;
            if !ended.success {
                return Ok(Err(ended));
            }
        }
        if self.lock.source.install == ProjectInstall::Install
            && let Some(package) = package
        {
            let mut ended = self.project(checkout, package)?;
            if !ended.success
                && let Some(own) = diagnosis::own_name(&ended.output)
            {
                ended = self.project(checkout, &own)?;
            }
            if !ended.success {
                return Ok(Err(ended));
            }
        }
        Ok(Ok(()))
    }

    /// Installs what there are wheels of into an environment at `stage`; returns what has to be
    /// built.
    fn wheels(
        &self,
        stage: &Utf8Path,
        package: Option<&str>,
    ) -> Result<Result<Vec<&'f LockedPackage>, Ended>, SetupError> {
        let Self { workshop, lock, interpreter, .. } = *self;
        let mut is_made = false;
        let mut to_build: BTreeSet<String> = workshop.without_wheels();
        loop {
            let (built, wheels) = self.without_wheels(&to_build, package);
            if wheels.is_empty() {
                return Ok(Ok(built));
            }
            if !is_made {
                let ended = self.venv(stage)?;
                if !ended.success {
                    return Ok(Err(ended));
                }
                is_made = true;
            }
            let text = uv::requirements_of(wheels.iter().copied());
            let constraints = &lock.build_constraints;
            let files = RequirementFiles::write(workshop, "wheels", &text, &[], constraints)?;
            let uv = workshop.uv(&BuildRules::of_lock(lock, package), UvCache::Shared)?;
            let python = stage.join("bin/python");
            let call = uv.install_wheels(&python, &files.files(), workshop.confines());
            let ended = workshop.run_uv(&call, interpreter, View::default(), UvCache::Shared)?;
            if ended.success {
                return Ok(Ok(built));
            }
            let mut named = diagnosis::without_wheel(&ended.output);
            if workshop.is_offline() {
                // what was built is in the other cache
                named.extend(diagnosis::not_in_cache(&ended.output));
            }
            named.retain(|name| {
                wheels.iter().any(|package| package.url.is_none() && package.name == *name)
            });
            if named.is_empty() {
                // whatever it is, it can be built
                let builds = diagnosis::wants_to_build(&ended.output);
                return Ok(if builds { Ok([built, wheels].concat()) } else { Err(ended) });
            }
            // uv names one at a time; each round names another, so this ends
            to_build.extend(named);
        }
    }

    /// Installs the packages of a requirement file, building what has to be built.
    fn build(&self, text: &str, package: Option<&str>, view: View) -> Result<Ended, SetupError> {
        let constraints = &self.lock.build_constraints;
        let Some(numpy) = numpy_to_build_with(&self.lock.packages, constraints) else {
            return self.build_within(text, package, view, constraints);
        };
        let tighter = [constraints.as_slice(), std::slice::from_ref(&numpy)].concat();
        let ended = self.build_within(text, package, view.clone(), &tighter)?;
        // a build may ask for a newer one, whose older forms are what it compiles for
        if !ended.success && ended.output.contains(&numpy) {
            return self.build_within(text, package, view, constraints);
        }
        Ok(ended)
    }

    fn build_within(
        &self,
        text: &str,
        package: Option<&str>,
        view: View,
        constraints: &[String],
    ) -> Result<Ended, SetupError> {
        let Self { workshop, lock, interpreter, prefix } = *self;
        let files = RequirementFiles::write(workshop, "build", text, &[], constraints)?;
        let uv = workshop.uv(&BuildRules::of_lock(lock, package), UvCache::Builds)?;
        let mut call = uv.install(&prefix.join("bin/python"), &files.files());
        if !lock.conda.is_empty() {
            // conda's newer Pythons say that others should keep away
            call = call.arg("--break-system-packages");
        }
        workshop.run_uv(&call, interpreter, view, UvCache::Builds)
    }

    /// Builds and installs the source itself, as the distribution `package`.
    fn project(&self, checkout: &Checkout, package: &str) -> Result<Ended, SetupError> {
        // builds write into their tree; the checkout is nobody's to write to
        let copy = self.workshop.path("source");
        if copy.exists() {
            fs::remove_dir_all(&copy).map_err(io(&copy))?;
        }
        copy_tree(&checkout.path, &copy)?;
        source_edits::apply(&self.lock.source_edits, checkout, &copy)?;
        let mut view = self.view();
        view.writable.push(copy.clone());
        self.build(&uv::project_requirement(package, &copy), Some(package), view)
    }
}

/// Returns the constraint that keeps builds to a NumPy which the locked one can stand for: what is
/// compiled against one works with it and with newer ones only
/// (<https://numpy.org/doc/stable/dev/depending_on_numpy.html>).
fn numpy_to_build_with(packages: &[LockedPackage], constraints: &[String]) -> Option<String> {
    let is_numpy = |requirement: &String| name::of_requirement(requirement) == "numpy";
    let numpy = packages.iter().find(|package| package.name == "numpy")?;
    let said = constraints.iter().any(is_numpy);
    (!said).then(|| format!("numpy<={}", numpy.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_keep_to_the_locked_numpy_unless_somebody_said_which() {
        let numpy = LockedPackage {
            name: "numpy".into(),
            version: "1.19.5".into(),
            hashes: Vec::new(),
            url: None,
        };
        let packages = [numpy];
        assert_eq!(numpy_to_build_with(&packages, &[]).as_deref(), Some("numpy<=1.19.5"));
        let constraints = ["setuptools<58".into(), "NumPy==1.16.*".into()];
        assert_eq!(numpy_to_build_with(&packages, &constraints), None);
        assert_eq!(numpy_to_build_with(&[], &[]), None);
    }
}
