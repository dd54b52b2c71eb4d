//! What is on Python's path where a source's own code starts.

use std::sync::LazyLock;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use regex::Regex;
use sizar_inspect::python::SOURCES;
use sizar_inspect::python::distributions::distribution_of;
use sizar_inspect::python::stdlib::is_stdlib;
use sizar_model::ProjectInstall;

/// Returns `PYTHONPATH` for the tree at `root`, for `script` of it (relative to the root) or for
/// any command: the root, where the source is not installed, and what the script reaches from its
/// own folder.
pub fn python_path(
    root: &Utf8Path,
    install: ProjectInstall,
    script: Option<&str>,
) -> Option<String> {
    let on_path = install == ProjectInstall::OnPath;
    let mut folders: Vec<Utf8PathBuf> = on_path.then(|| root.to_owned()).into_iter().collect();
    folders.extend(packaged(root).filter(|_| on_path));
    if let Some(script) = script {
        let files = with_neighbours(root, script);
        folders.extend(beside(root, &files));
        folders.extend(above_its_package(root, script));
        // what is installed was built, and its tree is not
        for source in on_path.then(|| sources(root, &files)).into_iter().flatten() {
            if !folders.contains(&source) {
                folders.push(source);
            }
        }
    }
    let all: Vec<&str> = folders.iter().map(|folder| folder.as_str()).collect();
    (!all.is_empty()).then(|| all.join(":"))
}

/// Returns the folder in which the source's `setup.py` lies, where that is not the root:
/// `python/setup.py`, beside the same for R or C++. Its authors install it from there.
fn packaged(root: &Utf8Path) -> Option<Utf8PathBuf> {
    let has = |folder: &Utf8Path| {
        ["setup.py", "pyproject.toml"].iter().any(|file| folder.join(file).is_file())
    };
    let below = || ["python", "py", "src"].iter().map(|name| root.join(name)).find(|it| has(it));
    if has(root) { None } else { below() }
}

/// Returns whether the tree at `root` has the module `name` (`a.b`), as its root on the path
/// would show it: a file, a package, or what Python imports (PEP 420) and `find_packages()` leaves
/// out: a folder of files inside a package, and one of packages.
pub fn has_module(root: &Utf8Path, name: &str) -> bool {
    let is_name =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let path = root.join(name.replace('.', "/"));
    name.split('.').all(is_name)
        && (path.with_extension("py").is_file()
            || path.join("__init__.py").is_file()
            || is_inside_a_package(root, name) && has_files(&path)
            // a folder with the name of a distribution is not that: `keras/models/__init__.py`
            || has_packages(&path) && distribution_of(name).is_none())
}

fn has_packages(folder: &Utf8Path) -> bool {
    let mut entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    entries.any(|entry| entry.path().join("__init__.py").is_file())
}

fn is_inside_a_package(root: &Utf8Path, name: &str) -> bool {
    name.split_once('.').is_some_and(|(first, _)| root.join(first).join("__init__.py").is_file())
}

fn has_files(folder: &Utf8Path) -> bool {
    let mut entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    entries.any(|entry| entry.path().extension() == Some("py"))
}

/// `sys.path.insert(0, '../lib')` and `sys.path.append("utils")`, at the start of a line.
static RELATIVE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?m)^[ \t]*sys\.path\.(?:insert\(\s*\d+\s*,|append\()\s*r?["']([^/~"'\n][^"'\n]*)["']\s*\)"#)
        .expect("a test uses it")
});

/// `import model`, `from model import Model` and `from net.model import Model`, at the start of a line.
static IMPORTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^[ \t]*(?:from[ \t]+(\w+)(?:\.[\w.]+)?[ \t]+import\b|import[ \t]+(\w+))")
        .expect("a test uses it")
});

/// How many files beside a script are read for what they put on the path.
const FILES: usize = 64;

/// A file of the tree, relative to its root, with its text.
type Read = (Utf8PathBuf, String);

/// Reads a script, and the modules beside it that it imports.
fn with_neighbours(root: &Utf8Path, script: &str) -> Vec<Read> {
    let inside =
        |path: &Utf8Path| path.components().all(|part| matches!(part, Utf8Component::Normal(_)));
    let script = Utf8Path::new(script);
    let Some(folder) = script.parent().filter(|folder| inside(folder)) else { return Vec::new() };
    let mut read: Vec<Read> = Vec::new();
    let mut files = vec![script.to_owned()];
    let mut next = 0;
    while let Some(file) = files.get(next).cloned() {
        next += 1;
        let Ok(text) = fs_err::read(root.join(&file)) else { continue };
        let text = String::from_utf8_lossy(&text).into_owned();
        for name in imported(&text) {
            let module = folder.join(format!("{name}.py"));
            if files.len() < FILES && !files.contains(&module) && root.join(&module).is_file() {
                files.push(module);
            }
        }
        read.push((file, text));
    }
    read
}

