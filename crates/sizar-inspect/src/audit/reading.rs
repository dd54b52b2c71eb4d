//! One walk over a parsed file, with every check of code on the way.

use std::sync::LazyLock;

use regex::Regex;
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Arguments, ExceptHandler, Expr, ExprCall, ExprIf, Identifier, Keyword, Parameters, Stmt,
    StmtAssign, StmtIf, StmtTry,
};
use ruff_text_size::{Ranged, TextSize};
use rustc_hash::{FxHashMap, FxHashSet};

use super::facts::{finding, one_line};
use super::folding::{self, fold};
use super::names::Names;
use super::paths::Place;
use super::{Facts, datasets, devices, paths, secrets, services, shapes, uses, weights};
use crate::python::parse::Module;

/// Words of conditions that ask for a GPU.
static GPU_WORDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("cuda|CUDA|gpu|GPU|is_available|device|DEVICE|Device").expect("it is valid")
});
/// Words of conditions that ask whether a name is there, or which release it is.
const ASKS_FIRST: &[&str] = &["hasattr(", "__version__", "version_info", "VERSION"];
/// The longest string that is looked at: what is longer is data or prose.
const MAX_STRING: usize = 1_000;

/// The reading of one file.
pub struct Reading<'a> {
    module: &'a Module,
    pub(super) path: &'a str,
    pub(super) names: Names<'a>,
    pub(super) facts: Facts,
    /// The top-level modules that were imported so far.
    pub(super) imported: FxHashSet<&'a str>,
    /// How many enclosing conditions ask for a GPU.
    guards: u32,
    /// How many enclosing statements catch that a name is gone, or ask first.
    other_ways: u32,
    /// Where we are, as far as it matters to a string.
    frames: Vec<Frame<'a>>,
    /// How many of the frames are words for people.
    prose: u32,
    /// The calls around us.
    calls: Vec<CallName>,
    /// Names of former calls, whose memory is used again.
    spare: Vec<String>,
    /// Up to where expressions have been read as one path.
    read_until: TextSize,
    /// What was assigned to names last.
    assigned: FxHashMap<&'a str, &'a Expr>,
    /// Whether what it expects says nothing of a run.
    tests: bool,
    /// Whether any condition of the file can ask for a GPU.
    names_a_gpu: bool,
}

/// What encloses a string.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frame<'a> {
    /// An argument of one of the calls around us: its position, and the option that it declares.
    Argument { call: usize, position: Option<usize>, option: Option<&'a str> },
    /// The value of a name: an assignment, a default, a keyword, a key of a dict.
    Binding(&'a str),
    /// A part of something bigger: what follows a `+`, a key, a comparison.
    Part,
    /// Words for people: what is raised.
    Prose,
}

/// The name of what is called.
#[derive(Debug)]
pub(super) struct CallName {
    /// Dotted, with imports resolved.
    dotted: String,
    /// Where the last part begins.
    method: usize,
}

impl CallName {
    fn new(dotted: String) -> Self {
        let method = memchr::memrchr(b'.', dotted.as_bytes()).map_or(0, |dot| dot + 1);
        Self { dotted, method }
    }

    /// Returns the whole name.
    pub fn dotted(&self) -> &str {
        &self.dotted
    }

    /// Returns the last part of the name.
    pub fn method(&self) -> &str {
        self.dotted.get(self.method..).unwrap_or_default()
    }
}

/// A call with the name of what is called.
pub(super) struct Call<'a, 'b> {
    pub node: &'a ExprCall,
    /// Dotted, with imports resolved; `.method` where the receiver has no name.
    pub name: &'b str,
    method: &'b str,
    module: &'a Module,
}

impl<'a, 'b> Call<'a, 'b> {
    /// Returns the last part of the name.
    pub fn method(&self) -> &'b str {
        self.method
    }

    /// Returns the line, from 1.
    pub fn line(&self) -> u32 {
        self.module.line_of(self.node)
    }

    pub fn arguments(&self) -> &'a Arguments {
        &self.node.arguments
    }

    pub fn positional(&self, at: usize) -> Option<&'a Expr> {
        self.node.arguments.args.get(at).filter(|expr| !expr.is_starred_expr())
    }

    pub fn keyword(&self, name: &str) -> Option<&'a Expr> {
        let mut keywords = self.node.arguments.keywords.iter();
        let named = |keyword: &&Keyword| keyword.arg.as_ref().is_some_and(|arg| arg == name);
        keywords.find(named).map(|keyword| &keyword.value)
    }

    /// Returns the text of a literal argument, by position or name.
    pub fn text(&self, at: usize, name: &str) -> Option<&'a str> {
        literal(self.positional(at).or_else(|| self.keyword(name))?)
    }
}

