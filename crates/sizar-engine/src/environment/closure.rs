//! The driver's imports: of what others made, and of its own files, from its own folder.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use regex::Regex;
use serde::{Deserialize, Serialize};
use sizar_env::knowledge::Stage;
use sizar_env::shims::LEDGER;
use sizar_model::inspection::{Driver, Import};
use sizar_model::{EnvLock, Invocation, ProjectInstall};

use super::SetupError;
use super::build::{Step, StepFailed, metadata_folder, provides, site_packages};
use super::driver::{is_aside, launch};
use super::error::io;
use super::tree_build;
use super::verify::Subject;
use super::workshop::Workshop;
use crate::find_below::find_below;

/// The longest that all imports together may take.
const LIMIT: Duration = Duration::from_mins(5);

/// How many drivers beside the chosen one are looked at.
const OTHERS: usize = 5;

const VERIFY: &str = include_str!("../../python/verify_imports.py");

/// What is to be imported: the script's input.
#[derive(Debug, Default, Serialize)]
struct Job {
    modules: Vec<String>,
    conditional: Vec<String>,
    root: Option<Utf8PathBuf>,
    script: Option<String>,
    as_module: bool,
    closure: Vec<String>,
    others: Vec<String>,
    packages: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Answer {
    Success {
        kind: String,
        name: String,
        /// What stopped the file after its imports.
        #[serde(default)]
        stopped: Option<String>,
        /// The files of the environment that were loaded, below its prefix; said at the end.
        #[serde(default)]
        loaded: Vec<String>,
    },
    Failure {
        kind: String,
        name: String,
        exception: String,
        message: String,
        traceback: String,
        /// What the user has, and no environment.
        #[serde(default)]
        wanting: Option<Wanting>,
        /// Whether a module was begun anew that had been broken off for want of that.
        #[serde(default)]
        again: bool,
    },
}

/// What code asks for while it is imported, and no package brings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanting {
    File(String),
    /// A corpus of NLTK's.
    Corpus(String),
    /// An environment variable.
    Variable(String),
    /// A line that somebody types; what Python says without one.
    Input(String),
}

impl Wanting {
    /// Says what it is, and how it can be given.
    fn said(&self, root: &Utf8Path, driver: &str) -> String {
        match self {
            Self::File(wanted) => {
                let name = Utf8Path::new(wanted).file_name().unwrap_or(wanted);
                let own = find_below(root, Utf8Path::new(name))
                    .map(|path| format!(" (the source has one of that name, `{path}`)"))
                    .unwrap_or_default();
                format!(
                    "`{driver}` opens `{wanted}` while it is imported, which is not here{own}: \
                     `--data HERE:{wanted}` gives it to a run"
                )
            }
            Self::Corpus(name) => format!(
                "`{driver}` asks NLTK for `{name}` while it is imported, which is not here: \
                 `python -m nltk.downloader -d HERE {name}` fetches it, and `--data \
                 HERE:~/nltk_data` gives it to a run"
            ),
            Self::Variable(name) => format!(
                "`{driver}` asks for the environment variable `{name}` while it is imported: \
                 `--env {name}=VALUE` gives it to a run"
            ),
            Self::Input(_) => format!(
                "`{driver}` waits for a line to be typed while it is imported: `--stdin FILE` \
                 gives a run what is in a file"
            ),
        }
    }
}

/// What was imported.
#[derive(Debug, Default)]
pub struct Imported {
    /// One line a check.
    pub checks: Vec<String>,
    /// What cannot be imported, and was not promised.
    pub absent: Vec<Absent>,
    /// Whether the driver's own file did its imports.
    pub driver_shown: bool,
    /// Whether importing the driver's file as a whole runs nothing.
    pub driver_whole: bool,
    /// The environment's files that were loaded meanwhile, below its prefix.
    pub loaded: Vec<String>,
    /// What Python says where the driver asks for what no package brings before its imports are done.
    pub wants: Option<String>,
    /// What another driver, or the source's own package, lacks.
    pub unmet: Option<StepFailed>,
    /// The source's own package, where it was installed and cannot be imported.
    pub lacking: Option<String>,
}

