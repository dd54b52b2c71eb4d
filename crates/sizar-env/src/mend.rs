//! What would make a source right: changes to its packaging, as a patch that its authors can take.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;
use similar::TextDiff;
use sizar_model::inspection::Inspection;
use sizar_model::{EnvLock, ProjectInstall};

use crate::name;

/// A file of the source before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    pub path: String,
    /// Absent where the file is new.
    pub before: Option<String>,
    pub after: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// Returns the changes that let others have the environment of `lock` without sizar.
///
/// `read` returns the text of a file of the source, where it is there and is text.
pub fn changes(
    lock: &EnvLock,
    inspection: &Inspection,
    read: &dyn Fn(&str) -> Option<String>,
) -> Vec<FileChange> {
    let found = [requirements(lock, inspection, read), python(lock, read), build(lock, read)];
    found
        .into_iter()
        .flatten()
        .filter(|change| change.before.as_ref() != Some(&change.after))
        .collect()
}

/// Renders changes as one unified diff, which `git apply` takes.
pub fn patch(changes: &[FileChange]) -> String {
    let mut text = String::new();
    for change in changes {
        let path = &change.path;
        let _ = writeln!(text, "diff --git a/{path} b/{path}");
        let old = if change.before.is_some() {
            format!("a/{path}")
        } else {
            text.push_str("new file mode 100644\n");
            "/dev/null".to_owned()
        };
        let before = change.before.as_deref().unwrap_or_default();
        let diff = TextDiff::from_lines(before, &change.after);
        let new = format!("b/{path}");
        let _ = write!(text, "{}", diff.unified_diff().header(&old, &new));
    }
    text
}

/// Pins the direct requirements in the source's own requirements file, or in a new one.
fn requirements(
    lock: &EnvLock,
    inspection: &Inspection,
    read: &dyn Fn(&str) -> Option<String>,
) -> Option<FileChange> {
    let locked: BTreeMap<&str, &sizar_model::LockedPackage> =
        lock.packages.iter().map(|package| (package.name.as_str(), package)).collect();
    let mut wanted: BTreeSet<String> =
        lock.requirements.iter().map(|line| name::of_requirement(line)).collect();
    wanted.retain(|name| locked.contains_key(name.as_str()));
    if wanted.is_empty() {
        return None;
    }
    let pin = |name: &str| {
        let package = locked.get(name)?;
        Some(package.url.as_ref().map_or_else(
            || format!("{name}=={}", package.version),
            |url| format!("{name} @ {url}"),
        ))
    };
    let file = inspection
        .packaging
        .iter()
        .filter(|file| file.kind == "requirements_txt")
        .map(|file| file.path.as_str())
        .min_by_key(|path| (path.matches('/').count(), *path != "requirements.txt", *path))
        .filter(|path| !path.contains('/'))
        .unwrap_or("requirements.txt");
    let before = read(file);
    let mut after = String::new();
    let own =
        |line: u32| inspection.declared.iter().find(move |d| d.path == file && d.line == line);
    let mut number = 0;
    for line in before.as_deref().unwrap_or_default().lines() {
        number += 1;
        let Some(declared) = own(number) else {
            let _ = writeln!(after, "{line}");
            continue;
        };
        // what is neither installed nor can be read is left out; a marker for another platform stays
        let normal = name::normalise(&declared.name);
        let exact = declared.requirement.as_deref().and_then(name::exact_pin);
        let same = locked.get(normal.as_str()).is_some_and(|p| exact == Some(p.version.as_str()));
        let elsewhere = line.contains(';') && !wanted.contains(&normal);
        if same || elsewhere {
            wanted.remove(&normal);
            let _ = writeln!(after, "{line}");
        } else if let Some(pinned) = pin(&normal).filter(|_| wanted.remove(&normal)) {
            let _ = writeln!(after, "{pinned}");
        }
    }
    for name in &wanted {
        after.extend(pin(name).map(|pinned| pinned + "\n"));
    }
    let reason = "the versions that were seen to work together".to_owned();
    Some(FileChange { path: file.to_owned(), before, after, reason })
}

/// Names the Python, in the file that pyenv, uv and others read.
fn python(lock: &EnvLock, read: &dyn Fn(&str) -> Option<String>) -> Option<FileChange> {
    let path = ".python-version".to_owned();
    Some(FileChange {
        before: read(&path),
        path,
        after: format!("{}\n", lock.python.without_patch()),
        reason: "the Python that it was seen to work with".to_owned(),
    })
}

/// Declares what the source's own build needs.
fn build(lock: &EnvLock, read: &dyn Fn(&str) -> Option<String>) -> Option<FileChange> {
    let needed = lock.extra_build_requirements.get(".")?;
    if needed.is_empty() || lock.source.install != ProjectInstall::Install {
        return None;
    }
    let path = "pyproject.toml".to_owned();
    let before = read(&path);
    let mut document: toml_edit::DocumentMut =
        before.as_deref().unwrap_or_default().parse().ok()?;
    let is_new = !document.contains_key("build-system");
    let system = document.entry("build-system").or_insert(toml_edit::table()).as_table_mut()?;
    let requires = system
        .entry("requires")
        .or_insert(toml_edit::value(toml_edit::Array::new()))
        .as_array_mut()?;
    let limited = |name: &str| {
        let limit = lock.build_constraints.iter().find(|line| name::of_requirement(line) == name);
        limit.cloned().unwrap_or_else(|| name.to_owned())
    };
    let mut wanted = Vec::new();
    if is_new {
        wanted.extend([limited("setuptools"), "wheel".to_owned()]);
    }
    wanted.extend(needed.iter().cloned());
    for requirement in wanted {
        let name = name::of_requirement(&requirement);
        let known = |value: &toml_edit::Value| {
            value.as_str().is_some_and(|known| name::of_requirement(known) == name)
        };
        if !requires.iter().any(known) {
            requires.push(requirement);
        }
    }
    if is_new {
        // a `setup.py` that stands alone imports from its own folder
        system.insert("build-backend", toml_edit::value("setuptools.build_meta:__legacy__"));
    }
    let after = document.to_string();
    let reason = format!("building it needs {}", needed.join(", "));
    Some(FileChange { path, before, after, reason })
}
