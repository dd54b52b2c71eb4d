//! Reads what uv, pip and Python printed when they failed: uv's messages are already a diagnosis.

use std::sync::LazyLock;

use jiff::Timestamp;
use regex::{Captures, Regex};
use sizar_model::PythonVersion;

use crate::{contradiction, name, pip_diagnosis};

/// Something that a failed command's output says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// A release has wheels for these Pythons only.
    WheelsFor { package: String, version: String, pythons: Vec<PythonVersion> },
    /// Everything that may be chosen needs a newer Python than this.
    PythonTooOld { at_least: PythonVersion, package: String },
    /// A build imports a module that nothing provides to it.
    BuildImports { package: Option<String>, module: String },
    /// What is asked for was published after the date; `published` is the newest that fits.
    AfterDate { package: String, published: Option<Timestamp> },
    /// What is asked for was first published after the date.
    FirstPublished { package: String, published: Timestamp },
    /// A release's metadata has a form that no tool of today reads.
    InvalidMetadata { package: String, version: String },
    /// A release was withdrawn, or all that come into question were: it is found only where it is
    /// asked for exactly (PEP 592).
    Yanked { package: String, version: Option<String> },
    /// The index has no such distribution.
    NotOnIndex { package: String },
    /// The index has no such release.
    NoSuchVersion { package: String, version: String },
    /// These requirements cannot be met together.
    Unsatisfiable {
        packages: Vec<String>,
        /// The shortest reason that the output gives, in words.
        contradiction: Option<String>,
    },
    /// A module cannot be imported because it is not there.
    ModuleMissing { module: String },
}

pub(crate) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a test reads every pattern")
}

static WHEEL_TAGS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"only found wheels for `([^`]+)` \(v([^)]*)\) with the following [\w ]*tags?: ([^\n]+)",
    )
});
static TAG: LazyLock<Regex> = LazyLock::new(|| pattern(r"`(?:cp|py)(\d)(\d*)[a-z_]*`"));
static PYTHON_TOO_OLD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"Python version \([^)]*\) does not satisfy Python>=\s*(\d+)\.(\d+)[^\n]*?and ([A-Za-z0-9._-]+)",
    )
});
static UNDECLARED_BUILD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"likely indicates that `([A-Za-z0-9._-]+)(?:@[^`]*| @ [^`]*)?` depends on `([^`]+)`, but doesn't\s+declare it",
    )
});
static FAILED_BUILD: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"Failed to (?:build|download and build) `([A-Za-z0-9._-]+)"));
static MISSING_MODULE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)'?"));
static FILTERED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"`([A-Za-z0-9._-]+)` was filtered by `exclude-newer`[^\n]*?(?:published at (\d{4}-[0-9T:.Z+-]*\dZ))?(?:\.|\n|$)",
    )
});
static INVALID_METADATA: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"Metadata for `([A-Za-z0-9._-]+)` \(v([^)]+)\) could not be parsed"));
static YANKED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"([A-Za-z0-9._-]+?)((?:[<>=!]=?[^\s]+)?) (?:was|were) yanked"));
static NOT_FOUND: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:Because|because) (?:all versions of )?([A-Za-z0-9._-]+) (?:was not found in the package registry|were yanked)",
    )
});
static NO_VERSION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"there (?:is no version|are no versions) of ([A-Za-z0-9._-]+)(?:==?=?([^\s,]+))?")
});
static ONLY_AVAILABLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"Because only ([A-Za-z0-9._-]+)([<=>!~]+)[^\n]*? (?:is|are) available")
});
static REQUIREMENT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b([A-Za-z0-9][A-Za-z0-9._-]*)(?:==|>=|<=|<|>|~=|!=)[0-9]"));

