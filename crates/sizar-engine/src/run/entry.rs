//! What the user typed as a driver, and what it means.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sizar_model::inspection::Driver;

use super::module::module_of;
use super::nearest::nearest;

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A file (or folder with a `__main__.py`) of the checkout that Python runs.
    Script { path: String },
    /// A file of the checkout with another interpreter in its first line.
    Interpreted { interpreter: Vec<String>, path: String },
    /// A binary of the checkout.
    Executable { path: String },
    /// A script of the environment's `bin` that Python runs.
    Installed { name: String },
    /// Another program of the environment's `bin`.
    Program { name: String },
    /// A module.
    Module { name: String },
    /// The environment's Python itself.
    Python,
}

/// Where drivers are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The tree.
    pub checkout: &'a Utf8Path,
    /// The environment's prefix.
    pub prefix: &'a Utf8Path,
    /// What inspection found, to name the nearest.
    pub drivers: &'a [Driver],
}

/// A driver that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("no driver is named")]
    Empty { known: Vec<String> },
    #[error(
        "there is no driver `{driver}`: neither a file of the checkout, nor an installed \
             script, nor a module"
    )]
    NotFound { driver: String, nearest: Vec<String> },
    #[error("`{driver}` is outside the checkout")]
    Outside { driver: String },
    #[error("`{driver}` is a notebook, and sizar does not run notebooks yet")]
    Notebook { driver: String },
    #[error("`{driver}` is a folder without a `__main__.py`")]
    Folder { driver: String, nearest: Vec<String> },
    #[error("`{driver}` is neither Python nor a program: it has no `#!` line")]
    NotRunnable { driver: String },
    #[error("`{path}` cannot be read")]
    Unreadable {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl EntryError {
    /// Returns what the reader can do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        let list = |names: &[String]| {
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Empty { known } if known.is_empty() => {
                Some("name a file, a script or a module after `--`".to_owned())
            }
            Self::Empty { known } => Some(format!("after `--`, name one of {}", list(known))),
            Self::NotFound { nearest, .. } | Self::Folder { nearest, .. }
                if !nearest.is_empty() =>
            {
                Some(format!("the nearest are {}", list(nearest)))
            }
            Self::NotFound { .. } | Self::Folder { .. } => {
                Some("`sizar inspect` lists the drivers".to_owned())
            }
            Self::Outside { .. } => {
                Some("only what belongs to the source is run; `--data` shows it your files".into())
            }
            Self::Notebook { driver } => {
                Some(format!("`jupyter nbconvert --to script {driver}` makes a script of it"))
            }
            Self::NotRunnable { .. } => Some("`sizar inspect` lists the drivers".to_owned()),
            Self::Unreadable { .. } => None,
        }
    }
}

/// Finds out what `driver` means; also returns how many of `args` belong to its name.
///
/// # Errors
///
/// [`EntryError::NotFound`] with the nearest names, and what else keeps it from being run.
pub fn resolve(
    driver: &str,
    args: &[String],
    places: Places<'_>,
) -> Result<(Entry, usize), EntryError> {
    if driver.is_empty() {
        return Err(EntryError::Empty { known: known(places) });
    }
    if driver == "-m" {
        return match args.first() {
            Some(module) if is_module(module, places) => {
                Ok((Entry::Module { name: module.clone() }, 1))
            }
            Some(module) => Err(not_found(module, places)),
            None => Err(EntryError::Empty { known: known(places) }),
        };
    }
    if is_python(driver) {
        return Ok((Entry::Python, 0));
    }
    let relative = inside(driver, places.checkout)?;
    if places.checkout.join(&relative).exists() {
        match file(driver, &relative, places) {
            // a package's folder may bear the name of the script that it installs
            Err(EntryError::Folder { .. })
                if installed(driver, places)?.is_some() || is_module(driver, places) => {}
            Ok(Entry::Script { .. })
                if places.checkout.join(&relative).is_dir()
                    && installed(driver, places)?.is_some() => {}
            found => return found.map(|entry| (entry, 0)),
        }
    }
    if let Some(entry) = installed(driver, places)? {
        return Ok((entry, 0));
    }
    if is_module(driver, places) {
        return Ok((Entry::Module { name: driver.to_owned() }, 0));
    }
    Err(not_found(driver, places))
}

/// Returns `driver` as a path relative to the checkout.
fn inside(driver: &str, checkout: &Utf8Path) -> Result<Utf8PathBuf, EntryError> {
    let outside = || EntryError::Outside { driver: driver.to_owned() };
    let typed = Utf8Path::new(driver);
    let typed = match typed.strip_prefix(checkout) {
        Ok(relative) => relative,
        Err(_) if typed.is_absolute() => return Err(outside()),
        Err(_) => typed,
    };
    let mut relative = Utf8PathBuf::new();
    for component in typed.components() {
        match component {
            Utf8Component::Normal(name) => relative.push(name),
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir if relative.pop() => {}
            _ => return Err(outside()),
        }
    }
    Ok(relative)
}

