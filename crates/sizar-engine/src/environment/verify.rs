//! Verified or said: the driver's imports, then the driver itself, in the sandbox, offline.

use std::collections::BTreeSet;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::Deserialize;
use sizar_env::knowledge::Stage;
use sizar_model::inspection::{Driver, Inspection};
use sizar_model::{Checkout, EnvLock, Invocation, ProjectInstall, VerificationLevel};

use super::SetupError;
use super::build::{Step, StepFailed, metadata_folder, provides, site_packages};
use super::driver::{Chosen, answers_help, launch};
use super::error::io;
use super::interpreters::Interpreter;
use super::scratch::copy_tree;
use super::workshop::{View, Workshop, is_system};

/// The longest that imports, or an answer, may take.
const LIMIT: Duration = Duration::from_mins(2);

const VERIFY: &str = include_str!("../../python/verify_imports.py");

/// What was seen to work.
#[derive(Debug)]
pub struct Verified {
    pub level: VerificationLevel,
    /// Whether that is as far as this driver can be seen to work without running it.
    pub complete: bool,
    /// One line a check.
    pub checks: Vec<String>,
}

/// What is verified.
pub struct Subject<'a> {
    pub checkout: &'a Checkout,
    pub inspection: &'a Inspection,
    pub chosen: &'a Chosen,
    pub prefix: &'a Utf8Path,
    pub lock: &'a EnvLock,
    pub package: Option<&'a str>,
    pub interpreter: &'a Interpreter,
}

#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Answer {
    Success { kind: String, name: String },
    Failure { kind: String, name: String, exception: String, message: String, traceback: String },
}

/// Verifies an environment for its driver.
pub fn verify(workshop: &Workshop<'_>, subject: &Subject<'_>) -> Step<Verified> {
    let mut checks = Vec::new();
    let scratch = scratch(workshop, subject)?;
    let absent = match imports(workshop, subject, &scratch, &mut checks)? {
        Ok(absent) => absent,
        Err(failed) => return Ok(Err(failed)),
    };
    let Some(name) = subject.chosen.name.as_deref() else {
        // where nothing was imported either, nothing was seen to work
        let complete = !checks.is_empty();
        let level =
            if complete { VerificationLevel::Imports } else { VerificationLevel::Installed };
        checks.push("the source has no driver that could be asked".to_owned());
        return Ok(Ok(Verified { level, complete, checks }));
    };
    let Some(start) = launch(subject.prefix, subject.lock, &scratch, name) else {
        let missing =
            format!("`{name}` is neither a script of the source nor a program that it installs");
        // a wrong name is the user's; no other environment would have it
        return if subject.chosen.named && subject.chosen.driver.is_none() {
            let nearest = installed_nearest(subject, name);
            Err(SetupError::NoSuchDriver { driver: name.to_owned(), nearest })
        } else {
            Ok(Err(StepFailed { stage: Stage::Answer, output: format!("Error: {missing}\n") }))
        };
    };
    let framework = subject.chosen.driver.as_ref().map_or("unknown", |d| d.framework.as_str());
    if !answers_help(framework) && framework != "unknown" {
        // without an answer, or its own module's import, nothing shows that it can do without it
        let shown = driver_module(subject).is_some();
        if !shown && let Some(absent) = absent.into_iter().next() {
            return Ok(Err(StepFailed { stage: Stage::Import, output: absent.output }));
        }
        checks.push(format!("`{name}` has no way to answer without running ({framework})"));
        return Ok(Ok(Verified { level: VerificationLevel::Imports, complete: true, checks }));
    }
    let question: &[&str] = if framework == "fire" { &["--", "--help"] } else { &["--help"] };
    let call = start.invocation(&scratch, question);
    let ended = workshop.run(&call, view(subject, &scratch), Some(LIMIT))?;
    let asked = format!("`{name} --help`");
    let lower = ended.output.to_lowercase();
    let usage = lower.contains("usage") || lower.contains("options:") || lower.contains("flags:");
    let crashed = ended.output.contains("Traceback (most recent call last)");
    match ended.code {
        Some(0) => checks.push(format!("{asked} exits 0")),
        // absl exits 1 and getopt scripts 2 after a good answer
        Some(code) if usage && !crashed => {
            checks.push(format!("{asked} shows its usage and exits {code}"));
        }
        // a program of which nothing is known may take `--help` for a file
        _ if framework == "unknown" && !crashed => {
            checks.push(format!("{asked} does not answer, though it starts"));
            return Ok(Ok(Verified { level: VerificationLevel::Imports, complete: false, checks }));
        }
        _ => return Ok(Err(StepFailed { stage: Stage::Answer, output: ended.output })),
    }
    for Absent { module, .. } in absent {
        checks.push(format!("{module} cannot be imported, and it answers without it"));
    }
    Ok(Ok(Verified { level: VerificationLevel::Answers, complete: true, checks }))
}

/// A module that is imported somewhere, and that nothing installed was meant to provide.
struct Absent {
    module: String,
    output: String,
}

