//! Follows code that builds parsers: through functions, methods, classes and modules of the tree.
//!
//! Nothing is executed. Statements are walked in order, both branches of each condition, and only
//! values that matter for parsers are kept. Steps and depth are bounded.

use ruff_python_ast::{
    ExceptHandler, Expr, ExprCall, Number, Operator, Stmt, StmtClassDef, StmtFor, StmtFunctionDef,
};
use rustc_hash::FxHashMap;

use super::scope::{self, Binding, Meaning, Scopes};
use super::value::{Function, Object, Parser, Value};
use crate::python::branch::is_main_test;
use crate::python::expression::{elements, is_dotted};

/// Statements and expressions walked for one driver.
const STEPS: u32 = 60_000;
/// Calls inside of calls.
const DEPTH: usize = 24;
/// Turns of a loop over literals.
const TURNS: usize = 48;

/// A call of a framework other than argparse that was met on the way.
pub(super) struct FrameworkCall<'a> {
    /// The dotted name, such as `fire.Fire`.
    pub(super) name: String,
    pub(super) file: usize,
    pub(super) call: &'a ExprCall,
}

/// The state of a walk.
pub(super) struct Interpreter<'s, 'p, 'a> {
    pub(super) scopes: &'s Scopes<'p, 'a>,
    pub(super) parsers: Vec<Parser>,
    pub(super) calls: Vec<FrameworkCall<'a>>,
    pub(super) objects: Vec<Object<'a>>,
    pub(super) modules: FxHashMap<usize, FxHashMap<&'a str, Value<'a>>>,
    stack: Vec<*const StmtFunctionDef>,
    steps: u32,
    main: usize,
}

/// The names of a function or module that is being walked.
pub(super) struct Frame<'a> {
    pub(super) file: usize,
    locals: FxHashMap<&'a str, Value<'a>>,
    class: Option<(usize, &'a StmtClassDef)>,
    is_module: bool,
    returned: Option<Value<'a>>,
}

impl<'s, 'p, 'a> Interpreter<'s, 'p, 'a> {
    pub(super) fn new(scopes: &'s Scopes<'p, 'a>, main: usize) -> Self {
        Self {
            scopes,
            parsers: Vec::new(),
            calls: Vec::new(),
            objects: Vec::new(),
            modules: FxHashMap::default(),
            stack: Vec::new(),
            steps: STEPS,
            main,
        }
    }

    /// Walks the top level of `file`, once.
    pub(super) fn run_module(&mut self, file: usize) {
        if self.modules.contains_key(&file) || self.modules.len() > 64 {
            return;
        }
        self.modules.insert(file, FxHashMap::default());
        let Some(source) = self.scopes.project.files.get(file) else { return };
        let mut frame = Frame {
            file,
            locals: FxHashMap::default(),
            class: None,
            is_module: true,
            returned: None,
        };
        self.run_all(&mut frame, source.module.statements());
        self.modules.insert(file, frame.locals);
    }

    /// Calls the function `name` of `file`, as a console script does.
    pub(super) fn call_function(&mut self, file: usize, name: &str) {
        let mut value = None;
        for part in name.split('.') {
            value = match value {
                None => self.scopes.lookup(file, part).map(Value::from),
                Some(Value::Class(at, class)) => {
                    self.scopes.method(at, class, part).map(Value::Function)
                }
                Some(_) => None,
            };
        }
        if let Some(Value::Function(function)) = value {
            self.enter(&function, Vec::new(), Vec::new());
        }
    }

    /// The file that is started.
    pub(super) fn main_file(&self) -> usize {
        self.main
    }

    /// Whether `file` imports one that builds parsers.
    pub(super) fn imports_builders(&self, file: usize) -> bool {
        self.scopes.imports_builders.get(file).copied().unwrap_or(false)
    }

    /// Whether a method or attribute of the tree is called `name`.
    pub(super) fn has_attribute(&mut self, receiver: &Value<'a>, name: &'a str) -> bool {
        !self.attribute(receiver, name).is_unknown()
    }

