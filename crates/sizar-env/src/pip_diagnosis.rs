//! Reads what pip printed when it failed, and what sizar's own index said beside it.

use std::sync::LazyLock;

use regex::Regex;
use sizar_model::PythonVersion;

use crate::diagnosis::{Diagnosis, pattern};
use crate::name;

/// The lines that sizar's dated index adds to what pip says: pip does not know of dates.
pub mod index_says {
    /// The index has no such project.
    pub fn unknown(package: &str) -> String {
        format!("index: there is no `{package}`\n")
    }

    /// What is asked for exists, but not yet at the date.
    pub fn later(package: &str, published: jiff::Timestamp) -> String {
        format!("index: what is asked of `{package}` was first published at {published}\n")
    }

    /// What is asked for exists, for other Pythons.
    pub fn python(package: &str, requires: &str) -> String {
        format!("index: what is asked of `{package}` needs Python {requires}\n")
    }
}

static UNKNOWN: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^index: there is no `([^`]+)`$"));
static LATER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?m)^index: what is asked of `([^`]+)` was first published at (\S+)$")
});
static PYTHON: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^index: what is asked of `([^`]+)` needs Python (.+)$"));
static NO_MATCH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"No matching distribution found for ([A-Za-z0-9._-]+)(?:\[[^\]]*\])?([^\s(;]*)")
});
static NO_VERSIONS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"Could not find a version that satisfies the requirement ([A-Za-z0-9._-]+)[^\n]*\(from versions: none\)",
    )
});
static OTHER_PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:Package '([A-Za-z0-9._-]+)' requires a different Python: \S+ not in|([A-Za-z0-9._-]+) requires Python) '([^'\n]+)'",
    )
});
static CONFLICT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^\s+(?:The user requested ([A-Za-z0-9._-]+)|([A-Za-z0-9._-]+) \S+ depends on ([A-Za-z0-9._-]+))",
    )
});
static FOLDER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^\s*cwd: \S*/pip-(?:install|download|wheel|build|resolve)-[^/\n]+/([A-Za-z0-9._-]+?)(?:_[0-9a-f]{32})?/",
    )
});
static WHEEL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"Failed building wheel for ([A-Za-z0-9._-]+)"));
static COLLECTING: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^(?:Collecting|Processing) ([A-Za-z0-9._-]+|\S*/)"));
static AT_LEAST: LazyLock<Regex> = LazyLock::new(|| pattern(r">=?\s*(\d+)(?:\.(\d+))?"));
static SETUP: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"error in ([A-Za-z0-9._-]+) setup command:"));

/// Reads pip's complaints; the most telling first.
pub fn diagnose(output: &str) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    let mut explained = Vec::new();
    for captures in LATER.captures_iter(output) {
        let package = name::normalise(&captures[1]);
        if let Ok(published) = captures[2].parse() {
            explained.push(package.clone());
            found.push(Diagnosis::FirstPublished { package, published });
        }
    }
    let other = OTHER_PYTHON.captures_iter(output).filter_map(|captures| {
        let package = captures.get(1).or(captures.get(2))?.as_str();
        Some((name::normalise(package), captures[3].to_owned()))
    });
    let index = PYTHON
        .captures_iter(output)
        .map(|captures| (name::normalise(&captures[1]), captures[2].to_owned()));
    for (package, requires) in other.chain(index) {
        if let Some(at_least) = oldest(&requires) {
            explained.push(package.clone());
            found.push(Diagnosis::PythonTooOld { at_least, package });
        }
    }
    let unknown = UNKNOWN.captures_iter(output).chain(NO_VERSIONS.captures_iter(output));
    for captures in unknown {
        let package = name::normalise(&captures[1]);
        if !explained.contains(&package) {
            explained.push(package.clone());
            found.push(Diagnosis::NotOnIndex { package });
        }
    }
    for captures in NO_MATCH.captures_iter(output) {
        let package = name::normalise(&captures[1]);
        if !explained.contains(&package) {
            let version = captures[2].trim_start_matches('=').to_owned();
            explained.push(package.clone());
            found.push(Diagnosis::NoSuchVersion { package, version });
        }
    }
    if output.contains("ResolutionImpossible") {
        let mut packages: Vec<_> = CONFLICT
            .captures_iter(output)
            .flat_map(|captures| {
                [1, 2, 3]
                    .map(|group| captures.get(group).map(|name| name::normalise(name.as_str())))
            })
            .flatten()
            .collect();
        packages.sort();
        packages.dedup();
        found.push(Diagnosis::Unsatisfiable { packages, contradiction: None });
    }
    found
}

/// Returns what could not be found, as it was asked for: `numpy==1.99`.
pub fn not_found(output: &str) -> Vec<(String, String)> {
    let mut found: Vec<_> = NO_MATCH
        .captures_iter(output)
        .map(|captures| (name::normalise(&captures[1]), captures[2].to_owned()))
        .collect();
    found.dedup();
    found
}

/// Whether a build failed.
pub fn is_build_failure(output: &str) -> bool {
    [
        "Command errored out with exit status",
        "Failed building wheel for",
        "metadata-generation-failed",
        "subprocess-exited-with-error",
    ]
    .iter()
    .any(|sign| output.contains(sign))
}

/// Whether pip ended because requirements contradict each other.
pub fn is_contradiction(output: &str) -> bool {
    output.contains("ResolutionImpossible")
}

/// Returns the distribution whose build failed; none where it is the source itself.
pub fn failed_package(output: &str) -> Option<String> {
    if !is_build_failure(output) {
        return None;
    }
    let last =
        |regex: &Regex| regex.captures_iter(output).last().map(|captures| captures[1].to_owned());
    if let Some(package) = last(&FOLDER).or_else(|| last(&WHEEL)).or_else(|| last(&SETUP)) {
        return Some(name::normalise(&package));
    }
    // newer pips name no folder: what was collected last was being built
    last(&COLLECTING).filter(|name| !name.contains('/')).map(|package| name::normalise(&package))
}

/// Reads the oldest Python that satisfies specifiers such as `>=3.5, !=3.6.0`.
fn oldest(requires: &str) -> Option<PythonVersion> {
    let captures = AT_LEAST.captures(requires)?;
    let minor = captures.get(2).map_or(Ok(0), |minor| minor.as_str().parse());
    Some(PythonVersion::minor(captures[1].parse().ok()?, minor.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    // what pip 20.3.4 printed on Python 2.7.18, shortened by whole lines
    #[test]
    fn what_cannot_be_found_is_told_apart() {
        let none = "ERROR: Could not find a version that satisfies the requirement cv2 (from versions: none)\nERROR: No matching distribution found for cv2\n";
        assert_eq!(diagnose(none), [Diagnosis::NotOnIndex { package: "cv2".into() }]);
        let version = "ERROR: Could not find a version that satisfies the requirement numpy==1.99\nERROR: No matching distribution found for numpy==1.99\n";
        assert_eq!(
            diagnose(version),
            [Diagnosis::NoSuchVersion { package: "numpy".into(), version: "1.99".into() }]
        );
        assert_eq!(not_found(version), [("numpy".to_owned(), "==1.99".to_owned())]);
        let published = "2016-09-15T10:00:00Z".parse().unwrap();
        let later = format!("{version}{}", index_says::later("numpy", published));
        assert_eq!(
            diagnose(&later),
            [Diagnosis::FirstPublished { package: "numpy".into(), published }]
        );
        let python = format!("{version}{}", index_says::python("numpy", ">=3.5"));
        let at_least = PythonVersion::minor(3, 5);
        assert_eq!(
            diagnose(&python),
            [Diagnosis::PythonTooOld { at_least, package: "numpy".into() }]
        );
        let unknown = format!("{version}{}", index_says::unknown("numpy"));
        assert_eq!(diagnose(&unknown), [Diagnosis::NotOnIndex { package: "numpy".into() }]);
    }

    #[test]
    fn another_python_is_asked_for() {
        let output =
            "ERROR: Package 'pathvalidate' requires a different Python: 2.7.18 not in '>=3.5'\n";
        let at_least = PythonVersion::minor(3, 5);
        assert_eq!(
            diagnose(output),
            [Diagnosis::PythonTooOld { at_least, package: "pathvalidate".into() }]
        );
    }

    #[test]
    fn a_contradiction_names_its_parts() {
        let output = "ERROR: Cannot install -r requirements.txt (line 1) and Werkzeug==0.6 because these package versions have conflicting dependencies.\n\nThe conflict is caused by:\n    The user requested Werkzeug==0.6\n    flask 0.12 depends on Werkzeug>=0.7\n\nERROR: ResolutionImpossible: for help visit https://pip.pypa.io/\n";
        assert!(is_contradiction(output));
        assert_eq!(
            diagnose(output),
            [Diagnosis::Unsatisfiable {
                packages: vec!["flask".into(), "werkzeug".into()],
                contradiction: None
            }]
        );
    }

    #[test]
    fn the_package_whose_build_failed_is_named() {
        let old = "    ERROR: Command errored out with exit status 1:\n     command: /e/bin/python -c 'import sys'\n         cwd: /tmp/pip-download-tDJL0x/scikit-image_0123456789abcdef0123456789abcdef/\n    Complete output (5 lines):\n    ImportError: No module named numpy\n";
        assert_eq!(failed_package(old).as_deref(), Some("scikit-image"));
        let own = "    ERROR: Command errored out with exit status 1:\n         cwd: /tmp/pip-req-build-1xqzb_fc/\n    ImportError: No module named numpy\n";
        assert!(is_build_failure(own));
        assert_eq!(failed_package(own), None);
        let new = "Collecting six\nCollecting gym==0.21.0\n  error: subprocess-exited-with-error\n  × python setup.py egg_info did not run successfully.\nerror: metadata-generation-failed\n";
        assert_eq!(failed_package(new).as_deref(), Some("gym"));
        let project = "Processing /stage/source\n  error: subprocess-exited-with-error\n";
        assert_eq!(failed_package(project), None);
    }
}