/// Reads a failed command's output; the most telling first.
pub fn diagnose(output: &str) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    found.extend(build_imports(output));
    found.extend(INVALID_METADATA.captures_iter(output).map(|captures| {
        Diagnosis::InvalidMetadata {
            package: name::normalise(&captures[1]),
            version: captures[2].to_owned(),
        }
    }));
    for captures in WHEEL_TAGS.captures_iter(output) {
        let pythons = tagged_pythons(&captures[3]);
        if !pythons.is_empty() {
            found.push(Diagnosis::WheelsFor {
                package: name::normalise(&captures[1]),
                version: captures[2].to_owned(),
                pythons,
            });
        }
    }
    let one = text_in_one_line(output);
    // before the date: a later release is not the one that was used
    found.extend(YANKED.captures_iter(&one).map(|captures| Diagnosis::Yanked {
        package: name::normalise(&captures[1]),
        version: captures[2].strip_prefix("==").map(str::to_owned),
    }));
    found.extend(FILTERED.captures_iter(output).map(|captures| Diagnosis::AfterDate {
        package: name::normalise(&captures[1]),
        published: captures.get(2).and_then(|date| date.as_str().parse().ok()),
    }));
    found.extend(
        NOT_FOUND
            .captures_iter(&one)
            .map(|captures| Diagnosis::NotOnIndex { package: name::normalise(&captures[1]) }),
    );
    found.extend(PYTHON_TOO_OLD.captures_iter(&one).filter_map(|captures| {
        Some(Diagnosis::PythonTooOld {
            at_least: PythonVersion::minor(captures[1].parse().ok()?, captures[2].parse().ok()?),
            package: name::normalise(&captures[3]),
        })
    }));
    found.extend(NO_VERSION.captures_iter(&one).map(|captures| Diagnosis::NoSuchVersion {
        package: name::normalise(&captures[1]),
        version: group(&captures, 2),
    }));
    found.extend(ONLY_AVAILABLE.captures_iter(&one).map(|captures| {
        let package = name::normalise(&captures[1]);
        // where all that is there is newer, another date would not help
        match &captures[2] {
            ">" | ">=" => Diagnosis::NoSuchVersion { package, version: String::new() },
            _ => Diagnosis::AfterDate { package, published: None },
        }
    }));
    if one.contains("No solution found when resolving") {
        let mut packages: Vec<_> =
            REQUIREMENT.captures_iter(&one).map(|captures| name::normalise(&captures[1])).collect();
        packages.sort();
        packages.dedup();
        packages.retain(|package| package != "python");
        let contradiction = contradiction::shortest(&one);
        found.push(Diagnosis::Unsatisfiable { packages, contradiction });
    }
    found.extend(pip_diagnosis::diagnose(output));
    if let Some(captures) = MISSING_MODULE.captures_iter(output).last() {
        found.push(Diagnosis::ModuleMissing { module: captures[1].to_owned() });
    }
    found.dedup();
    found
}

/// Returns the name that a distribution gives itself, where uv was told another.
pub fn own_name(output: &str) -> Option<String> {
    static OWN_NAME: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"metadata name `([A-Za-z0-9._-]+)` does not match given name"));
    OWN_NAME.captures(output).map(|captures| name::normalise(&captures[1]))
}

fn group(captures: &Captures<'_>, index: usize) -> String {
    captures.get(index).map(|text| text.as_str().to_owned()).unwrap_or_default()
}

