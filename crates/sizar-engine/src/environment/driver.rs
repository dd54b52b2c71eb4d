//! Which driver is meant, and how it is started in an environment.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::inspection::{Driver, Import, Inspection};
use sizar_model::{EnvLock, Invocation, ProjectInstall};

use super::SetupError;
use super::python_path::python_path;
use crate::run::module_of;

/// How a driver is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    pub program: Utf8PathBuf,
    /// The arguments before the driver's own.
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
}

impl Launch {
    /// Names the script as it is called in a folder of the tree at `root`: as a run does.
    pub fn called_in(mut self, folder: &Utf8Path, root: &Utf8Path) -> Self {
        if let [script] = self.args.as_mut_slice() {
            let path = root.join(&*script);
            match path.strip_prefix(folder) {
                Ok(below) => *script = below.to_string(),
                Err(_) => *script = path.into_string(),
            }
        }
        self
    }

    /// Returns the command that starts it with `args` in `cwd`.
    pub fn invocation(&self, cwd: &Utf8Path, args: &[&str]) -> Invocation {
        let mut call = Invocation::new(self.program.as_str())
            .args(self.args.iter().map(String::as_str))
            .args(args.iter().copied())
            .cwd(cwd);
        for (name, value) in &self.env {
            call = call.env(name, value);
        }
        call
    }
}

/// Returns how `driver` is started: a program that is installed in the environment at `prefix`,
/// or a script of the tree at `root` (the working copy that it will run in).
///
/// A script's folder, the tree's root and the environment's programs are where it expects them:
/// on `PYTHONPATH` (the root, only where the source is not installed) and on `PATH`.
pub fn launch(prefix: &Utf8Path, lock: &EnvLock, root: &Utf8Path, driver: &str) -> Option<Launch> {
    let bin = prefix.join("bin");
    let mut env = lock.variables.clone();
    let path = crate::process::environment::PATH;
    env.insert("PATH".to_owned(), format!("{bin}:{path}"));
    env.insert("VIRTUAL_ENV".to_owned(), prefix.to_string());
    if let Some(path) = python_path(root, lock.source.install, Some(driver)) {
        env.insert("PYTHONPATH".to_owned(), path);
    }
    let file_name = driver.rsplit('/').next().unwrap_or(driver);
    let installed = |name: &str| {
        let path = bin.join(name);
        (!name.is_empty() && !name.contains('/') && path.is_file()).then_some(path)
    };
    if let Some(program) = installed(driver) {
        return Some(Launch { program, args: Vec::new(), env });
    }
    let python = bin.join("python");
    let relative = Utf8Path::new(driver);
    let inside = relative.is_relative()
        && relative.components().all(|part| matches!(part, camino::Utf8Component::Normal(_)));
    let script = inside.then(|| root.join(relative)).filter(|path| path.is_file());
    // a program of `bin/` that was installed runs as it was installed: its tree is not built
    if lock.source.install == ProjectInstall::Install
        && script.is_some()
        && let Some(program) = installed(file_name)
        && !file_name.ends_with(".py")
    {
        return Some(Launch { program, args: Vec::new(), env });
    }
    if let Some(module) = script.as_deref().and_then(|path| module_of(root, path)) {
        return Some(Launch { program: python, args: vec!["-m".to_owned(), module], env });
    }
    if script.is_some() {
        return Some(Launch { program: python, args: vec![driver.to_owned()], env });
    }
    let module = driver.split('.').all(|part| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    let is_module = module && driver.contains('.') && !driver.ends_with(".py");
    is_module.then(|| Launch {
        program: python,
        args: vec!["-m".to_owned(), driver.to_owned()],
        env,
    })
}

/// A driver that the user named or that tells most about the source.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What inspecting told of it; nothing for a program that only its package knows.
    pub driver: Option<Driver>,
    /// The name by which it is started.
    pub name: Option<String>,
    /// Whether the user named it.
    pub named: bool,
}

/// Finds the driver that `wanted` names, or the most telling one.
pub fn choose(
    inspection: &Inspection,
    root: &Utf8Path,
    wanted: Option<&str>,
) -> Result<Chosen, SetupError> {
    let Some(wanted) = wanted else {
        let driver = most_telling(inspection).filter(|driver| speaks(inspection, driver)).cloned();
        let name = driver.as_ref().map(started_as);
        return Ok(Chosen { driver, name, named: false });
    };
    let plain = wanted.trim_start_matches("./");
    let found = inspection
        .drivers
        .iter()
        .find(|driver| driver.name.as_deref() == Some(plain) || driver.path == plain)
        .or_else(|| {
            let mut same_file = inspection
                .drivers
                .iter()
                .filter(|driver| driver.path.rsplit('/').next() == Some(plain));
            same_file.next().filter(|_| same_file.next().is_none())
        });
    if let Some(driver) = found {
        let mut driver = driver.clone();
        // an installed program of the same file is started under its name
        if driver.name.is_none() && driver.path != plain {
            driver.name = Some(plain.to_owned());
        }
        return Ok(Chosen { driver: Some(driver), name: Some(plain.to_owned()), named: true });
    }
    let is_script = plain.ends_with(".py") || plain.contains('/');
    let exists = is_script && !plain.contains("..") && root.join(plain).is_file();
    if is_script && !exists {
        return Err(SetupError::NoSuchDriver {
            driver: wanted.to_owned(),
            nearest: nearest(inspection, plain),
        });
    }
    Ok(Chosen { driver: None, name: Some(plain.to_owned()), named: true })
}

