//! Which requirements an environment starts from: what the authors declare, mended, and what the
//! code imports beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use sizar_model::Deviation;
use sizar_model::inspection::{Declared, Driver, Inspection, PackagingFile};
use uv_pep440::Version;

use crate::build_tools::is_build_tool;
use crate::files;
use crate::incidental::{is_incidental, only_examples};
use crate::knowledge;
use crate::name;
use crate::pins::{self, Pin};
use crate::readme_pins;

/// What an environment starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// PEP 508 requirements.
    pub requirements: Vec<String>,
    /// PEP 508 constraints.
    pub constraints: Vec<String>,
    /// What the source's own build needs and does not declare.
    pub build: Vec<String>,
    pub deviations: Vec<Deviation>,
    /// The normalised names of requirements that nothing declares, weakest last.
    pub undeclared: Vec<String>,
    /// The normalised names of what is declared and not taken, or taken by another name.
    pub left_out: Vec<String>,
}

/// Returns the pins of what is selected.
pub fn pins(selection: &Selection) -> Vec<Pin> {
    selection.requirements.iter().filter_map(|requirement| pins::pin_of(requirement)).collect()
}

/// Kinds of packaging files that tell what a package needs when it is installed.
const METADATA: &[&str] = &["setup_py", "setup_cfg", "pyproject"];

/// Selects the requirements of `driver`, or of everything that is no test.
pub fn select(inspection: &Inspection, driver: Option<&Driver>) -> Selection {
    let mut selection = Selection::default();
    let kinds: BTreeMap<&str, &str> =
        inspection.packaging.iter().map(|file| (file.path.as_str(), file.kind.as_str())).collect();
    let mut chosen: BTreeMap<String, String> = BTreeMap::new();
    for declared in declared_for(inspection, driver, &kinds) {
        if let Some(requirement) = mended(declared, &mut selection) {
            let name = name::of_requirement(&requirement);
            // a later file speaks only of what the stronger ones leave open
            chosen.entry(name).or_insert(requirement);
        }
    }
    where_the_authors_have_it(inspection, driver, &mut chosen, &mut selection.deviations);
    one_of_each_family(&mut chosen, &mut selection);
    for constraint in inspection.declared.iter().filter(|declared| declared.scope == "constraint") {
        selection.constraints.extend(constraint.requirement.clone());
    }
    for build in inspection.declared.iter().filter(|declared| declared.scope == "build") {
        let Some(requirement) = &build.requirement else { continue };
        if is_imported(build) {
            add_build(&mut selection, requirement, &build.path);
        } else if build.repaired.is_none()
            && matches!(kinds.get(build.path.as_str()), Some(&"setup_py" | &"setup_cfg"))
        {
            // a `setup.py` that imports it first never comes to say that it needs it
            push_build(&mut selection, requirement);
        }
    }
    undeclared(inspection, driver, &mut chosen, &mut selection);
    readme_pins::take(inspection, &mut chosen, &mut selection.deviations);
    pair_torch(&mut chosen, &mut selection.deviations);
    selection.requirements = chosen.into_values().collect();
    selection
}

/// Whether a build requirement is only imported: what a `pyproject.toml` declares reaches the
/// build by itself.
fn is_imported(declared: &Declared) -> bool {
    let Some(note) = declared.repaired.as_deref() else { return false };
    // a build that can do without torch is better done without; one that can do without Cython or
    // numpy often only says so to print a message
    note.starts_with("imported by setup.py")
        && (!note.contains("may be absent") || matches!(declared.name.as_str(), "cython" | "numpy"))
        && is_build_tool(&declared.name)
}

fn add_build(selection: &mut Selection, requirement: &str, path: &str) {
    if push_build(selection, requirement) {
        selection.deviations.push(Deviation {
            rule: "undeclared-build-requirement".into(),
            reason: format!("`{path}` needs {requirement} to be built, which it does not declare"),
        });
    }
}

fn push_build(selection: &mut Selection, requirement: &str) -> bool {
    let name = name::of_requirement(requirement);
    // the build has the first three by itself, and runs no tests
    let needless =
        matches!(name.as_str(), "setuptools" | "wheel" | "pip" | "pytest-runner" | "nose" | "tox");
    let known = selection.build.iter().any(|known| name::of_requirement(known) == name);
    if needless || known {
        return false;
    }
    selection.build.push(requirement.to_owned());
    true
}