/// Returns the first parts of the modules that a file imports.
fn imported(text: &str) -> impl Iterator<Item = &str> {
    let names = IMPORTED.captures_iter(text);
    names.filter_map(|captures| captures.get(1).or_else(|| captures.get(2))).map(|it| it.as_str())
}

/// Returns the folders of the tree that a script, or a module beside it that it imports, puts on
/// the path as they are seen from the script's own folder, in which its authors start it. Where sizar
/// starts it in the root, they would be others.
fn beside(root: &Utf8Path, files: &[Read]) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    for (file, text) in files {
        let folder = file.parent().unwrap_or(Utf8Path::new(""));
        for captures in RELATIVE.captures_iter(text) {
            let Some(there) = captures.get(1).and_then(|path| joined(folder, path.as_str())) else {
                continue;
            };
            // the root is there already, or what is installed stands for it; Python puts the
            // script's own folder there
            let path = root.join(&there);
            if there != "" && there != folder && path.is_dir() && !found.contains(&path) {
                found.push(path);
            }
        }
    }
    found
}

/// Returns the folders of the tree's code that a script takes modules from which are neither beside
/// it nor in the root: `tools/predict.py` with `import net`, which is `src/net.py`. Its authors have
/// set `PYTHONPATH` to them.
fn sources(root: &Utf8Path, files: &[Read]) -> Vec<Utf8PathBuf> {
    let mut found: Vec<Utf8PathBuf> = Vec::new();
    for (file, text) in files {
        let folder = root.join(file.parent().unwrap_or(Utf8Path::new("")));
        for name in imported(text).filter(|name| !is_stdlib(name)) {
            if [folder.as_path(), root].into_iter().any(|near| has_module(near, name)) {
                continue;
            }
            let there =
                SOURCES.iter().map(|source| root.join(source)).find(|it| has_module(it, name));
            found.extend(there.filter(|there| *there != folder && !found.contains(there)));
        }
    }
    found
}

/// Returns the folder of the tree, if it is not the root, from which a script finds the package that
/// it lies in and imports by its name: `src/net/train.py` with `from net.model import Model`, where
/// a `setup.py` in `src` would have been installed.
fn above_its_package(root: &Utf8Path, script: &str) -> Option<Utf8PathBuf> {
    let script = Utf8Path::new(script);
    let is_inside = script.components().all(|part| matches!(part, Utf8Component::Normal(_)));
    let is_package = |folder: &&Utf8Path| root.join(folder).join("__init__.py").is_file();
    let package = script.ancestors().skip(1).take_while(is_package).last()?;
    let (above, name) = (package.parent()?, package.file_name()?);
    if !is_inside || above == "" {
        return None;
    }
    let text = fs_err::read(root.join(script)).ok()?;
    let text = String::from_utf8_lossy(&text);
    let asks = text.lines().any(|line| {
        let asked = line.strip_prefix("from ").or_else(|| line.strip_prefix("import "));
        let after = asked.and_then(|asked| asked.strip_prefix(name));
        after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    });
    asks.then(|| root.join(above))
}

