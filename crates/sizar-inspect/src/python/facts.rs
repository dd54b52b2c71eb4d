//! One walk over a file: what it imports, where it looks for modules, what it does.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{ExceptHandler, Expr, ExprCall, Number, Stmt, StmtIf, StmtTry};
use rustc_hash::{FxHashMap, FxHashSet};

use super::branch::{Branch, is_main_test};
use super::expression::{is_dotted, last_name, string};
use super::hints::Hints;
use super::source_file::SourceFile;
use super::tree_path::PathReader;

/// An import as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRecord {
    /// The dotted module; empty for `from . import x`.
    pub module: String,
    /// The number of dots before it.
    pub level: u32,
    /// What is taken from it, which may be modules; `*` for all.
    pub names: Vec<String>,
    /// From 1.
    pub line: u32,
    /// Whether the code goes on without it, or needs it on Python 2 or another system only.
    pub optional: bool,
    /// Whether its absence is caught by name, nothing is imported in its place, and the code goes on.
    pub dispensable: bool,
    /// Whether its absence is only said in other words: whoever imports the file needs it.
    pub refused: bool,
    /// Whether it is inside a function or class, or under a condition.
    pub conditional: bool,
    /// Whether it runs when the file is started (`if __name__ == "__main__"`).
    pub in_main: bool,
}

/// How a file reads `sys.argv`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgvUse {
    /// The indices that are read, without 0.
    pub indices: BTreeSet<usize>,
    /// The line of the first use; 0 where there is none.
    pub line: u32,
}

/// What one walk over a file found.
#[derive(Clone, Debug, Default)]
pub struct FileFacts {
    pub imports: Vec<ImportRecord>,
    /// Folders of the tree that it puts on `sys.path`, relative to the root.
    pub path_additions: Vec<String>,
    /// The line of `if __name__ == "__main__"`.
    pub main_guard: Option<u32>,
    /// Whether importing it already does something: calls or loops at the top level.
    pub works_at_top_level: bool,
    pub argv: ArgvUse,
    pub hints: Hints,
}

impl FileFacts {
    /// Walks over `file`.
    pub fn read(file: &SourceFile) -> Self {
        let mut walk = Walk {
            file,
            facts: Self::default(),
            paths: PathReader { file: &file.path, names: FxHashMap::default() },
            optional: 0,
            refused: 0,
            dispensable: 0,
            conditional: 0,
            in_main: false,
            functions: Vec::new(),
            path_functions: FxHashSet::default(),
            path_calls: Vec::new(),
        };
        for statement in file.module.statements() {
            walk.facts.works_at_top_level |= does_work(statement);
            walk.visit_stmt(statement);
        }
        for (function, argument) in std::mem::take(&mut walk.path_calls) {
            if walk.path_functions.contains(function) {
                walk.add_path(argument);
            }
        }
        walk.facts
    }
}

fn does_work(statement: &Stmt) -> bool {
    match statement {
        Stmt::Expr(expression) => {
            matches!(&*expression.value, Expr::Call(call) if !is_setting(call))
        }
        Stmt::For(_) | Stmt::While(_) | Stmt::With(_) => true,
        _ => false,
    }
}

/// Calls that set something up: on `sys.path`, `warnings`, `matplotlib`, `logging`.
fn is_setting(call: &ExprCall) -> bool {
    match &*call.func {
        Expr::Attribute(attribute) => {
            is_dotted(&attribute.value, &["sys", "path"])
                || matches!(
                    attribute.attr.as_str(),
                    "filterwarnings"
                        | "simplefilter"
                        | "use"
                        | "basicConfig"
                        | "set_verbosity"
                        | "append"
                        | "register"
                        | "set_num_threads"
                        | "add_argument"
                        | "setLevel"
                        | "addHandler"
                        | "extend_path"
                )
                || attribute.attr.starts_with("DEFINE_")
                || attribute.attr.starts_with("set_")
        }
        _ => false,
    }
}

struct Walk<'a> {
    file: &'a SourceFile,
    facts: FileFacts,
    paths: PathReader<'a>,
    optional: u32,
    refused: u32,
    dispensable: u32,
    conditional: u32,
    in_main: bool,
    functions: Vec<&'a str>,
    /// Functions that put their argument on `sys.path`.
    path_functions: FxHashSet<&'a str>,
    path_calls: Vec<(&'a str, &'a Expr)>,
}

impl<'a> Walk<'a> {
    fn import(&mut self, module: &str, level: u32, names: Vec<String>, line: u32) {
        self.facts.imports.push(ImportRecord {
            module: module.to_owned(),
            level,
            names,
            line,
            optional: self.optional > 0,
            refused: self.refused > 0,
            dispensable: self.dispensable > 0,
            conditional: self.conditional > 0,
            in_main: self.in_main,
        });
    }