/// Returns the declarations that bind, strongest file first.
fn declared_for<'a>(
    inspection: &'a Inspection,
    driver: Option<&Driver>,
    kinds: &BTreeMap<&str, &str>,
) -> Vec<&'a Declared> {
    let kind = |declared: &Declared| kinds.get(declared.path.as_str()).copied().unwrap_or_default();
    let near = |declared: &&Declared| is_near(&declared.path, driver);
    let readable = |declared: &&Declared| declared.unreadable.is_none();
    let scope = |scope: &'static str| {
        inspection
            .declared
            .iter()
            .filter(move |declared| declared.scope == scope)
            .filter(readable)
            .filter(near)
    };
    let mut metadata: Vec<_> =
        scope("install").filter(|declared| METADATA.contains(&kind(declared))).collect();
    let mut files: Vec<_> = scope("install")
        .filter(|declared| !METADATA.contains(&kind(declared)))
        .filter(|declared| is_main_file(inspection, &declared.path))
        .filter(|declared| !files::is_another_variant(inspection, &declared.path))
        .collect();
    // the file in the driver's own folder speaks before those above it
    files.sort_by_key(|declared| std::cmp::Reverse(declared.path.matches('/').count()));
    // an installed program needs what its package declares; a script in the tree needs the
    // requirement files too, and there the exact pins are
    let installed = driver.is_some_and(|driver| driver.name.is_some());
    let mut binding = if installed && !metadata.is_empty() {
        metadata
    } else {
        let mut all = files;
        all.append(&mut metadata);
        all
    };
    if binding.is_empty() {
        binding = files::of_the_best(scope("conda").collect(), driver);
    }
    if binding.is_empty() {
        binding = scope("locked").collect();
    }
    if binding.is_empty() {
        // `requirements/base.txt`, `envs/cpu.yml`: kept in a folder of their own
        let kept = inspection
            .declared
            .iter()
            .filter(|declared| matches!(declared.scope.as_str(), "install" | "conda"))
            .filter(|declared| readable(declared) && !METADATA.contains(&kind(declared)))
            .filter(|declared| {
                files::kept_for(&declared.path).is_some_and(|whole| is_near(whole, driver))
            });
        binding = files::of_the_best(kept.collect(), driver);
    }
    binding.extend(
        inspection
            .declared
            .iter()
            .filter(|declared| {
                declared.scope == "conda"
                    && declared.requirement.is_some()
                    && readable(declared)
                    && near(declared)
                    && !binding.is_empty()
                    && binding.iter().any(|other| other.path == declared.path)
                    && !binding.contains(declared)
            })
            .collect::<Vec<_>>(),
    );
    binding
}

/// Returns the file of conda's that speaks for `driver`: the one that binds, or one beside a
/// package whose other files say only what the package itself needs.
pub fn conda_file<'a>(inspection: &'a Inspection, driver: Option<&Driver>) -> Option<&'a str> {
    let kinds: BTreeMap<&str, &str> =
        inspection.packaging.iter().map(|file| (file.path.as_str(), file.kind.as_str())).collect();
    let kind = |declared: &Declared| kinds.get(declared.path.as_str()).copied().unwrap_or_default();
    let installed = driver.is_some_and(|driver| driver.name.is_some());
    let others = declared_for(inspection, driver, &kinds).into_iter().any(|declared| {
        declared.scope != "conda" && (installed || !METADATA.contains(&kind(declared)))
    });
    if others {
        return None;
    }
    let files: Vec<&str> = inspection
        .packaging
        .iter()
        .filter(|file| matches!(file.kind.as_str(), "environment_yml" | "conda_list"))
        .filter(|file| is_near(&file.path, driver))
        .map(|file| file.path.as_str())
        .collect();
    // the usual name before those of single machines
    let usual = files.iter().find(|path| path.rsplit('/').next() == Some("environment.yml"));
    usual.or(files.first()).copied()
}

/// Whether a packaging file lies at the root or on the driver's way to it.
fn is_near(path: &str, driver: Option<&Driver>) -> bool {
    match path.rsplit_once('/') {
        None => true,
        Some((folder, _)) => driver.is_some_and(|driver| {
            driver.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        }),
    }
}

/// Of several requirement files in one folder, `requirements.txt` speaks; without it, all do.
fn is_main_file(inspection: &Inspection, path: &str) -> bool {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    if !file.ends_with(".txt") || file == "requirements.txt" {
        return true;
    }
    let main = if folder.is_empty() {
        "requirements.txt".to_owned()
    } else {
        format!("{folder}/requirements.txt")
    };
    // a file that `requirements.txt` includes (`-r base.txt`) is named there with `-r`
    !inspection.packaging.iter().any(|other| other.path == main)
        || inspection.declared.iter().any(|other| other.path == main && other.raw.contains(file))
}

