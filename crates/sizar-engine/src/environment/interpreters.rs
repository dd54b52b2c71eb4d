//! The Pythons of this machine: found, asked what they are, remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sizar_env::uv::Uv;
use sizar_env::{pip, python};
use sizar_model::artifact::Ending;
use sizar_model::resources::Walltime;
use sizar_model::{Activity, Installer, Invocation, Progress, PythonVersion};

use super::SetupError;
use super::error::io;
use crate::home::Home;
use crate::process::{Control, Io, Limits, ProcessError, execute};
use crate::sandbox::{Confinement, SandboxKind};

/// What an interpreter says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The program itself, no link and no shim.
    pub path: Utf8PathBuf,
    /// With its patch release.
    pub version: PythonVersion,
    /// `CPython`, `PyPy`.
    pub implementation: String,
    /// Such as `linux-x86_64`.
    pub platform: String,
    /// The folder that holds it and its standard library.
    pub prefix: Utf8PathBuf,
    pub has_ssl: bool,
    /// Whether extensions can be compiled for it.
    pub has_headers: bool,
}

impl Interpreter {
    /// Describes the interpreter of a prefix whose packages are known; it is not asked.
    pub fn of_prefix(prefix: &Utf8Path, version: PythonVersion, platform: String) -> Self {
        Self {
            path: prefix.join("bin/python"),
            version,
            implementation: "CPython".to_owned(),
            platform,
            prefix: prefix.to_owned(),
            has_ssl: true,
            has_headers: true,
        }
    }
}

/// A program that looks like an interpreter and does not answer like one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    pub path: Utf8PathBuf,
    pub reason: String,
}

/// The Pythons of this machine.
#[derive(Clone, Debug, Default)]
pub struct Interpreters {
    /// Newest first; of one release the better equipped first.
    pub usable: Vec<Interpreter>,
    pub broken: Vec<Broken>,
}

impl Interpreters {
    /// Returns the versions that environments can be made for.
    pub fn versions(&self) -> Vec<PythonVersion> {
        let driven = self.usable.iter().filter(|interpreter| self.engine(interpreter).is_some());
        driven.map(|interpreter| interpreter.version).collect()
    }

    /// Returns the engine that makes environments for an interpreter; none where no engine can.
    pub fn engine(&self, interpreter: &Interpreter) -> Option<Installer> {
        let engine = python::installer(interpreter.version);
        let can = match engine {
            Installer::Uv => true,
            // pip runs inside the environment, and the files of packages come by TLS
            Installer::Pip => {
                pip::drives(interpreter.version) && interpreter.has_ssl && self.host().is_some()
            }
        };
        can.then_some(engine)
    }

    /// Returns the interpreter that virtualenv runs on: the oldest that it can, because newer
    /// Pythons lose what it was written for.
    pub fn host(&self) -> Option<&Interpreter> {
        self.usable
            .iter()
            .rfind(|interpreter| interpreter.version.without_patch() >= pip::OLDEST_HOST)
    }

    /// Returns the best interpreter of a version.
    pub fn of(&self, wanted: PythonVersion) -> Option<&Interpreter> {
        let fits = |interpreter: &&Interpreter| interpreter.version.satisfies(wanted);
        let mut found = self.usable.iter().filter(fits);
        let first = found.next()?;
        // of two that are one version, the one that can be used
        Some(
            std::iter::once(first).chain(found).find(|i| self.engine(i).is_some()).unwrap_or(first),
        )
    }
}

/// A line of the cache: what an unchanged file said last time.
#[derive(Clone, Serialize, Deserialize)]
struct Remembered {
    modified: i64,
    size: u64,
    answer: Answer,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Answer {
    Usable(Interpreter),
    Broken { reason: String },
}

/// The script's answer.
#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Described {
    Success {
        version: [u8; 3],
        implementation: String,
        platform: String,
        prefix: Utf8PathBuf,
        base_prefix: Utf8PathBuf,
        has_ssl: bool,
        has_headers: bool,
    },
    Failure {
        message: String,
    },
}

const DESCRIBE: &str = include_str!("../../python/describe_interpreter.py");

