//! The names of a module, and what they mean across files.

use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use memchr::memmem;
use rayon::prelude::*;
use regex::Regex;
use ruff_python_ast::{
    Expr, Number, Stmt, StmtClassDef, StmtFunctionDef, StmtImport, StmtImportFrom,
};
use rustc_hash::FxHashMap;

use super::calls::spells_parsers;
use crate::python::expression::{elements, keyword, string};
use crate::python::facts::ImportRecord;
use crate::python::project::Project;
use crate::python::tree::Resolution;

/// What a name of a module is bound to.
#[derive(Clone, Copy)]
pub(super) enum Binding<'a> {
    Function(&'a StmtFunctionDef),
    Class(&'a StmtClassDef),
    /// Assigned once at the top level, or the last of several times.
    Constant(&'a Expr),
    /// `import a.b` binds `a`, `import a.b as c` binds `a.b`.
    Module(&'a str),
    /// `from a import b`, with the number of dots.
    Member {
        module: &'a str,
        level: u32,
        name: &'a str,
    },
}

/// The names that the top level of a module binds.
#[derive(Default)]
pub(super) struct ModuleScope<'a> {
    pub(super) names: FxHashMap<&'a str, Binding<'a>>,
    /// `from a import *`
    stars: Vec<(&'a str, u32)>,
}

/// Whether the top level of a module binds all of the names, and has none of them from a module that
/// is called `own`, too: it only hands a stranger's on.
pub(in crate::python) fn binds(statements: &[Stmt], names: &[String], own: &str) -> bool {
    let scope = ModuleScope::read(statements);
    let is_own = |binding: &Binding<'_>| {
        !matches!(binding, Binding::Member { module, level: 0, .. }
            if module.split('.').next() == Some(own))
    };
    names.iter().all(|name| scope.names.get(name.as_str()).is_some_and(is_own))
}

impl<'a> ModuleScope<'a> {
    fn read(statements: &'a [Stmt]) -> Self {
        let mut scope = Self::default();
        scope.bind_all(statements, 0);
        scope
    }

    fn bind_all(&mut self, statements: &'a [Stmt], depth: u32) {
        if depth > 8 {
            return;
        }
        for statement in statements {
            match statement {
                Stmt::FunctionDef(function) => {
                    self.names.insert(function.name.as_str(), Binding::Function(function));
                }
                Stmt::ClassDef(class) => {
                    self.names.insert(class.name.as_str(), Binding::Class(class));
                }
                Stmt::Assign(assign) => {
                    for target in &assign.targets {
                        if let Expr::Name(name) = target {
                            self.names.insert(name.id.as_str(), Binding::Constant(&assign.value));
                        } else if let (Some(names), Some(values)) =
                            (elements(target), elements(&assign.value))
                            && names.len() == values.len()
                        {
                            for (name, value) in names.iter().zip(values) {
                                if let Expr::Name(name) = name {
                                    self.names.insert(name.id.as_str(), Binding::Constant(value));
                                }
                            }
                        }
                    }
                }
                Stmt::AnnAssign(assign) => {
                    if let (Expr::Name(name), Some(value)) = (&*assign.target, &assign.value) {
                        self.names.insert(name.id.as_str(), Binding::Constant(value));
                    }
                }
                Stmt::Import(import) => self.names.extend(of_import(import)),
                Stmt::ImportFrom(import) => {
                    let module = import.module.as_ref().map_or("", |module| module.as_str());
                    if import.names.iter().any(|alias| alias.name.as_str() == "*") {
                        self.stars.push((module, import.level));
                    }
                    self.names.extend(of_import_from(import));
                }
                Stmt::If(branch) => {
                    // The first branch wins, as the likelier one.
                    for clause in branch.elif_else_clauses.iter().rev() {
                        self.bind_all(&clause.body, depth + 1);
                    }
                    self.bind_all(&branch.body, depth + 1);
                }
                Stmt::Try(attempt) => {
                    for handler in &attempt.handlers {
                        let ruff_python_ast::ExceptHandler::ExceptHandler(handler) = handler;
                        self.bind_all(&handler.body, depth + 1);
                    }
                    self.bind_all(&attempt.body, depth + 1);
                    self.bind_all(&attempt.orelse, depth + 1);
                }
                Stmt::With(with) => self.bind_all(&with.body, depth + 1),
                _ => {}
            }
        }
    }
}

/// Returns what an `import` binds.
pub(super) fn of_import(import: &StmtImport) -> impl Iterator<Item = (&str, Binding<'_>)> {
    import.names.iter().map(|alias| {
        let whole = alias.name.as_str();
        if let Some(name) = &alias.asname {
            (name.as_str(), Binding::Module(whole))
        } else {
            let top = whole.split('.').next().unwrap_or(whole);
            (top, Binding::Module(top))
        }
    })
}

/// Returns what a `from … import` binds.
pub(super) fn of_import_from(import: &StmtImportFrom) -> impl Iterator<Item = (&str, Binding<'_>)> {
    let module = import.module.as_ref().map_or("", |module| module.as_str());
    import.names.iter().filter(|alias| alias.name.as_str() != "*").map(move |alias| {
        let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
        (name, Binding::Member { module, level: import.level, name: alias.name.as_str() })
    })
}

/// Something found by name.
#[derive(Clone)]
pub(super) enum Meaning<'a> {
    Function(usize, &'a StmtFunctionDef),
    Class(usize, &'a StmtClassDef),
    Constant(usize, &'a Expr),
    Module(usize),
    /// The dotted name of something outside of the tree.
    External(String),
}

/// The scopes of all modules, read when first asked for.
pub(super) struct Scopes<'p, 'a> {
    pub(super) project: &'p Project<'a>,
    by_file: Vec<OnceLock<ModuleScope<'a>>>,
    /// Modules that were looked for, by file: the same names are asked for again and again.
    resolved: Vec<Mutex<FxHashMap<String, Option<usize>>>>,
    /// For each file, whether it builds parsers.
    pub(super) builders: Vec<bool>,
    /// For each file, whether it imports one that builds parsers.
    pub(super) imports_builders: Vec<bool>,
    /// For each file, whether it names what makes a parser.
    pub(super) spells_parsers: Vec<bool>,
    /// For each file, whether it defines flags of absl.
    pub(super) defines_flags: Vec<bool>,
}

/// What a file spells into which calls are followed without a parser being handed over.
static BUILDING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("add_argument|parse_args|ArgumentParser|OptionParser|add_option")
        .expect("it is valid")
});

/// Whether one of the words is in a text, which is a whole file.
pub(super) fn spells(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| memmem::find(text.as_bytes(), word.as_bytes()).is_some())
}

impl<'p, 'a> Scopes<'p, 'a> {
    pub(super) fn new(project: &'p Project<'a>) -> Self {
        let by_file = project.files.iter().map(|_| OnceLock::new()).collect();
        let resolved = project.files.iter().map(|_| Mutex::default()).collect();
        let files = project.files.par_iter().map(|file| file.module.text.as_str());
        let (builders, (spells_parsers, defines_flags)): (Vec<_>, (Vec<_>, Vec<_>)) = files
            .map(|text| {
                (BUILDING.is_match(text), (spells_parsers(text), spells(text, &["DEFINE_"])))
            })
            .unzip();
        let imports_one = |resolution: &Resolution| match resolution {
            Resolution::FirstParty(files) => {
                files.iter().any(|&file| builders.get(file).copied().unwrap_or(false))
            }
            _ => false,
        };
        let imports_builders = project
            .resolutions
            .iter()
            .map(|resolutions| resolutions.iter().any(imports_one))
            .collect();
        Self {
            project,
            by_file,
            resolved,
            builders,
            imports_builders,
            spells_parsers,
            defines_flags,
        }
    }

    pub(super) fn scope(&self, file: usize) -> Option<&ModuleScope<'a>> {
        let source = self.project.files.get(file)?;
        let cell = self.by_file.get(file)?;
        Some(cell.get_or_init(|| ModuleScope::read(source.module.statements())))
    }

    /// Returns what `name` means at the top level of `file`.
    pub(super) fn lookup(&self, file: usize, name: &str) -> Option<Meaning<'a>> {
        self.lookup_within(file, name, 8)
    }

    fn lookup_within(&self, file: usize, name: &str, hops: u32) -> Option<Meaning<'a>> {
        let hops = hops.checked_sub(1)?;
        let scope = self.scope(file)?;
        if let Some(&binding) = scope.names.get(name) {
            return self.meaning_within(file, binding, hops);
        }
        scope.stars.iter().rev().find_map(|&(module, level)| {
            let target = self.module(file, module, level)?;
            (target != file).then(|| self.lookup_within(target, name, hops))?
        })
    }

    /// Returns what a binding made in `file` means.
    pub(super) fn meaning(&self, file: usize, binding: Binding<'a>) -> Option<Meaning<'a>> {
        self.meaning_within(file, binding, 8)
    }

    fn meaning_within(&self, file: usize, binding: Binding<'a>, hops: u32) -> Option<Meaning<'a>> {
        Some(match binding {
            Binding::Function(function) => Meaning::Function(file, function),
            Binding::Class(class) => Meaning::Class(file, class),
            Binding::Constant(value) => Meaning::Constant(file, value),
            Binding::Module(module) => match self.module(file, module, 0) {
                Some(target) => Meaning::Module(target),
                None => Meaning::External(module.to_owned()),
            },
            Binding::Member { module, level, name } => {
                let target = self.module(file, module, level);
                let member = target
                    .filter(|target| *target != file)
                    .and_then(|target| self.lookup_within(target, name, hops));
                if let Some(found) = member {
                    return Some(found);
                }
                let below =
                    if module.is_empty() { name.to_owned() } else { format!("{module}.{name}") };
                match self.module(file, &below, level).filter(|below| Some(*below) != target) {
                    Some(below) => Meaning::Module(below),
                    None if target.is_none() && level == 0 => Meaning::External(below),
                    None => return None,
                }
            }
        })
    }

    /// Returns the member `name` of the module `file`: a name of it or a module below it.
    pub(super) fn member(&self, file: usize, name: &str) -> Option<Meaning<'a>> {
        self.lookup(file, name).or_else(|| {
            let path = &self.project.files.get(file)?.path;
            let folder = path.strip_suffix("/__init__.py")?;
            let tree = &self.project.tree;
            tree.index_of(&format!("{folder}/{name}.py"))
                .or_else(|| tree.index_of(&format!("{folder}/{name}/__init__.py")))
                .map(Meaning::Module)
        })
    }

    /// Returns the file that `module` means in `file`, if it is the tree's own.
    pub(super) fn module(&self, file: usize, module: &str, level: u32) -> Option<usize> {
        let key = ".".repeat(level.min(64) as usize) + module;
        let mut known = self.resolved.get(file)?.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key) {
            return *found;
        }
        let found = self.resolve(file, module, level);
        known.insert(key, found);
        found
    }

    fn resolve(&self, file: usize, module: &str, level: u32) -> Option<usize> {
        let source = self.project.files.get(file)?;
        let facts = self.project.facts.get(file)?;
        let record = ImportRecord {
            module: module.to_owned(),
            level,
            names: Vec::new(),
            line: 0,
            optional: false,
            dispensable: false,
            refused: false,
            conditional: false,
            in_main: false,
        };
        let known = crate::python::distributions::is_known;
        match self.project.tree.resolve(source, facts, &record, known) {
            Resolution::FirstParty(files) => files.last().copied(),
            _ => None,
        }
    }

    /// Returns the literal that an expression of `file` comes down to, following constants.
    pub(super) fn constant(&self, file: usize, expr: &'a Expr) -> (usize, &'a Expr) {
        let (mut file, mut expr) = (file, expr);
        for _ in 0..8 {
            let meaning = match expr {
                Expr::Name(name) => self.lookup(file, name.id.as_str()),
                Expr::Attribute(attribute) => match &*attribute.value {
                    Expr::Name(name) => match self.lookup(file, name.id.as_str()) {
                        Some(Meaning::Module(module)) => {
                            self.member(module, attribute.attr.as_str())
                        }
                        Some(Meaning::Class(at, class)) => {
                            class_constant(class, attribute.attr.as_str())
                                .map(|value| Meaning::Constant(at, value))
                        }
                        _ => None,
                    },
                    _ => None,
                },
                Expr::Subscript(subscript) => {
                    let (at, table) = match &*subscript.value {
                        Expr::Name(name) => match self.lookup(file, name.id.as_str()) {
                            Some(Meaning::Constant(at, table)) => (at, table),
                            _ => break,
                        },
                        _ => break,
                    };
                    entry(table, &subscript.slice).map(|value| Meaning::Constant(at, value))
                }
                _ => None,
            };
            match meaning {
                Some(Meaning::Constant(at, value)) => (file, expr) = (at, value),
                _ => break,
            }
        }
        (file, expr)
    }

    /// Returns the source of an expression of `file`.
    pub(super) fn source(&self, file: usize, expr: &Expr) -> &str {
        self.project.files.get(file).map_or("", |source| source.module.source_of(expr))
    }
}

