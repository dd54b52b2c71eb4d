//! What a `setup.py` imports, and so needs before it can run.

use std::collections::{BTreeSet, VecDeque};

use ruff_python_ast::{ExceptHandler, Stmt};
use sizar_model::inspection::Declared;

use crate::packaging::read::Read;
use crate::packaging::requirement::Distribution;
use crate::packaging::tree::Tree;
use crate::python::parse::Module;
use crate::python::stdlib::is_stdlib;

/// The start of the note on such a requirement.
const UNDECLARED: &str = "imported by setup.py, not declared as a build requirement";

/// Distributions that a `setup.py` imports under another name.
const RENAMED: &[(&str, &str)] = &[
    ("Cython", "cython"),
    ("PIL", "pillow"),
    ("cv2", "opencv-python-headless"),
    ("git", "gitpython"),
    ("pkg_resources", "setuptools"),
    ("skbuild", "scikit-build"),
    ("sklearn", "scikit-learn"),
    ("yaml", "pyyaml"),
];

/// What builds import inside functions, too: there it is needed as much.
const BUILD_TOOLS: &[&str] = &[
    "Cython",
    "cffi",
    "numpy",
    "pybind11",
    "skbuild",
    "torch",
    "pythran",
    "pkg_resources",
    "jinja2",
    "mpi4py",
];

/// Modules of this name are files beside the `setup.py`, or part of every Python of their time.
const NO_DISTRIBUTION: &[&str] =
    &["setuptools", "distutils", "_distutils_hack", "ez_setup", "distribute_setup", "__main__"];

/// First-party files to look into at most.
const MOST_FILES: usize = 60;

/// Returns whether `declared` is what this module records.
pub(in crate::packaging) fn is_undeclared(declared: &Declared) -> bool {
    declared.scope == "build"
        && declared.repaired.as_deref().is_some_and(|note| note.starts_with(UNDECLARED))
}

/// Records the imports of `setup.py`, and of the modules of the tree that it imports.
pub(super) fn record(read: &mut Read, module: &Module, tree: &dyn Tree) {
    let path = read.path();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let mut known: BTreeSet<String> =
        read.declared.iter().filter(|d| d.scope == "build").map(|d| d.name.clone()).collect();
    let mut seen: BTreeSet<String> = BTreeSet::from([path.clone()]);
    let mut waiting: VecDeque<(String, Vec<Found>)> =
        VecDeque::from([(path.clone(), imports_of(module, true))]);
    while let Some((file, imports)) = waiting.pop_front() {
        for found in imports {
            if let Some(own) = first_party(&found, &file, &folder, tree) {
                for next in own {
                    if seen.len() < MOST_FILES
                        && seen.insert(next.clone())
                        && let Some(text) = tree.read(&next)
                    {
                        waiting.push_back((next, imports_of(&Module::parse(text), false)));
                    }
                }
                continue;
            }
            let top = found.module.split('.').next().unwrap_or_default();
            if found.level > 0 || top.is_empty() || is_stdlib(top) || NO_DISTRIBUTION.contains(&top)
            {
                continue;
            }
            let name = RENAMED.iter().find(|(from, _)| *from == top).map_or(top, |(_, to)| *to);
            let name = crate::packaging::normalise(name);
            if !known.insert(name.clone()) {
                continue;
            }
            let mut note = UNDECLARED.to_owned();
            if found.optional {
                note.push_str("; inside try/except, so it may be absent");
            }
            if file != path {
                note.push_str("; through a module of the tree");
            }
            let needed = Distribution {
                requirement: Some(name.clone()),
                name,
                repaired: Some(note),
                unreadable: None,
            };
            read.declare(needed, &found.source, found.line, "build");
            if let Some(declared) = read.declared.last_mut() {
                declared.path.clone_from(&file);
            }
        }
    }
}

/// An imported module.
struct Found {
    module: String,
    /// The names of `from module import …`, which may be modules.
    names: Vec<String>,
    /// The dots of a relative import.
    level: u32,
    optional: bool,
    line: u32,
    source: String,
}

