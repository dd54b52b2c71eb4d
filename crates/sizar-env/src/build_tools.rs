//! What builds import without declaring it.

use crate::candidates::{Candidate, Change};
use crate::knowledge::Action;
use crate::name;
use crate::repair::Facts;

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

/// Gives a build what it imports and does not declare.
pub fn imported(package: Option<&str>, module: &str, facts: &Facts<'_>) -> Vec<Candidate> {
    let whose = package.unwrap_or("the source");
    let top = module.split('.').next().unwrap_or(module);
    if matches!(top, "pkg_resources" | "setuptools") {
        return vec![Candidate {
            rule: "build-pkg-resources".into(),
            cause: format!(
                "building {whose} needs `pkg_resources`, which setuptools has until version 81"
            ),
            changes: vec![Change::Act(Action::BuildConstraint("setuptools<81".into()))],
        }];
    }
    let Some(requirement) = provider(top, facts) else { return Vec::new() };
    vec![Candidate {
        rule: "undeclared-build-requirement".into(),
        cause: format!("building {whose} imports {module}, which it does not declare"),
        changes: vec![Change::BuildRequirement {
            package: package.map(str::to_owned),
            requirement,
        }],
    }]
}

/// Returns what provides a module that a build imports.
fn provider(module: &str, facts: &Facts<'_>) -> Option<String> {
    BUILD_MODULES
        .iter()
        .find(|(known, _)| *known == module)
        .map(|(_, distribution)| (*distribution).to_owned())
        .or_else(|| (facts.distribution_of)(module))
}

/// Installs what a build inside the tree imports.
pub fn in_tree(module: &str, facts: &Facts<'_>) -> Option<Candidate> {
    let requirement = provider(module.split('.').next().unwrap_or(module), facts)?;
    Some(Candidate {
        rule: "undeclared-build-requirement".into(),
        cause: format!("a build inside the tree imports {module}, which nothing declares"),
        changes: vec![Change::Act(Action::Add(requirement))],
    })
}
