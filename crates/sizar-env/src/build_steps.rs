//! Builds that the authors ask for inside their tree, such as Cython in place.
//!
//! A `setup.py` below the root whose extensions the scripts import (`cd monotonic_align && python
//! setup.py build_ext --inplace`, as the README of VITS has it) is no package that somebody
//! installs: it is compiled where it lies. So is one at the root that names no package.

use std::sync::LazyLock;

use regex::Regex;
use sizar_model::BuildStep;
use sizar_model::inspection::{Inspection, PackagingFile};

use crate::name;
use crate::requirements;

/// What uv and our own build of a tree's folder say first when they fail.
const FAILED: &str = "Failed to build `";

/// Returns the builds inside the tree, in the order of their folders.
pub fn of(inspection: &Inspection) -> Vec<BuildStep> {
    let mut folders: Vec<&str> = inspection.packaging.iter().filter_map(folder_to_build).collect();
    let at_root = |file: &PackagingFile| file.path == "setup.py" && file.only_compiles;
    if inspection.packaging.iter().any(at_root) && requirements::package_of(inspection).is_none() {
        folders.push(".");
    }
    folders.sort_unstable();
    folders
        .into_iter()
        .map(|folder| BuildStep {
            folder: folder.to_owned(),
            args: ["setup.py", "build_ext", "--inplace"].map(str::to_owned).into(),
        })
        .collect()
}

fn folder_to_build(file: &PackagingFile) -> Option<&str> {
    let (folder, name) = file.path.rsplit_once('/')?;
    let aside = folder.split('/').any(|part| {
        matches!(part, "test" | "tests" | "docs" | "doc" | "examples" | "example" | "docker")
    });
    (name == "setup.py" && file.compiles && !aside).then_some(folder)
}

/// Returns what the builds import and nothing declares: they run in the environment itself.
pub fn requirements(inspection: &Inspection, steps: &[BuildStep]) -> Vec<String> {
    let mut found: Vec<String> = inspection
        .declared
        .iter()
        .filter(|declared| declared.scope == "build")
        .filter(|declared| {
            let path = declared.path.as_str();
            let root = (path == "setup.py").then_some(".");
            let folder = path.strip_suffix("/setup.py").or(root);
            folder.is_some_and(|folder| steps.iter().any(|step| step.folder == folder))
        })
        .filter_map(|declared| declared.requirement.clone())
        .filter(|requirement| crate::build_tools::is_build_tool(&name::of_requirement(requirement)))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Writes what a failed step printed in the form in which uv reports a failed build.
pub fn failure(step: &BuildStep, output: &str) -> String {
    format!("error: {FAILED}{}` in the tree\n{output}", step.folder)
}

/// Returns the step whose failure an output reports.
pub fn failed<'a>(steps: &'a [BuildStep], output: &str) -> Option<&'a BuildStep> {
    let said = output.strip_prefix("error: ")?.strip_prefix(FAILED)?;
    let (folder, _) = said.split_once("` in the tree\n")?;
    steps.iter().find(|step| step.folder == folder)
}

/// Returns what a step that succeeded left out, each as `without the extension …: why`.
pub fn left_out(output: &str) -> impl Iterator<Item = &str> {
    let said = output.lines().filter_map(|line| line.strip_prefix("sizar: "));
    said.filter(|said| said.starts_with("without the extension "))
}

/// Returns the folder that distutils wanted to put an extension into and did not find.
pub fn wanted_folder(output: &str) -> Option<&str> {
    static WANTED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"could not create '([^']+)/[^'/]+\.so': No such file or directory")
            .expect("a test reads it")
    });
    Some(WANTED.captures(output)?.get(1)?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sizar_model::inspection::Declared;

    fn setup_py(path: &str, compiles: bool) -> PackagingFile {
        PackagingFile {
            path: path.into(),
            kind: "setup_py".into(),
            name: None,
            version: None,
            requires_python: None,
            build_backend: None,
            compiles,
            only_compiles: false,
            unreadable: Vec::new(),
        }
    }

    #[test]
    fn a_root_that_only_compiles_is_built_in_place() {
        let mut file = setup_py("setup.py", true);
        file.only_compiles = true;
        let mut inspection = Inspection { packaging: vec![file], ..Inspection::default() };
        let folders = |inspection: &Inspection| {
            of(inspection).into_iter().map(|step| step.folder).collect::<Vec<_>>()
        };
        assert_eq!(folders(&inspection), ["."]);
        assert_eq!(requirements::package_name(&inspection), None);
        // another file says what is installed
        let mut project = setup_py("pyproject.toml", false);
        (project.kind, project.name) = ("pyproject".into(), Some("x".into()));
        inspection.packaging.push(project);
        assert!(folders(&inspection).is_empty());
        assert_eq!(requirements::package_name(&inspection).as_deref(), Some("x"));
    }

    #[test]
    fn extensions_below_the_root_are_built_in_place() {
        let inspection = Inspection {
            packaging: vec![
                setup_py("setup.py", true),
                setup_py("align/setup.py", true),
                setup_py("tools/setup.py", false),
                setup_py("tests/ext/setup.py", true),
            ],
            declared: vec![Declared {
                name: "cython".into(),
                requirement: Some("Cython".into()),
                raw: "Cython".into(),
                path: "align/setup.py".into(),
                line: 1,
                scope: "build".into(),
                repaired: None,
                unreadable: None,
            }],
            ..Inspection::default()
        };
        let steps = of(&inspection);
        let folders: Vec<_> = steps.iter().map(|step| step.folder.as_str()).collect();
        assert_eq!(folders, ["align"]);
        assert_eq!(requirements(&inspection, &steps), ["Cython"]);
        let output = failure(&steps[0], "ModuleNotFoundError: No module named 'numpy'\n");
        assert_eq!(failed(&steps, &output), Some(&steps[0]));
        assert_eq!(failed(&steps, "error: Failed to build `align==1`\n"), None);
        let output = "error: could not create 'align/core.cpython-38-x86_64-linux-gnu.so': No such file or directory\n";
        assert_eq!(wanted_folder(output), Some("align"));
    }
}
