//! Builds inside the tree: what they make is kept in the environment's folder, below `tree/`.
//!
//! The checkout is nobody's to write to, and each run has its own copy of it. So the products lie
//! beside the packages, and a finder that is loaded when the environment's Python starts
//! (`python/sizar_tree_products.py`) leads imports of the tree's own modules to them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use regex::Regex;
use sizar_env::build_steps;
use sizar_env::knowledge::Stage;
use sizar_model::{BuildStep, Checkout, Deviation, EnvLock, EnvSpec, Invocation};

use super::SetupError;
use super::build::{Step, StepFailed, site_packages};
use super::error::io;
use super::inside;
use super::interpreters::Interpreter;
use super::scratch::copy_tree;
use super::source_edits;
use super::workshop::{View, Workshop};

/// Where the products of builds inside the tree lie in an environment's folder.
pub const FOLDER: &str = "tree";

const FINDER: &str = include_str!("../../python/sizar_tree_products.py");

/// How often a build may name a folder that it wants and that is not there.
const FOLDERS: usize = 3;

/// Runs a `setup.py`, and leaves out what needs a CUDA compiler where there is none.
const RUNNER: &str = include_str!("../../python/build_step.py");

/// How a `setup.py` names sources for nvcc, or the extensions that are made of them.
static FOR_CUDA: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"CUDAExtension|['"][^'"\n]+\.cu['"]"#).expect("a test uses it"));

/// Extensions that a compiler of C builds.
static FOR_CPU: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?:Cpp)?Extension\b|\bcythonize\(").expect("a test uses it"));

/// Returns the steps that this machine can carry out, and what it leaves out of them: CUDA sources
/// need a compiler of their own.
pub fn feasible(checkout: &Checkout, steps: Vec<BuildStep>) -> (Vec<BuildStep>, Vec<Deviation>) {
    if has_cuda_compiler() {
        return (steps, Vec::new());
    }
    let mut deviations = Vec::new();
    let mut kept = Vec::new();
    for step in steps {
        let path = checkout.path.join(&step.folder).join("setup.py");
        // bytes, because nobody said in which encoding
        let text = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let code = without_comments(&text);
        let for_cuda = FOR_CUDA.is_match(&code);
        if for_cuda && !FOR_CPU.is_match(&code) {
            continue;
        }
        if for_cuda {
            deviations.push(Deviation {
                rule: "without-cuda-extensions".into(),
                reason: format!(
                    "there is no CUDA compiler here, so of `{}/setup.py` only what needs none is built",
                    step.folder
                ),
            });
        }
        kept.push(step);
    }
    (kept, deviations)
}

/// The shim that stands in for the known operators of CUDA extensions.
const OPERATORS: &str = "cuda-operators";

/// Has known operators of CUDA extensions stood in for, where the tree has sources of some and
/// nothing here compiles them.
pub fn stand_in(checkout: &Checkout, spec: &mut EnvSpec) {
    if has_cuda_compiler() {
        return;
    }
    let Some(source) = cuda_source(&checkout.path) else { return };
    spec.shims.push(OPERATORS.to_owned());
    spec.deviations.push(Deviation {
        rule: "operators-for-cuda".into(),
        reason: format!(
            "there is no CUDA compiler here, so known operators of extensions that need one (`{source}`) are computed by NumPy and torchvision"
        ),
    });
}

/// Finds the first CUDA source of a tree.
fn cuda_source(root: &Utf8Path) -> Option<Utf8PathBuf> {
    first_file(root, |path| path.extension() == Some("cu"))
}

/// Finds the file of a tree that builds the extension whose name ends in `stem` with nvcc.
pub fn cuda_build_of(root: &Utf8Path, stem: &str) -> Option<Utf8PathBuf> {
    // the last part of a name in quotes: `'points._ext'`
    let named = Regex::new(&format!(r#"['".]{}['"]"#, regex::escape(stem))).ok()?;
    first_file(root, |path| {
        if !matches!(path.file_name(), Some("setup.py" | "build.py")) {
            return false;
        }
        let text = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let code = without_comments(&text);
        let for_cuda = FOR_CUDA.is_match(&code) || code.contains("with_cuda");
        for_cuda && named.is_match(&code)
    })
}

/// Returns the first file of a tree that is `wanted`, relative to the root.
fn first_file(root: &Utf8Path, wanted: impl Fn(&Utf8Path) -> bool) -> Option<Utf8PathBuf> {
    let mut open = vec![root.to_owned()];
    let mut left = 20_000_u32;
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut names: Vec<_> = entries.flatten().collect();
        names.sort_by_key(fs_err::DirEntry::file_name);
        for entry in names {
            left = left.checked_sub(1)?;
            let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else { continue };
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && path.file_name() != Some(".git") {
                open.push(path);
            } else if kind.is_file() && wanted(&path) {
                return path.strip_prefix(root).ok().map(Utf8Path::to_owned);
            }
        }
    }
    None
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n")
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// Whether foreign builds would find nvcc: in the folders of the system, as they see them.
fn has_cuda_compiler() -> bool {
    let folders = crate::process::environment::PATH.split(':').chain(["/usr/local/cuda/bin"]);
    folders.map(Utf8Path::new).any(|folder| folder.join("nvcc").exists())
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
    source_edits::apply(&lock.source_edits, checkout, &copy)?;
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
    let runner = workshop.write("build_step.py", RUNNER)?;
    let bin = prefix.join("bin");
    let call = Invocation::new(bin.join("python").as_str())
        .arg(runner.as_str())
        .args(step.args.iter().map(String::as_str))
        // the tools that builds call, such as ninja, lie beside the Python
        .env("PATH", format!("{bin}:{}", crate::process::environment::PATH))
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
            for left_out in build_steps::left_out(&ended.output) {
                workshop.note(format!("`{}` was built {left_out}", step.folder));
            }
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
    fn cuda_sources_are_told_from_what_a_compiler_of_c_builds() {
        let cuda = |text: &str| FOR_CUDA.is_match(text);
        assert!(cuda("['nms/nms_kernel.cu', 'nms/gpu_nms.pyx']"));
        assert!(cuda("glob('src/*.cu')") && cuda("CUDAExtension('x', s)"));
        // what only teaches a compiler about such files
        assert!(!cuda("self.src_extensions.append('.cu')"));
        assert!(!FOR_CPU.is_match("ext_modules=[CUDAExtension('x', s)]"));
        assert!(FOR_CPU.is_match("extension = CppExtension") && FOR_CPU.is_match("Extension('a')"));
        assert!(is_comment("  # CUDA = locate_cuda()") && !is_comment("CUDA = 1"));
    }

    #[test]
    fn a_wanted_folder_lies_in_the_tree() {
        let root = Utf8Path::new("/w");
        assert!(is_inside(Utf8Path::new("/w/a/b"), root));
        assert!(!is_inside(Utf8Path::new("/w/../b"), root));
    }
}