/// Returns the text of a string literal.
pub(super) fn literal(expr: &Expr) -> Option<&str> {
    expr.as_string_literal_expr().map(|literal| literal.value.to_str())
}

impl<'a> Reading<'a> {
    /// Reads a module; `path` is its path in the tree.
    pub fn of(module: &'a Module, path: &'a str) -> Facts {
        let mut reading = Reading {
            module,
            path,
            names: Names::default(),
            facts: Facts::default(),
            imported: FxHashSet::default(),
            guards: 0,
            other_ways: 0,
            frames: Vec::new(),
            prose: 0,
            calls: Vec::new(),
            spare: Vec::new(),
            read_until: TextSize::new(0),
            assigned: FxHashMap::default(),
            tests: is_beside_a_run(path),
            names_a_gpu: GPU_WORDS.is_match(&module.text),
        };
        reading.visit_body(module.statements());
        let mut facts = reading.facts;
        facts.settle();
        facts
    }

    pub(super) fn line(&self, node: &impl Ranged) -> u32 {
        self.module.line_of(node)
    }

    /// Returns where we are.
    pub(super) fn here(&self) -> Place<'_> {
        Place { frames: &self.frames, calls: &self.calls }
    }

    /// Returns the source of a node on one line, cut to a readable length.
    pub(super) fn snippet(&self, node: &impl Ranged) -> String {
        one_line(self.module.source_of(node))
    }

    /// Returns the source of an expression; of a name, that of what was assigned to it last.
    pub(super) fn meaning(&self, expr: &Expr) -> String {
        let assigned = expr.as_name_expr().and_then(|name| self.assigned.get(name.id.as_str()));
        self.snippet(*assigned.unwrap_or(&expr))
    }

    /// Returns the text that an expression is: a literal, a name for one, or what is under a literal
    /// key of a dict with a name.
    pub(super) fn literal_of(&self, expr: &'a Expr) -> Option<&'a str> {
        if let Some(text) = literal(expr) {
            return Some(text);
        }
        let assigned = |name: &Expr| self.assigned.get(name.as_name_expr()?.id.as_str()).copied();
        match expr {
            Expr::Name(_) => literal(assigned(expr)?),
            Expr::Subscript(subscript) => {
                let key = literal(&subscript.slice)?;
                let dict = assigned(&subscript.value)?.as_dict_expr()?;
                let is_it = |found: &Expr| literal(found) == Some(key);
                let item = dict.items.iter().find(|item| item.key.as_ref().is_some_and(is_it))?;
                literal(&item.value)
            }
            _ => None,
        }
    }

    /// Returns whether the place is reached only where somebody asked for a GPU.
    pub(super) fn is_guarded(&self) -> bool {
        self.guards > 0
    }

    /// Returns whether the code goes on where a name of the place is gone.
    pub(super) fn has_another_way(&self) -> bool {
        self.other_ways > 0
    }

    /// Returns whether an attribute is taken from something that an import brought.
    pub(super) fn is_of_a_module(&self, expr: &Expr) -> bool {
        let mut first = expr;
        while let Expr::Attribute(attribute) = first {
            first = &attribute.value;
        }
        let Expr::Name(name) = first else { return false };
        self.imported.contains(name.id.as_str()) || self.names.is_imported(name.id.as_str())
    }

    fn with_another_way(&mut self, has: bool, visit: impl FnOnce(&mut Self)) {
        self.other_ways += u32::from(has);
        visit(self);
        self.other_ways -= u32::from(has);
    }

    fn asks_for_a_gpu(&self, test: &Expr) -> bool {
        self.names_a_gpu && GPU_WORDS.is_match(self.module.source_of(test))
    }

    fn is_no_value(&self) -> bool {
        self.prose > 0 || matches!(self.frames.last(), Some(Frame::Part))
    }

    fn inside(&mut self, frame: Frame<'a>, visit: impl FnOnce(&mut Self)) {
        let prose = u32::from(matches!(frame, Frame::Prose));
        self.prose += prose;
        self.frames.push(frame);
        visit(self);
        self.frames.pop();
        self.prose -= prose;
    }

    fn guarded(&mut self, by: bool, visit: impl FnOnce(&mut Self)) {
        self.guards += u32::from(by);
        visit(self);
        self.guards -= u32::from(by);
    }

    fn string(&mut self, text: &'a str, expr: &'a Expr) {
        if text.len() < 2 {
            return;
        }
        if let Some(secret) = secrets::recognise(text) {
            let message = format!("{secret} is written into the code");
            let found = finding("hard-coded-secret", message, self.path, self.line(expr));
            self.facts.findings.push(found);
            return;
        }
        if text.len() > MAX_STRING {
            return;
        }
        if !self.tests {
            datasets::string(self, text, expr);
            shapes::string(self, text, expr);
            weights::string(self, text, expr);
        }
        services::string(self, text, expr);
    }

    /// Reads an expression as a path; what it consists of is not read again as paths.
    fn path_expression(&mut self, expr: &'a Expr) {
        if self.tests || expr.start() < self.read_until || self.is_no_value() {
            return;
        }
        let Some(folded) = fold(expr, &self.names) else { return };
        if folded.text.len() > MAX_STRING {
            return;
        }
        if let Some((value, kind)) = paths::classify(&folded, &self.here()) {
            let line = self.line(expr);
            self.facts.paths.push(super::PathUse { value, kind, line });
            self.read_until = expr.end();
        }
    }

    fn call(&mut self, node: &'a ExprCall, expr: &'a Expr) {
        let mut name = self.spare.pop().unwrap_or_default();
        name.clear();
        self.names.write_dotted(&node.func, &mut name);
        let name = CallName::new(name);
        if folding::may_be_a_path(name.method()) {
            self.path_expression(expr);
        }
        let call = Call { node, name: name.dotted(), method: name.method(), module: self.module };
        devices::call(self, &call);
        services::call(self, &call);
        if !self.tests {
            datasets::call(self, &call);
            shapes::call(self, &call);
            weights::call(self, &call);
            uses::call(self, &call);
        }
        let option = option_of(&call);
        self.visit_expr(&node.func);
        if node.arguments.is_empty() {
            self.spare.push(name.dotted);
            return;
        }
        let call = self.calls.len();
        self.calls.push(name);
        for (at, argument) in node.arguments.args.iter().enumerate() {
            let frame = Frame::Argument { call, position: Some(at), option };
            self.inside(frame, |reading| reading.visit_expr(argument));
        }
        for keyword in &node.arguments.keywords {
            let frame = Frame::Argument { call, position: None, option };
            self.inside(frame, |reading| reading.visit_keyword(keyword));
        }
        self.spare.extend(self.calls.pop().map(|name| name.dotted));
    }

    fn assignment(&mut self, assign: &'a StmtAssign) {
        let name = assign.targets.first().and_then(last_name);
        devices::assignment(self, assign);
        if let [Expr::Name(name)] = assign.targets.as_slice() {
            self.assigned.insert(name.id.as_str(), &assign.value);
        }
        for target in &assign.targets {
            self.visit_expr(target);
        }
        self.bound(name, &assign.value);
    }

    fn bound(&mut self, name: Option<&'a str>, value: &'a Expr) {
        match name {
            Some(name) => self.inside(Frame::Binding(name), |reading| reading.visit_expr(value)),
            None => self.visit_expr(value),
        }
    }

    fn condition(&mut self, statement: &'a StmtIf) {
        self.visit_expr(&statement.test);
        let mut asks = self.asks_for_a_gpu(&statement.test);
        self.guarded(asks, |reading| reading.visit_body(&statement.body));
        for clause in &statement.elif_else_clauses {
            if let Some(test) = &clause.test {
                self.visit_expr(test);
                asks |= self.asks_for_a_gpu(test);
            }
            self.guarded(asks, |reading| reading.visit_body(&clause.body));
        }
    }

    fn conditional(&mut self, expr: &'a ExprIf) {
        let asks = self.asks_for_a_gpu(&expr.test);
        self.visit_expr(&expr.test);
        self.guarded(asks, |reading| {
            reading.visit_expr(&expr.body);
            reading.visit_expr(&expr.orelse);
        });
    }
}

