//! Scripts that only start as modules.

use camino::Utf8Path;

/// Modules of the standard library that most programs import, if only through others: a file of
/// such a name beside a script that is started as a file is imported in their place.
const LIBRARY: &[&str] = &[
    "array",
    "ast",
    "bisect",
    "calendar",
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
    "html",
    "http",
    "inspect",
    "itertools",
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
    "statistics",
    "string",
    "struct",
    "subprocess",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "token",
    "tokenize",
    "traceback",
    "types",
    "typing",
    "unittest",
    "urllib",
    "uuid",
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
    let must = begins("from .") || is_hidden() || hides_the_library(folder, &text);
    let is_name = |part: &str| {
        !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let fits = must && folder.join("__init__.py").is_file() && inside.split('/').all(is_name);
    fits.then(|| inside.replace('/', "."))
}

/// Whether a script of `folder` with this `text` would hide the standard library when it is started
/// as a file, and can do without its folder on the path.
fn hides_the_library(folder: &Utf8Path, text: &str) -> bool {
    let is_beside =
        |name: &str| folder.join(format!("{name}.py")).is_file() || folder.join(name).is_dir();
    if !LIBRARY.iter().any(|name| folder.join(format!("{name}.py")).is_file()) {
        return false;
    }
    let imported = text.lines().flat_map(|line| {
        let line = line.trim_start();
        let names = match (line.strip_prefix("import "), line.strip_prefix("from ")) {
            (Some(several), _) => several,
            (_, Some(one)) => one.split(" import").next().unwrap_or_default(),
            _ => "",
        };
        names.split(',').map(|name| name.trim().split(['.', ' ']).next().unwrap_or_default())
    });
    let mut own = imported.filter(|name| !name.is_empty() && !LIBRARY.contains(name));
    !own.any(is_beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_imports_its_neighbours_relatively_is_started_as_a_module() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::create_dir_all(root.join("net/tools")).unwrap();
        fs_err::create_dir_all(root.join("mri")).unwrap();
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
            ("mri/train.py", "import numpy, losses as l\n"),
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
        assert_eq!(of("mri/train.py"), None);
    }
}
