//! The ways out of a failure: from what its output says, and from the table of breakages.

use jiff::{SignedDuration, Timestamp};
use regex::Captures;
use sizar_model::{EnvSpec, PythonVersion};

use crate::diagnosis::{Diagnosis, diagnose, error_line, failed_package};
use crate::era;
use crate::knowledge::{self, Action, Breakage, Stage};
use crate::name;
use crate::repair::{Facts, Failure};

/// A way out of a failure.
#[derive(Debug)]
pub struct Candidate {
    pub rule: String,
    pub cause: String,
    /// All of them together.
    pub changes: Vec<Change>,
}

/// A change to a specification.
#[derive(Debug)]
pub enum Change {
    Act(Action),
    /// Take one of these Pythons.
    PythonIn(Vec<PythonVersion>),
    /// Take another version of a requirement: `None` for any.
    Loosen {
        package: String,
        requirement: Option<String>,
    },
    /// Give a package's build what it does not declare; without a package, the source's own.
    BuildRequirement {
        package: Option<String>,
        requirement: String,
    },
    /// Take a package as of a later date.
    Date {
        package: String,
        date: Timestamp,
    },
}

/// Returns the rows of the table that match, in its order.
pub fn matching<'a>(
    spec: &'a EnvSpec,
    failure: Failure<'a>,
) -> impl Iterator<Item = (&'static Breakage, Captures<'a>)> {
    knowledge::breakages()
        .iter()
        .filter(move |row| row.stages.is_empty() || row.stages.contains(&failure.stage))
        .filter(move |row| row.from_python.is_none_or(|from| spec.python.without_patch() >= from))
        .filter_map(move |row| Some((row, row.symptom.captures(failure.output)?)))
}