/// Returns whether a driver speaks for the source: of a package that is installed, what lies among its
/// documents, benchmarks and tests does not, and may import what nobody who uses the package needs.
fn speaks(inspection: &Inspection, driver: &Driver) -> bool {
    let is_package = inspection.packaging.iter().any(|file| {
        let installs = matches!(file.kind.as_str(), "setup_py" | "setup_cfg" | "pyproject");
        installs && file.name.is_some() && !file.path.contains('/')
    });
    driver.name.is_some() || !is_package || distance_from_purpose(&driver.path) <= 1
}

fn started_as(driver: &Driver) -> String {
    driver.name.clone().unwrap_or_else(|| driver.path.clone())
}

/// Installed programs first, then training and prediction near the root; what cannot start, what
/// others wrote and what is an example or a test comes last.
fn most_telling(inspection: &Inspection) -> Option<&Driver> {
    let unknown: Vec<&Import> = inspection
        .imports
        .iter()
        .filter(|import| import.distribution.is_none() && !import.declared)
        .filter(|import| !import.optional && !import.conditional)
        .collect();
    // a helper that reaches next to nothing does not speak for what the rest of the source does
    let reach = inspection
        .drivers
        .iter()
        .filter(|driver| distance_from_purpose(&driver.path) <= 1)
        .map(|driver| driver.closure.len())
        .max()
        .unwrap_or_default();
    let mostly_python_2 = sizar_env::python::is_mostly_python_2(inspection);
    inspection.drivers.iter().filter(|driver| !is_no_driver(&driver.path)).min_by_key(|driver| {
        let role = match driver.role.as_str() {
            "train" => 0,
            "predict" => 1,
            "evaluate" => 2,
            "other" => 3,
            _ => 4,
        };
        let answers = u8::from(!answers_help(&driver.framework));
        let needs =
            |import: &&Import| driver.closure.iter().any(|file| import.files.contains(file));
        let written_for_2 = driver.python_at_most.is_some_and(|newest| newest.major < 3);
        let python2 = written_for_2 && !mostly_python_2;
        (
            // what the authors install is what they mean to be run
            driver.name.is_none(),
            // that what others wrote works says nothing, even where the source's own lacks something
            is_written_by_others(&driver.path),
            unknown.iter().filter(|import| needs(import)).count(),
            python2,
            distance_from_purpose(&driver.path) > 1,
            driver.closure.len() * SLIGHT < reach,
            distance_from_purpose(&driver.path),
            driver.path.matches('/').count(),
            role,
            answers,
            // what reaches most of the source's own code tells most about it
            std::cmp::Reverse(driver.closure.len()),
            driver.path.as_str(),
        )
    })
}

/// A driver is slight that reaches less than this part of what another reaches.
const SLIGHT: usize = 5;

fn is_no_driver(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    matches!(file, "setup.py" | "conftest.py" | "conf.py" | "noxfile.py")
}

/// How far from a source's purpose is what its authors put away.
const PUT_AWAY: u8 = 5;

/// Ranks folders by how far what lies in them is from what the source is for.
fn distance_from_purpose(path: &str) -> u8 {
    let rank = |folder: String| match folder.as_str() {
        "example" | "examples" | "demo" | "demos" | "experiments" | "scripts" | "tools" => 1,
        "doc" | "docs" | "benchmark" | "benchmarks" | "contrib" | "misc" => 2,
        others if is_of_others(others) => 3,
        "test" | "tests" | "testing" => 4,
        // what its authors put away
        "old" | "legacy" | "deprecated" | "archive" | "archived" | "attic" | "obsolete"
        | "unused" | "backup" | "bak" => PUT_AWAY,
        _ => 0,
    };
    folders_of(path).map(rank).max().unwrap_or_default()
}

/// Returns the names of the folders above a file, in small letters.
fn folders_of(path: &str) -> impl Iterator<Item = String> {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').map(str::to_ascii_lowercase)
}

/// Whether others wrote a file, by its folders; `muhanzhang/SEAL` has it in `Python/software`, and at
/// the root that is as likely the source's own.
fn is_written_by_others(path: &str) -> bool {
    let mut folders = folders_of(path).enumerate();
    folders.any(|(at, folder)| is_of_others(&folder) || (at > 0 && folder == "software"))
}