    fn step(&mut self) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.steps > 0
    }

    fn run_all(&mut self, frame: &mut Frame<'a>, statements: &'a [Stmt]) {
        for statement in statements {
            if !self.step() {
                return;
            }
            self.run(frame, statement);
        }
    }

    fn run(&mut self, frame: &mut Frame<'a>, statement: &'a Stmt) {
        match statement {
            Stmt::Assign(assign) => {
                let value = self.evaluate(frame, &assign.value);
                for target in &assign.targets {
                    self.assign(frame, target, &value);
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    let value = self.evaluate(frame, value);
                    self.assign(frame, &assign.target, &value);
                }
            }
            Stmt::AugAssign(assign) => {
                self.evaluate(frame, &assign.value);
            }
            Stmt::Expr(expression) => {
                self.evaluate(frame, &expression.value);
            }
            Stmt::Return(back) => {
                if let Some(value) = &back.value {
                    let value = self.evaluate(frame, value);
                    let better = frame.returned.as_ref().is_none_or(Value::is_unknown);
                    if better {
                        frame.returned = Some(value);
                    }
                }
            }
            Stmt::If(branch) => {
                if is_main_test(&branch.test) {
                    if frame.is_module && frame.file == self.main {
                        self.run_all(frame, &branch.body);
                    }
                    return;
                }
                self.evaluate(frame, &branch.test);
                self.run_all(frame, &branch.body);
                for clause in &branch.elif_else_clauses {
                    self.run_all(frame, &clause.body);
                }
            }
            Stmt::For(each) => self.run_for(frame, each),
            Stmt::While(repeat) => {
                self.run_all(frame, &repeat.body);
                self.run_all(frame, &repeat.orelse);
            }
            Stmt::With(with) => {
                for item in &with.items {
                    let value = self.evaluate(frame, &item.context_expr);
                    if let Some(target) = &item.optional_vars {
                        self.assign(frame, target, &value);
                    }
                }
                self.run_all(frame, &with.body);
            }
            Stmt::Try(attempt) => {
                self.run_all(frame, &attempt.body);
                for handler in &attempt.handlers {
                    let ExceptHandler::ExceptHandler(handler) = handler;
                    self.run_all(frame, &handler.body);
                }
                self.run_all(frame, &attempt.orelse);
                self.run_all(frame, &attempt.finalbody);
            }
            Stmt::Match(choice) => {
                for case in &choice.cases {
                    self.run_all(frame, &case.body);
                }
            }
            Stmt::FunctionDef(definition) if !frame.is_module => {
                let function =
                    Function { file: frame.file, definition, class: None, receiver: None };
                frame.locals.insert(definition.name.as_str(), Value::Function(function));
            }
            Stmt::ClassDef(class) if !frame.is_module => {
                frame.locals.insert(class.name.as_str(), Value::Class(frame.file, class));
            }
            Stmt::Import(import) => {
                for (name, binding) in scope::of_import(import) {
                    self.bind(frame, name, binding);
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                if let Some(file) = self.scopes.module(frame.file, module, import.level) {
                    self.run_imported(file);
                }
                for (name, binding) in scope::of_import_from(import) {
                    self.bind(frame, name, binding);
                }
            }
            _ => {}
        }
    }

    fn bind(&mut self, frame: &mut Frame<'a>, name: &'a str, binding: Binding<'a>) {
        let meaning = self.scopes.meaning(frame.file, binding);
        if let Some(Meaning::Module(file)) = meaning {
            self.run_imported(file);
        }
        // The top level's names are found through its scope.
        if !frame.is_module
            && let Some(meaning) = meaning
        {
            frame.locals.insert(name, meaning.into());
        }
    }

    /// Walks the top level of an imported module that builds parsers.
    fn run_imported(&mut self, file: usize) {
        if self.builds_parsers(file) {
            self.run_module(file);
        }
    }

    /// Whether calls into `file` are followed without a parser being handed over.
    pub(super) fn builds_parsers(&self, file: usize) -> bool {
        self.scopes.builders.get(file).copied().unwrap_or(false)
    }

    fn run_for(&mut self, frame: &mut Frame<'a>, each: &'a StmtFor) {
        let over = self.evaluate(frame, &each.iter);
        let turns: Vec<Value<'a>> = match over {
            Value::Sequence(values) => values,
            Value::Plain(file, expr) => {
                let (file, expr) = self.scopes.constant(file, expr);
                match expr {
                    Expr::Dict(dict) => dict
                        .items
                        .iter()
                        .filter_map(|item| Some(Value::Plain(file, item.key.as_ref()?)))
                        .collect(),
                    _ => elements(expr)
                        .map(|items| items.iter().map(|item| Value::Plain(file, item)).collect())
                        .unwrap_or_default(),
                }
            }
            _ => Vec::new(),
        };
        if turns.is_empty() {
            self.assign(frame, &each.target, &Value::Unknown);
            self.run_all(frame, &each.body);
        }
        for value in turns.into_iter().take(TURNS) {
            self.assign(frame, &each.target, &value);
            self.run_all(frame, &each.body);
        }
        self.run_all(frame, &each.orelse);
    }

    fn assign(&mut self, frame: &mut Frame<'a>, target: &'a Expr, value: &Value<'a>) {
        match target {
            Expr::Name(name) => {
                frame.locals.insert(name.id.as_str(), value.clone());
            }
            Expr::Attribute(attribute) => {
                if let Value::Instance(object) = self.evaluate(frame, &attribute.value)
                    && let Some(object) = self.objects.get_mut(object)
                {
                    object.attributes.insert(attribute.attr.as_str(), value.clone());
                }
            }
            _ => {
                let Some(targets) = elements(target) else { return };
                for (index, target) in targets.iter().enumerate() {
                    let part = match value {
                        Value::Sequence(values) => values.get(index).cloned(),
                        Value::Plain(file, expr) => elements(expr)
                            .and_then(|items| items.get(index))
                            .map(|item| Value::Plain(*file, item)),
                        // `parser, args = …` of something that is not followed.
                        _ => None,
                    };
                    self.assign(frame, target, &part.unwrap_or(Value::Unknown));
                }
            }
        }
    }

    /// Returns what an expression is worth.
    pub(super) fn evaluate(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Value<'a> {
        if !self.step() {
            return Value::Unknown;
        }
        match expr {
            Expr::Name(name) => self.name(frame, name.id.as_str()),
            Expr::Attribute(attribute) => {
                let receiver = self.evaluate(frame, &attribute.value);
                self.attribute(&receiver, attribute.attr.as_str())
            }
            Expr::Call(call) => self.call(frame, call),
            Expr::List(_) | Expr::Tuple(_) | Expr::Set(_) => {
                let items = elements(expr).unwrap_or_default();
                if items.len() > TURNS || items.iter().all(Expr::is_literal_expr) {
                    return Value::Plain(frame.file, expr);
                }
                Value::Sequence(items.iter().map(|item| self.evaluate(frame, item)).collect())
            }
            Expr::If(choice) => {
                self.evaluate(frame, &choice.test);
                let first = self.evaluate(frame, &choice.body);
                let second = self.evaluate(frame, &choice.orelse);
                if first.is_unknown() { second } else { first }
            }
            Expr::Named(named) => {
                let value = self.evaluate(frame, &named.value);
                self.assign(frame, &named.target, &value);
                value
            }
            Expr::Starred(starred) => self.evaluate(frame, &starred.value),
            Expr::Await(wait) => self.evaluate(frame, &wait.value),
            Expr::BinOp(binary) if matches!(binary.op, Operator::Add | Operator::Mod) => {
                self.text(frame, expr).map_or(Value::Plain(frame.file, expr), Value::Text)
            }
            Expr::Subscript(subscript) => {
                let value = self.evaluate(frame, &subscript.value);
                let index = match &*subscript.slice {
                    Expr::NumberLiteral(literal) => match &literal.value {
                        Number::Int(int) => int.as_usize(),
                        _ => None,
                    },
                    _ => None,
                };
                match (value, index) {
                    (Value::Sequence(values), Some(index)) => {
                        values.get(index).cloned().unwrap_or(Value::Unknown)
                    }
                    _ => Value::Unknown,
                }
            }
            Expr::BoolOp(many) => {
                let values: Vec<_> = many.values.iter().map(|v| self.evaluate(frame, v)).collect();
                values.into_iter().find(|value| !value.is_unknown()).unwrap_or(Value::Unknown)
            }
            Expr::FString(_) => self.text(frame, expr).map_or(Value::Unknown, Value::Text),
            _ => Value::Plain(frame.file, expr),
        }
    }

    fn name(&mut self, frame: &Frame<'a>, name: &str) -> Value<'a> {
        if let Some(value) = frame.locals.get(name) {
            return value.clone();
        }
        if let Some(value) = self.modules.get(&frame.file).and_then(|names| names.get(name)) {
            return value.clone();
        }
        match self.scopes.lookup(frame.file, name) {
            Some(meaning) => self.known(meaning, name),
            None => Value::External(name.to_owned()),
        }
    }

    /// The value of a module's name: what walking the module made of it, if it was walked.
    pub(super) fn known(&self, meaning: Meaning<'a>, name: &str) -> Value<'a> {
        if let Meaning::Constant(file, _) = meaning
            && let Some(value) = self.modules.get(&file).and_then(|names| names.get(name))
        {
            return value.clone();
        }
        meaning.into()
    }

    /// Walks a function's body with its parameters bound.
    pub(super) fn enter(
        &mut self,
        function: &Function<'a>,
        positional: Vec<Value<'a>>,
        named: Vec<(&'a str, Value<'a>)>,
    ) -> Value<'a> {
        let key = std::ptr::from_ref(function.definition);
        if self.stack.len() >= DEPTH || self.stack.contains(&key) {
            return Value::Unknown;
        }
        let mut frame = Frame {
            file: function.file,
            locals: FxHashMap::default(),
            class: function.class,
            is_module: false,
            returned: None,
        };
        let is_static = function
            .definition
            .decorator_list
            .iter()
            .any(|decorator| is_dotted(&decorator.expression, &["staticmethod"]));
        let receiver = function.receiver.as_deref().filter(|_| !is_static).cloned();
        let mut given = receiver.into_iter().chain(positional);
        let parameters = &function.definition.parameters;
        for parameter in parameters.posonlyargs.iter().chain(&parameters.args) {
            let name = parameter.name().as_str();
            let value = given.next().or_else(|| {
                parameter.default().map(|default| Value::Plain(function.file, default))
            });
            frame.locals.insert(name, value.unwrap_or(Value::Unknown));
        }
        for parameter in &parameters.kwonlyargs {
            let value = parameter.default().map(|default| Value::Plain(function.file, default));
            frame.locals.insert(parameter.name().as_str(), value.unwrap_or(Value::Unknown));
        }
        if let Some(rest) = &parameters.vararg {
            frame.locals.insert(rest.name.as_str(), Value::Sequence(given.collect()));
        }
        for (name, value) in named {
            frame.locals.insert(name, value);
        }
        self.stack.push(key);
        self.run_all(&mut frame, &function.definition.body);
        self.stack.pop();
        frame.returned.unwrap_or(Value::Unknown)
    }

    /// Returns `super()` of the method that is being walked.
    pub(super) fn super_of(frame: &Frame<'a>) -> Value<'a> {
        let Some((file, class)) = frame.class else { return Value::Unknown };
        let object = frame.locals.get("self").or_else(|| frame.locals.get("cls"));
        object.map_or(Value::Unknown, |object| Value::Super(file, class, Box::new(object.clone())))
    }
}

/// The values that a call hands over.
#[derive(Clone, Default)]
pub(super) struct Arguments<'a> {
    pub(super) positional: Vec<Value<'a>>,
    pub(super) named: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Arguments<'a> {
    pub(super) fn all(&self) -> impl Iterator<Item = &Value<'a>> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value))
    }
}