/// Returns the value that a literal dictionary or list has for a literal key.
fn entry<'a>(table: &'a Expr, key: &Expr) -> Option<&'a Expr> {
    if let Expr::NumberLiteral(number) = key {
        let Number::Int(index) = &number.value else { return None };
        return elements(table)?.get(index.as_usize()?);
    }
    let wanted = string(key)?;
    match table {
        Expr::Dict(dict) => dict
            .items
            .iter()
            .find(|item| item.key.as_ref().and_then(string) == Some(wanted))
            .map(|item| &item.value),
        // `dict(a=1)`
        Expr::Call(call) => keyword(call, wanted),
        _ => None,
    }
}

/// Returns the value that a class body assigns to `name`.
pub(super) fn class_constant<'a>(class: &'a StmtClassDef, name: &str) -> Option<&'a Expr> {
    class.body.iter().find_map(|statement| match statement {
        Stmt::Assign(assign) => {
            let named = |target: &Expr| matches!(target, Expr::Name(n) if n.id.as_str() == name);
            assign.targets.iter().any(named).then_some(&*assign.value)
        }
        Stmt::AnnAssign(assign) => {
            let named = matches!(&*assign.target, Expr::Name(n) if n.id.as_str() == name);
            if named { assign.value.as_deref() } else { None }
        }
        _ => None,
    })
}

/// Returns the method of a class, without its bases.
pub(super) fn own_method<'a>(class: &'a StmtClassDef, name: &str) -> Option<&'a StmtFunctionDef> {
    class.body.iter().find_map(|statement| match statement {
        Stmt::FunctionDef(function) if function.name.as_str() == name => Some(function),
        _ => None,
    })
}
