//! Which file of the tree an import means, if any.

use super::facts::{FileFacts, ImportRecord};
use super::source_file::{Layout, SourceFile, folder_of};
use super::stdlib::is_stdlib;
use super::tree_path::{enter, join, normalise};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

/// What an import means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The tree's own code; the files (by index) that the import runs, packages first.
    FirstParty(Vec<usize>),
    Stdlib,
    ThirdParty,
}

/// Where a tree may keep its code, beside its root.
pub const SOURCES: [&str; 5] = ["src", "lib", "python", "code", "source"];

/// The modules of a tree, by path without extension.
pub(super) struct Tree {
    modules: FxHashMap<String, Option<usize>>,
    /// Every folder with Python in it or below it.
    folders: FxHashSet<String>,
    /// The last parts of all modules and folders: no other name can be the tree's own.
    names: FxHashSet<String>,
    /// Where absolute imports start, beside the file's own places.
    roots: Vec<String>,
    /// Folders put on `sys.path` by any file, and folders of files that can be started.
    weak_roots: Vec<String>,
}

struct Found {
    files: Vec<usize>,
    /// Whether every part was found.
    complete: bool,
    /// Whether the first part is a module or a package with `__init__`.
    regular: bool,
}

impl Tree {
    pub(super) fn new(files: &[SourceFile], facts: &[FileFacts], layout: &Layout) -> Self {
        let mut modules = FxHashMap::with_capacity_and_hasher(files.len(), FxBuildHasher);
        let compiled =
            layout.paths.iter().filter(|path| is_compiled(path)).map(|path| (path, None));
        let python = files
            .iter()
            .enumerate()
            .filter(|(_, file)| !file.is_notebook())
            .map(|(index, file)| (&file.path, Some(index)));
        // Python comes last, so that it wins over a compiled module of the same name.
        for (path, index) in compiled.chain(python) {
            modules.insert(module_path(path).to_owned(), index);
        }
        let extensions = layout.extensions.iter().flat_map(|name| {
            let path = name.replace('.', "/");
            let below =
                layout.package_roots.iter().map(|root| join(root, &path)).collect::<Vec<_>>();
            below.into_iter().chain([path])
        });
        for path in extensions {
            modules.entry(path).or_insert(None);
        }
        let mut folders = FxHashSet::default();
        for path in modules.keys() {
            let mut folder = folder_of(path);
            while !folder.is_empty() && !folders.contains(folder) {
                folders.insert(folder.to_owned());
                folder = folder_of(folder);
            }
        }
        let last = |path: &String| path.rsplit('/').next().unwrap_or(path).to_owned();
        let names = modules.keys().chain(&folders).map(last).collect();
        let mut roots = vec![String::new()];
        let given = layout.package_roots.iter().map(String::as_str);
        for root in given.chain(SOURCES) {
            let root = normalise(root).unwrap_or_default();
            if (folders.contains(&root) || root.is_empty()) && !roots.contains(&root) {
                roots.push(root);
            }
        }
        let mut seen = FxHashSet::default();
        let mut weak_roots = Vec::new();
        let added = facts.iter().flat_map(|facts| facts.path_additions.iter().map(String::as_str));
        let startable = files.iter().zip(facts).filter(|(_, facts)| facts.main_guard.is_some());
        for root in added.chain(startable.map(|(file, _)| file.folder())) {
            if (folders.contains(root) || root.is_empty()) && seen.insert(root) {
                weak_roots.push(root.to_owned());
            }
        }
        weak_roots.truncate(64);
        Self { modules, folders, names, roots, weak_roots }
    }

    /// Says what `import` means in `file`; `known` are names that strangers' packages have.
    pub(super) fn resolve(
        &self,
        file: &SourceFile,
        facts: &FileFacts,
        import: &ImportRecord,
        known: impl Fn(&str) -> bool,
    ) -> Resolution {
        if import.level > 0 {
            return Resolution::FirstParty(self.relative(file, import));
        }
        let parts: Vec<&str> = import.module.split('.').collect();
        let Some(&top) = parts.first() else { return Resolution::ThirdParty };
        let standard = is_stdlib(top);
        if !self.names.contains(top) {
            return if standard { Resolution::Stdlib } else { Resolution::ThirdParty };
        }
        let folder = file.folder();
        let in_package = self.is_package(folder);
        let accept = |found: &Found, strong: bool| {
            let named = !import.names.is_empty() && found.files.len() > usize::from(found.regular);
            match (strong, found.regular) {
                (true, true) => true,
                // A folder without `__init__` gives way to any installed package.
                (_, false) => {
                    (found.complete && (parts.len() > 1 || named)) || !(standard || known(top))
                }
                // A stranger's package has other submodules than the tree's own of that name.
                (false, true) => found.complete && !standard && (parts.len() > 1 || !known(top)),
            }
        };
        let is_init = file.stem() == "__init__";
        let mut candidates: Vec<(&str, bool)> = Vec::with_capacity(8);
        if !in_package {
            candidates.push((folder, true));
        }
        candidates.extend(facts.path_additions.iter().map(|root| (root.as_str(), !standard)));
        if in_package {
            candidates.push((self.package_parent(folder), true));
        }
        candidates.extend(self.roots.iter().map(|root| (root.as_str(), true)));
        if in_package {
            candidates.push((folder, false));
        }
        candidates.extend(self.weak_roots.iter().map(|root| (root.as_str(), false)));
        // Code that was copied into a tree expects to be its root.
        let above = std::iter::successors(Some(folder), |f| (!f.is_empty()).then(|| folder_of(f)));
        candidates.extend(above.skip(1).map(|root| (root, false)));
        for (root, strong) in candidates {
            let Some(found) = self.find(root, &parts, &import.names) else { continue };
            // A file does not import itself: `examples/tensorflow.py` means the package. By the name
            // of the package that it lies in, it may.
            let this = self.index_of(&file.path);
            if !is_init && this.is_some_and(|this| found.files == [this]) {
                continue;
            }
            // The standard library wins except over the started file's own folder.
            let own = root == folder && !in_package;
            if standard && !own && !(found.complete && parts.len() > 1) {
                continue;
            }
            if standard && ALWAYS_LOADED.contains(&top) {
                continue;
            }
            if accept(&found, strong) {
                return Resolution::FirstParty(found.files);
            }
        }
        if standard { Resolution::Stdlib } else { Resolution::ThirdParty }
    }

