//! What the authors declare, held against what the code imports and against itself.

use std::collections::BTreeMap;
use std::str::FromStr;

use sizar_model::Inspection;
use sizar_model::inspection::{Declared, Finding, Import};
use uv_pep440::{Operator, Version, VersionSpecifiers};
use uv_pep508::{Requirement, VerbatimUrl, VersionOrUrl};

use super::facts::finding;
use super::reading::{is_beside, is_test};

/// Judges requirements and imports.
pub fn findings(inspection: &Inspection) -> Vec<Finding> {
    let mut found = imports(inspection);
    found.extend(unpinned(inspection));
    found.extend(disagreements(&inspection.declared));
    for declared in inspection.declared.iter().filter(|it| it.scope != "mentioned") {
        if let Some(why) = &declared.unreadable {
            let message = format!("`{}`: {why}", declared.raw);
            found.push(finding("unreadable-requirement", message, &declared.path, declared.line));
        }
    }
    found
}

/// Returns whether some other file than those that build, document or test the code imports it.
pub fn matters_to_a_run(import: &Import) -> bool {
    import.files.iter().any(|path| !is_beside(path) && !is_test(path))
}

fn is_binding(declared: &Declared) -> bool {
    !matches!(declared.scope.as_str(), "mentioned" | "build" | "constraint")
}

fn imports(inspection: &Inspection) -> Vec<Finding> {
    let missing = || {
        inspection.imports.iter().filter(|it| !it.declared && !it.optional && matters_to_a_run(it))
    };
    if !inspection.declared.iter().any(is_binding) {
        let count = missing().count();
        let message = match count {
            0 => return Vec::new(),
            1 => "no requirements are declared, and the code imports a package".to_owned(),
            count => format!("no requirements are declared, and the code imports {count} packages"),
        };
        return vec![finding("no-requirements", message, "", 0)];
    }
    let told = missing().map(|import| {
        let path = import.files.first().map_or("", String::as_str);
        let others = match import.files.len() {
            0 | 1 => String::new(),
            2 => " (and in one other file)".to_owned(),
            count => format!(" (and in {} other files)", count - 1),
        };
        match &import.distribution {
            Some(distribution) if *distribution == import.module => {
                let message = format!("`{}` is imported but not declared{others}", import.module);
                finding("undeclared-import", message, path, 0)
            }
            Some(distribution) => {
                let message = format!(
                    "`{}` is imported, but `{distribution}` is not declared{others}",
                    import.module
                );
                finding("undeclared-import", message, path, 0)
            }
            None => {
                let message =
                    format!("`{}` is imported, and no known package has it{others}", import.module);
                finding("unknown-import", message, path, 0)
            }
        }
    });
    told.collect()
}

fn unpinned(inspection: &Inspection) -> Vec<Finding> {
    // a lock file settles it
    if inspection.declared.iter().any(|it| it.scope == "locked") {
        return Vec::new();
    }
    let mut files: BTreeMap<&str, (usize, usize, u32)> = BTreeMap::new();
    for declared in
        inspection.declared.iter().filter(|it| matches!(it.scope.as_str(), "install" | "conda"))
    {
        let Some(requirement) = &declared.requirement else { continue };
        let count = files.entry(&declared.path).or_insert((0, 0, declared.line));
        count.1 += 1;
        count.0 += usize::from(!requirement.contains(['=', '<', '>', '~', '@']));
    }
    let told = files.into_iter().filter(|(_, (without, ..))| *without > 0);
    told.map(|(path, (without, all, line))| {
        let message = match (without, all) {
            (1, 1) => "the only requirement has no version".to_owned(),
            (without, all) if without == all => format!("none of {all} requirements has a version"),
            (without, all) => format!("{without} of {all} requirements have no version"),
        };
        finding("unpinned-requirements", message, path, line)
    })
    .collect()
}

/// What one file asks of a package.
struct Asked<'a> {
    specifiers: VersionSpecifiers,
    declared: &'a Declared,
}

