//! Asking a driver for help, as a run would start it.

use std::sync::LazyLock;
use std::time::Duration;

use camino::Utf8Path;
use regex::Regex;
use sizar_env::diagnosis;
use sizar_env::knowledge::Stage;
use sizar_env::shims::LEDGER;

use super::SetupError;
use super::build::StepFailed;
use super::driver::{answers_help, launch, nearest};
use super::verify::Subject;
use super::workshop::{Ended, Workshop};

/// The longest that an answer may take.
const LIMIT: Duration = Duration::from_mins(2);

/// How a driver answered.
#[derive(Debug)]
pub enum Asked {
    /// There is none.
    NoDriver,
    /// It showed its usage.
    Answers { check: String },
    /// It takes no options, or none that are asked for without running it.
    Silent { check: String },
    /// It starts, and says nothing that is known to be an answer.
    Mute { check: String },
    /// Something that it asks of its surroundings is not here: a device, data, a service.
    Stopped { check: String, failed: StepFailed },
    /// It ended early, for a reason that may be the environment's.
    Unclear { check: String, failed: StepFailed },
    /// The environment lacks something.
    Failed(StepFailed),
}

/// Returns what drivers of a framework are asked, the most usual first.
fn questions(framework: &str) -> &'static [&'static [&'static str]] {
    match framework {
        "fire" => &[&["--", "--help"], &["--help"]],
        "absl" => &[&["--help"], &["--helpfull"]],
        "hydra" => &[&["--help"], &["--cfg", "job"]],
        _ => &[&["--help"]],
    }
}

/// Asks the driver for help.
pub fn ask(
    workshop: &Workshop<'_>,
    subject: &Subject<'_>,
    scratch: &Utf8Path,
) -> Result<Asked, SetupError> {
    let Some(name) = subject.chosen.name.as_deref() else { return Ok(Asked::NoDriver) };
    let Some(start) = launch(subject.prefix, subject.lock, scratch, name) else {
        // a wrong name is the user's; no other environment would have it
        if subject.chosen.named && subject.chosen.driver.is_none() {
            let nearest = nearest(subject.inspection, name);
            return Err(SetupError::NoSuchDriver { driver: name.to_owned(), nearest });
        }
        let output = format!(
            "Error: `{name}` is neither a script of the source nor a program that it installs\n"
        );
        return Ok(Asked::Failed(StepFailed { stage: Stage::Answer, output }));
    };
    let framework = subject.chosen.driver.as_ref().map_or("unknown", |d| d.framework.as_str());
    if !answers_help(framework) && framework != "unknown" {
        let check = format!("`{name}` has no way to answer without running ({framework})");
        return Ok(Asked::Silent { check });
    }
    let mut first = None;
    let folder = subject.starts_in(scratch);
    let start = start.called_in(&folder, scratch);
    for question in questions(framework) {
        let call = start.invocation(&folder, question).env(LEDGER, workshop.ledger().as_str());
        let ended = workshop.run(&call, subject.view(scratch), Some(LIMIT))?;
        let asked = judge(&format!("`{name} {}`", question.join(" ")), framework, ended);
        if matches!(asked, Asked::Answers { .. }) {
            return Ok(asked);
        }
        first.get_or_insert(asked);
    }
    Ok(first.expect("there is a question for every framework"))
}

/// A line with which programs begin to say how they are used.
static USAGE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?im)^\W{0,8}(usage|options|optional arguments|positional arguments|arguments|flags|commands|synopsis|parameters)\b[^\n]{0,40}:|^usage\b|^\s*(NAME|SYNOPSIS)$|^\s+--?h(elp)?\b")
        .expect("a test uses it")
});

