//! The arguments of `setup(…)`.

use super::condition::Condition;
use super::interpreter::{Argument, SetupCall};
use super::value::{Located, Value};
use super::version::version_in_code;
use crate::packaging::ini;
use crate::packaging::read::Read;
use crate::packaging::requirement::{is_marker, with_marker};
use crate::packaging::setup_cfg::python_of_classifier;
use crate::packaging::text::shorten;
use crate::packaging::tree::Tree;
use crate::python::parse::Module;

/// Records what a call of `setup` says.
pub(super) fn record(read: &mut Read, call: &SetupCall, module: &Module, tree: &dyn Tree) {
    for argument in &call.keywords {
        one(read, argument);
    }
    let named = |name: &str| call.keywords.iter().any(|argument| argument.name == name);
    let of_builds = |argument: &Argument| OF_BUILDS.contains(&argument.name.as_str());
    read.file.only_compiles = named("ext_modules")
        && call.keywords.iter().all(of_builds)
        // what is handed over otherwise may name a package
        && !module.text.contains("**");
    let says_version = call.keywords.iter().any(|argument| argument.name == "version");
    if read.file.version.is_none()
        && says_version
        && let Some(name) = read.file.name.clone()
    {
        let path = read.path();
        read.file.version = super::version::version_named_in(&module.text, &path, tree)
            .or_else(|| version_in_code(&name, &path, tree));
    }
}

/// The arguments that say how something is built, and not what is installed.
const OF_BUILDS: &[&str] = &[
    "ext_modules",
    "cmdclass",
    "include_dirs",
    "zip_safe",
    "script_args",
    "setup_requires",
    "options",
];

fn one(read: &mut Read, argument: &Argument) {
    let Argument { value, line, .. } = argument;
    match argument.name.as_str() {
        "name" => read.file.name = value.text().map(str::to_owned),
        "version" => {
            read.file.version = value
                .text()
                .map(str::trim)
                .filter(|v| !v.is_empty() && v.len() < 60)
                .map(str::to_owned);
        }
        "url" | "download_url" | "project_urls" => {
            read.addresses.extend(value.texts().into_iter().map(|text| text.text.clone()));
        }
        "install_requires" | "requires" => requirements(read, argument, "install"),
        "setup_requires" => requirements(read, argument, "build"),
        "tests_require" => requirements(read, argument, "test"),
        "extras_require" => extras(read, argument),
        "python_requires" => match value.text() {
            Some(specifiers) => {
                read.python_requires(specifiers, *line);
                read.file.requires_python = Some(specifiers.to_owned());
            }
            None => not_understood(read, argument),
        },
        "entry_points" => entry_points(read, argument),
        "scripts" => {
            for text in value.texts() {
                read.script_file(&text.text, text.line);
            }
            if value.is_partly_unknown() {
                not_understood(read, argument);
            }
        }
        "packages" => match value {
            Value::FindPackages(folder) if folder.is_empty() || folder == "." => {
                read.packages.push("find:".to_owned());
            }
            Value::FindPackages(folder) => read.packages.push(format!("find:{folder}")),
            other => read.packages.extend(other.texts().into_iter().map(|text| text.text.clone())),
        },
        "py_modules" => {
            read.py_modules.extend(value.texts().into_iter().map(|text| text.text.clone()));
        }
        "package_dir" => {
            if let Value::Dict(entries) = value {
                for (package, folder) in entries {
                    if let Some(folder) = folder.text() {
                        read.package_dirs.push((package.clone(), folder.to_owned()));
                    }
                }
            }
        }
        "classifiers" => {
            for text in value.texts() {
                for (line, classifier) in (text.line..).zip(text.text.lines()) {
                    if let Some(version) = python_of_classifier(classifier) {
                        read.python_named(version, line);
                    }
                }
            }
        }
        "dependency_links" => {
            for text in value.texts() {
                read.index("find_links", &text.text, text.line);
            }
        }
        "ext_modules" | "rust_extensions" | "cffi_modules" | "ext_package" | "libraries" => {
            let nothing = matches!(value, Value::None | Value::Bool(false))
                || matches!(value, Value::List(items) if items.is_empty());
            read.file.compiles |= !nothing;
        }
        _ => {}
    }
}