impl Asked<'_> {
    /// Returns the one version that is asked for, if it is one.
    fn pin(&self) -> Option<&Version> {
        let exact = |specifier: &&uv_pep440::VersionSpecifier| {
            matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual)
        };
        self.specifiers.iter().find(exact).map(uv_pep440::VersionSpecifier::version)
    }
}

fn disagreements(declared: &[Declared]) -> Vec<Finding> {
    let mut names: BTreeMap<&str, Vec<Asked<'_>>> = BTreeMap::new();
    for declared in declared.iter().filter(|it| is_binding(it) && it.scope != "locked") {
        // documentation is built apart
        if declared.path.starts_with("doc") {
            continue;
        }
        if let Some(specifiers) = declared.requirement.as_deref().and_then(specifiers) {
            names.entry(&declared.name).or_default().push(Asked { specifiers, declared });
        }
    }
    names.into_iter().filter_map(|(name, asked)| disagreement(name, &asked)).collect()
}

fn specifiers(requirement: &str) -> Option<VersionSpecifiers> {
    let requirement: Requirement<VerbatimUrl> = Requirement::from_str(requirement).ok()?;
    if !requirement.marker.is_true() {
        return None;
    }
    match requirement.version_or_url {
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => Some(specifiers),
        _ => None,
    }
}

fn disagreement(name: &str, asked: &[Asked<'_>]) -> Option<Finding> {
    for one in asked {
        let Some(pin) = one.pin() else { continue };
        let other = asked.iter().find(|other| {
            other.declared.path != one.declared.path && !other.specifiers.contains(pin)
        });
        if let Some(other) = other {
            let message = format!(
                "`{name}{}` here, `{name}{}` in `{}`",
                one.specifiers, other.specifiers, other.declared.path
            );
            let place = one.declared;
            return Some(finding("requirements-disagree", message, &place.path, place.line));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(requirement: &str, path: &str) -> Declared {
        let name = requirement.split(['=', '<', '>', ' ']).next().unwrap_or_default();
        Declared {
            name: name.to_owned(),
            requirement: Some(requirement.to_owned()),
            raw: requirement.to_owned(),
            path: path.to_owned(),
            line: 1,
            scope: "install".to_owned(),
            repaired: None,
            unreadable: None,
        }
    }

    fn ids(inspection: &Inspection) -> Vec<(String, String)> {
        findings(inspection).into_iter().map(|it| (it.id, it.message)).collect()
    }

    #[test]
    fn files_that_exclude_each_other_are_named() {
        let inspection = Inspection {
            declared: vec![
                declared("numpy==1.16.0", "requirements.txt"),
                declared("numpy>=1.20", "setup.py"),
            ],
            ..Inspection::default()
        };
        let message = "`numpy==1.16.0` here, `numpy>=1.20` in `setup.py`";
        assert_eq!(ids(&inspection), [("requirements-disagree".to_owned(), message.to_owned())]);
        let agreeing = Inspection {
            declared: vec![declared("numpy==1.21.0", "a.txt"), declared("numpy>=1.20", "b.txt")],
            ..Inspection::default()
        };
        assert_eq!(ids(&agreeing), []);
    }

    #[test]
    fn what_is_imported_has_to_be_declared() {
        let import = Import {
            module: "cv2".to_owned(),
            distribution: Some("opencv-python".to_owned()),
            declared: false,
            optional: false,
            conditional: false,
            files: vec!["a.py".to_owned(), "b.py".to_owned()],
        };
        let nothing = Inspection { imports: vec![import.clone()], ..Inspection::default() };
        assert_eq!(ids(&nothing)[0].0, "no-requirements");
        let something = Inspection {
            imports: vec![import],
            declared: vec![declared("numpy", "requirements.txt")],
            ..Inspection::default()
        };
        assert_eq!(
            ids(&something),
            [
                (
                    "undeclared-import".to_owned(),
                    "`cv2` is imported, but `opencv-python` is not declared (and in one other file)".to_owned()
                ),
                ("unpinned-requirements".to_owned(), "the only requirement has no version".to_owned()),
            ]
        );
    }
}
