//! The other engine: virtualenv, and pip of the era inside the environment.
//!
//! What is resolved is seen in the names of the files that `pip download` chose; what the index
//! says of these files is locked. An environment is installed from its lock alone, with digests,
//! what builds need before what is built.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use jiff::Timestamp;
use sizar_env::knowledge::Stage;
use sizar_env::pip::{self, Pip, Resolver, Virtualenv};
use sizar_env::{diagnosis, name, pip_diagnosis};
use sizar_model::environment::LockedPackage;
use sizar_model::{Checkout, Deviation, EnvLock, EnvSpec, ProjectInstall};

use super::SetupError;
use super::build::{Step, StepFailed};
use super::error::io;
use super::interpreters::Interpreter;
use super::scratch::copy_tree;
use super::source_edits;
use super::workshop::{Ended, RequirementFiles, View, Workshop};
use crate::failpoint;
use crate::http::sha256_of;
use crate::index::{Index, TimeMachine, version_of};

/// virtualenv and pip for one environment.
struct Engine<'w, 'a> {
    workshop: &'w Workshop<'a>,
    interpreter: &'w Interpreter,
    virtualenv: Virtualenv,
    /// What virtualenv needs to see of its own.
    readable: Vec<Utf8PathBuf>,
    machine: Arc<TimeMachine>,
    build_constraints: &'w [String],
}

impl<'w, 'a> Engine<'w, 'a> {
    fn new(
        workshop: &'w Workshop<'a>,
        interpreter: &'w Interpreter,
        date: Option<Timestamp>,
        dates: &BTreeMap<String, Timestamp>,
        build_constraints: &'w [String],
    ) -> Result<Self, SetupError> {
        let (virtualenv, host_prefix) = workshop.virtualenv()?;
        let readable = vec![virtualenv.modules.clone(), host_prefix, interpreter.prefix.clone()];
        let machine = TimeMachine::new(Index::from_environment(), date, dates);
        Ok(Self { workshop, interpreter, virtualenv, readable, machine, build_constraints })
    }

    fn make(&self, prefix: &Utf8Path) -> Result<Ended, SetupError> {
        let writable = vec![prefix.to_owned(), self.virtualenv.data.clone()];
        let readable = self.readable.clone();
        let view = View { readable, writable, is_ours: true, ..View::default() };
        self.workshop.run(&self.virtualenv.make(&self.interpreter.path, prefix), view, None)
    }

    fn files(
        &self,
        requirements: &str,
        constraints: &[String],
    ) -> Result<RequirementFiles, SetupError> {
        let build_constraints = self.build_constraints;
        RequirementFiles::write(self.workshop, "pip", requirements, constraints, build_constraints)
    }

    fn pip(&self, prefix: &Utf8Path, files: &RequirementFiles) -> Pip {
        Pip {
            python: prefix.join("bin/python"),
            version: self.interpreter.version,
            cache: self.workshop.pip_cache().to_owned(),
            index: TimeMachine::URL.to_owned(),
            index_host: TimeMachine::HOST.to_owned(),
            build_constraints: files.files().build_constraints.map(Utf8Path::to_owned),
            offline: self.workshop.is_offline(),
        }
    }