/// A module that is imported somewhere, and that nothing installed was meant to provide.
#[derive(Debug)]
pub struct Absent {
    pub module: String,
    pub output: String,
}

/// Imports what the driver imports.
pub fn imports(
    workshop: &Workshop<'_>,
    subject: &Subject<'_>,
    scratch: &Utf8Path,
) -> Step<Imported> {
    let job = job(subject, scratch)?;
    if job.modules.is_empty() && job.script.is_none() {
        return Ok(Ok(Imported::default()));
    }
    let program = workshop.write("verify_imports.py", VERIFY)?;
    let text = serde_json::to_string(&job).expect("strings and lists have a form in JSON");
    let order = workshop.write("imports-job.json", &text)?;
    let answer = workshop.answers().join("imports.json");
    if answer.exists() {
        fs::remove_file(&answer).map_err(io(&answer))?;
    }
    let python = subject.prefix.join("bin/python");
    let mut call = Invocation::new(python.as_str())
        .args([program.as_str(), answer.as_str(), order.as_str()])
        // for an installed program outside the tree: its folders would hide what is installed
        .cwd(if job.script.is_some() { subject.starts_in(scratch) } else { workshop.answers() });
    // the variables with which a run would start it
    let script = job.script.as_deref();
    let start = script.and_then(|path| launch(subject.prefix, subject.lock, scratch, path));
    let variables = start.map_or_else(|| subject.lock.variables.clone(), |start| start.env);
    for (name, value) in &variables {
        call = call.env(name, value);
    }
    let call = call.env(LEDGER, workshop.ledger().as_str());
    let ended = workshop.run(&call, subject.view(scratch), Some(LIMIT))?;
    let answers: Vec<Answer> = fs::read(&answer)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| serde_json::from_str(&workshop.with_tilde(text)).ok())
        .unwrap_or_default();
    Ok(read(subject, scratch, &job, &answers, &ended.output))
}