/// Says how a file of the checkout is run.
fn file(driver: &str, relative: &Utf8Path, places: Places<'_>) -> Result<Entry, EntryError> {
    let path = places.checkout.join(relative);
    let unreadable = |source| EntryError::Unreadable { path: path.clone(), source };
    // a link may lead out of the tree; the working copy would not have it
    let real = path.canonicalize_utf8().map_err(unreadable)?;
    let root = places.checkout.canonicalize_utf8().map_err(unreadable)?;
    if !real.starts_with(&root) {
        return Err(EntryError::Outside { driver: driver.to_owned() });
    }
    let relative = relative.as_str().to_owned();
    let metadata = fs::metadata(&path).map_err(unreadable)?;
    if metadata.is_dir() {
        return if !relative.is_empty() && path.join("__main__.py").is_file() {
            Ok(Entry::Script { path: relative })
        } else {
            let nearest = nearest(driver, known(places));
            Err(EntryError::Folder { driver: driver.to_owned(), nearest })
        };
    }
    match path.extension() {
        // what imports its neighbours relatively does not start as a file
        Some("py") => {
            return Ok(match module_of(places.checkout, &path) {
                Some(name) => Entry::Module { name },
                None => Entry::Script { path: relative },
            });
        }
        Some("ipynb") => return Err(EntryError::Notebook { driver: driver.to_owned() }),
        _ => {}
    }
    let head = head(&path).map_err(unreadable)?;
    match interpreter(&head) {
        Some(interpreter) if interpreter.first().is_some_and(|name| is_python(name)) => {
            Ok(Entry::Script { path: relative })
        }
        Some(interpreter) => Ok(Entry::Interpreted { interpreter, path: relative }),
        None if path.extension() == Some("sh") => {
            Ok(Entry::Interpreted { interpreter: vec!["sh".to_owned()], path: relative })
        }
        None if head.starts_with(b"\x7fELF") && metadata.permissions().mode() & 0o111 != 0 => {
            Ok(Entry::Executable { path: relative })
        }
        None => Err(EntryError::NotRunnable { driver: driver.to_owned() }),
    }
}

/// Looks for a script in the environment's `bin`.
fn installed(driver: &str, places: Places<'_>) -> Result<Option<Entry>, EntryError> {
    let plain = !driver.contains('/') && !matches!(driver, "." | "..");
    let path = places.prefix.join("bin").join(driver);
    if !plain || !path.is_file() {
        return Ok(None);
    }
    let head =
        head(&path).map_err(|source| EntryError::Unreadable { path: path.clone(), source })?;
    let name = driver.to_owned();
    let by_python =
        runs_python(&head) || (interpreter(&head).is_none() && path.extension() == Some("py"));
    Ok(Some(if by_python { Entry::Installed { name } } else { Entry::Program { name } }))
}

/// Returns whether a script's first lines start Python, also by the detour that installers take
/// where the interpreter's path is too long for a `#!` line.
fn runs_python(head: &[u8]) -> bool {
    match interpreter(head) {
        Some(words) if words.first().is_some_and(|name| is_python(name)) => true,
        Some(words) if words.first().is_some_and(|name| name == "sh") => {
            let second = head.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
            second.starts_with(b"'''exec'")
        }
        _ => false,
    }
}

/// Returns whether a module of this name is in the checkout or in the environment.
fn is_module(name: &str, places: Places<'_>) -> bool {
    let valid = name.split('.').all(|part| {
        part.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
    });
    if !valid {
        return false;
    }
    let path: Utf8PathBuf = name.split('.').collect();
    let mut roots = vec![places.checkout.to_owned(), places.checkout.join("src")];
    let libraries = places.prefix.join("lib").read_dir_utf8().into_iter().flatten();
    for library in libraries.flatten() {
        roots.push(library.path().join("site-packages"));
    }
    roots.iter().any(|root| {
        let base = root.join(&path);
        base.join("__main__.py").is_file() || base.with_extension("py").is_file()
    })
}

fn not_found(driver: &str, places: Places<'_>) -> EntryError {
    EntryError::NotFound { driver: driver.to_owned(), nearest: nearest(driver, known(places)) }
}

/// Returns everything that could have been meant.
fn known(places: Places<'_>) -> Vec<String> {
    let mut names: Vec<String> = places
        .drivers
        .iter()
        .map(|driver| driver.name.clone().unwrap_or_else(|| driver.path.clone()))
        .collect();
    let bin = places.prefix.join("bin").read_dir_utf8().into_iter().flatten();
    for entry in bin.flatten() {
        let name = entry.file_name();
        if !is_python(name) && !name.starts_with("activate") && !name.starts_with("pip") {
            names.push(name.to_owned());
        }
    }
    for entry in ignore::WalkBuilder::new(places.checkout).max_depth(Some(4)).build().take(20_000) {
        let Some(path) = entry.ok().map(ignore::DirEntry::into_path) else { continue };
        let Ok(relative) = path.strip_prefix(places.checkout) else { continue };
        let runnable = relative.extension().is_some_and(|e| e == "py" || e == "sh");
        if let (true, Some(name)) = (runnable, relative.to_str()) {
            names.push(name.to_owned());
        }
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn is_python(name: &str) -> bool {
    name.strip_prefix("python")
        .is_some_and(|rest| rest.chars().all(|letter| letter.is_ascii_digit() || letter == '.'))
}

/// Reads the beginning of a file.
fn head(path: &Utf8Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(1024).read_to_end(&mut head)?;
    Ok(head)
}

/// Reads the interpreter of a `#!` line, by its name alone: it is looked up inside the sandbox.
fn interpreter(head: &[u8]) -> Option<Vec<String>> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_whitespace().filter(|word| *word != "-S");
    let mut program = Utf8Path::new(words.next()?).file_name()?;
    if program == "env" {
        program = words.find(|word| !word.contains('='))?;
    }
    Some(std::iter::once(program).chain(words).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_is_read_from_the_first_line() {
        let read = |text: &str| interpreter(text.as_bytes()).unwrap_or_default().join(" ");
        assert_eq!(read("#!/bin/bash -e\nx"), "bash -e");
        assert_eq!(read("#!/usr/bin/env python3.6\r\n"), "python3.6");
        assert_eq!(read("#! /usr/bin/env -S A=1 perl -w\n"), "perl -w");
        assert_eq!(read("import os"), "");
        assert!(is_python("python3.6") && is_python("python") && !is_python("pythonista"));
    }
}