    /// Runs pip; to a failure it adds what pip cannot know of the dated index.
    fn run(
        &self,
        call: &sizar_model::Invocation,
        writable: &[&Utf8Path],
    ) -> Result<Ended, SetupError> {
        let mut writable: Vec<_> = writable.iter().map(|path| (*path).to_owned()).collect();
        writable.push(self.workshop.pip_cache().to_owned());
        let view = View {
            readable: vec![self.interpreter.prefix.clone()],
            writable,
            time_machine: Some(Arc::clone(&self.machine)),
            ..View::default()
        };
        let mut ended = self.workshop.run(call, view, None)?;
        if !ended.success && !self.workshop.is_offline() {
            for (package, specifiers) in pip_diagnosis::not_found(&ended.output) {
                let said = self.machine.explain(&package, &specifiers, self.interpreter.version);
                if let Some(said) = said.filter(|said| !ended.output.contains(said.as_str())) {
                    ended.output.push('\n');
                    ended.output.push_str(&said);
                }
            }
        }
        Ok(ended)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what the steps above return")]
fn failed<T>(output: String, otherwise: Stage) -> Step<T> {
    let stage = if diagnosis::is_build_failure(&output) { Stage::Build } else { otherwise };
    Ok(Err(StepFailed { stage, output }))
}

/// Makes a folder empty.
fn emptied(path: Utf8PathBuf) -> Result<Utf8PathBuf, SetupError> {
    if path.exists() {
        fs::remove_dir_all(&path).map_err(io(&path))?;
    }
    fs::create_dir_all(&path).map_err(io(&path))?;
    Ok(path)
}

/// Resolves a specification with pip, in an environment that is thrown away.
pub fn resolve(
    workshop: &Workshop<'_>,
    spec: &mut EnvSpec,
    interpreter: &Interpreter,
) -> Step<Vec<LockedPackage>> {
    let constraints = spec.build_constraints.clone();
    let (date, dates) = (spec.exclude_newer, &spec.exclude_newer_package);
    let engine = Engine::new(workshop, interpreter, date, dates, &constraints)?;
    let prefix = emptied(workshop.path("resolver"))?;
    let made = engine.make(&prefix)?;
    if !made.success {
        return failed(made.output, Stage::Install);
    }
    let tools = pip::build_tools(spec);
    if !tools.is_empty() {
        let files = engine.files(&(tools.join("\n") + "\n"), &spec.constraints)?;
        let call = engine.pip(&prefix, &files).install(&files.files());
        let ended = engine.run(&call, &[&prefix])?;
        if !ended.success {
            return failed(ended.output, Stage::Resolve);
        }
    }
    let files = engine.files(&(pip::requirements(spec).join("\n") + "\n"), &spec.constraints)?;
    let pip = engine.pip(&prefix, &files);
    let mut resolver = Resolver::Strict;
    let downloads = loop {
        let downloads = emptied(workshop.path("downloads"))?;
        let call = pip.download(&files.files(), &downloads, resolver);
        let ended = engine.run(&call, &[&prefix, &downloads])?;
        if ended.success {
            break downloads;
        }
        if resolver == Resolver::FirstFound || !pip_diagnosis::is_contradiction(&ended.output) {
            return failed(ended.output, Stage::Resolve);
        }
        // what the authors pinned worked for them, because pip took what it met first
        resolver = Resolver::FirstFound;
    };
    if resolver == Resolver::FirstFound {
        spec.deviations.push(Deviation {
            rule: "first-found".into(),
            reason: "its requirements contradict each other: as pip did at the time, the first of \
                     each package that was met counts"
                .into(),
        });
    }
    locked(&engine, spec, &downloads)
}

/// Reads what was chosen from the names of the files, and its digests from the index.
fn locked(
    engine: &Engine<'_, '_>,
    spec: &EnvSpec,
    downloads: &Utf8Path,
) -> Step<Vec<LockedPackage>> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(downloads).map_err(io(downloads))? {
        let entry = entry.map_err(io(downloads))?;
        let Ok(filename) = entry.file_name().into_string() else { continue };
        // builds may have put anything here
        if !entry.file_type().map_err(io(downloads))?.is_file() {
            continue;
        }
        let path = downloads.join(&filename);
        let digest = || sha256_of(&path).map_err(io(&path)).map(|(digest, _)| digest);
        if let Some((name, file)) = engine.machine.taken(&filename) {
            let version = version_of(&name, &file)
                .map_or_else(|| plain_version(&name, &filename), |version| version.to_string());
            let digest = file.sha256.map_or_else(digest, Ok)?;
            let hashes = vec![format!("sha256:{digest}")];
            packages.push(LockedPackage { name, version, hashes, url: None });
        } else if let Some((name, url)) = by_address(spec, &filename) {
            let version = plain_version(&name, &filename);
            let hashes = vec![format!("sha256:{}", digest()?)];
            packages.push(LockedPackage { name, version, hashes, url: Some(url) });
        } else {
            let output = format!("Error: the index has no `{filename}`, which pip chose\n");
            return failed(output, Stage::Resolve);
        }
    }
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(Ok(packages))
}

/// Finds the requirement that names the address of a file.
fn by_address(spec: &EnvSpec, filename: &str) -> Option<(String, String)> {
    spec.requirements.iter().find_map(|requirement| {
        let (_, url) = requirement.split(" ;").next()?.split_once('@')?;
        let url = url.trim();
        let last = url.split(['#', '?']).next()?.rsplit('/').next()?;
        (last == filename).then(|| (name::of_requirement(requirement), url.to_owned()))
    })
}

/// Returns the version of a file's name as it is written: some old ones follow no rule.
fn plain_version(project: &str, filename: &str) -> String {
    let rest = filename.get(project.len()..).unwrap_or_default().trim_start_matches(['-', '_']);
    let end = [".tar.gz", ".tar.bz2", ".zip", ".tgz"].iter().find_map(|end| rest.strip_suffix(end));
    end.unwrap_or_else(|| rest.split('-').next().unwrap_or(rest)).to_owned()
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
    let (date, dates) = (lock.exclude_newer, &lock.exclude_newer_package);
    let engine = Engine::new(workshop, interpreter, date, dates, &lock.build_constraints)?;
    let made = engine.make(prefix)?;
    if !made.success {
        return failed(made.output, Stage::Install);
    }
    failpoint::hit("setup:after-venv");
    for step in pip::locked_in_order(lock) {
        let limits = &step.build_constraints;
        let files = RequirementFiles::write(workshop, "pip", &step.requirements, &[], limits)?;
        let call = engine.pip(prefix, &files).install_locked(&files.files());
        let ended = engine.run(&call, &[prefix])?;
        if !ended.success {
            return failed(ended.output, Stage::Install);
        }
    }
    if lock.source.install == ProjectInstall::Install && package.is_some() {
        // builds write into their tree; the checkout is nobody's to write to
        let copy = workshop.path("source");
        if copy.exists() {
            fs::remove_dir_all(&copy).map_err(io(&copy))?;
        }
        copy_tree(&checkout.path, &copy)?;
        source_edits::apply(&lock.source_edits, checkout, &copy)?;
        let files = engine.files("", &[])?;
        let call = engine.pip(prefix, &files).install_project(&copy);
        let ended = engine.run(&call, &[prefix, &copy])?;
        if !ended.success {
            return failed(ended.output, Stage::Install);
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_follow_no_rule_are_kept_as_written() {
        assert_eq!(plain_version("pytz", "pytz-2004d.tar.gz"), "2004d");
        assert_eq!(plain_version("a-b", "a_b-1.0dev-r3-py2-none-any.whl"), "1.0dev");
    }
}