/// Reads what the imports came to.
fn read(
    subject: &Subject<'_>,
    scratch: &Utf8Path,
    job: &Job,
    answers: &[Answer],
    output: &str,
) -> Result<Imported, StepFailed> {
    let mut found = Imported::default();
    let mut modules = Vec::new();
    let mut beside = Vec::new();
    let mut working = Vec::new();
    let mut packages = Vec::new();
    let mut wanted = None;
    let mut ended = false;
    let mut done = 0;
    for answer in answers {
        match answer {
            Answer::Success { kind, name, stopped, loaded } => match kind.as_str() {
                "import" => modules.push(name.clone()),
                "driver" => {
                    found.driver_shown = true;
                    found.driver_whole = true;
                    found.checks.push(format!("`{name}` and its own modules are imported"));
                }
                "imports_of" => {
                    found.driver_shown = true;
                    let why = stopped.as_ref().map_or_else(
                        || "importing it as a whole would start its work".to_owned(),
                        |stopped| format!("imported as a whole it stops: {stopped}"),
                    );
                    found.checks.push(format!("everything that `{name}` imports is there ({why})"));
                }
                "other" => working.push(format!("`{name}`")),
                "package" => packages.push(format!("`{name}`")),
                "end" => {
                    ended = true;
                    found.loaded.clone_from(loaded);
                }
                _ => {}
            },
            Answer::Failure { kind, name, exception, message, traceback, wanting, again } => {
                let what = if kind == "compile" { "compiling" } else { "importing" };
                let mut text = format!("{what} {name}:\n{traceback}\n{exception}: {message}\n");
                if let Some(unbuilt) = unbuilt(scratch, message) {
                    text.push_str(&unbuilt);
                }
                let line = format!("{exception}: {}", first_line(message));
                match kind.as_str() {
                    "import" if !is_promised(subject, name) => {
                        found.absent.push(Absent { module: name.clone(), output: text });
                    }
                    "wanting" => {
                        let said = wanting.as_ref().map(|wanting| wanting.said(scratch, name));
                        found.checks.extend(said);
                        wanted.clone_from(wanting);
                        found.wants = Some(line);
                    }
                    "conditional" => beside.push(format!("also {name}, which is imported only where it is needed, cannot be: {line}")),
                    // a consequence, or said of the driver already
                    "own" | "doubtful" | "package" if *again => {}
                    "own" | "doubtful" if wanting.is_some() && *wanting == wanted => {}
                    "own" | "doubtful" => beside.push(format!("also `{name}`, which is imported only where it is needed, cannot be: {line}")),
                    "other" => {
                        beside.push(format!("also the driver `{name}` cannot be imported: {line}"));
                        found.unmet.get_or_insert(StepFailed { stage: Stage::Import, output: text });
                    }
                    "package" => {
                        beside.push(format!("also the source's own package `{name}` cannot be imported: {line}"));
                        // before other drivers: it is what the source is
                        found.unmet = Some(StepFailed { stage: Stage::Import, output: text });
                        found.lacking.get_or_insert_with(|| name.clone());
                    }
                    _ => return Err(StepFailed { stage: Stage::Import, output: text }),
                }
            }
        }
        done += 1;
    }
    let essential = job.modules.len() + usize::from(job.script.is_some()) * 2;
    if !ended && done < essential {
        let next = job.modules.get(done).map_or("the driver's modules", String::as_str);
        let output = format!("{output}\nError: importing {next} ends the interpreter\n");
        return Err(StepFailed { stage: Stage::Import, output });
    }
    modules.dedup();
    // an installed program's own module
    let own = driver_module(subject);
    found.driver_shown |= own.is_some_and(|own| modules.contains(&own));
    if !modules.is_empty() {
        found.checks.insert(0, format!("{} can be imported", listed(&modules)));
    }
    if !working.is_empty() {
        beside.push(format!("also everything is there that {} imports", listed(&working)));
    }
    if !packages.is_empty() {
        beside.push(format!("also the source's own {} can be imported", listed(&packages)));
    }
    beside.dedup();
    found.checks.extend(beside.into_iter().take(12));
    Ok(found)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

static MISSING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"No module named '?([\w.]+)|cannot import name '?(\w+)").expect("a test uses it")
});

/// Says from which file of the tree a missing module has to be built, or which build for CUDA
/// would make it.
fn unbuilt(root: &Utf8Path, message: &str) -> Option<String> {
    let captures = MISSING.captures(message)?;
    let module = captures.get(1).or_else(|| captures.get(2))?.as_str();
    let stem = module.rsplit('.').next()?;
    if let Some(build) = tree_build::cuda_build_of(root, stem) {
        return Some(format!(
            "ImportError: needs the CUDA extension `{module}`, which its `{build}` builds with nvcc\n"
        ));
    }
    let source = ["pyx", "pyx.in", "c", "cpp", "cu", "f90"]
        .iter()
        .find_map(|kind| find_below(root, Utf8Path::new(&format!("{stem}.{kind}"))))?;
    Some(format!(
        "ImportError: `{module}` belongs to the source and was not built, from `{source}`\n"
    ))
}

fn job(subject: &Subject<'_>, scratch: &Utf8Path) -> Result<Job, SetupError> {
    let script = subject.script(scratch);
    let (modules, conditional) = modules(subject, script.is_some())?;
    let Some(path) = script else { return Ok(Job { modules, ..Job::default() }) };
    let start = launch(subject.prefix, subject.lock, scratch, path);
    let closure = subject.chosen.driver.as_ref().map(|driver| driver.closure.clone());
    Ok(Job {
        modules,
        conditional,
        root: Some(scratch.to_owned()),
        script: Some(path.to_owned()),
        as_module: start.is_some_and(|start| start.args.first().is_some_and(|arg| arg == "-m")),
        closure: closure.unwrap_or_default(),
        others: others(subject, path),
        packages: packages(subject)?,
    })
}