/// Returns the requirement with known mistakes mended, or nothing where it is noise.
fn mended(declared: &Declared, selection: &mut Selection) -> Option<String> {
    let requirement = declared.requirement.as_deref()?;
    let name = name::of_requirement(requirement);
    let renames = knowledge::renames();
    if let Some(why) = renames.drop.get(&name) {
        selection.deviations.push(Deviation {
            rule: "no-distribution".into(),
            reason: format!("`{name}` of `{}` is left out: {why}", declared.path),
        });
        selection.left_out.push(name);
        return None;
    }
    let Some(real) = renames.rename.get(&name) else { return Some(requirement.to_owned()) };
    selection.deviations.push(Deviation {
        rule: "renamed".into(),
        reason: format!("`{name}` of `{}` is called {real} in the index", declared.path),
    });
    selection.left_out.push(name);
    Some(name::renamed(requirement, real))
}

/// Takes what is asked for by its name alone from the repository that another file of the authors
/// gives for it: the index has no such project, or a stranger's. What everybody knows by its name is
/// better taken from the index, as of its date.
fn where_the_authors_have_it(
    inspection: &Inspection,
    driver: Option<&Driver>,
    chosen: &mut BTreeMap<String, String>,
    deviations: &mut Vec<Deviation>,
) {
    let readable = |declared: &&Declared| {
        declared.unreadable.is_none()
            && is_main_file(inspection, &declared.path)
            && !files::is_another_variant(inspection, &declared.path)
    };
    for declared in inspection.declared.iter().filter(readable) {
        let scope = matches!(declared.scope.as_str(), "install" | "conda" | "locked");
        let Some(requirement) = declared.requirement.as_deref().filter(|_| scope) else { continue };
        if !requirement.contains(" @ git+") || !is_near(&declared.path, driver) {
            continue;
        }
        let name = name::of_requirement(requirement);
        if let Some(asked) = chosen.get_mut(&name)
            && name::normalise(asked) == name
            && !knowledge::is_popular(&name)
        {
            requirement.clone_into(asked);
            deviations.push(Deviation {
                rule: AUTHORS_REPOSITORY.into(),
                reason: format!(
                    "{name} is taken from the repository that `{}` names",
                    declared.path
                ),
            });
        }
    }
}

const AUTHORS_REPOSITORY: &str = "authors-repository";

/// Whether a distribution is from a repository only because one file of the authors names it, and
/// another asks the index.
pub(crate) fn is_from_authors_repository(deviations: &[Deviation], distribution: &str) -> bool {
    let of = |known: &&Deviation| known.rule == AUTHORS_REPOSITORY;
    deviations.iter().filter(of).any(|known| known.reason.split(' ').next() == Some(distribution))
}

/// Keeps one of the distributions that provide the same modules.
fn one_of_each_family(chosen: &mut BTreeMap<String, String>, selection: &mut Selection) {
    let names: Vec<String> = chosen.keys().cloned().collect();
    for name in &names {
        let family = knowledge::renames().family(name);
        let first = names.iter().find(|other| family.contains(&other.as_str()));
        if let Some(first) = first.filter(|first| *first != name) {
            chosen.remove(name);
            selection.left_out.push(name.clone());
            selection.deviations.push(Deviation {
                rule: "same-modules".into(),
                reason: format!("{name} is left out: {first} provides the same modules"),
            });
        }
    }
}

/// Adds the distributions of modules that are imported and that nothing chosen provides.
fn undeclared(
    inspection: &Inspection,
    driver: Option<&Driver>,
    chosen: &mut BTreeMap<String, String>,
    selection: &mut Selection,
) {
    let closure: Option<BTreeSet<&str>> =
        driver.filter(|driver| !driver.closure.is_empty()).map(|driver| driver.needed().collect());

    let mut imports: Vec<_> = inspection.imports.iter().filter(|import| !import.optional).collect();
    imports.sort_by_key(|import| (import.conditional, import.module.clone()));
    // the authors of a package wrote down what it needs; what they import inside a function and
    // left out is an extra that most users never reach
    let deliberate = package_of(inspection).is_some()
        && inspection.declared.iter().any(|declared| declared.scope == "install");
    let examples = only_examples(inspection);
    for import in imports {
        let user = match &closure {
            Some(_) if import.conditional && deliberate => None,
            Some(closure) => import.files.iter().find(|file| closure.contains(file.as_str())),
            // without a driver, an import inside a function may never be reached
            None if import.conditional => None,
            None => import
                .files
                .iter()
                // a package's notebooks are its documentation
                .find(|file| {
                    examples.contains(file.as_str())
                        || !(is_incidental(file) || deliberate && file.ends_with(".ipynb"))
                }),
        };
        let (Some(user), Some(distribution)) = (user, import.distribution.as_deref()) else {
            continue;
        };
        let distribution = name::normalise(distribution);
        // who declared the module's name was given the distribution's
        let renamed = knowledge::renames().rename.get(&distribution);
        let distribution = renamed.map_or(distribution, |real| name::normalise(real));
        let known = knowledge::renames()
            .family(&distribution)
            .iter()
            .any(|name| chosen.contains_key(&name::normalise(name)));
        if known || is_own(inspection, &distribution) {
            continue;
        }
        // the README or another file may say which version
        let requirement =
            declared_elsewhere(inspection, &distribution).unwrap_or_else(|| distribution.clone());
        let module = &import.module;
        selection.deviations.push(Deviation {
            rule: "undeclared-import".into(),
            reason: format!("`{user}` imports {module}, which nothing that is installed declares"),
        });
        selection.undeclared.push(distribution.clone());
        chosen.insert(distribution, requirement);
    }
}