/// Finds the Pythons of this machine: on `PATH`, of pyenv, conda and uv, and the system's.
///
/// # Errors
///
/// [`SetupError::Home`] or [`SetupError::Io`] where sizar's own folder cannot be used.
pub fn find(home: &Home) -> Result<Interpreters, SetupError> {
    let cache_path = home.folder("cache")?.join("interpreters.json");
    // a cache that cannot be read is made again
    let cache: BTreeMap<Utf8PathBuf, Remembered> = fs::read(&cache_path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let candidates = candidates(home);
    let staging = home.staging()?;
    // sizar's own folder has a name in UTF-8, and so has what lies in it
    let stage = Utf8PathBuf::from(staging.path().to_string_lossy().into_owned());
    let script = stage.join("describe_interpreter.py");
    fs::write(&script, DESCRIBE).map_err(io(&script))?;
    let now: Vec<(Utf8PathBuf, Remembered)> = candidates
        .par_iter()
        .filter_map(|path| {
            let metadata = fs::metadata(path).ok()?;
            let (modified, size) = (metadata.mtime(), metadata.len());
            let known =
                cache.get(path).filter(|known| known.modified == modified && known.size == size);
            let answer = known.map_or_else(|| ask(path, &script), |known| Ok(known.answer.clone()));
            Some(answer.map(|answer| (path.clone(), Remembered { modified, size, answer })))
        })
        .collect::<Result<_, _>>()?;
    let changed = now.len() != cache.len()
        || now.iter().any(|(path, line)| {
            cache.get(path).is_none_or(|known| known.modified != line.modified)
        });
    if changed {
        let lines: BTreeMap<_, _> = now.iter().cloned().collect();
        let text = serde_json::to_vec(&lines).expect("paths and numbers have a form in JSON");
        let part = stage.join("interpreters.json");
        fs::write(&part, text).map_err(io(&part))?;
        fs::rename(&part, &cache_path).map_err(io(&cache_path))?;
    }
    Ok(sorted(now))
}

/// How long a Python that could not be fetched is not asked for again.
const RETRY_AFTER: Duration = Duration::from_hours(24);

/// Fetches a Python through uv into sizar's own folder; returns whether it is there now.
///
/// uv's builds come from another host than its packages, which not every network reaches: a
/// failure is remembered for a day.
///
/// # Errors
///
/// [`SetupError::Home`] or [`SetupError::Io`] where sizar's own folder cannot be used.
pub fn fetch(
    home: &Home,
    uv: &Utf8Path,
    python: PythonVersion,
    progress: &dyn Progress,
) -> Result<bool, SetupError> {
    let mark = home.folder("cache")?.join(format!("no-python-{python}"));
    let recent = fs::metadata(&mark)
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|at| at.elapsed().is_ok_and(|age| age < RETRY_AFTER));
    if recent {
        return Ok(false);
    }
    progress.begin(format!("fetching Python {python}"));
    let staging = home.staging()?;
    let stage = Utf8PathBuf::from(staging.path().to_string_lossy().into_owned());
    let confinement = Confinement::new(SandboxKind::None, stage.join("home"), stage.join("tmp"));
    let limits = Limits { walltime: Some(Walltime(300)), ..Limits::default() };
    let call = Uv::fetch_python(uv, python, &home.folder("pythons")?, &home.folder("cache/uv")?);
    let line = |text: &str| progress.report(Activity::Line { text: text.to_owned() });
    let finished =
        execute(&call, &confinement, &limits, Io::Captured { line: &line }, &Control::default())?;
    if finished.ending == (Ending::Exited { code: 0 }) {
        progress.end(format!("fetched Python {python}"));
        return Ok(true);
    }
    fs::write(&mark, finished.stderr).map_err(io(&mark))?;
    progress.note(format!("Python {python} could not be fetched"));
    Ok(false)
}

fn sorted(answers: Vec<(Utf8PathBuf, Remembered)>) -> Interpreters {
    let mut found = Interpreters::default();
    for (path, line) in answers {
        match line.answer {
            Answer::Usable(interpreter) => found.usable.push(interpreter),
            Answer::Broken { reason } => found.broken.push(Broken { path, reason }),
        }
    }
    found.usable.retain(|interpreter| interpreter.implementation == "CPython");
    // stable: of equals, the one found first stays first
    found.usable.sort_by_key(|interpreter| {
        std::cmp::Reverse((
            interpreter.version.without_patch(),
            interpreter.has_headers,
            interpreter.has_ssl,
            interpreter.version,
        ))
    });
    found
}