/// uv wraps its sentences; the words are the same.
fn text_in_one_line(output: &str) -> String {
    output.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads a build that imports what it does not have. uv's hint names the package; the traceback
/// names the module (uv's hint may name a module as if it were a distribution).
fn build_imports(output: &str) -> Option<Diagnosis> {
    let failed = FAILED_BUILD.captures(output);
    if failed.is_none() && !pip_diagnosis::is_build_failure(output) {
        return None;
    }
    let module = MISSING_MODULE.captures_iter(output).last().map(|captures| captures[1].to_owned());
    let hint = UNDECLARED_BUILD.captures(output);
    let module = module.or_else(|| hint.as_ref().map(|captures| captures[2].to_owned()))?;
    let package = hint.or(failed).map(|captures| name::normalise(&captures[1]));
    let package = package.or_else(|| pip_diagnosis::failed_package(output));
    Some(Diagnosis::BuildImports { package, module })
}

/// Returns the distribution whose build failed.
pub fn failed_package(output: &str) -> Option<String> {
    let failed = FAILED_BUILD.captures(output).map(|captures| name::normalise(&captures[1]));
    failed.or_else(|| pip_diagnosis::failed_package(output))
}

/// Whether a build failed.
pub fn is_build_failure(output: &str) -> bool {
    output.contains("Failed to build")
        || output.contains("Failed to download and build")
        || pip_diagnosis::is_build_failure(output)
}

/// Whether a resolution failed because packages were only to be taken as wheels.
pub fn wants_to_build(output: &str) -> bool {
    output.contains("building from source is disabled") || output.contains("no usable wheels")
}

/// Returns the distributions that have no wheel for this Python, where only wheels were to be taken.
pub fn without_wheel(output: &str) -> Vec<String> {
    static WITHOUT: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"([A-Za-z0-9][A-Za-z0-9._-]*?)(?:==[^\s,]+)? ha(?:s|ve) no (?:usable )?wheels|Wheels are required for `([A-Za-z0-9._-]+)`",
        )
    });
    let one = text_in_one_line(output);
    let found = WITHOUT.captures_iter(&one);
    let names = found.filter_map(|captures| captures.get(1).or_else(|| captures.get(2)));
    let mut names: Vec<String> = names.map(|found| name::normalise(found.as_str())).collect();
    names.sort();
    names.dedup();
    names
}

/// Returns the distributions of which nothing was fetched before, where only what was may be used.
pub fn not_in_cache(output: &str) -> Vec<String> {
    static ABSENT: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*) was not found in the cache"));
    let one = text_in_one_line(output);
    ABSENT.captures_iter(&one).map(|captures| name::normalise(&captures[1])).collect()
}

/// How many of a build's last lines count as its last words.
const LAST_LINES: usize = 40;

/// Returns the last lines that a failed build itself printed to its standard error; nothing where
/// no build failed. What it printed before may be the error of another build that it ran.
pub fn last_words(output: &str) -> Option<&str> {
    let failed = FAILED_BUILD.find(output)?;
    let (_, said) = output.get(failed.end()..)?.rsplit_once("[stderr]")?;
    let said = said.split("\nhint:").next().unwrap_or(said).trim_end();
    let start = said.rmatch_indices('\n').nth(LAST_LINES - 1).map_or(0, |(index, _)| index + 1);
    said.get(start..)
}

/// Reads tags such as `` `cp36m`, `cp37m`, `py3` ``.
fn tagged_pythons(tags: &str) -> Vec<PythonVersion> {
    let mut pythons: Vec<_> = TAG
        .captures_iter(tags)
        .filter_map(|tag| {
            let (major, minor) = (tag[1].parse().ok()?, tag[2].parse().ok()?);
            matches!(major, 2 | 3).then(|| PythonVersion::minor(major, minor))
        })
        .collect();
    pythons.sort_unstable();
    pythons.dedup();
    pythons
}