fn declared_elsewhere(inspection: &Inspection, distribution: &str) -> Option<String> {
    let mut said = inspection
        .declared
        .iter()
        .filter(|declared| declared.unreadable.is_none() && declared.scope != "build")
        .filter_map(|declared| Some((declared.path.as_str(), declared.requirement.as_deref()?)))
        .filter(|(_, requirement)| {
            name::of_requirement(requirement) == distribution
                && requirement.len() > distribution.len()
                && !requirement.contains([';', '@'])
        })
        .peekable();
    let (path, first) = *said.peek()?;
    let folder =
        |path: &'_ str| path.rsplit_once('/').map_or(String::new(), |(at, _)| at.to_owned());
    let version = |requirement: &str| Version::from_str(name::exact_pin(requirement)?).ok();
    let beside = folder(path);
    // a folder with a list for each release of the code: the last one is of today's
    let newest = said
        .filter(|(path, _)| !beside.is_empty() && folder(path) == beside)
        .filter_map(|(_, requirement)| Some((version(requirement)?, requirement)))
        .max_by(|one, other| one.0.cmp(&other.0));
    let newest = newest.filter(|_| version(first).is_some()).map(|(_, requirement)| requirement);
    Some(newest.unwrap_or(first).to_owned())
}

/// Whether a distribution is the source itself.
fn is_own(inspection: &Inspection, distribution: &str) -> bool {
    inspection
        .packaging
        .iter()
        .filter_map(|file| file.name.as_deref())
        .any(|name| name::normalise(name) == distribution)
}

/// Returns the distribution's name, where the source is installable.
///
/// A `setup.py` may compute it: then an sdist's `PKG-INFO` knows it, and failing that a name of ours
/// stands for it until uv says what it is.
pub fn package_name(inspection: &Inspection) -> Option<String> {
    let file = package_of(inspection)?;
    let stated = || {
        let info = |file: &&PackagingFile| file.kind == "pkg_info" && !file.path.contains('/');
        inspection.packaging.iter().find(info)?.name.as_deref()
    };
    let name = file.name.as_deref().or_else(stated).unwrap_or(UNNAMED);
    Some(name::normalise(name))
}

/// What stands for the name of a source that computes it.
const UNNAMED: &str = "source";

/// Returns the packaging file that makes the source installable, if one does.
pub fn package_of(inspection: &Inspection) -> Option<&PackagingFile> {
    let at_root = |file: &&PackagingFile| !file.path.contains('/');
    let named = inspection
        .packaging
        .iter()
        .filter(at_root)
        .filter(|file| METADATA.contains(&file.kind.as_str()))
        .filter(|file| file.name.is_some() || (file.kind == "setup_py" && !file.only_compiles));
    // setup.py defines a package even where its name cannot be read
    named.max_by_key(|file| (file.name.is_some(), file.kind == "setup_py"))
}