fn not_understood(read: &mut Read, argument: &Argument) {
    let Argument { name, line, source, .. } = argument;
    let source = shorten(source.lines().next().unwrap_or_default());
    read.cannot_read(format!("line {line}: `{name}` is computed: `{source}`"));
}

fn requirements(read: &mut Read, argument: &Argument, scope: &str) {
    list(read, &argument.value, scope, None);
    if argument.value.is_partly_unknown() {
        not_understood(read, argument);
    }
}

fn list(read: &mut Read, value: &Value, scope: &str, marker: Option<&str>) {
    for text in value.texts() {
        // one text may hold many lines
        for (line, written) in (text.line..).zip(text.text.lines()) {
            requirement(
                read,
                &Located { text: written.to_owned(), line, ..text.clone() },
                scope,
                marker,
            );
        }
    }
}

fn requirement(read: &mut Read, written: &Located, scope: &str, marker: Option<&str>) {
    let bare = written.text.split(" #").next().unwrap_or_default().trim();
    let asked = bare.trim_start_matches("-e ").trim_start_matches("--editable ").trim();
    // a file of requirements has options and comments between them
    if asked.is_empty() || asked.starts_with(['#', '-']) {
        return;
    }
    let before = read.declared.len();
    let note = match &written.condition {
        Some(Condition::Other(condition)) => {
            Some(format!("only under a condition: `{}`", shorten(condition)))
        }
        _ => None,
    };
    read.require_with(asked, bare, written.line, scope, note.as_deref());
    let condition = match &written.condition {
        Some(Condition::Marker(marker)) => Some(marker.as_str()),
        _ => None,
    };
    for declared in read.declared.iter_mut().skip(before) {
        for marker in marker.into_iter().chain(condition) {
            declared.requirement =
                declared.requirement.as_deref().map(|asked| with_marker(asked, marker));
        }
        if let Some(path) = &written.path {
            declared.path = path.to_string();
        }
    }
}

/// `{'doc': [...], ':python_version<"3.4"': [...], 'gpu:marker': [...]}`
fn extras(read: &mut Read, argument: &Argument) {
    let Value::Dict(entries) = &argument.value else {
        not_understood(read, argument);
        return;
    };
    for (key, value) in entries {
        let (extra, marker) = key.split_once(':').unwrap_or((key, ""));
        let scope = if extra.is_empty() { "install".to_owned() } else { format!("extra:{extra}") };
        list(read, value, &scope, Some(marker).filter(|marker| is_marker(marker)));
    }
}

/// A dictionary, or the text of an ini file.
fn entry_points(read: &mut Read, argument: &Argument) {
    match &argument.value {
        Value::Dict(groups) => {
            for (group, value) in groups {
                if !matches!(group.as_str(), "console_scripts" | "gui_scripts") {
                    continue;
                }
                for text in value.texts() {
                    for (line, written) in (text.line..).zip(text.text.lines()) {
                        if let Some((name, target)) = written.split_once('=') {
                            read.entry_point(name, target, line);
                        }
                    }
                }
            }
        }
        Value::Text(text) => {
            // the text is indented as the code around it
            let flat: Vec<&str> = text.text.lines().map(str::trim).collect();
            let (sections, _) = ini::read(&flat.join("\n"));
            for section in sections
                .iter()
                .filter(|s| matches!(s.name.as_str(), "console_scripts" | "gui_scripts"))
            {
                for key in &section.keys {
                    read.entry_point(
                        &key.written,
                        &key.value(),
                        text.line + key.line.saturating_sub(1),
                    );
                }
            }
        }
        Value::None => {}
        _ => not_understood(read, argument),
    }
}
