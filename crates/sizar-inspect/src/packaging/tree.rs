//! The packaging of a whole tree.

use std::collections::{BTreeSet, HashSet, VecDeque};

use sizar_model::inspection::{Declared, PackagingFile, PythonEvidence, Sighting};

use super::kind::{Kind, recognise};
use super::read::{Read, Reference, ScriptDeclaration};
use super::text::{group, pattern};
use super::{
    conda_list, dockerfile, environment_yml, lockfiles, notebook, pipfile, pkg_info, pyproject,
    python_versions, readme, requirements_txt, setup_cfg, setup_py,
};

/// The files that readers may look at: those of one source tree, and no others.
pub trait Tree {
    /// Returns the text of a file; `path` is relative to the root, with `/`, and never has `..`.
    fn read(&self, path: &str) -> Option<String>;
    /// Returns whether there is such a file.
    fn is_file(&self, path: &str) -> bool;
    /// Returns the paths of all files, relative to the root, with `/`.
    fn files(&self) -> &[String];
}

/// What the packaging files of a tree told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packaging {
    /// The root's files first.
    pub files: Vec<PackagingFile>,
    pub declared: Vec<Declared>,
    pub scripts: Vec<ScriptDeclaration>,
    /// As in setuptools, with folders relative to the root of the tree.
    pub package_dirs: Vec<(String, String)>,
    pub packages: Vec<String>,
    pub py_modules: Vec<String>,
    /// `requires` and `named`.
    pub python: PythonEvidence,
    /// `cuda` versions and `base_image`s.
    pub platform: Vec<Sighting>,
    pub system_packages: Vec<Sighting>,
    pub indexes: Vec<Sighting>,
}

/// Files to read at most: a tree of thousands of notebooks says nothing new after these.
const MOST_FILES: usize = 400;

/// Bytes of a file to read at most.
const LARGEST: usize = 4 << 20;
const LARGEST_NOTEBOOK: usize = 64 << 20;

/// Reads all packaging files of a tree, and what they include. `bytes` returns a file's content.
pub fn read_tree(files: &[String], bytes: &dyn Fn(&str) -> Option<Vec<u8>>) -> Packaging {
    let tree = Files { all: files, names: files.iter().map(String::as_str).collect(), bytes };
    let mut found: Vec<(&String, Kind)> =
        files.iter().filter_map(|path| Some((path, recognise(path)?))).collect();
    found.sort_by_key(|(path, kind)| (path.matches('/').count(), *kind, *path));
    let mut waiting: VecDeque<(String, Kind, Option<Reference>)> =
        found.into_iter().map(|(path, kind)| (path.clone(), kind, None)).collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut reads: Vec<Read> = Vec::new();
    while let Some((path, kind, reference)) = waiting.pop_front() {
        if seen.len() >= MOST_FILES || !seen.insert(path.clone()) {
            continue;
        }
        let scope = reference.as_ref().map(|reference| reference.scope.as_str());
        let Some(mut read) = read_one(&path, kind, scope, &tree) else { continue };
        for reference in std::mem::take(&mut read.references) {
            if tree.is_file(&reference.path) {
                // at once, so that an included file stands beside the one that includes it
                if recognise(&reference.path).is_none() {
                    waiting.push_front((reference.path.clone(), reference.kind, Some(reference)));
                }
            } else if reference.needed {
                let (line, path) = (reference.line, &reference.path);
                read.cannot_read(format!("line {line}: `{path}` is not in the tree"));
            }
        }
        if !(kind.is_incidental() && read.is_empty() && read.file.unreadable.is_empty()) {
            reads.push(read);
        }
    }
    together(reads)
}

/// Reads one packaging file of a tree, by its name and place.
pub fn read_file(path: &str, tree: &dyn Tree) -> Option<Read> {
    read_one(path, recognise(path)?, None, tree)
}