/// Adds the limits on torch's companions that a pinned one of them implies.
fn pair_torch(chosen: &mut BTreeMap<String, String>, deviations: &mut Vec<Deviation>) {
    let pinned = |name: &str| {
        let version = name::exact_pin(chosen.get(name)?)?;
        let mut parts = version.split(['.', '+']);
        Some(format!("{}.{}", parts.next()?, parts.next()?))
    };
    let paired = ["torch", "torchvision", "torchaudio", "torchtext"].into_iter().find_map(|name| {
        let version = pinned(name)?;
        let mut rows = knowledge::pairs().iter().filter(|pair| {
            pair.members().any(|(member, minor)| member == name && minor == version)
        });
        // a companion of two torches does not say which
        let row = rows.next().filter(|_| rows.next().is_none())?;
        Some((name, version, row))
    });
    let Some((leader, version, row)) = paired else { return };
    for (name, minor) in row.members() {
        if let Some(requirement) = chosen.get_mut(name)
            && requirement == name
        {
            *requirement = format!("{name}=={minor}.*");
            deviations.push(Deviation {
                rule: "paired-release".into(),
                reason: format!("{name} {minor} is the release for {leader} {version}"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An inspection of files (kind and path) that each declare one requirement.
    fn inspection(files: &[(&str, &str, &str)]) -> Inspection {
        let mut inspection = Inspection::default();
        for (kind, path, scope) in files {
            inspection.packaging.push(PackagingFile {
                path: (*path).into(),
                kind: (*kind).into(),
                name: None,
                version: None,
                requires_python: None,
                build_backend: None,
                compiles: false,
                only_compiles: false,
                unreadable: Vec::new(),
            });
            inspection.declared.push(Declared {
                name: "numpy".into(),
                requirement: Some("numpy".into()),
                raw: "numpy".into(),
                path: (*path).into(),
                line: 1,
                scope: (*scope).into(),
                repaired: None,
                unreadable: None,
            });
        }
        inspection
    }

    #[test]
    fn of_a_list_for_each_release_the_newest_speaks() {
        let txt = |path| ("requirements_txt", path, "install");
        let lists = [
            txt("old/x.txt"),
            txt("requirements/2.0.txt"),
            txt("requirements/2.10.txt"),
            txt("requirements/2.9.txt"),
        ];
        let mut inspection = inspection(&lists);
        let said = ["numpy", "numpy==1.9", "numpy==1.26.4", "numpy==1.25"];
        for (declared, said) in inspection.declared.iter_mut().zip(said) {
            declared.requirement = Some(said.into());
        }
        let found = |inspection: &_| declared_elsewhere(inspection, "numpy");
        assert_eq!(found(&inspection).as_deref(), Some("numpy==1.26.4"));
        // what is no pin, and comes first, is no list of a release
        inspection.declared[1].requirement = Some("numpy>=1.8".into());
        assert_eq!(found(&inspection).as_deref(), Some("numpy>=1.8"));
        assert_eq!(declared_elsewhere(&inspection, "scipy"), None);
    }

    #[test]
    fn what_a_name_alone_asks_for_comes_from_where_the_authors_have_it() {
        let setup = ("setup_py", "setup.py", "install");
        let yml = ("environment_yml", "environment.yml", "conda");
        let of = |name: &str, setup_says: &str, address: &str| {
            let mut inspection = inspection(&[setup, yml]);
            for (declared, said) in inspection.declared.iter_mut().zip([setup_says, address]) {
                declared.name = name.into();
                declared.requirement = Some(said.into());
            }
            select(&inspection, None).requirements
        };
        let git = "taputapu @ git+https://github.com/solivr/taputapu.git";
        assert_eq!(of("taputapu", "taputapu", git), [git]);
        assert_eq!(of("taputapu", "taputapu>=1", git), ["taputapu>=1"]);
        let wheel = "taputapu @ https://example.org/taputapu-1-py3-none-any.whl";
        assert_eq!(of("taputapu", "taputapu", wheel), ["taputapu"]);
        let torch = "torch @ git+https://github.com/pytorch/pytorch";
        assert_eq!(of("torch", "torch", torch), ["torch"]);
    }

    #[test]
    fn a_file_of_condas_speaks_unless_a_requirement_file_does() {
        let yml = ("environment_yml", "environment.yml", "conda");
        let gpu = ("environment_yml", "environment-gpu.yml", "conda");
        let setup = ("setup_py", "setup.py", "install");
        let txt = ("requirements_txt", "requirements.txt", "install");
        let below = ("environment_yml", "docs/environment.yml", "conda");
        let speaks = |files: &[_]| conda_file(&inspection(files), None).map(str::to_owned);
        assert_eq!(speaks(&[gpu, yml]).as_deref(), Some("environment.yml"));
        assert_eq!(speaks(&[gpu]).as_deref(), Some("environment-gpu.yml"));
        assert_eq!(speaks(&[setup, yml]).as_deref(), Some("environment.yml"));
        assert_eq!(speaks(&[txt, yml]), None);
        assert_eq!(speaks(&[below]), None);
        assert_eq!(speaks(&[setup]), None);
    }
}
