//! A few seconds of a source's own work: its light tests, or a network of random weights that is
//! fed a random tensor.

use std::sync::LazyLock;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sizar_env::diagnosis;
use sizar_env::knowledge::Stage;
use sizar_model::resources::ByteSize;
use sizar_model::{Invocation, ProjectInstall};

use super::SetupError;
use super::build::{StepFailed, site_packages};
use super::driver::launch;
use super::error::io;
use super::verify::Subject;
use super::workshop::Workshop;

const SMOKE: &str = include_str!("../../python/smoke.py");

/// The memory that all of it may use.
const MEMORY: ByteSize = ByteSize(4 << 30);

/// How long loading a framework may take beside the work itself.
const LOADING: Duration = Duration::from_secs(15);

/// The largest test file that is called light, in bytes, and how many are tried.
const LIGHT: u64 = 64 << 10;
const TESTS: usize = 8;

/// Modules whose networks can be fed.
const FRAMEWORKS: &[&str] = &["torch", "tensorflow", "keras", "flax", "jax"];

static TABLE: LazyLock<toml::Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../knowledge/smoke.toml"))
        .expect("a test reads the table that is compiled in")
});

/// How much work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For tests, and for networks again.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { time: Duration::from_secs(15) }
    }
}

/// What the work came to.
#[derive(Debug, Default)]
pub struct Outcome {
    pub computes: bool,
    /// One line a check.
    pub check: Option<String>,
    /// What stopped it.
    pub unmet: Option<StepFailed>,
}

#[derive(Debug, Serialize)]
struct Job<'a> {
    mode: &'a str,
    root: Utf8PathBuf,
    folder: Utf8PathBuf,
    /// Whether the root and the folder go on the path.
    on_path: bool,
    /// The driver's file.
    driver: Option<&'a str>,
    /// The same, where importing it does not run it.
    script: Option<&'a str>,
    closure: Vec<String>,
    tests: Vec<String>,
    seconds: u64,
    table: &'a toml::Table,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Answer {
    Success {
        kind: String,
        name: String,
        #[serde(default)]
        ran: u32,
        #[serde(default)]
        input: String,
        #[serde(default)]
        output: String,
    },
    Failure {
        name: String,
        exception: String,
        message: String,
        traceback: String,
    },
}

/// Does a little of the source's work.
pub fn smoke(
    workshop: &Workshop<'_>,
    subject: &Subject<'_>,
    scratch: &Utf8Path,
    bounds: Bounds,
    importable: bool,
) -> Result<Outcome, SetupError> {
    let script = subject.script(scratch);
    let folder = script.and_then(|path| Utf8Path::new(path).parent());
    let folder = folder.map_or_else(|| scratch.to_owned(), |folder| scratch.join(folder));
    let mut job = Job {
        mode: "tests",
        root: scratch.to_owned(),
        folder,
        on_path: script.is_some() || subject.lock.source.install == ProjectInstall::OnPath,
        driver: script,
        script: script.filter(|_| importable),
        closure: Vec::new(),
        tests: light_tests(scratch),
        seconds: bounds.time.as_secs(),
        table: &TABLE,
    };
    let mut failed = Vec::new();
    let mut failed_test = None;
    if !job.tests.is_empty() {
        for answer in work(workshop, subject, scratch, &job, bounds)? {
            match answer {
                Answer::Success { name, ran, .. } => {
                    let tests = if ran == 1 { "test" } else { "tests" };
                    let check = format!("{ran} {tests} of `{name}` pass");
                    return Ok(Outcome { computes: true, check: Some(check), unmet: None });
                }
                Answer::Failure { name, exception, message, traceback, .. } => {
                    let text = format!("testing {name}:\n{traceback}\n{exception}: {message}\n");
                    let line = diagnosis::error_line(&text);
                    failed_test.get_or_insert(format!("its tests in `{name}` do not pass: {line}"));
                    failed.push(text);
                }
            }
        }
    }
    set_network(subject, scratch, &mut job);
    if uses_framework(subject) && !job.closure.is_empty() {
        for answer in work(workshop, subject, scratch, &job, bounds)? {
            match answer {
                Answer::Success { kind, name, input, output, .. } if kind == "network" => {
                    let check =
                        format!("`{name}` with random weights makes {output} of a random {input}");
                    return Ok(Outcome { computes: true, check: Some(check), unmet: None });
                }
                Answer::Success { .. } => {}
                Answer::Failure { name, exception, message, traceback, .. } => {
                    failed.push(format!("running {name}:\n{traceback}\n{exception}: {message}\n"));
                }
            }
        }
    }
    // the first is the most telling, and the last line of an output is what is read first
    failed.truncate(5);
    failed.reverse();
    let unmet =
        (!failed.is_empty()).then(|| StepFailed { stage: Stage::Smoke, output: failed.join("\n") });
    Ok(Outcome { computes: false, check: failed_test, unmet })
}

/// Sets a job to what networks are looked for in.
fn set_network<'a>(subject: &'a Subject<'_>, scratch: &Utf8Path, job: &mut Job<'a>) {
    job.mode = "network";
    let Some(driver) = &subject.chosen.driver else { return };
    if job.on_path {
        job.closure.clone_from(&driver.closure);
        return;
    }
    // what is installed is looked at where it is installed: its tree is not built
    let site = site_packages(subject.prefix, subject.lock);
    let inside = |path: &String| {
        let path = path.strip_prefix("src/").unwrap_or(path);
        site.join(path).is_file().then(|| path.to_owned())
    };
    job.closure = driver.closure.iter().filter_map(inside).collect();
    debug_assert!(scratch != site);
    job.root.clone_from(&site);
    job.folder = site;
}