fn read_one(path: &str, kind: Kind, scope: Option<&str>, tree: &dyn Tree) -> Option<Read> {
    let text = tree.read(path)?;
    // images in the outputs make notebooks large
    let largest = if kind == Kind::Notebook { LARGEST_NOTEBOOK } else { LARGEST };
    if text.len() > largest {
        let mut read = Read::new(path, kind);
        read.cannot_read(format!("{} bytes are too many for such a file", text.len()));
        return Some(read);
    }
    Some(match kind {
        Kind::Pyproject => pyproject::read(path, &text),
        Kind::SetupPy => setup_py::read(path, &text, tree),
        Kind::SetupCfg => setup_cfg::read(path, &text, tree),
        Kind::PkgInfo => pkg_info::read(path, &text),
        Kind::RequirementsTxt => requirements_txt::read(path, &text, scope),
        Kind::Pipfile => pipfile::read(path, &text),
        Kind::EnvironmentYml => environment_yml::read(path, &text),
        Kind::PipfileLock => lockfiles::pipfile_lock(path, &text),
        Kind::PoetryLock | Kind::UvLock | Kind::PdmLock => lockfiles::packages(path, &text, kind),
        Kind::CondaList => conda_list::read_any(path, &text),
        Kind::Dockerfile => dockerfile::read(path, &text),
        Kind::RuntimeTxt => python_versions::runtime_txt(path, &text),
        Kind::PythonVersion => python_versions::python_version(path, &text),
        Kind::ToxIni => python_versions::tox_ini(path, &text),
        Kind::Workflow => python_versions::workflow(path, &text),
        Kind::Readme => readme::read(path, &text),
        Kind::Notebook => notebook::read(path, &text),
    })
}

fn together(reads: Vec<Read>) -> Packaging {
    let mut all = Packaging::default();
    let own = Own::of(&reads);
    let declared_builds: BTreeSet<String> = reads
        .iter()
        .flat_map(|read| &read.declared)
        .filter(|declared| declared.scope == "build" && !setup_py::is_undeclared(declared))
        .map(|declared| declared.name.clone())
        .collect();
    let mut seen: HashSet<(String, u32, String, String)> = HashSet::new();
    for read in reads {
        let only_names_python = read.only_names_python();
        for declared in read.declared {
            let known =
                setup_py::is_undeclared(&declared) && declared_builds.contains(&declared.name);
            let place = (declared.path.clone(), declared.line, declared.scope.clone());
            let key = (
                place.0,
                place.1,
                place.2,
                format!("{} {:?}", declared.name, declared.requirement),
            );
            if !own.is(&declared) && !known && seen.insert(key) {
                all.declared.push(declared);
            }
        }
        all.scripts.extend(read.scripts);
        let folder = read.file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (package, within) in read.package_dirs {
            let within = neighbour(&read.file.path, &within).unwrap_or_else(|| folder.to_owned());
            extend_new(&mut all.package_dirs, vec![(package, within)]);
        }
        extend_new(&mut all.packages, read.packages);
        extend_new(&mut all.py_modules, read.py_modules);
        all.python.requires.extend(read.python.requires);
        let repeated = matches!(read.file.kind.as_str(), "notebook" | "workflow");
        for named in read.python.named {
            let same = |old: &Sighting| old.kind == named.kind && old.text == named.text;
            if !repeated || !all.python.named.iter().any(same) {
                all.python.named.push(named);
            }
        }
        all.platform.extend(read.platform);
        all.system_packages.extend(read.system_packages);
        all.indexes.extend(read.indexes);
        // a hundred notebooks that only say which Python ran them are no packaging
        if !(read.file.kind == "notebook" && only_names_python) {
            all.files.push(read.file);
        }
    }
    all
}

/// What the project itself is called, and where it lives.
struct Own {
    names: BTreeSet<String>,
    repositories: BTreeSet<String>,
}

impl Own {
    fn of(reads: &[Read]) -> Self {
        let squashed = |name: &str| super::normalise(name).replace('-', "");
        Self {
            names: reads
                .iter()
                .filter_map(|read| read.file.name.as_deref())
                .map(squashed)
                .collect(),
            repositories: reads
                .iter()
                .flat_map(|read| &read.addresses)
                .filter_map(|address| repository(address))
                .collect(),
        }
    }

    /// Returns whether an install line or environment asks for the project itself.
    fn is(&self, declared: &Declared) -> bool {
        if !matches!(declared.scope.as_str(), "mentioned" | "conda") {
            return false;
        }
        let address = declared.requirement.as_deref().and_then(|asked| asked.split_once(" @ "));
        self.names.contains(&declared.name.replace('-', ""))
            || address
                .and_then(|(_, address)| repository(address))
                .is_some_and(|repository| self.repositories.contains(&repository))
    }
}

/// Returns `owner/name` of an address at one of the great hosts.
fn repository(address: &str) -> Option<String> {
    pattern!(HOSTED, r"(?i)(?:github\.com|gitlab\.com|bitbucket\.org)[/:]([^/]+/[^/@#]+)", needs ["github.com", "gitlab.com", "bitbucket.org"]);
    let found = HOSTED.captures(address)?;
    let path = group(&found, 1).to_ascii_lowercase();
    Some(path.strip_suffix(".git").unwrap_or(&path).to_owned())
}

fn extend_new<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !all.contains(&item) {
            all.push(item);
        }
    }
}

struct Files<'a> {
    all: &'a [String],
    names: HashSet<&'a str>,
    bytes: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