/// Joins a relative path to a folder, by its words alone; nothing where it leads out of the tree.
fn joined(folder: &Utf8Path, relative: &str) -> Option<Utf8PathBuf> {
    let mut path = folder.to_owned();
    for part in Utf8Path::new(relative).components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Utf8Component::Normal(part) => path.push(part),
            _ => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_below_the_root_is_where_its_setup_is() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::create_dir_all(root.join("python")).unwrap();
        let path = |install| python_path(root, install, None);
        assert_eq!(path(ProjectInstall::OnPath).unwrap(), root.as_str());
        fs_err::write(root.join("python/setup.py"), "").unwrap();
        assert_eq!(path(ProjectInstall::OnPath).unwrap(), format!("{root}:{root}/python"));
        assert_eq!(path(ProjectInstall::Install), None);
        fs_err::write(root.join("setup.py"), "").unwrap();
        assert_eq!(path(ProjectInstall::OnPath).unwrap(), root.as_str());
    }

    #[test]
    fn a_module_of_the_tree_is_a_file_or_a_package() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::create_dir_all(root.join("net/utils")).unwrap();
        for empty in ["net/data", "net/noise", "yaml", "caffe/proto"] {
            fs_err::create_dir_all(root.join(empty)).unwrap();
        }
        // a namespace (PEP 420), whose packages `packages=["lab"]` leaves out
        fs_err::create_dir_all(root.join("lab/lines")).unwrap();
        fs_err::write(root.join("lab/lines/__init__.py"), "").unwrap();
        fs_err::create_dir_all(root.join("keras/models")).unwrap();
        fs_err::write(root.join("keras/models/__init__.py"), "").unwrap();
        assert!(has_module(root, "lab") && has_module(root, "lab.lines"));
        assert!(!has_module(root, "keras"));
        let files = ["net/__init__.py", "net/model.py", "net/utils/__init__.py", "net/noise/a.py"];
        for file in files.into_iter().chain(["yaml/read.py", "caffe/proto/a.py"]) {
            fs_err::write(root.join(file), "").unwrap();
        }
        let has = ["net", "net.model", "net.utils", "net.noise"];
        // a folder of scripts is not the package of its name
        let not = ["net.data", "nets", "net.model.x", "", "../net", "net.", "yaml", "caffe.proto"];
        assert_eq!(has.map(|name| has_module(root, name)), [true; 4]);
        assert_eq!(not.map(|name| has_module(root, name)), [false; 8]);
    }

    #[test]
    fn a_script_finds_the_package_that_it_lies_in() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::create_dir_all(root.join("src/net/tools")).unwrap();
        for (file, text) in [
            ("src/net/__init__.py", ""),
            ("src/net/tools/__init__.py", ""),
            ("src/net/tools/train.py", "import os\nfrom net.model import Model\n"),
            ("src/net/alone.py", "import os\nimport network\n"),
            ("src/other.py", "import net.model\n"),
        ] {
            fs_err::write(root.join(file), text).unwrap();
        }
        let of = |script: &str| above_its_package(root, script);
        assert_eq!(of("src/net/tools/train.py"), Some(root.join("src")));
        assert_eq!(of("src/net/alone.py"), None);
        // what lies beside a script is found anyway
        assert_eq!(of("src/other.py"), None);
        assert_eq!(of("../src/net/tools/train.py"), None);
        // the root is nobody's package
        fs_err::create_dir_all(root.join("net")).unwrap();
        fs_err::write(root.join("net/__init__.py"), "").unwrap();
        fs_err::write(root.join("net/train.py"), "import net\n").unwrap();
        assert_eq!(of("net/train.py"), None);
    }

    #[test]
    fn a_script_finds_the_code_in_the_folder_of_sources() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        for inner in ["src/net", "lib/data", "tools", "lib/yaml"] {
            fs_err::create_dir_all(root.join(inner)).unwrap();
        }
        for (file, text) in [
            ("src/face.py", ""),
            ("src/json.py", ""),
            ("src/net/__init__.py", ""),
            ("src/tools.py", ""),
            ("lib/data/read.py", ""),
            ("tools/predict.py", "import numpy\nimport face\nimport more\n"),
            ("tools/more.py", "from net.layers import x\n"),
            ("tools/only.py", "from net.layers import x\n"),
            ("tools/plain.py", "import json, os\nimport more\nimport data\nimport tools\n"),
            ("tools/alone.py", "import json\nimport data\nimport yaml\n"),
            ("src/own.py", "import face\n"),
        ] {
            fs_err::write(root.join(file), text).unwrap();
        }
        let of = |script| python_path(root, ProjectInstall::OnPath, Some(script)).unwrap();
        assert_eq!(of("tools/predict.py"), format!("{root}:{root}/src"));
        assert_eq!(of("tools/plain.py"), format!("{root}:{root}/src"));
        assert_eq!(of("tools/only.py"), format!("{root}:{root}/src"));
        // folders of data are no modules, and what Python brings is Python's
        assert_eq!(of("tools/alone.py"), root.as_str());
        assert_eq!(of("src/own.py"), root.as_str());
        assert_eq!(python_path(root, ProjectInstall::Install, Some("tools/predict.py")), None);
    }

    #[test]
    fn what_a_script_reaches_from_its_own_folder_is_on_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        for inner in ["lib", "main/first", "main/second"] {
            fs_err::create_dir_all(root.join(inner)).unwrap();
        }
        let text = "import sys\nsys.path.insert(0, '../../lib/')\nsys.path.append(\"../second\")\n\
                    sys.path.append('../..')\nsys.path.append('../../..')\n\
                    sys.path.append('../absent')\nsys.path.append(other)\n";
        fs_err::write(root.join("main/first/run.py"), text).unwrap();
        let of = |install, script| python_path(root, install, script);
        assert_eq!(
            of(ProjectInstall::OnPath, Some("main/first/run.py")).unwrap(),
            format!("{root}:{root}/lib:{root}/main/second")
        );
        assert_eq!(
            of(ProjectInstall::Install, Some("main/first/run.py")).unwrap(),
            format!("{root}/lib:{root}/main/second")
        );
        // and what a module beside it does, which it imports
        fs_err::create_dir_all(root.join("main/first/parts")).unwrap();
        fs_err::write(root.join("main/first/model.py"), "sys.path.append('parts')\nimport run\n")
            .unwrap();
        fs_err::write(
            root.join("main/first/train.py"),
            "import os, sys\nfrom model import Model\n",
        )
        .unwrap();
        assert_eq!(
            of(ProjectInstall::OnPath, Some("main/first/train.py")).unwrap(),
            format!("{root}:{root}/main/first/parts:{root}/lib:{root}/main/second")
        );
        assert_eq!(of(ProjectInstall::OnPath, None).as_deref(), Some(root.as_str()));
        assert_eq!(of(ProjectInstall::Install, Some("absent.py")), None);
        assert_eq!(of(ProjectInstall::Install, Some("../../etc/x.py")), None);
    }
}