/// Returns the line that says most plainly what went wrong.
pub fn error_line(output: &str) -> String {
    // what uv quotes of a build's own words, without uv's hint below it
    let output = match output.rsplit_once("[stderr]") {
        Some((_, said)) => said.split("\nhint:").next().unwrap_or(said),
        None => output,
    };

    let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    static ERROR: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"^[\w.]*(Error|Exception|Warning|Interrupt|Exit)\b.*|^\S+: error:.*")
    });
    let python = lines.iter().rev().find(|line| ERROR.is_match(line));
    let cause = lines.iter().find(|line| line.starts_with("cause: "));
    let error = lines.iter().find(|line| line.starts_with("error: "));
    let pip = lines.iter().rev().find(|line| line.starts_with("ERROR: "));
    let line =
        python.or(cause).or(error).or(pip).or(lines.last()).copied().unwrap_or("it said nothing");
    let line = line.trim_start_matches("cause: ").trim_start_matches("error: ");
    let line = line.trim_start_matches("ERROR: ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minors(minors: &[u8]) -> Vec<PythonVersion> {
        minors.iter().map(|minor| PythonVersion::minor(3, *minor)).collect()
    }

    // what uv 0.13.9 printed, shortened by whole lines
    #[test]
    fn wheel_tags_name_the_pythons() {
        let output = "error: No solution found when resolving dependencies\n  cause: Because tensorflow==1.15.0 has no wheels with a matching Python ABI tag (e.g., `cp310`) and you require tensorflow==1.15.0, we can conclude that your requirements are unsatisfiable.\n\nhint: You require CPython 3.10 (`cp310`), but we only found wheels for `tensorflow` (v1.15.0) with the following Python ABI tags: `cp27m`, `cp27mu`, `cp35m`, `cp36m`, `cp37m`\n";
        let found = diagnose(output);
        assert_eq!(
            found[0],
            Diagnosis::WheelsFor {
                package: "tensorflow".into(),
                version: "1.15.0".into(),
                pythons: [vec![PythonVersion::minor(2, 7)], minors(&[5, 6, 7])].concat()
            }
        );
        assert_eq!(
            found[1],
            Diagnosis::Unsatisfiable { packages: vec!["tensorflow".into()], contradiction: None }
        );
    }

    #[test]
    fn a_build_that_imports_what_it_lacks_is_named() {
        let output = "error: Failed to build `pycocotools==2.0.0`\n           File \"<string>\", line 2, in <module>\n         ModuleNotFoundError: No module named 'Cython'\n\nhint: This error likely indicates that `pycocotools@2.0.0` depends on `Cython`, but doesn't declare it as a build dependency. If";
        assert_eq!(
            diagnose(output)[0],
            Diagnosis::BuildImports {
                package: Some("pycocotools".into()),
                module: "Cython".into()
            }
        );
        let own = "error: Failed to build `madmom @ file:///src`\n  ModuleNotFoundError: No module named 'numpy'\n";
        assert_eq!(
            diagnose(own)[0],
            Diagnosis::BuildImports { package: Some("madmom".into()), module: "numpy".into() }
        );
    }

    #[test]
    fn a_withdrawn_release_is_named_before_its_date_is_blamed() {
        let output = "error: No solution found when resolving dependencies\n  cause: Because python-levenshtein==0.12.0 was yanked (reason: Insecure, upgrade to 0.12.1) and only python-levenshtein<=0.12.0 is available, we can conclude that python-levenshtein>=0.12.0 cannot be used.\n";
        assert_eq!(
            diagnose(output)[0],
            Diagnosis::Yanked {
                package: "python-levenshtein".into(),
                version: Some("0.12.0".into())
            }
        );
        let all = "error: No solution found when resolving dependencies\n  cause: Because torchvision>=0.2.0 was yanked (reason: So that users won't accidentally install this when using python 3.11) and you require torchvision>=0.2, we can conclude that your requirements are unsatisfiable.\n";
        assert_eq!(
            diagnose(all)[0],
            Diagnosis::Yanked { package: "torchvision".into(), version: None }
        );
    }

    #[test]
    fn a_distribution_says_its_own_name() {
        let output = "hint: Metadata for `source` could not be parsed.\n  Caused by: Package metadata name `text_acy` does not match given name `source`\n";
        assert_eq!(own_name(output).as_deref(), Some("text-acy"));
    }

    #[test]
    fn what_is_newer_than_the_date_is_named() {
        let output = "error: Failed to build `madmom @ file:///src`\n  cause: Failed to resolve requirements from `build-system.requires` and `extra-build-dependencies`\n  cause: No solution found when resolving: `setuptools>=40.8.0`, `cython`, `numpy`\n  cause: Because only setuptools<=40.6.2 is available and you require setuptools>=40.8.0, we can conclude that your requirements are unsatisfiable.\n\nhint: `setuptools` was filtered by `exclude-newer` to only include packages uploaded before 2018-11-28T00:00:00Z. The latest version satisfying the requirement is v84.2.1, published at 2026-10-20T19:01:35.678Z. Consider using `exclude-newer-package` to override the cutoff for this package.";
        assert!(matches!(
            &diagnose(output)[0],
            Diagnosis::AfterDate { package, published: _ } if package == "setuptools"
        ));
    }

    #[test]
    fn a_release_with_metadata_of_another_time_is_named() {
        let output = "error: No solution found when resolving dependencies\n  cause: Because pandas>=0.20.0 has invalid metadata and you require pandas>=0.20.0, we can conclude that your requirements are unsatisfiable.\n\nhint: Metadata for `pandas` (v0.23.4) could not be parsed:\n  after parsing `2011`, found `k`, which is not part of a valid version\n  pytz (>=2011k)\n        ^^^^^^^\n";
        assert_eq!(
            diagnose(output)[0],
            Diagnosis::InvalidMetadata { package: "pandas".into(), version: "0.23.4".into() }
        );
    }

    #[test]
    fn names_and_versions_that_do_not_exist_are_told_apart() {
        let missing = "error: No solution found when resolving dependencies\n  cause: Because cv2 was not found in the package registry and you require cv2, we can conclude that your requirements are unsatisfiable.\n";
        assert_eq!(diagnose(missing)[0], Diagnosis::NotOnIndex { package: "cv2".into() });
        let version = "error: No solution found when resolving dependencies\n  cause: Because there is no version of torch==1.7.1+cu110 and you require torch==1.7.1+cu110, we can conclude that your requirements are unsatisfiable.\n";
        assert_eq!(
            diagnose(version)[0],
            Diagnosis::NoSuchVersion { package: "torch".into(), version: "1.7.1+cu110".into() }
        );
    }

    #[test]
    fn what_has_no_wheel_is_told_from_what_cannot_be() {
        // of uv 0.13.9
        let output = "error: No solution found when resolving dependencies\n  cause: Because all versions of pandas have no usable wheels and you require pandas, we can conclude that your requirements are unsatisfiable.\n\nhint: Wheels are required for `pandas` because building from source is disabled for `pandas` (i.e., with `--no-build-package pandas`)\n";
        assert!(wants_to_build(output));
        assert!(!wants_to_build("error: No solution found when resolving dependencies\n"));
        assert_eq!(without_wheel(output), ["pandas"]);
        let pinned = "error: No solution found when resolving dependencies\n  cause: Because docopt==0.6.2 has no usable wheels and you require docopt==0.6.2, we can conclude that your requirements are unsatisfiable.\n\nhint: Wheels are required for `docopt` because building from source is disabled for all packages (i.e., with `--no-build`)\n";
        assert_eq!(without_wheel(pinned), ["docopt"]);
        let tags = "error: No solution found when resolving dependencies\n  cause: Because tensorflow==1.15.0 has no wheels with a matching Python ABI tag (e.g., `cp310`) and you require tensorflow==1.15.0, we can conclude that your requirements are unsatisfiable.\n";
        assert_eq!(without_wheel(tags), ["tensorflow"]);
        let offline = "error: No solution found when resolving dependencies\n  cause: Because docopt was not found in the cache and you require docopt==0.6.2, we can conclude that your requirements are unsatisfiable.\n";
        assert_eq!(not_in_cache(offline), ["docopt"]);
    }

    #[test]
    fn the_last_missing_module_counts() {
        let output = "Traceback\nModuleNotFoundError: No module named 'a'\nDuring handling\nModuleNotFoundError: No module named 'b.c'\n";
        assert_eq!(diagnose(output), [Diagnosis::ModuleMissing { module: "b.c".into() }]);
    }

    #[test]
    fn the_plainest_line_is_found() {
        assert_eq!(error_line("Traceback\n  File x\nValueError: no\n\n"), "ValueError: no");
        assert_eq!(error_line("error: E\n  cause: C\n"), "C");
        let build = "error: E\n  cause: C\n\n    [stderr]\n    Setup: Failed to import 'numpy'.\n\nhint: look\n";
        assert_eq!(error_line(build), "Setup: Failed to import 'numpy'.");
        let pip =
            "Collecting six\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n    six:\n  Got 00\n";
        assert_eq!(error_line(pip), "THESE PACKAGES DO NOT MATCH THE HASHES");
        assert_eq!(error_line(""), "it said nothing");
    }
}