impl Tree for Files<'_> {
    fn read(&self, path: &str) -> Option<String> {
        // only what was listed: a reader that asks for anything else gets nothing
        self.is_file(path).then(|| (self.bytes)(path)).flatten().map(super::text::decode)
    }

    fn is_file(&self, path: &str) -> bool {
        self.names.contains(path)
    }

    fn files(&self) -> &[String] {
        self.all
    }
}

/// Returns the path of `target` as seen from the file `from`; nothing where it leaves the tree.
pub(super) fn neighbour(from: &str, target: &str) -> Option<String> {
    let target = target.trim().trim_matches(['"', '\'']).replace('\\', "/");
    let target = target.strip_prefix("file:").unwrap_or(&target);
    if target.is_empty()
        || target.starts_with(['/', '~', '$'])
        || target.contains("://")
        || target.chars().nth(1) == Some(':')
    {
        return None;
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A tree in memory.
    pub(in crate::packaging) struct Folder {
        names: Vec<String>,
        texts: Vec<String>,
    }

    impl Folder {
        pub(in crate::packaging) fn new(files: &[(&str, &str)]) -> Self {
            Self {
                names: files.iter().map(|(name, _)| (*name).to_owned()).collect(),
                texts: files.iter().map(|(_, text)| (*text).to_owned()).collect(),
            }
        }

        fn packaging(&self) -> Packaging {
            read_tree(&self.names, &|path| self.read(path).map(String::into_bytes))
        }
    }

    impl Tree for Folder {
        fn read(&self, path: &str) -> Option<String> {
            let index = self.names.iter().position(|name| name == path)?;
            Some(self.texts[index].clone())
        }

        fn is_file(&self, path: &str) -> bool {
            self.names.iter().any(|name| name == path)
        }

        fn files(&self) -> &[String] {
            &self.names
        }
    }

    #[test]
    fn includes_never_leave_the_tree_and_never_go_in_circles() {
        let tree = Folder::new(&[
            (
                "requirements.txt",
                "-r a.lst\n-r ../../etc/passwd\n-r /etc/passwd\n-r absent.txt\nnumpy\n",
            ),
            ("a.lst", "-r requirements.txt\n-r a.lst\n-r sub/b.lst\nscipy\n"),
            ("sub/b.lst", "-r ../a.lst\npandas\n"),
        ]);
        let told = tree.packaging();
        let names: Vec<_> =
            told.declared.iter().map(|d| (d.name.as_str(), d.path.as_str())).collect();
        assert_eq!(
            names,
            [("numpy", "requirements.txt"), ("scipy", "a.lst"), ("pandas", "sub/b.lst")]
        );
        assert_eq!(
            told.files[0].unreadable,
            [
                "line 2: `../../etc/passwd` is outside the tree: not read",
                "line 3: `/etc/passwd` is outside the tree: not read",
                "line 4: `absent.txt` is not in the tree",
            ]
        );
    }

    #[test]
    fn a_build_requirement_that_pyproject_declares_is_not_undeclared() {
        let setup = "import numpy\nfrom Cython.Build import cythonize\nfrom setuptools import setup\nsetup(name='x')\n";
        let without = Folder::new(&[("setup.py", setup)]).packaging();
        let names: Vec<_> = without.declared.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["numpy", "cython"]);
        let pyproject = "[build-system]\nrequires = ['setuptools', 'numpy==1.19.*']\n";
        let with = Folder::new(&[("setup.py", setup), ("pyproject.toml", pyproject)]).packaging();
        let told: Vec<_> =
            with.declared.iter().map(|d| d.requirement.as_deref().unwrap()).collect();
        assert_eq!(told, ["setuptools", "numpy==1.19.*", "cython"]);
    }

    #[test]
    fn the_project_itself_is_not_a_requirement() {
        let told = Folder::new(&[
            (
                "setup.py",
                "from setuptools import setup\nsetup(name='my_kit', install_requires=['numpy'])\n",
            ),
            ("README.md", "```\npip install my-kit lxml\n```\n"),
            ("docs/x.txt", "nothing"),
        ])
        .packaging();
        let names: Vec<_> = told.declared.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["numpy", "lxml"]);
        let files: Vec<_> = told.files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(files, ["setup.py", "README.md"]);
    }

    #[test]
    fn neighbours_stay_inside() {
        assert_eq!(neighbour("a/b.txt", "../c.txt").as_deref(), Some("c.txt"));
        assert_eq!(neighbour("b.txt", "../c.txt"), None);
        assert_eq!(neighbour("b.txt", "C:\\x"), None);
        assert_eq!(neighbour("b.txt", "https://x/y"), None);
    }
}