/// Copies the source, for drivers that write when they start.
fn scratch(workshop: &Workshop<'_>, subject: &Subject<'_>) -> Result<Utf8PathBuf, SetupError> {
    let path = workshop.path("scratch");
    if path.exists() {
        fs::remove_dir_all(&path).map_err(io(&path))?;
    }
    copy_tree(&subject.checkout.path, &path)?;
    Ok(path)
}

fn view(subject: &Subject<'_>, scratch: &Utf8Path) -> View {
    let mut readable = vec![subject.prefix.to_owned()];
    if !is_system(&subject.interpreter.prefix) {
        readable.push(subject.interpreter.prefix.clone());
    }
    View { readable, writable: vec![scratch.to_owned()] }
}

fn imports(
    workshop: &Workshop<'_>,
    subject: &Subject<'_>,
    scratch: &Utf8Path,
    checks: &mut Vec<String>,
) -> Step<Vec<Absent>> {
    let modules = modules(subject)?;
    let compiled = subject.chosen.driver.as_ref().map(|driver| &driver.path);
    let compiled = compiled.filter(|path| scratch.join(path.as_str()).is_file());
    if modules.is_empty() && compiled.is_none() {
        return Ok(Ok(Vec::new()));
    }
    let script = workshop.write("verify_imports.py", VERIFY)?;
    let answer = workshop.answers().join("imports.json");
    if answer.exists() {
        fs::remove_file(&answer).map_err(io(&answer))?;
    }
    let python = subject.prefix.join("bin/python");
    let mut call = Invocation::new(python.as_str())
        .args([script.as_str(), answer.as_str()])
        // outside the tree: its folders would hide what is installed
        .cwd(workshop.answers());
    if let Some(path) = compiled {
        call = call.args(["--compile", scratch.join(path.as_str()).as_str()]);
    }
    for (name, value) in &subject.lock.variables {
        call = call.env(name, value);
    }
    call = call.args(modules.iter().map(String::as_str));
    let ended = workshop.run(&call, view(subject, scratch), Some(LIMIT))?;
    let answers: Vec<Answer> = fs::read(&answer)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let mut imported = Vec::new();
    let mut absent = Vec::new();
    for answer in &answers {
        match answer {
            Answer::Failure { kind, name, exception, message, traceback } => {
                let what = if kind == "compile" { "compiling" } else { "importing" };
                let text = format!("{what} {name}:\n{traceback}\n{exception}: {message}\n");
                if kind == "import" && !is_promised(subject, name) {
                    absent.push(Absent { module: name.clone(), output: text });
                    continue;
                }
                return Ok(Err(StepFailed { stage: Stage::Import, output: text }));
            }
            Answer::Success { kind, name } if kind == "import" => imported.push(name.clone()),
            Answer::Success { .. } => {}
        }
    }
    let expected = modules.len() + usize::from(compiled.is_some());
    if answers.len() < expected || !ended.success {
        let next = modules.get(imported.len() + absent.len()).map_or("the modules", String::as_str);
        let output = format!("{}\nError: importing {next} ends the interpreter\n", ended.output);
        return Ok(Err(StepFailed { stage: Stage::Import, output }));
    }
    imported.dedup();
    if !imported.is_empty() {
        checks.push(format!("{} can be imported", listed(&imported)));
    }
    Ok(Ok(absent))
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

/// Returns the modules that the driver needs: of others, what it cannot start without; of the
/// source itself, what was installed.
fn modules(subject: &Subject<'_>) -> Result<Vec<String>, SetupError> {
    let mut modules = BTreeSet::new();
    let closure: Option<BTreeSet<&str>> =
        subject.chosen.driver.as_ref().filter(|driver| !driver.closure.is_empty()).map(closure_of);
    for import in &subject.inspection.imports {
        let needed = !import.optional && !import.conditional;
        let used = match &closure {
            Some(closure) => import.files.iter().any(|file| closure.contains(file.as_str())),
            // without a driver, only what was meant to be installed can be asked of it
            None => {
                import.distribution.as_deref().is_some_and(|name| is_locked(subject.lock, name))
            }
        };
        if needed && used {
            modules.insert(import.module.clone());
        }
    }
    let mut modules: Vec<String> = modules.into_iter().collect();
    if let (ProjectInstall::Install, Some(package)) = (subject.lock.source.install, subject.package)
    {
        modules.extend(top_level(subject.prefix, subject.lock, package)?);
        modules.extend(driver_module(subject));
    }
    Ok(modules)
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
    driver.closure.iter().map(String::as_str).collect()
}

/// Returns the importable modules at the top of an installed distribution.
fn top_level(prefix: &Utf8Path, lock: &EnvLock, package: &str) -> Result<Vec<String>, SetupError> {
    let Some(folder) = metadata_folder(prefix, lock, package)? else { return Ok(Vec::new()) };
    let path = folder.join("RECORD");
    let record = fs::read_to_string(&path).map_err(io(&path))?;
    let mut names = BTreeSet::new();
    for line in record.lines() {
        let file = line.split(',').next().unwrap_or_default();
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

/// Returns the installed programs that are spelled most like `name`.
fn installed_nearest(subject: &Subject<'_>, name: &str) -> Vec<String> {
    super::driver::nearest(subject.inspection, name)
}
