//! Modules of the code itself that are imported but not there.

use sizar_model::inspection::Finding;

use super::facts::finding;
use crate::python::{ImportRecord, Project};
use crate::tree::Tree;

/// Modules that a build writes.
const GENERATED: &[&str] = &["_version", "version", "__version__", "_about", "__about__", "_build"];

/// Judges the relative imports of all files.
///
/// `builds` says that installing compiles something: a module may then come from there.
pub fn findings(project: &Project<'_>, tree: &Tree, builds: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    if builds {
        return found;
    }
    for (file, facts) in project.files.iter().zip(&project.facts) {
        let missing = facts.imports.iter().filter(|record| !record.optional);
        for record in missing {
            let Some(target) = target(file.folder(), record) else { continue };
            if is_there(tree, &target) {
                continue;
            }
            let dots = ".".repeat(record.level as usize);
            let message =
                format!("`{dots}{}` is imported, but there is no `{target}`", record.module);
            found.push(finding("missing-module", message, &file.path, record.line));
        }
    }
    found
}

/// Returns the path, without extension, of the module that a relative import names.
fn target(folder: &str, record: &ImportRecord) -> Option<String> {
    let name = record.module.rsplit('.').next().filter(|name| !name.is_empty())?;
    if record.level == 0 || GENERATED.contains(&name) || name.ends_with("_pb2") {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    // more dots than folders leave the tree: that is not ours to judge
    let kept = parts.len().checked_sub(record.level as usize - 1)?;
    parts.truncate(kept);
    parts.extend(record.module.split('.'));
    Some(parts.join("/"))
}

fn is_there(tree: &Tree, target: &str) -> bool {
    if tree.has_folder(target) {
        return true;
    }
    let (folder, name) = target.rsplit_once('/').unwrap_or(("", target));
    let prefix = format!("{name}.");
    tree.in_folder(folder).any(|file| file.name().starts_with(&prefix))
}