/// Returns the packages that the source installs under its own name: who installs it means to
/// import them, though the chosen driver may not.
fn packages(subject: &Subject<'_>) -> Result<Vec<String>, SetupError> {
    let (ProjectInstall::Install, Some(package)) = (subject.lock.source.install, subject.package)
    else {
        return Ok(Vec::new());
    };
    if subject.chosen.named {
        return Ok(Vec::new());
    }
    let mut found = top_level(subject.prefix, subject.lock, package)?;
    let own = sizar_env::name::normalise(package);
    if found.len() > 1 {
        found.retain(|module| sizar_env::name::normalise(module) == own);
    }
    Ok(found)
}

/// Returns the other main drivers: what a user of the chosen one will call next.
fn others(subject: &Subject<'_>, script: &str) -> Vec<String> {
    if subject.chosen.named {
        return Vec::new();
    }
    let depth = script.matches('/').count();
    let main = |driver: &&Driver| {
        driver.name.is_none()
            && driver.path != script
            && driver.path.ends_with(".py")
            && driver.path.matches('/').count() == depth
            && matches!(driver.role.as_str(), "train" | "predict" | "evaluate")
            && !is_aside(&driver.path)
    };
    let drivers = subject.inspection.drivers.iter().filter(main);
    drivers.take(OTHERS).map(|driver| driver.path.clone()).collect()
}

/// Whether something that was installed should provide a module.
fn is_promised(subject: &Subject<'_>, module: &str) -> bool {
    let import = subject.inspection.imports.iter().find(|import| import.module == module);
    // a module of the source itself is no import of it
    import.is_none_or(|import| {
        import.distribution.as_deref().is_some_and(|name| is_locked(subject.lock, name))
    })
}

fn is_locked(lock: &EnvLock, distribution: &str) -> bool {
    provides(lock, &sizar_env::name::normalise(distribution))
}

fn listed(names: &[String]) -> String {
    match names {
        [few @ .., last] if names.len() <= 8 && !few.is_empty() => {
            format!("{} and {last}", few.join(", "))
        }
        [only] => only.clone(),
        [first, second, third, rest @ ..] => {
            format!("{first}, {second}, {third} and {} other modules", rest.len())
        }
        _ => String::new(),
    }
}

/// Returns the modules that the driver needs, and those that it needs under a condition: of
/// others, what its closure imports; of the source itself, what was installed.
fn modules(subject: &Subject<'_>, script: bool) -> Result<(Vec<String>, Vec<String>), SetupError> {
    let closure: Option<BTreeSet<&str>> =
        subject.chosen.driver.as_ref().filter(|driver| !driver.closure.is_empty()).map(closure_of);
    let used = |import: &&Import| match &closure {
        Some(closure) => import.files.iter().any(|file| closure.contains(file.as_str())),
        // without a driver, only what was meant to be installed can be asked of it
        None => {
            import.files.iter().any(|file| !is_aside(file))
                && import.distribution.as_deref().is_some_and(|name| is_locked(subject.lock, name))
        }
    };
    let imports = || subject.inspection.imports.iter().filter(|import| !import.optional);
    let needed: BTreeSet<String> = imports()
        .filter(|import| !import.conditional)
        .filter(used)
        .map(|import| import.module.clone())
        .collect();
    let conditional: BTreeSet<String> = imports()
        .filter(|import| import.conditional)
        .filter(used)
        .map(|import| import.module.clone())
        .collect();
    let mut modules: Vec<String> = needed.into_iter().collect();
    // a script finds the tree's own modules before the installed ones
    if !script
        && let (ProjectInstall::Install, Some(package)) =
            (subject.lock.source.install, subject.package)
    {
        modules.extend(top_level(subject.prefix, subject.lock, package)?);
        modules.extend(driver_module(subject));
    }
    Ok((modules, conditional.into_iter().collect()))
}