/// Asks a program what it is; one that hangs, or answers otherwise, is broken.
///
/// An error of ours says nothing about the program.
fn ask(path: &Utf8Path, script: &Utf8Path) -> Result<Answer, SetupError> {
    let broken = |reason: String| Ok(Answer::Broken { reason });
    let folder = script.parent().unwrap_or(Utf8Path::new("/"));
    let confinement = Confinement::new(SandboxKind::None, folder, folder);
    let limits =
        Limits { walltime: Some(Walltime(10)), grace: Duration::from_secs(1), ..Limits::default() };
    let call = Invocation::new(path.as_str()).args(["-E", "-s", script.as_str()]);
    let finished =
        execute(&call, &confinement, &limits, Io::Captured { line: &|_| {} }, &Control::default());
    let finished = match finished {
        Ok(finished) => finished,
        Err(
            error @ (ProcessError::ProgramNotFound { .. } | ProcessError::NotExecutable { .. }),
        ) => {
            return broken(error.to_string());
        }
        Err(error) => return Err(error.into()),
    };
    match finished.ending {
        Ending::Exited { code: 0 } => {}
        Ending::Exited { code } => {
            let line =
                finished.stderr.lines().last().unwrap_or("it said nothing").trim().to_owned();
            return broken(format!("it exits {code}: {line}"));
        }
        Ending::TimedOut => return broken("it does not answer within 10 s".to_owned()),
        _ => return broken("it was ended by a signal".to_owned()),
    }
    match serde_json::from_str(finished.stdout.trim()) {
        Ok(Described::Success {
            version: [major, minor, patch],
            implementation,
            platform,
            prefix,
            base_prefix,
            has_ssl,
            has_headers,
        }) => {
            if prefix != base_prefix {
                return broken(format!("it belongs to a virtual environment of `{base_prefix}`"));
            }
            Ok(Answer::Usable(Interpreter {
                path: path.to_owned(),
                version: PythonVersion { major, minor, patch: Some(patch) },
                implementation,
                platform,
                prefix: base_prefix,
                has_ssl,
                has_headers,
            }))
        }
        Ok(Described::Failure { message }) => broken(message),
        Err(_) => broken("it does not answer as a Python does".to_owned()),
    }
}

/// Returns the programs that may be interpreters, in order of preference, links resolved.
fn candidates(home: &Home) -> Vec<Utf8PathBuf> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("HOME").map(Utf8PathBuf::from).unwrap_or_default();
    let mut folders: Vec<Utf8PathBuf> = Vec::new();
    // environments of pyenv and conda, and the Pythons of uv
    let mut collections = vec![
        home.root().join("pythons"),
        variable("UV_PYTHON_INSTALL_DIR")
            .map_or_else(|| user.join(".local/share/uv/python"), Utf8PathBuf::from),
    ];
    let pyenv = variable("PYENV_ROOT").map_or_else(|| user.join(".pyenv"), Utf8PathBuf::from);
    collections.push(pyenv.join("versions"));
    for conda in ["miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba"] {
        for parent in [&user, &Utf8PathBuf::from("/opt")] {
            folders.push(parent.join(conda).join("bin"));
            collections.push(parent.join(conda).join("envs"));
        }
    }
    collections.push("/opt/python".into());
    let path = variable("PATH").unwrap_or_default();
    folders.extend(path.split(':').filter(|part| part.starts_with('/')).map(Utf8PathBuf::from));
    folders.extend(["/usr/local/bin".into(), "/usr/bin".into()]);
    for collection in collections {
        folders
            .extend(entries(&collection).into_iter().map(|name| collection.join(name).join("bin")));
    }
    let mut seen = BTreeSet::new();
    folders
        .iter()
        // pyenv's shims choose by files of the current folder
        .filter(|folder| !folder.ends_with("shims"))
        .flat_map(|folder| {
            entries(folder).into_iter().filter(|name| is_python(name)).map(|name| folder.join(name))
        })
        .filter_map(|path| path.canonicalize_utf8().ok())
        .filter(|path| path.is_file() && seen.insert(path.clone()))
        .collect()
}

fn entries(folder: &Utf8Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Recognises `python`, `python3` and `python3.7`, but not `python3-config`.
fn is_python(name: &str) -> bool {
    name.strip_prefix("python")
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_interpreters_are_recognised() {
        assert!(is_python("python") && is_python("python3") && is_python("python3.12"));
        assert!(!is_python("python3-config") && !is_python("pythonw") && !is_python("ipython"));
    }
}