impl<'a> Visitor<'a> for Reading<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                self.names.import(import);
                let line = self.line(import);
                for alias in &import.names {
                    self.imported.extend(alias.name.split('.').next());
                    services::import(self, alias.name.as_str(), line);
                    datasets::import(self, alias.name.as_str(), line);
                    shapes::import(self, alias.name.as_str(), line);
                    devices::import(self, alias.name.as_str(), line);
                    if !self.tests {
                        uses::import(self, alias.name.as_str(), line);
                    }
                }
            }
            Stmt::ImportFrom(import) => {
                self.names.import_from(import);
                if let (0, Some(module)) = (import.level, &import.module) {
                    let line = self.line(import);
                    self.imported.extend(module.split('.').next());
                    if !self.tests {
                        uses::import_from(self, import, module.as_str());
                    }
                    services::import(self, module.as_str(), line);
                    datasets::import(self, module.as_str(), line);
                    shapes::import(self, module.as_str(), line);
                    devices::import(self, module.as_str(), line);
                    if !self.tests {
                        uses::import(self, module.as_str(), line);
                    }
                }
            }
            Stmt::Try(attempt) if catches_absence(attempt) => {
                self.with_another_way(true, |reading| visitor::walk_stmt(reading, statement));
            }
            // a text that is a statement of its own is documentation
            Stmt::Expr(expr) if expr.value.is_string_literal_expr() => {}
            Stmt::Assign(assign) => self.assignment(assign),
            Stmt::AnnAssign(assign) => {
                let name = last_name(&assign.target);
                if let Some(value) = &assign.value {
                    self.bound(name, value);
                }
            }
            Stmt::If(condition) => {
                let test = self.module.source_of(&*condition.test);
                let asks = ASKS_FIRST.iter().any(|word| test.contains(word));
                self.with_another_way(asks, |reading| reading.condition(condition));
            }
            Stmt::Raise(_) | Stmt::Assert(_) => {
                self.inside(Frame::Prose, |reading| visitor::walk_stmt(reading, statement));
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::StringLiteral(string) => {
                self.path_expression(expr);
                self.string(string.value.to_str(), expr);
            }
            Expr::FString(_) => {
                self.path_expression(expr);
                self.inside(Frame::Part, |reading| visitor::walk_expr(reading, expr));
            }
            Expr::Call(call) => self.call(call, expr),
            Expr::BinOp(operation) => {
                self.path_expression(expr);
                self.visit_expr(&operation.left);
                self.inside(Frame::Part, |reading| reading.visit_expr(&operation.right));
            }
            Expr::Subscript(subscript) => {
                if folding::is_environment(&subscript.value) {
                    self.path_expression(expr);
                }
                self.visit_expr(&subscript.value);
                self.inside(Frame::Part, |reading| reading.visit_expr(&subscript.slice));
            }
            Expr::Compare(_) => {
                self.inside(Frame::Part, |reading| visitor::walk_expr(reading, expr));
            }
            Expr::Dict(dict) => {
                for item in &dict.items {
                    if let Some(key) = &item.key {
                        self.inside(Frame::Part, |reading| reading.visit_expr(key));
                    }
                    let name = item.key.as_ref().and_then(literal);
                    self.bound(name, &item.value);
                }
            }
            Expr::If(conditional) => self.conditional(conditional),
            Expr::BoolOp(operation) => {
                let asks = operation.values.iter().any(|value| {
                    matches!(value, Expr::Call(_) | Expr::Name(_) | Expr::Attribute(_))
                        && self.asks_for_a_gpu(value)
                });
                self.guarded(asks, |reading| visitor::walk_expr(reading, expr));
            }
            Expr::Attribute(_) => {
                devices::attribute(self, expr);
                if !self.tests {
                    uses::attribute(self, expr);
                }
                visitor::walk_expr(self, expr);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_keyword(&mut self, keyword: &'a Keyword) {
        let name = keyword.arg.as_ref().map(Identifier::as_str);
        // `default=` tells less than the option it is the default of
        match name {
            Some("help" | "description") => {
                self.inside(Frame::Part, |reading| visitor::walk_keyword(reading, keyword));
            }
            Some(name) if name != "default" => {
                self.inside(Frame::Binding(name), |reading| {
                    visitor::walk_keyword(reading, keyword);
                });
            }
            _ => visitor::walk_keyword(self, keyword),
        }
    }

    fn visit_parameters(&mut self, parameters: &'a Parameters) {
        for parameter in parameters.iter_non_variadic_params() {
            let Some(default) = &parameter.default else { continue };
            let name = parameter.parameter.name.as_str();
            devices::default(self, name, default);
            self.inside(Frame::Binding(name), |reading| reading.visit_expr(default));
        }
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}
}

/// Returns whether a `try` goes on where a name or a module is gone: whoever catches everything means
/// that around imports alone.
fn catches_absence(attempt: &StmtTry) -> bool {
    let imports = |statement: &Stmt| {
        matches!(statement, Stmt::Import(_) | Stmt::ImportFrom(_) | Stmt::Assign(_))
    };
    let only_imports = attempt.body.iter().all(imports);
    attempt.handlers.iter().any(|handler| {
        let ExceptHandler::ExceptHandler(handler) = handler;
        let Some(caught) = &handler.type_ else { return only_imports };
        let caught = match &**caught {
            Expr::Tuple(several) => several.elts.as_slice(),
            one => std::slice::from_ref(one),
        };
        caught.iter().filter_map(last_name).any(|name| match name {
            "ImportError" | "ModuleNotFoundError" | "AttributeError" => true,
            "Exception" | "BaseException" => only_imports,
            _ => false,
        })
    })
}

fn last_name(target: &Expr) -> Option<&str> {
    match target {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        Expr::Subscript(subscript) => literal(&subscript.slice),
        _ => None,
    }
}

/// Returns the name of the option that a call of argparse, click, absl or optparse declares.
fn option_of<'a>(call: &Call<'a, '_>) -> Option<&'a str> {
    let declares = matches!(call.method(), "add_argument" | "add_option" | "option" | "argument")
        || call.method().starts_with("DEFINE_");
    if !declares {
        return None;
    }
    let flags = call.arguments().args.iter().filter_map(literal);
    flags.max_by_key(|flag| flag.len()).map(|flag| flag.trim_start_matches('-'))
}

/// Returns whether a file holds tests of the code: their paths and weights are made up.
fn is_test(path: &str) -> bool {
    let mut parts = path.split('/').rev();
    let name = parts.next().unwrap_or_default();
    let folder = parts.any(|part| matches!(part, "tests" | "testing" | "unittests" | "test"));
    name == "conftest.py" || (folder && (name.starts_with("test") || path.contains("tests/")))
}

/// Returns whether a file only builds, installs, documents or tests the code.
pub fn is_beside_a_run(path: &str) -> bool {
    is_test(path) || is_beside(path)
}

/// Returns whether a file only builds, installs or documents the code.
fn is_beside(path: &str) -> bool {
    path == "setup.py"
        || path.ends_with("/setup.py")
        || path.starts_with("doc")
        || path.ends_with("/conf.py")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_drivers() {
        assert!(
            is_test("tests/test_a.py") && is_test("pkg/tests/data.py") && is_test("conftest.py")
        );
        assert!(is_test("test/test_a.py") && !is_test("test.py") && !is_test("tools/test_net.py"));
    }
}