/// Whether a folder of this name holds what others wrote.
fn is_of_others(folder: &str) -> bool {
    matches!(
        folder,
        "ext"
            | "external"
            | "externals"
            | "third_party"
            | "thirdparty"
            | "3rdparty"
            | "vendor"
            | "deps"
            | "submodules"
    )
}

/// Whether a file is a test, a document or an example: not what somebody wants to run.
pub fn is_aside(path: &str) -> bool {
    is_no_driver(path)
        || path
            .split('/')
            .any(|part| matches!(part, "test" | "tests" | "docs" | "doc" | "examples"))
        || distance_from_purpose(path) == PUT_AWAY
}

/// Whether drivers of a framework answer `--help` without doing anything else.
pub fn answers_help(framework: &str) -> bool {
    matches!(
        framework,
        "argparse" | "click" | "typer" | "fire" | "absl" | "hydra" | "docopt" | "optparse"
    )
}

/// Returns the names of drivers that are spelled most like `wanted`, at most three.
pub fn nearest(inspection: &Inspection, wanted: &str) -> Vec<String> {
    let lower = wanted.to_lowercase();
    let mut scored: Vec<(usize, String)> = inspection
        .drivers
        .iter()
        .map(started_as)
        .map(|name| (distance(&name.to_lowercase(), &lower), name))
        .collect();
    scored.sort();
    scored.dedup();
    let close = wanted.len().max(6);
    scored.into_iter().filter(|(far, _)| *far <= close).take(3).map(|(_, name)| name).collect()
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let next = (diagonal + usize::from(x != *y)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, next);
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_that_reaches_next_to_nothing_does_not_speak_for_the_source() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let guarded = "if __name__ == '__main__':\n    print(1)\n";
        fs_err::create_dir_all(root.join("scripts")).unwrap();
        fs_err::write(root.join("to_csv.py"), format!("import csv\n{guarded}")).unwrap();
        let parts = ["a", "b", "c", "d", "e"];
        for part in parts {
            fs_err::write(root.join(format!("{part}.py")), "X = 1\n").unwrap();
        }
        let imports = |parts: &[&str]| {
            let line = parts.join(", ");
            format!("import sys\nsys.path.insert(0, '..')\nimport {line}\n{guarded}")
        };
        let telling = |parts: &[&str]| {
            fs_err::write(root.join("scripts/fit.py"), imports(parts)).unwrap();
            let inspection =
                sizar_inspect::inspect(root, &sizar_inspect::InspectOptions::default()).unwrap();
            most_telling(&inspection).unwrap().path.clone()
        };
        assert_eq!(telling(&parts), "scripts/fit.py");
        // what reaches about as much speaks by its place
        assert_eq!(telling(&parts[..2]), "to_csv.py");
    }

    #[test]
    fn what_others_wrote_does_not_speak_for_a_source_that_lacks_something() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let guarded = "if __name__ == '__main__':\n    print(1)\n";
        let write = |file: &str, text: &str| {
            fs_err::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs_err::write(root.join(file), text).unwrap();
        };
        write("python/software/walk/train.py", &format!("import csv\n{guarded}"));
        let telling = || {
            let options = sizar_inspect::InspectOptions::default();
            let inspection = sizar_inspect::inspect(root, &options).unwrap();
            most_telling(&inspection).unwrap().path.clone()
        };
        // it may be all there is
        assert_eq!(telling(), "python/software/walk/train.py");
        write("python/run.py", &format!("import nobody_has_this_module\n{guarded}"));
        assert_eq!(telling(), "python/run.py");
    }

    #[test]
    fn spelling_is_measured() {
        assert_eq!(distance("train.py", "trian.py"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn the_benchmarks_of_a_package_do_not_speak_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        for (file, text) in [
            ("net/__init__.py", "import numpy\n"),
            ("benchmarks/speed.py", "import rival\nif __name__ == '__main__':\n    print(1)\n"),
        ] {
            fs_err::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs_err::write(root.join(file), text).unwrap();
        }
        let chosen = |wanted: Option<&str>| {
            let options = sizar_inspect::InspectOptions::default();
            let inspection = sizar_inspect::inspect(root, &options).unwrap();
            choose(&inspection, root, wanted).unwrap().name
        };
        let benchmark = Some("benchmarks/speed.py".to_owned());
        // of code that is no package it is all there is
        assert_eq!(chosen(None), benchmark);
        let setup = "from setuptools import setup\nsetup(name='net', packages=['net'])\n";
        fs_err::write(root.join("setup.py"), setup).unwrap();
        assert_eq!(chosen(None), None);
        assert_eq!(chosen(benchmark.as_deref()), benchmark);
    }
}