/// Judges what a driver did when it was asked.
fn judge(asked: &str, framework: &str, ended: Ended) -> Asked {
    let usage = USAGE.is_match(&ended.output);
    let crashed = ended.output.contains("Traceback (most recent call last)");
    let says = !ended.output.trim().is_empty();
    // some frameworks have a form of their own; of an unknown program any word is an answer
    let free = matches!(framework, "fire" | "hydra" | "unknown" | "click" | "typer");
    match ended.code {
        Some(0) if usage || (free && says) => {
            return Asked::Answers { check: format!("{asked} exits 0") };
        }
        // absl exits 1 and getopt scripts 2 after a good answer
        Some(code) if usage && !crashed => {
            return Asked::Answers { check: format!("{asked} shows its usage and exits {code}") };
        }
        // it takes `--help` for something else
        Some(0) => return Asked::Mute { check: format!("{asked} exits 0 and says no usage") },
        Some(_) if !crashed && framework == "unknown" => {
            let check = format!("{asked} does not answer, though it starts");
            return Asked::Mute { check };
        }
        _ => {}
    }
    let line = diagnosis::error_line(&ended.output);
    let late = ended.output.contains("Error: it did not end within");
    let failed = StepFailed { stage: Stage::Answer, output: ended.output };
    if late {
        return Asked::Mute { check: format!("{asked} does not end: it may have begun to work") };
    }
    if ended.code.is_none() {
        return Asked::Failed(failed);
    }
    match kind_of(&line, crashed) {
        Kind::Environment => Asked::Failed(failed),
        Kind::Surroundings => Asked::Stopped {
            check: format!("{asked} does not answer: it starts, then it stops ({line})"),
            failed,
        },
        Kind::Unclear => {
            Asked::Unclear { check: format!("{asked} does not answer ({line})"), failed }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A package is missing, or has another version than the code is written for.
    Environment,
    /// A device, a file, a variable, a service is missing.
    Surroundings,
    Unclear,
}

/// Returns whether a last line says that a package is missing, or has another version than the code
/// is written for.
pub(crate) fn stops_for_want_of_environment(line: &str) -> bool {
    kind_of(line, true) == Kind::Environment
}

/// Says what an uncaught exception speaks of, by its last line.
fn kind_of(line: &str, crashed: bool) -> Kind {
    let exception = line.split(':').next().unwrap_or_default();
    let exception = exception.rsplit('.').next().unwrap_or_default().trim();
    let lower = line.to_lowercase();
    let device = ["cuda", "gpu", "nvidia", "cudnn", "no devices"].iter().any(|w| lower.contains(w));
    match exception {
        "ImportError"
        | "ModuleNotFoundError"
        | "SyntaxError"
        | "IndentationError"
        | "AttributeError"
        | "NameError"
        | "TypeError"
        | "DistributionNotFound"
        | "PackageNotFoundError"
        | "VersionConflict"
        | "ContextualVersionConflict"
        | "DuplicateFlagError" => Kind::Environment,
        // flags that are read while it is imported: the question comes too early
        "UnrecognizedFlagError"
        | "AssertionError"
        | "FileNotFoundError"
        | "IOError"
        | "OSError"
        | "NotADirectoryError"
        | "PermissionError"
        | "KeyError"
        | "IndexError"
        | "EOFError"
        | "ConnectionError"
        | "ConnectionRefusedError"
        | "URLError"
        | "HTTPError"
        | "gaierror"
        | "MaxRetryError"
        | "KeyboardInterrupt"
        | "SystemExit" => Kind::Surroundings,
        "RuntimeError" | "ValueError" | "Exception" | "EnvironmentError" if device => {
            Kind::Surroundings
        }
        _ if device && crashed => Kind::Surroundings,
        _ => Kind::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: Option<i32>, output: &str) -> Ended {
        Ended { success: code == Some(0), code, output: output.to_owned() }
    }

    fn answers(framework: &str, code: i32, output: &str) -> bool {
        matches!(judge("`x`", framework, ended(Some(code), output)), Asked::Answers { .. })
    }

    #[test]
    fn each_framework_has_its_own_way_to_answer() {
        assert!(answers("argparse", 0, "usage: train.py [-h]\n\noptional arguments:\n"));
        // a parser without help: it knows the option not, and says what it knows
        assert!(answers(
            "argparse",
            2,
            "usage: x [--lr LR]\nx: error: unrecognized arguments: --help\n"
        ));
        assert!(answers(
            "absl",
            1,
            "\n       USAGE: train.py [flags]\nflags:\n\ntrain.py:\n  --lr: rate\n"
        ));
        assert!(answers("fire", 0, "NAME\n    train.py\n\nSYNOPSIS\n    train.py GROUP\n"));
        assert!(answers("docopt", 1, "Usage:\n  train.py <data>\n"));
        assert!(answers("hydra", 0, "train is powered by Hydra.\n\n== Config ==\nlr: 1\n"));
        assert!(answers("click", 0, "Usage: cli [OPTIONS]\n"));
    }

    #[test]
    fn a_program_that_ran_instead_did_not_answer() {
        assert!(!answers("argparse", 0, "epoch 1: loss 0.3\n"));
        assert!(!answers("argparse", 0, ""));
        assert!(!answers("argparse", 1, "error: memory usage is too high\n"));
        let crash = "Traceback (most recent call last):\n  usage: x\nRuntimeError: x\n";
        assert!(!answers("argparse", 1, crash));
    }

    #[test]
    fn what_stops_a_driver_is_told_apart() {
        let of = |line: &str| kind_of(line, true);
        assert_eq!(of("AssertionError: CPU training is not allowed."), Kind::Surroundings);
        assert_eq!(of("RuntimeError: No CUDA GPUs are available"), Kind::Surroundings);
        assert_eq!(of("FileNotFoundError: [Errno 2] 'data/x.json'"), Kind::Surroundings);
        assert_eq!(of("AttributeError: module 'numpy' has no attribute 'int'"), Kind::Environment);
        assert_eq!(of("pkg_resources.DistributionNotFound: The 'x'"), Kind::Environment);
        assert_eq!(of("ValueError: too many values to unpack"), Kind::Unclear);
    }
}
