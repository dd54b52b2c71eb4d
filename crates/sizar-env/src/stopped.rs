//! Why a program stopped whose environment was verified: no check sees all that a run does.

use serde::Serialize;
use sizar_model::PythonVersion;

use crate::candidates::worded;
use crate::diagnosis::{Diagnosis, diagnose};
use crate::knowledge::{self, Stage};

/// How many of a log's last lines tell why a program stopped.
const LAST_LINES: usize = 200;

/// How a traceback of Python's begins.
const TRACEBACK: &str = "Traceback (most recent call last)";

/// A program that ended with an error.
#[derive(Clone, Copy, Debug)]
pub struct Stopped<'a> {
    /// What it printed.
    pub output: &'a str,
    /// The Python that it was run by, where that is known.
    pub python: Option<PythonVersion>,
    /// Whether it had the network.
    pub network: bool,
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

/// Returns the part of a log that tells why its program stopped: its last lines, from the first
/// traceback among them.
pub fn telling(log: &str) -> &str {
    let log = log.trim_end();
    let start = log.rmatch_indices('\n').nth(LAST_LINES - 1).map_or(0, |(index, _)| index + 1);
    let end = log.get(start..).unwrap_or(log);
    end.find(TRACEBACK).and_then(|at| end.get(at..)).unwrap_or(end)
}

/// Says why a program stopped; nothing where no rule explains it.
///
/// `distribution_of` names the distribution of a module, where that is known.
pub fn why(stopped: Stopped<'_>, distribution_of: &dyn Fn(&str) -> Option<String>) -> Option<Why> {
    let output = telling(stopped.output);
    let network = |wanted: Option<bool>| wanted.is_none_or(|wanted| wanted == stopped.network);
    let found = knowledge::matching(Stage::Run, output).find(|(row, _)| {
        network(row.network) && stopped.python.is_none_or(|python| row.is_for(python))
    });
    if let Some((row, captures)) = found {
        return Some(Why {
            rule: row.id.clone(),
            cause: worded(&row.cause, row, &captures),
            advice: row.advice().map(|advice| worded(&advice, row, &captures)),
            repairable: !row.repair.is_empty(),
            missing: ["path", "hdf"]
                .iter()
                .find_map(|group| captures.name(group).map(|path| path.as_str().to_owned())),
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

#[cfg(test)]
mod tests {
    use super::*;

    const NUMPY: &str = "epoch 1\nTraceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n    x = np.float(1)\nAttributeError: module 'numpy' has no attribute 'float'.\n";

    fn of(output: &str, network: bool) -> Option<Why> {
        let stopped = Stopped { output, python: Some(PythonVersion::minor(3, 8)), network };
        why(stopped, &|module| (module == "skimage").then(|| "scikit-image".to_owned()))
    }

    #[test]
    fn what_breaks_at_an_import_breaks_at_work() {
        let why = of(NUMPY, false).unwrap();
        assert!(why.repairable && why.cause.contains("NumPy"), "{why:?}");
        assert_eq!(of("epoch 1\nepoch 2\nValueError: too few images\n", true), None);
    }

    #[test]
    fn only_the_end_of_a_log_counts() {
        let long = format!("{NUMPY}{}", "a line\n".repeat(300));
        assert_eq!(of(&long, false), None);
        // a warning before the traceback is not why it stopped
        let warned = "Temporary failure in name resolution\nTraceback (most recent call last):\nValueError: x\n";
        assert_eq!(of(warned, false), None);
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
}