/// Puts the symptom's named groups into a sentence.
pub fn worded(cause: &str, captures: &Captures<'_>) -> String {
    let mut text = cause.to_owned();
    for name in ["h", "p", "pc", "pkg", "dep"] {
        let value = captures.name(name).map_or("", |group| group.as_str());
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text
}

/// Returns the ways out of a failure, best first.
pub fn candidates(spec: &EnvSpec, failure: Failure<'_>, facts: &Facts<'_>) -> Vec<Candidate> {
    let diagnoses = diagnose(failure.output);
    let package = failed_package(failure.output);
    let building = matches!(failure.stage, Stage::Resolve | Stage::Build | Stage::Install);
    let mut candidates = Vec::new();
    if building {
        for diagnosis in &diagnoses {
            candidates.extend(from_diagnosis(spec, diagnosis, facts));
        }
    }
    for (row, captures) in matching(spec, failure) {
        if !row.repair.is_empty() {
            candidates.push(Candidate {
                rule: row.id.clone(),
                cause: worded(&row.cause, &captures),
                changes: row
                    .repair
                    .iter()
                    .map(|action| change(action, package.as_deref()))
                    .collect(),
            });
        }
    }
    if !building {
        for diagnosis in &diagnoses {
            if let Diagnosis::ModuleMissing { module } = diagnosis {
                candidates.extend(missing_module(module, facts));
            }
        }
    }
    // what nobody asked for goes before anything else is changed
    if let Some(package) = package.as_ref().filter(|package| facts.undeclared.contains(package)) {
        candidates.push(Candidate {
            rule: "undeclared-dropped".into(),
            cause: format!("{package}, which nothing declares, cannot be built"),
            changes: vec![Change::Act(Action::Drop(package.clone()))],
        });
    }
    // what has wheels for another Python need not be built at all
    if matches!(failure.stage, Stage::Build | Stage::Resolve) && is_build_failure(failure.output) {
        candidates.extend(other_pythons(spec, failure, facts));
        // conda builds its packages with the libraries that they need
        let asked = |package: &&String| {
            spec.requirements.iter().any(|asked| name::of_requirement(asked) == **package)
        };
        if let Some(package) = package.as_ref().filter(asked) {
            candidates.push(Candidate {
                rule: "conda-binary".into(),
                cause: format!("{package} cannot be built here, and conda has it built"),
                changes: vec![Change::Act(Action::CondaBinary(package.clone()))],
            });
        }
    }
    candidates
}

fn change(action: &Action, package: Option<&str>) -> Change {
    match action {
        Action::BuildRequirement(requirement) => Change::BuildRequirement {
            package: package.map(str::to_owned),
            requirement: requirement.clone(),
        },
        other => Change::Act(other.clone()),
    }
}

fn is_build_failure(output: &str) -> bool {
    output.contains("Failed to build") || output.contains("Failed to download and build")
}

fn other_pythons(spec: &EnvSpec, failure: Failure<'_>, facts: &Facts<'_>) -> Vec<Candidate> {
    let line = error_line(failure.output);
    facts
        .pythons
        .iter()
        .filter(|python| python.without_patch() != spec.python.without_patch())
        // where everything would have to be built, more would fail
        .filter(|python| spec.exclude_newer.is_none_or(|date| era::was_released(**python, date)))
        .map(|python| Candidate {
            rule: "another-python".into(),
            cause: format!("a build fails on Python {} ({line})", spec.python.without_patch()),
            changes: vec![Change::PythonIn(vec![*python])],
        })
        .collect()
}

/// Modules that builds import and the distributions that have them.
const BUILD_MODULES: &[(&str, &str)] = &[
    ("Cython", "Cython"),
    ("numpy", "numpy"),
    ("scipy", "scipy"),
    ("torch", "torch"),
    ("pybind11", "pybind11"),
    ("cmake", "cmake<4"),
    ("skbuild", "scikit-build"),
    ("setuptools_scm", "setuptools-scm"),
    ("setuptools_rust", "setuptools-rust"),
    ("pkgconfig", "pkgconfig"),
    ("packaging", "packaging"),
    ("wheel", "wheel"),
    ("cffi", "cffi"),
    ("six", "six"),
    ("yaml", "PyYAML"),
    ("requests", "requests"),
    ("pbr", "pbr"),
    ("extension_helpers", "extension-helpers"),
    ("astropy_helpers", "astropy-helpers"),
    ("versioneer", "versioneer"),
    ("jinja2", "Jinja2"),
    ("mpi4py", "mpi4py"),
    ("pythran", "pythran"),
    ("hatchling", "hatchling"),
    ("poetry", "poetry-core"),
    ("flit_core", "flit-core"),
    ("ninja", "ninja"),
];

/// Whether a distribution is one that builds are known to need: a module of a build that nobody
/// knows is rather a file of its own than a stranger's package.
pub fn is_build_tool(distribution: &str) -> bool {
    BUILD_MODULES.iter().any(|(_, known)| name::of_requirement(known) == distribution)
}

fn from_diagnosis(spec: &EnvSpec, diagnosis: &Diagnosis, facts: &Facts<'_>) -> Vec<Candidate> {
    let one = |rule: &str, cause: String, changes: Vec<Change>| {
        vec![Candidate { rule: rule.to_owned(), cause, changes }]
    };
    match diagnosis {
        Diagnosis::WheelsFor { package, version, pythons } => one(
            "wheel-tags",
            format!("{package} {version} has wheels for Python {} only", joined(pythons)),
            vec![Change::PythonIn(pythons.clone())],
        ),
        Diagnosis::PythonTooOld { at_least, package } => one(
            "requires-python",
            format!("{package} needs Python {at_least} or newer"),
            vec![Change::Act(Action::PythonAtLeast(*at_least))],
        ),
        Diagnosis::BuildImports { package, module } => {
            build_imports(package.as_deref(), module, facts)
        }
        Diagnosis::Yanked { package, version } => {
            let exactly = format!("{package}=={version}");
            one(
                "yanked",
                format!("{package} {version}, the one of its time, was withdrawn since"),
                vec![
                    Change::Loosen { package: package.clone(), requirement: Some(exactly.clone()) },
                    Change::Act(Action::Add(exactly)),
                ],
            )
        }
        Diagnosis::AfterDate { package, published } => later_dates(spec, package, *published),
        Diagnosis::NotOnIndex { package } => one(
            "not-on-index",
            format!("the index has no {package}"),
            vec![Change::Act(not_on_index(package))],
        ),
        Diagnosis::NoSuchVersion { package, version } => other_versions(spec, package, version),
        Diagnosis::Unsatisfiable { packages } => loosened(spec, packages, facts),
        Diagnosis::ModuleMissing { .. } | Diagnosis::InvalidMetadata { .. } => Vec::new(),
    }
}

fn joined(pythons: &[PythonVersion]) -> String {
    pythons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn not_on_index(package: &str) -> Action {
    match knowledge::renames().rename.get(package) {
        Some(real) => Action::Rename { from: package.to_owned(), to: real.clone() },
        None => Action::Drop(package.to_owned()),
    }
}

fn build_imports(package: Option<&str>, module: &str, facts: &Facts<'_>) -> Vec<Candidate> {
    let Some(package) = package else { return Vec::new() };
    let top = module.split('.').next().unwrap_or(module);
    if matches!(top, "pkg_resources" | "setuptools") {
        return vec![Candidate {
            rule: "build-pkg-resources".into(),
            cause: format!(
                "building {package} needs `pkg_resources`, which setuptools has until version 81"
            ),
            changes: vec![Change::Act(Action::BuildConstraint("setuptools<81".into()))],
        }];
    }
    let requirement = BUILD_MODULES
        .iter()
        .find(|(known, _)| *known == top)
        .map(|(_, distribution)| (*distribution).to_owned())
        .or_else(|| (facts.distribution_of)(top));
    let Some(requirement) = requirement else { return Vec::new() };
    vec![Candidate {
        rule: "undeclared-build-requirement".into(),
        cause: format!("building {package} imports {module}, which it does not declare"),
        changes: vec![Change::BuildRequirement { package: Some(package.to_owned()), requirement }],
    }]
}

fn later_dates(spec: &EnvSpec, package: &str, published: Option<Timestamp>) -> Vec<Candidate> {
    let Some(cutoff) = spec.exclude_newer else { return Vec::new() };
    let days = |days: i64| cutoff.checked_add(SignedDuration::from_hours(24 * days)).ok();
    // the nearest date that helps: what is much newer needs newer companions too
    let later = [
        days(120),
        days(365),
        days(3 * 365),
        published.and_then(|date| date.checked_add(SignedDuration::from_secs(1)).ok()),
    ];
    later
        .into_iter()
        .flatten()
        .map(|date| Candidate {
            rule: "later-date".into(),
            cause: format!(
                "what is asked of {package} did not exist on {}",
                cutoff.strftime("%Y-%m-%d")
            ),
            changes: vec![Change::Date { package: package.to_owned(), date }],
        })
        .collect()
}

fn other_versions(spec: &EnvSpec, package: &str, version: &str) -> Vec<Candidate> {
    let Some(asked) = spec.requirements.iter().find(|r| name::of_requirement(r) == package) else {
        return Vec::new();
    };
    let Some(pin) = name::exact_pin(asked).map(str::to_owned) else { return Vec::new() };
    let cause =
        format!("the index has no {package} {}", if version.is_empty() { &pin } else { version });
    let mut forms = Vec::new();
    if let Some((public, _)) = pin.split_once('+') {
        forms.push(Some(format!("{package}=={public}")));
    }
    forms.extend(minor_of(&pin).map(|minor| Some(format!("{package}=={minor}.*"))));
    forms.push(None);
    forms
        .into_iter()
        .map(|requirement| Candidate {
            rule: "nearest-version".into(),
            cause: cause.clone(),
            changes: vec![Change::Loosen { package: package.to_owned(), requirement }],
        })
        .collect()
}

fn minor_of(version: &str) -> Option<String> {
    let mut parts = version.split(['.', '+']);
    let (major, minor) = (parts.next()?, parts.next()?);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (digits(major) && digits(minor)).then(|| format!("{major}.{minor}"))
}

/// Loosens the pins that cannot be met together: first to their minor version, then altogether.
fn loosened(spec: &EnvSpec, packages: &[String], facts: &Facts<'_>) -> Vec<Candidate> {
    let named: Vec<_> = spec
        .requirements
        .iter()
        .filter(|requirement| packages.contains(&name::of_requirement(requirement)))
        .filter(|requirement| requirement.contains(['=', '<', '>', '~']))
        .collect();
    let cause = |what: &str| {
        let names: Vec<_> = named.iter().map(|r| name::of_requirement(r)).collect();
        format!("the versions asked of {} cannot be had together, so {what}", names.join(", "))
    };
    let change = |form: &dyn Fn(&str) -> Option<String>| -> Vec<Change> {
        named
            .iter()
            .map(|requirement| Change::Loosen {
                package: name::of_requirement(requirement),
                requirement: form(requirement),
            })
            .collect()
    };
    let mut candidates = Vec::new();
    if !named.is_empty() {
        let minor = |requirement: &str| {
            let minor = name::exact_pin(requirement).and_then(minor_of);
            let name = name::of_requirement(requirement);
            Some(minor.map_or_else(|| requirement.to_owned(), |minor| format!("{name}=={minor}.*")))
        };
        candidates.push(Candidate {
            rule: "loosened-pins".into(),
            cause: cause("only their minor versions are kept"),
            changes: change(&minor),
        });
        candidates.push(Candidate {
            rule: "loosened-pins".into(),
            cause: cause("the newest of the time that fit are taken"),
            changes: change(&|_| None),
        });
    }
    // what nobody asked for goes before what somebody did
    for package in packages.iter().filter(|package| facts.undeclared.contains(package)) {
        candidates.push(Candidate {
            rule: "undeclared-dropped".into(),
            cause: format!("{package}, which nothing declares, cannot be had with the rest"),
            changes: vec![Change::Act(Action::Drop(package.clone()))],
        });
    }
    if !spec.constraints.is_empty() {
        candidates.push(Candidate {
            rule: "constraints-dropped".into(),
            cause: "the constraints cannot be met".into(),
            changes: spec
                .constraints
                .iter()
                .map(|c| Change::Act(Action::Drop(name::of_requirement(c))))
                .collect(),
        });
    }
    candidates
}

fn missing_module(module: &str, facts: &Facts<'_>) -> Option<Candidate> {
    let top = module.split('.').next().unwrap_or(module);
    let distribution = (facts.distribution_of)(module).or_else(|| (facts.distribution_of)(top))?;
    Some(Candidate {
        rule: "missing-module".into(),
        cause: format!("{module} is imported and nothing that is installed declares it"),
        changes: vec![Change::Act(Action::Add(distribution))],
    })
}
