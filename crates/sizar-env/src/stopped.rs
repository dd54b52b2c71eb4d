//! Why a program stopped whose environment was verified: no check sees all that a run does.

use std::ops::Range;

use serde::Serialize;
use sizar_model::PythonVersion;

use crate::candidates::worded;
use crate::diagnosis::{Diagnosis, diagnose};
use crate::knowledge::{self, Action, Breakage, Stage};
use crate::name;

/// How many of a log's last lines tell why a program stopped.
const LAST_LINES: usize = 200;

/// How a traceback of Python's begins.
const TRACEBACK: &str = "Traceback (most recent call last)";

/// What stands between the tracebacks of an exception and of the one that it led to.
const CHAINED: [&str; 2] = [
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
];

/// How many characters of a program's own words are repeated.
const LONGEST: usize = 400;

/// A program that ended with an error.
pub struct Stopped<'a> {
    /// What it printed.
    pub output: &'a str,
    /// The Python that it was run by, where that is known.
    pub python: Option<PythonVersion>,
    /// Whether it had the network.
    pub network: bool,
    /// The normalised names of what was installed, where that is known.
    pub installed: Option<Vec<String>>,
}

/// Why a program stopped, and what helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The known breakage, or `module-missing`.
    pub rule: String,
    /// One sentence for people.
    pub cause: String,
    /// What a person may do where sizar cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Whether another environment may do without it.
    pub repairable: bool,
    /// What is not there, as the program names it.
    #[serde(skip)]
    pub missing: Option<String>,
}

/// Returns the part of a log that tells why its program stopped: the last traceback among its last
/// lines, with those that led to it; all of these lines where there is none.
pub fn telling(log: &str) -> &str {
    let log = log.trim_end();
    let start = log.rmatch_indices('\n').nth(LAST_LINES - 1).map_or(0, |(index, _)| index + 1);
    let end = log.get(start..).unwrap_or(log);
    let Some(mut first) = end.rfind(TRACEBACK) else { return end };
    loop {
        let before = end.get(..first).unwrap_or_default().trim_end();
        let led_to_it = CHAINED.iter().any(|words| before.ends_with(words));
        match before.rfind(TRACEBACK).filter(|_| led_to_it) {
            Some(earlier) => first = earlier,
            None => return end.get(first..).unwrap_or(end),
        }
    }
}

/// Returns where a traceback has what was raised, and not the lines of code that led there: those are
/// indented, and what was raised may be from its second line on.
fn said(telling: &str) -> Vec<Range<usize>> {
    let mut at = 0;
    let mut ranges = Vec::new();
    // without a traceback every line may be what it said
    let mut of_code = false;
    for line in telling.split_inclusive('\n') {
        if line.contains(TRACEBACK) {
            of_code = true;
        } else if !line.starts_with(' ') {
            of_code = false;
        }
        if !of_code {
            ranges.push(at..at + line.len());
        }
        at += line.len();
    }
    ranges
}

/// Whether what a row's repair changes is there: another version of what is not installed mends
/// nothing.
fn is_about(row: &Breakage, installed: &[String]) -> bool {
    row.repair.iter().all(|action| {
        let named = match action {
            Action::Constrain(requirement) | Action::Instead(requirement) => requirement,
            Action::Drop(package) | Action::WithoutPin(package) => package,
            Action::EarlierDate { package, .. } => package,
            _ => return true,
        };
        // a name that the output gives
        named.starts_with('{') || installed.contains(&name::of_requirement(named))
    })
}

/// Says why a program stopped; nothing where no rule explains it.
///
/// `distribution_of` names the distribution of a module, where that is known.
pub fn why(stopped: &Stopped<'_>, distribution_of: &dyn Fn(&str) -> Option<String>) -> Option<Why> {
    let output = telling(stopped.output);
    let said = said(output);
    let fits = |row: &Breakage| {
        row.network.is_none_or(|wanted| wanted == stopped.network)
            && stopped.python.is_none_or(|python| row.is_for(python))
            && stopped.installed.as_ref().is_none_or(|installed| is_about(row, installed))
    };
    // a line of code that is shown on the way was not raised
    let raised = |row: &Breakage| {
        let mut found = row.symptom.find_iter(output);
        found.any(|found| said.iter().any(|line| line.contains(&(found.end().max(1) - 1))))
    };
    let found = knowledge::matching(Stage::Run, output).find(|(row, _)| fits(row) && raised(row));
    if let Some((row, captures)) = found {
        let group = |name: &&str| captures.name(name).map(|found| found.as_str().to_owned());
        return Some(Why {
            rule: row.id.clone(),
            cause: plain(&worded(&row.cause, row, &captures)),
            advice: row.advice().map(|advice| plain(&worded(&advice, row, &captures))),
            repairable: !row.repair.is_empty(),
            missing: ["path", "hdf"].iter().find_map(group).map(|path| plain(&path)),
        });
    }
    diagnose(output).into_iter().find_map(|diagnosis| {
        let Diagnosis::ModuleMissing { module } = diagnosis else { return None };
        let package = distribution_of(&module)?;
        Some(Why {
            rule: "module-missing".to_owned(),
            cause: format!("it imports `{module}`, which nobody declared; `{package}` has it"),
            advice: Some(format!("`--with {package}` adds it")),
            repairable: true,
            missing: None,
        })
    })
}