    fn add_path(&mut self, expr: &'a Expr) {
        for folder in self.paths.folders(expr) {
            if !self.facts.path_additions.contains(&folder) {
                self.facts.path_additions.push(folder);
            }
        }
    }

    fn visit_if(&mut self, statement: &'a StmtIf) {
        self.visit_expr(&statement.test);
        if is_main_test(&statement.test) {
            self.facts.main_guard = Some(self.file.module.line_of(statement));
            let outer = std::mem::replace(&mut self.in_main, self.functions.is_empty());
            self.visit_branch(&statement.body, false);
            self.in_main = outer;
        } else {
            let branch = Branch::of(&statement.test);
            self.visit_branch(&statement.body, branch == Branch::OptionalBody);
            for clause in &statement.elif_else_clauses {
                let optional = match &clause.test {
                    Some(test) => {
                        self.visit_expr(test);
                        Branch::of(test) == Branch::OptionalBody
                    }
                    None => branch == Branch::OptionalElse,
                };
                self.visit_branch(&clause.body, optional);
            }
            return;
        }
        for clause in &statement.elif_else_clauses {
            self.visit_branch(&clause.body, false);
        }
    }

    fn visit_branch(&mut self, body: &'a [Stmt], optional: bool) {
        self.conditional += 1;
        self.optional += u32::from(optional);
        self.visit_body(body);
        self.optional -= u32::from(optional);
        self.conditional -= 1;
    }

    fn visit_try(&mut self, statement: &'a StmtTry) {
        // what is refused inside a function is wanted by who calls it
        let refused = self.functions.is_empty() && self.conditional == 0 && refuses(statement);
        let forgiving = !refused && statement.handlers.iter().any(catches_import_errors);
        let alone = goes_on_without(statement);
        self.optional += u32::from(forgiving);
        self.refused += u32::from(refused);
        self.dispensable += u32::from(alone);
        self.visit_body(&statement.body);
        self.dispensable -= u32::from(alone);
        self.refused -= u32::from(refused);
        for handler in &statement.handlers {
            self.visit_except_handler(handler);
        }
        self.optional -= u32::from(forgiving);
        self.visit_body(&statement.orelse);
        self.visit_body(&statement.finalbody);
    }