/// Returns the installed module of an installed program: importing it runs its imports and not
/// the program.
fn driver_module(subject: &Subject<'_>) -> Option<String> {
    let driver = subject.chosen.driver.as_ref().filter(|driver| driver.name.is_some())?;
    let inside = driver.path.strip_prefix("src/").unwrap_or(&driver.path);
    let (folder, file) = inside.rsplit_once('/')?;
    let site = site_packages(subject.prefix, subject.lock);
    let module = file.strip_suffix(".py").filter(|_| site.join(inside).is_file())?;
    let folder = folder.replace('/', ".");
    Some(if module == "__init__" { folder } else { format!("{folder}.{module}") })
}

fn closure_of(driver: &Driver) -> BTreeSet<&str> {
    driver.needed().collect()
}

/// Returns the importable modules at the top of an installed distribution.
fn top_level(prefix: &Utf8Path, lock: &EnvLock, package: &str) -> Result<Vec<String>, SetupError> {
    let Some(folder) = metadata_folder(prefix, lock, package)? else { return Ok(Vec::new()) };
    // of an egg, `installed-files.txt` lists the same, seen from its metadata
    let is_egg = folder.extension() == Some("egg-info");
    let path = folder.join(if is_egg { "installed-files.txt" } else { "RECORD" });
    if is_egg && !path.is_file() {
        return Ok(Vec::new());
    }
    let record = fs::read(&path).map_err(io(&path))?;
    let record = String::from_utf8_lossy(&record).into_owned();
    let mut names = BTreeSet::new();
    for line in record.lines() {
        let file = line.split(',').next().unwrap_or_default();
        let file = file.strip_prefix("../").filter(|_| is_egg).unwrap_or(file);
        let name = match file.split_once('/') {
            Some((folder, "__init__.py")) => folder,
            Some(_) => continue,
            None => match file.strip_suffix(".py") {
                Some(module) => module,
                None => continue,
            },
        };
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let aside = matches!(name, "test" | "tests" | "docs" | "doc" | "examples" | "setup");
        if plain && !aside && !name.starts_with('_') {
            names.insert(name.to_owned());
        }
    }
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_was_not_built_is_named_with_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs::create_dir_all(root.join("utils/boxes")).unwrap();
        fs::write(root.join("utils/boxes/overlap.pyx"), "").unwrap();
        let said = unbuilt(root, "No module named 'utils.boxes.overlap'").unwrap();
        assert!(said.contains("not built, from `utils/boxes/overlap.pyx`"), "{said}");
        assert!(
            unbuilt(root, "No module named utils.boxes.overlap").is_some(),
            "as Python 2 says it"
        );
        assert!(unbuilt(root, "cannot import name 'overlap' from 'utils'").is_some());
        assert_eq!(unbuilt(root, "No module named 'numpy'"), None);
        let setup = "setup(ext_modules=[CUDAExtension('points._ext', glob('src/*.cu'))])\n";
        fs::create_dir_all(root.join("points/src")).unwrap();
        fs::write(root.join("points/setup.py"), setup).unwrap();
        assert_eq!(
            unbuilt(root, "No module named 'points._ext'").unwrap(),
            "ImportError: needs the CUDA extension `points._ext`, which its `points/setup.py` builds with nvcc\n"
        );
        assert_eq!(unbuilt(root, "no such luck"), None);
    }

    #[test]
    fn names_are_listed_as_people_do() {
        let names = |n: usize| (0..n).map(|at| format!("m{at}")).collect::<Vec<_>>();
        assert_eq!(listed(&names(1)), "m0");
        assert_eq!(listed(&names(3)), "m0, m1 and m2");
        assert_eq!(listed(&names(9)), "m0, m1, m2 and 6 other modules");
    }
}