/// Returns a program's words as they may be shown: it is not to write to the terminal by them.
fn plain(text: &str) -> String {
    text.chars().take(LONGEST).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMPY: &str = "epoch 1\nTraceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n    x = np.float(1)\nAttributeError: module 'numpy' has no attribute 'float'.\n";

    fn with(output: &str, network: bool, installed: &[&str]) -> Option<Why> {
        let python = Some(PythonVersion::minor(3, 8));
        let installed = Some(installed.iter().map(|&name| name.to_owned()).collect());
        let stopped = Stopped { output, python, network, installed };
        why(&stopped, &|module| (module == "skimage").then(|| "scikit-image".to_owned()))
    }

    fn of(output: &str, network: bool) -> Option<Why> {
        with(output, network, &["numpy", "torch"])
    }

    #[test]
    fn what_breaks_at_an_import_breaks_at_work() {
        let why = of(NUMPY, false).unwrap();
        assert!(why.repairable && why.cause.contains("NumPy"), "{why:?}");
        assert_eq!(of("epoch 1\nepoch 2\nValueError: too few images\n", true), None);
    }

    #[test]
    fn what_is_not_installed_did_not_break() {
        // gym's interface, where gym is
        let text = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    a, b, c, d = f()\nValueError: too many values to unpack (expected 4)\n";
        assert!(with(text, false, &["gym"]).is_some());
        assert_eq!(with(text, false, &["numpy"]), None);
    }

    #[test]
    fn a_line_of_code_was_not_raised() {
        let text = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    load('a/model.pt', weights_only=True)\nFileNotFoundError: [Errno 2] No such file or directory: 'a/model.pt'\n";
        let why = of(text, false).unwrap();
        assert_eq!(
            (why.rule.as_str(), why.missing.as_deref()),
            ("run-file-missing", Some("a/model.pt"))
        );
    }

    #[test]
    fn what_was_raised_may_have_many_lines() {
        let text = include_str!("../../../fixtures/breakages/nltk-resource.txt");
        let why = of(text, false).unwrap();
        assert!(why.rule == "nltk-resource" && why.cause.contains("punkt_tab"), "{why:?}");
        for name in ["run-program-missing", "run-read-only", "run-memory", "run-no-display"] {
            let path =
                format!("{}/../../fixtures/breakages/{name}.txt", env!("CARGO_MANIFEST_DIR"));
            let text = fs_err::read_to_string(path).unwrap();
            assert_eq!(of(&text, false).unwrap().rule, name);
        }
    }

    #[test]
    fn only_the_end_of_a_log_counts() {
        let long = format!("{NUMPY}{}", "a line\n".repeat(300));
        assert_eq!(of(&long, false), None);
        // neither a warning nor what was caught before is why it stopped
        let caught = "Traceback (most recent call last):\nFileNotFoundError: [Errno 2] No such file or directory: 'cache.pkl'\n";
        let last = "Traceback (most recent call last):\nValueError: x\n";
        assert_eq!(of(&format!("Temporary failure in name resolution\n{last}"), false), None);
        assert_eq!(of(&format!("{caught}{last}"), false), None);
        // but what led to it
        let led = format!("{caught}\n{}\n\n{last}", CHAINED[0]);
        assert_eq!(of(&led, false).unwrap().rule, "run-file-missing");
    }

    #[test]
    fn the_network_is_missed_where_there_is_none() {
        let text = "Traceback (most recent call last):\nurllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>\n";
        let without = of(text, false).unwrap();
        assert!(without.advice.unwrap().contains("--network"));
        let with = of(text, true).unwrap();
        assert!(!with.advice.unwrap().contains("--network"));
    }

    #[test]
    fn a_module_that_is_loaded_late_is_named_with_its_distribution() {
        let text =
            "Traceback (most recent call last):\nModuleNotFoundError: No module named 'skimage'\n";
        let why = of(text, false).unwrap();
        assert_eq!((why.rule.as_str(), why.repairable), ("module-missing", true));
        assert!(why.cause.contains("scikit-image"));
    }

    #[test]
    fn a_program_does_not_write_to_the_terminal_by_what_is_repeated() {
        let text = "OSError: [Errno 30] Read-only file system: 'a\u{1b}]0;owned\u{7}x'\n";
        let why = of(text, false).unwrap();
        assert!(!why.cause.contains(|c: char| c.is_control()) && why.cause.contains("owned"));
    }
}