    fn relative(&self, file: &SourceFile, import: &ImportRecord) -> Vec<usize> {
        let mut folder = file.folder();
        for _ in 1..import.level.min(64) {
            folder = folder_of(folder);
        }
        let parts: Vec<&str> = import.module.split('.').filter(|part| !part.is_empty()).collect();
        let mut files: Vec<usize> = self.module(&join(folder, "__init__")).into_iter().collect();
        if let Some(found) = self.find(folder, &parts, &import.names) {
            files.extend(found.files);
        }
        files
    }

    /// Follows `parts` from the folder `root`, then looks for `names` as modules below.
    fn find(&self, root: &str, parts: &[&str], names: &[String]) -> Option<Found> {
        let mut found = Found { files: Vec::new(), complete: true, regular: false };
        let mut path = String::with_capacity(root.len() + 64);
        path.push_str(root);
        let mut package = String::with_capacity(root.len() + 64);
        for (index, part) in parts.iter().enumerate() {
            enter(&mut path, part);
            package.clone_from(&path);
            enter(&mut package, "__init__");
            if let Some(file) = self.modules.get(&package) {
                found.files.extend(*file);
                found.regular |= index == 0;
            } else if let Some(file) = self.modules.get(&path) {
                found.files.extend(*file);
                found.regular |= index == 0;
                // Attributes of a module are not modules.
                found.complete = index + 1 == parts.len();
                return Some(found);
            } else if !self.folders.contains(&path) {
                found.complete = false;
                return (index > 0).then_some(found);
            }
        }
        let mut below = String::with_capacity(path.len() + 64);
        for name in names {
            below.clone_from(&path);
            enter(&mut below, name);
            package.clone_from(&below);
            enter(&mut package, "__init__");
            found.files.extend(self.module(&package).or_else(|| self.module(&below)));
        }
        Some(found)
    }

    fn module(&self, path: &str) -> Option<usize> {
        self.modules.get(path).copied().flatten()
    }

    /// Returns the file at `path`.
    pub(super) fn index_of(&self, path: &str) -> Option<usize> {
        self.module(module_path(path))
    }

    /// Returns the file of a dotted module as installed.
    pub(super) fn installed_module(&self, dotted: &str) -> Option<usize> {
        let parts: Vec<&str> = dotted.split('.').collect();
        self.roots
            .iter()
            .chain(&self.weak_roots)
            .filter_map(|root| self.find(root, &parts, &[]))
            .find(|found| found.complete)
            .and_then(|found| found.files.last().copied())
    }

    fn is_package(&self, folder: &str) -> bool {
        self.modules.contains_key(&join(folder, "__init__"))
    }

    /// Returns the `__init__` files of a folder and of the packages above it.
    pub(super) fn packages_above(&self, folder: &str) -> Vec<usize> {
        std::iter::successors(Some(folder), |f| (!f.is_empty()).then(|| folder_of(f)))
            .map_while(|folder| self.modules.get(&join(folder, "__init__")))
            .filter_map(|file| *file)
            .collect()
    }

    /// Returns the folder from which the package that holds `folder` is imported.
    fn package_parent<'a>(&self, folder: &'a str) -> &'a str {
        let mut folder = folder;
        while !folder.is_empty() && self.is_package(folder) {
            folder = folder_of(folder);
        }
        folder
    }
}

/// Loaded before any path is searched.
const ALWAYS_LOADED: &[&str] = &["sys", "builtins", "time", "os", "io", "abc", "site", "codecs"];

fn is_compiled(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    [".pyx", ".so", ".pyd", ".f90"].iter().any(|end| name.ends_with(end))
}

/// The path without its extension; `a/b.cpython-37m-x86_64-linux-gnu.so` is `a/b`.
fn module_path(path: &str) -> &str {
    let start = path.rfind('/').map_or(0, |slash| slash + 1);
    match path.get(start..).and_then(|name| name.find('.')) {
        Some(dot) if is_compiled(path) => path.get(..start + dot).unwrap_or(path),
        _ => path.strip_suffix(".py").or_else(|| path.strip_suffix(".pyw")).unwrap_or(path),
    }
}