    fn visit_call(&mut self, call: &'a ExprCall) {
        let arguments = &call.arguments.args;
        match &*call.func {
            Expr::Name(name) => {
                if let Some(argument) = arguments.first() {
                    match name.id.as_str() {
                        "__import__" | "import_module" => self.import_call(call, argument),
                        _ if arguments.len() == 1 && self.path_calls.len() < 4096 => {
                            self.path_calls.push((name.id.as_str(), argument));
                        }
                        _ => {}
                    }
                }
            }
            Expr::Attribute(attribute) => {
                let method = attribute.attr.as_str();
                self.facts.hints.see_call(&attribute.value, method);
                match method {
                    "import_module" => {
                        if let Some(argument) = arguments.first() {
                            self.import_call(call, argument);
                        }
                    }
                    "append" | "insert" | "extend"
                        if is_dotted(&attribute.value, &["sys", "path"]) =>
                    {
                        let added =
                            if method == "insert" { arguments.get(1) } else { arguments.first() };
                        match added {
                            Some(Expr::List(list)) => {
                                list.elts.iter().for_each(|e| self.add_path(e));
                            }
                            Some(argument) => {
                                self.add_path(argument);
                                if argument.is_name_expr()
                                    && let Some(function) = self.functions.last()
                                {
                                    self.path_functions.insert(function);
                                }
                            }
                            None => {}
                        }
                    }
                    "addsitedir" => arguments.iter().for_each(|argument| self.add_path(argument)),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn import_call(&mut self, call: &'a ExprCall, argument: &'a Expr) {
        let Some(module) = string(argument) else { return };
        let level = module.bytes().take_while(|&byte| byte == b'.').count() as u32;
        let name = module.trim_start_matches('.');
        let is_name = name.split('.').all(|part| {
            !part.is_empty() && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
        });
        if is_name {
            let line = self.file.module.line_of(call);
            self.import(name, level, Vec::new(), line);
        }
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                let line = self.file.module.line_of(import);
                for alias in &import.names {
                    if !alias.name.as_str().is_empty() {
                        self.import(alias.name.as_str(), 0, Vec::new(), line);
                    }
                }
            }
            Stmt::ImportFrom(import) => {
                let line = self.file.module.line_of(import);
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                let names = import.names.iter().map(|alias| alias.name.as_str().to_owned());
                if !module.is_empty() || import.level > 0 {
                    self.import(module, import.level, names.collect(), line);
                }
            }
            Stmt::If(statement) => self.visit_if(statement),
            Stmt::Try(statement) => self.visit_try(statement),
            Stmt::FunctionDef(function) => {
                self.conditional += 1;
                self.functions.push(function.name.as_str());
                visitor::walk_stmt(self, statement);
                self.functions.pop();
                self.conditional -= 1;
            }
            Stmt::ClassDef(_) => {
                self.conditional += 1;
                visitor::walk_stmt(self, statement);
                self.conditional -= 1;
            }
            Stmt::Assign(assign) => {
                if let [Expr::Name(name)] = &*assign.targets
                    && matches!(
                        &*assign.value,
                        Expr::Call(_)
                            | Expr::BinOp(_)
                            | Expr::Attribute(_)
                            | Expr::Subscript(_)
                            | Expr::StringLiteral(_)
                            | Expr::Name(_)
                    )
                    && let Some(path) = self.paths.read(&assign.value)
                {
                    self.paths.names.insert(name.id.as_str(), path);
                }
                visitor::walk_stmt(self, statement);
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Call(call) => self.visit_call(call),
            Expr::Subscript(subscript) if is_dotted(&subscript.value, &["sys", "argv"]) => {
                if self.facts.argv.line == 0 {
                    self.facts.argv.line = self.file.module.line_of(subscript);
                }
                if let Some(index) = index_of(&subscript.slice) {
                    self.facts.argv.indices.insert(index);
                }
            }
            Expr::Attribute(_)
                if is_dotted(expr, &["sys", "argv"]) && self.facts.argv.line == 0 =>
            {
                self.facts.argv.line = self.file.module.line_of(expr);
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }

    // What is imported or called is never in these.
    fn visit_annotation(&mut self, _: &'a Expr) {}
}

fn index_of(expr: &Expr) -> Option<usize> {
    let Expr::NumberLiteral(literal) = expr else { return None };
    let Number::Int(int) = &literal.value else { return None };
    int.as_usize().filter(|&index| (1..64).contains(&index))
}

/// Returns whether a `try` does nothing but import, and the code goes on without what is not there:
/// its absence is caught by name, and the handler neither imports anything in its place nor leaves.
fn goes_on_without(statement: &StmtTry) -> bool {
    let only_imports = statement.body.iter().all(|statement| {
        matches!(
            statement,
            Stmt::Import(_)
                | Stmt::ImportFrom(_)
                | Stmt::Assign(_)
                | Stmt::AnnAssign(_)
                | Stmt::Pass(_)
        )
    });
    // the first that fits is the one that runs
    let Some(first) = statement.handlers.iter().find(|handler| catches_import_errors(handler))
    else {
        return false;
    };
    let ExceptHandler::ExceptHandler(handler) = first;
    let is_named =
        |expr: &Expr| matches!(last_name(expr), Some("ImportError" | "ModuleNotFoundError"));
    let by_name = match handler.type_.as_deref() {
        Some(Expr::Tuple(tuple)) => tuple.elts.iter().any(is_named),
        Some(expr) => is_named(expr),
        None => false,
    };
    let mut leaves = Leaves(false);
    leaves.visit_body(&handler.body);
    only_imports && by_name && !leaves.0
}

/// Returns whether a `try` only says in other words what is missing, such as with which command it
/// is installed: whoever imports this file needs it.
fn refuses(statement: &StmtTry) -> bool {
    let first = statement.handlers.iter().find(|handler| catches_import_errors(handler));
    let Some(ExceptHandler::ExceptHandler(handler)) = first else { return false };
    let imports = |it: &Stmt| matches!(it, Stmt::Import(_) | Stmt::ImportFrom(_));
    let plain = |it: &Stmt| matches!(it, Stmt::Expr(_) | Stmt::Assign(_) | Stmt::Raise(_));
    statement.body.iter().all(imports)
        && handler.body.iter().all(plain)
        && matches!(handler.body.last(), Some(Stmt::Raise(_)))
}

/// Whether a handler imports something, raises, or ends the program.
struct Leaves(bool);

impl<'a> Visitor<'a> for Leaves {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.0 |= matches!(statement, Stmt::Import(_) | Stmt::ImportFrom(_) | Stmt::Raise(_));
        visitor::walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr {
            self.0 |= matches!(
                last_name(&call.func),
                Some("exit" | "quit" | "_exit" | "__import__" | "import_module")
            );
        }
        visitor::walk_expr(self, expr);
    }
}

fn catches_import_errors(handler: &ExceptHandler) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    let catches = |expr: &Expr| {
        matches!(
            last_name(expr),
            Some("ImportError" | "ModuleNotFoundError" | "Exception" | "BaseException")
        )
    };
    match handler.type_.as_deref() {
        None => true,
        Some(Expr::Tuple(tuple)) => tuple.elts.iter().any(catches),
        Some(expr) => catches(expr),
    }
}
