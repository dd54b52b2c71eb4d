//! Builds inside the tree: what they make is kept in the environment's folder, below `tree/`.
//!
//! The checkout is nobody's to write to, and each run has its own copy of it. So the products lie
//! beside the packages, and a finder that is loaded when the environment's Python starts
//! (`python/sizar_tree_products.py`) leads imports of the tree's own modules to them.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_env::build_steps;
use sizar_env::knowledge::Stage;
use sizar_model::{BuildStep, Checkout, EnvLock, Invocation};

use super::SetupError;
use super::build::{Step, StepFailed, site_packages};
use super::error::io;
use super::inside;
use super::interpreters::Interpreter;
use super::scratch::copy_tree;
use super::workshop::{View, Workshop};

/// Where the products of builds inside the tree lie in an environment's folder.
pub const FOLDER: &str = "tree";

const FINDER: &str = include_str!("../../python/sizar_tree_products.py");

/// How often a build may name a folder that it wants and that is not there.
const FOLDERS: usize = 3;

/// Returns the steps that this machine can carry out: CUDA sources need a compiler of their own.
pub fn feasible(checkout: &Checkout, steps: Vec<BuildStep>) -> Vec<BuildStep> {
    let cuda = |step: &BuildStep| {
        let folder = checkout.path.join(&step.folder);
        let text = fs::read_to_string(folder.join("setup.py")).unwrap_or_default();
        text.contains("CUDAExtension") || text.contains("nvcc")
    };
    steps.into_iter().filter(|step| !cuda(step)).collect()
}

/// Carries out the lock's steps in a copy of the tree, and keeps what they made.
pub fn build(
    workshop: &Workshop<'_>,
    checkout: &Checkout,
    lock: &EnvLock,
    prefix: &Utf8Path,
    interpreter: &Interpreter,
) -> Step<()> {
    write_finder(prefix, lock)?;
    if lock.build_steps.is_empty() {
        return Ok(Ok(()));
    }
    let copy = workshop.path("tree-build");
    if copy.exists() {
        fs::remove_dir_all(&copy).map_err(io(&copy))?;
    }
    copy_tree(&checkout.path, &copy)?;
    let before = binaries(&copy)?;
    for step in &lock.build_steps {
        if let Err(output) = carry_out(workshop, step, &copy, prefix, interpreter)? {
            let output = build_steps::failure(step, &output);
            return Ok(Err(StepFailed { stage: Stage::Build, output }));
        }
    }
    for path in binaries(&copy)?.difference(&before) {
        let Ok(relative) = path.strip_prefix(&copy) else { continue };
        let product = fs::read(path).map_err(io(path))?;
        inside::write(prefix, &Utf8Path::new(FOLDER).join(relative), &product)?;
    }
    Ok(Ok(()))
}

/// Runs a step; what it printed where it failed.
fn carry_out(
    workshop: &Workshop<'_>,
    step: &BuildStep,
    copy: &Utf8Path,
    prefix: &Utf8Path,
    interpreter: &Interpreter,
) -> Result<Result<(), String>, SetupError> {
    let folder = copy.join(&step.folder);
    let call = Invocation::new(prefix.join("bin/python").as_str())
        .args(step.args.iter().map(String::as_str))
        .cwd(&folder);
    let mut made = 0;
    loop {
        let view = View {
            readable: vec![prefix.to_owned(), interpreter.prefix.clone()],
            writable: vec![copy.to_owned()],
            ..View::default()
        };
        let ended = workshop.run(&call, view, None)?;
        if ended.success {
            return Ok(Ok(()));
        }
        // distutils puts an extension of the package `a` into `a/`, which authors made by hand
        let wanted = build_steps::wanted_folder(&ended.output).map(|wanted| folder.join(wanted));
        match wanted.filter(|wanted| made < FOLDERS && is_inside(wanted, copy)) {
            Some(wanted) => fs::create_dir_all(&wanted).map_err(io(&wanted))?,
            None => return Ok(Err(ended.output)),
        }
        made += 1;
    }
}

fn is_inside(path: &Utf8Path, folder: &Utf8Path) -> bool {
    path.starts_with(folder)
        && !path.components().any(|part| part == camino::Utf8Component::ParentDir)
}

/// Lists the compiled modules below `folder` that are no intermediate products.
fn binaries(folder: &Utf8Path) -> Result<BTreeSet<Utf8PathBuf>, SetupError> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(io(&folder))? {
            let entry = entry.map_err(io(&folder))?;
            let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else { continue };
            let kind = entry.file_type().map_err(io(&path))?;
            if kind.is_dir() && !matches!(path.file_name(), Some("build" | ".git")) {
                open.push(path);
            } else if kind.is_file() && path.extension() == Some("so") {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

/// Puts the finder where the environment's Python loads it at its start.
fn write_finder(prefix: &Utf8Path, lock: &EnvLock) -> Result<(), SetupError> {
    let site = site_packages(Utf8Path::new(""), lock);
    for (name, text) in [
        ("sizar_tree_products.py", FINDER),
        ("sizar_tree_products.pth", "import sizar_tree_products\n"),
    ] {
        inside::write(prefix, &site.join(name), text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wanted_folder_lies_in_the_tree() {
        let root = Utf8Path::new("/w");
        assert!(is_inside(Utf8Path::new("/w/a/b"), root));
        assert!(!is_inside(Utf8Path::new("/w/../b"), root));
    }
}