/// Whether a framework is imported by the driver's closure, and installed.
fn uses_framework(subject: &Subject<'_>) -> bool {
    let closure = subject.chosen.driver.as_ref().map(|driver| driver.closure.as_slice());
    let closure = closure.unwrap_or_default();
    subject.inspection.imports.iter().any(|import| {
        let top = import.module.split('.').next().unwrap_or_default();
        FRAMEWORKS.contains(&top) && import.files.iter().any(|file| closure.contains(file))
    })
}

/// Runs one job, and returns what it answered before its time was up.
fn work(
    workshop: &Workshop<'_>,
    subject: &Subject<'_>,
    scratch: &Utf8Path,
    job: &Job<'_>,
    bounds: Bounds,
) -> Result<Vec<Answer>, SetupError> {
    let program = workshop.write("smoke.py", SMOKE)?;
    let text = serde_json::to_string(job).expect("strings, lists and tables have a form in JSON");
    let order = workshop.write("smoke-job.json", &text)?;
    let answer = workshop.answers().join("smoke.json");
    if answer.exists() {
        fs::remove_file(&answer).map_err(io(&answer))?;
    }
    let python = subject.prefix.join("bin/python");
    let mut call = Invocation::new(python.as_str())
        .args([program.as_str(), answer.as_str(), order.as_str()])
        // tests are started at the root
        .cwd(if job.mode == "network" { subject.starts_in(scratch) } else { scratch.to_owned() });
    // the variables with which a run would start its driver
    let name = subject.chosen.name.as_deref();
    let start = name.and_then(|name| launch(subject.prefix, subject.lock, scratch, name));
    let variables = start.map_or_else(|| subject.lock.variables.clone(), |start| start.env);
    for (name, value) in &variables {
        call = call.env(name, value);
    }
    let limit = bounds.time + LOADING;
    workshop.run_within(
        &call.env(sizar_env::shims::LEDGER, workshop.ledger().as_str()),
        subject.view(scratch),
        Some(limit),
        Some(MEMORY),
    )?;
    let answers = fs::read(&answer).ok();
    Ok(answers.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// Returns the test files of a tree that are small, the smallest first.
fn light_tests(root: &Utf8Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    let mut left = 5_000;
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            left -= 1;
            if left == 0 {
                break;
            }
            let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else { continue };
            let Ok(metadata) = entry.metadata() else { continue };
            let name = path.file_name().unwrap_or_default();
            if metadata.is_dir() {
                if !name.starts_with('.') {
                    waiting.push(path);
                }
            } else if is_test(name)
                && metadata.is_file()
                && metadata.len() <= LIGHT
                && fs::read(&path).is_ok_and(|text| is_test_text(&text))
            {
                found.push((metadata.len(), path));
            }
        }
    }
    found.sort();
    let relative = |path: &Utf8Path| path.strip_prefix(root).ok().map(ToString::to_string);
    found.iter().filter_map(|(_, path)| relative(path)).take(TESTS).collect()
}

fn is_test(name: &str) -> bool {
    name.strip_suffix(".py")
        .is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
}

/// Whether a file defines tests: a `run_test.py` of research code often evaluates a model.
fn is_test_text(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let guarded = text.contains("TestCase") || !text.contains("argparse");
    guarded && text.lines().any(|line| line.trim_start().starts_with("def test"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    #[test]
    fn the_table_is_well_formed() {
        for list in ["argument", "override"] {
            for row in TABLE[list].as_array().unwrap() {
                let pattern = row["pattern"].as_str().unwrap();
                assert!(Regex::new(&format!("^(?:{pattern})$")).is_ok(), "{pattern}");
                assert!(row["source"].as_str().unwrap().starts_with("https://"), "{pattern}");
                assert!(row.get("value").is_some(), "{pattern}");
            }
        }
        for row in TABLE["input"].as_array().unwrap() {
            for tensor in row["tensors"].as_array().unwrap() {
                assert!(!tensor["shape"].as_array().unwrap().is_empty());
            }
        }
    }

    #[test]
    fn names_fall_to_the_row_that_they_are_meant_for() {
        let of = |name: &str| {
            let rows = TABLE["argument"].as_array().unwrap();
            let fits = |row: &&toml::Value| {
                let pattern = row["pattern"].as_str().unwrap();
                Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(name)
            };
            rows.iter().find(fits).map(|row| row["value"].clone())
        };
        assert_eq!(of("n_channels"), Some(toml::Value::Integer(3)));
        assert_eq!(of("num_classes"), Some(toml::Value::Integer(2)));
        assert_eq!(of("n_vocab"), Some(toml::Value::Integer(100)));
        assert_eq!(of("hidden_dim"), Some(toml::Value::Integer(64)));
        assert_eq!(of("backbone"), None);
    }

    #[test]
    fn python_2_can_read_the_scripts() {
        let verify = include_str!("../../python/verify_imports.py");
        assert!(SMOKE.is_ascii() && verify.is_ascii(), "without a declaration it reads only ASCII");
    }

    #[test]
    fn only_light_tests_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs::create_dir_all(root.join("tests")).unwrap();
        fs::write(root.join("tests/test_long.py"), "def test_a(): pass\n# and more\n").unwrap();
        fs::write(root.join("model_test.py"), "def test_a(): pass\n").unwrap();
        fs::write(root.join("test_net.py"), "import argparse\ndef test(model): pass\n").unwrap();
        fs::write(root.join("test_none.py"), "print('no tests')\n").unwrap();
        assert_eq!(light_tests(root), ["model_test.py", "tests/test_long.py"]);
    }
}
