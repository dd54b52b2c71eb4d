//! Scripts that only start as modules.

use camino::Utf8Path;

/// Returns the module as which a script must be started: one that imports its own neighbours by
/// relative imports cannot be started as a file, nor can one beside `NAME.py` that imports from its
/// package `NAME`, which that file would hide.
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
    let must = begins("from .") || is_hidden();
    let is_name = |part: &str| {
        !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let fits = must && folder.join("__init__.py").is_file() && inside.split('/').all(is_name);
    fits.then(|| inside.replace('/', "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_imports_its_neighbours_relatively_is_started_as_a_module() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::create_dir_all(root.join("net/tools")).unwrap();
        for (file, text) in [
            ("net/tools/__init__.py", ""),
            ("net/tools/train.py", "from ..model import Net\n"),
            ("net/tools/plain.py", "import sys\n"),
            ("top.py", "from .model import Net\n"),
            ("net/__init__.py", ""),
            ("net/net.py", ""),
            ("net/unet.py", "from net.attend import Attend\n"),
            ("net/other.py", "from network import a\n"),
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
    }
}