fn imports_of(module: &Module, with_functions: bool) -> Vec<Found> {
    let mut found = Vec::new();
    collect(
        module,
        module.statements(),
        &mut found,
        At { optional: false, function: false, with_functions, depth: 0 },
    );
    found
}

#[derive(Clone, Copy)]
struct At {
    optional: bool,
    function: bool,
    with_functions: bool,
    depth: usize,
}

fn collect(module: &Module, statements: &[Stmt], all: &mut Vec<Found>, at: At) {
    if at.depth > 20 {
        return;
    }
    let deeper = At { depth: at.depth + 1, ..at };
    for statement in statements {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    add(module, statement, all, at, (alias.name.as_str(), Vec::new(), 0));
                }
            }
            Stmt::ImportFrom(import) => {
                let names = import.names.iter().map(|alias| alias.name.to_string()).collect();
                let from = import.module.as_ref().map_or("", |module| module.as_str());
                add(module, statement, all, at, (from, names, import.level));
            }
            Stmt::If(branch) => {
                // `if TYPE_CHECKING` and `if __name__ == …` of an imported module never run
                let test = module.source_of(branch.test.as_ref());
                if test.contains("TYPE_CHECKING") || test.contains("__name__") && !at.with_functions
                {
                    continue;
                }
                collect(module, &branch.body, all, deeper);
                for clause in &branch.elif_else_clauses {
                    collect(module, &clause.body, all, deeper);
                }
            }
            Stmt::Try(attempt) => {
                let optional = At { optional: !attempt.handlers.is_empty(), ..deeper };
                collect(module, &attempt.body, all, optional);
                for ExceptHandler::ExceptHandler(handler) in &attempt.handlers {
                    collect(module, &handler.body, all, optional);
                }
                collect(module, &attempt.orelse, all, deeper);
            }
            Stmt::With(with) => collect(module, &with.body, all, deeper),
            Stmt::FunctionDef(function) if at.with_functions => {
                collect(module, &function.body, all, At { function: true, ..deeper });
            }
            Stmt::ClassDef(class) => collect(module, &class.body, all, deeper),
            _ => {}
        }
    }
}

fn add(
    module: &Module,
    statement: &Stmt,
    all: &mut Vec<Found>,
    at: At,
    import: (&str, Vec<String>, u32),
) {
    let (name, names, level) = import;
    let top = name.split('.').next().unwrap_or_default();
    if at.function && !BUILD_TOOLS.contains(&top) {
        return;
    }
    all.push(Found {
        module: name.to_owned(),
        names,
        level,
        optional: at.optional,
        line: module.line_of(statement),
        source: module.source_of(statement).to_owned(),
    });
}

/// Returns the files that a module of the tree runs when imported; nothing for a foreign one.
fn first_party(found: &Found, file: &str, folder: &str, tree: &dyn Tree) -> Option<Vec<String>> {
    let under = |folder: &str, rest: &str| {
        if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") }
    };
    let bases: Vec<String> = if found.level > 0 {
        let mut base: Vec<&str> = file.split('/').collect();
        for _ in 0..found.level {
            base.pop();
        }
        vec![base.join("/")]
    } else {
        vec![folder.to_owned(), under(folder, "src"), under(folder, "lib")]
    };
    for base in bases {
        let mut files = Vec::new();
        let mut place = base.clone();
        let mut known = found.level > 0;
        for part in found.module.split('.').filter(|part| !part.is_empty()) {
            place = under(&place, part);
            known |= step(&place, tree, &mut files);
        }
        if !known {
            continue;
        }
        for name in &found.names {
            step(&under(&place, name), tree, &mut files);
        }
        return Some(files);
    }
    None
}

fn step(place: &str, tree: &dyn Tree, files: &mut Vec<String>) -> bool {
    let (package, module) = (format!("{place}/__init__.py"), format!("{place}.py"));
    for file in [package, module] {
        if tree.is_file(&file) {
            files.push(file);
            return true;
        }
    }
    false
}
