//! Scripts that only start as modules.

use camino::{Utf8Path, Utf8PathBuf};

use super::folder::is_started_there;

/// How many files beside a script are read.
const FILES: usize = 64;

/// Modules of the standard library that most programs import, if only through others, and that are
/// no part of Python's own program file: a file of such a name beside a script that is started as a
/// file is imported in their place. `math` is in that file with some Pythons (Debian's), and not with
/// those that sizar prefers.
const LIBRARY: &[&str] = &[
    "ast",
    "bisect",
    "collections",
    "contextlib",
    "copy",
    "ctypes",
    "dataclasses",
    "datetime",
    "decimal",
    "email",
    "enum",
    "fractions",
    "functools",
    "glob",
    "hashlib",
    "heapq",
    "http",
    "inspect",
    "json",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "math",
    "multiprocessing",
    "numbers",
    "operator",
    "pickle",
    "platform",
    "queue",
    "random",
    "re",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "string",
    "struct",
    "subprocess",
    "tempfile",
    "textwrap",
    "threading",
    "token",
    "tokenize",
    "traceback",
    "types",
    "typing",
    "unittest",
    "urllib",
    "warnings",
    "weakref",
];

/// Returns the module as which a script must be started: one that imports its own neighbours by
/// relative imports cannot be started as a file, nor can one beside `NAME.py` that imports from its
/// package `NAME`, which that file would hide, nor one beside a `math.py` that everybody else would
/// take for the standard library's.
pub fn module_of(root: &Utf8Path, script: &Utf8Path) -> Option<String> {
    let inside = script.strip_prefix(root).ok()?.as_str().strip_suffix(".py")?;
    let folder = script.parent().filter(|folder| *folder != root)?;
    let text = fs_err::read(script).ok()?;
    let text = String::from_utf8_lossy(&text);
    let begins = |start: &str| text.lines().any(|line| line.starts_with(start));
    let package = inside.split('/').next().unwrap_or(inside);
    let is_hidden = || {
        folder.join(format!("{package}.py")).is_file()
            && ["from {}.", "from {} ", "import {}."]
                .iter()
                .any(|start| begins(&start.replace("{}", package)))
    };
    let must = begins("from .")
        || is_hidden()
        || (hides_the_library(folder) && !is_started_there(root, script));
    let is_name = |part: &str| {
        !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let fits = must && folder.join("__init__.py").is_file() && inside.split('/').all(is_name);
    fits.then(|| inside.replace('/', "."))
}

/// Whether a script of `folder` would hide the standard library when it is started as a file, and no
/// file there wants the folder on the path.
fn hides_the_library(folder: &Utf8Path) -> bool {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    let beside: Vec<_> = entries.map(camino::Utf8DirEntry::into_path).collect();
    let is_source = |path: &&Utf8PathBuf| path.extension() == Some("py");
    let sources = || beside.iter().filter(is_source);
    if !sources().any(|path| path.file_stem().is_some_and(|name| LIBRARY.contains(&name))) {
        return false;
    }
    let names: Vec<_> =
        beside.iter().filter_map(|path| path.file_name()?.split('.').next()).collect();
    sources().take(FILES).all(|path| {
        let Ok(text) = fs_err::read(path) else { return false };
        let text = String::from_utf8_lossy(&text);
        // who names modules in another way may mean a neighbour
        let computed = ["import_module(", "__import__("].iter().any(|call| text.contains(call));
        // `import math` means the standard library's, and `from math import norm` may not
        let means = |(name, from): (&str, bool)| {
            names.contains(&name) && (from || !LIBRARY.contains(&name))
        };
        !computed && !imported(&text).any(means)
    })
}

/// Returns the top modules of the import statements of a `text`, each with whether it is of a `from`.
fn imported(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.lines().flat_map(|line| {
        let line = line.trim_start().split(['#', ';']).next().unwrap_or_default();
        let (names, from) = match (line.strip_prefix("import "), line.strip_prefix("from ")) {
            (Some(several), _) => (several, false),
            (_, Some(one)) => (one.split(" import").next().unwrap_or_default(), true),
            _ => ("", false),
        };
        names.split(',').filter_map(move |name| {
            let name = name.trim().split(['.', ' ']).next()?;
            (!name.is_empty()).then_some((name, from))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_imports_its_neighbours_relatively_is_started_as_a_module() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::create_dir_all(root.join("net/tools")).unwrap();
        for folder in ["mri", "own", "said"] {
            fs_err::create_dir_all(root.join(folder)).unwrap();
        }
        for (file, text) in [
            ("net/tools/__init__.py", ""),
            ("net/tools/train.py", "from ..model import Net\n"),
            ("net/tools/plain.py", "import sys\n"),
            ("top.py", "from .model import Net\n"),
            ("net/__init__.py", ""),
            ("net/net.py", ""),
            ("net/unet.py", "from net.attend import Attend\n"),
            ("net/other.py", "from network import a\n"),
            ("mri/__init__.py", ""),
            ("mri/math.py", ""),
            ("mri/losses.py", ""),
            (
                "mri/evaluate.py",
                "import argparse, os\nimport numpy as np\nfrom mri.losses import L\n",
            ),
            ("own/__init__.py", ""),
            ("own/math.py", ""),
            ("own/losses.py", "import math, layers; x = 1\n"),
            ("own/layers.py", ""),
            ("own/train.py", "from own.losses import L\n"),
            ("said/__init__.py", ""),
            ("said/math.py", ""),
            ("said/train.py", "import numpy\n"),
            ("README.md", "    cd said\n    python train.py\n"),
        ] {
            fs_err::write(root.join(file), text).unwrap();
        }
        let of = |file: &str| module_of(root, &root.join(file));
        assert_eq!(of("net/tools/train.py").as_deref(), Some("net.tools.train"));
        assert_eq!(of("net/tools/plain.py"), None);
        assert_eq!(of("top.py"), None);
        // `net/net.py` would hide the package `net`
        assert_eq!(of("net/unet.py").as_deref(), Some("net.unet"));
        assert_eq!(of("net/other.py"), None);
        // numpy would find `mri/math.py`
        assert_eq!(of("mri/evaluate.py").as_deref(), Some("mri.evaluate"));
        // a neighbour of its own wants the folder on the path
        assert_eq!(of("own/train.py"), None);
        // and so do the authors
        assert_eq!(of("said/train.py"), None);
    }
}
