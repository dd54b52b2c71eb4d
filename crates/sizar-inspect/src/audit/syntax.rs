//! Files that do not parse as Python 3.

use sizar_model::inspection::Finding;

use super::facts::finding;
use crate::python::Project;

/// Judges the syntax of all files.
pub fn findings(project: &Project<'_>) -> Vec<Finding> {
    let files = project.files.iter().zip(&project.versions);
    let told = files.filter_map(|(file, versions)| {
        if versions.is_python_2() {
            let reason = versions.sightings.iter().find(|seen| seen.kind.starts_with("at_most"));
            let line = reason.map_or(0, |seen| seen.line);
            let why = reason.map(|seen| format!(" ({})", seen.text)).unwrap_or_default();
            let message = format!("this file is written in Python 2{why}");
            return Some(finding("python-2", message, &file.path, line));
        }
        let problems = file.module.problems();
        let first = problems.first()?;
        if first.message.contains("nested too deeply") {
            return Some(finding("deeply-nested", &*first.message, &file.path, first.line));
        }
        // a notebook has magics that are no Python
        if file.path.ends_with(".ipynb") {
            return None;
        }
        let more = match problems.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let message = format!("{}{more}", first.message);
        Some(finding("syntax-error", message, &file.path, first.line))
    });
    told.collect()
}
