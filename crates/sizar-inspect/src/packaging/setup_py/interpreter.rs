//! Follows the statements of a `setup.py`.

use std::collections::HashMap;

use ruff_python_ast::{ExceptHandler, Expr, ExprCall, Operator, Stmt, StmtFunctionDef, StmtIf};

use super::condition::{self, Condition, dotted};
use super::value::Value;
use crate::packaging::tree::Tree;
use crate::python::parse::Module;

/// Statements followed at most, over all loops and calls.
const MOST_STEPS: usize = 20_000;
/// Items of a list that a loop follows at most.
const MOST_TURNS: usize = 1000;
/// Calls inside calls, and expressions inside expressions, at most.
const DEEPEST_CALL: usize = 8;
const DEEPEST_EXPRESSION: usize = 80;

/// A call of `setup`.
#[derive(Debug)]
pub(super) struct SetupCall {
    pub keywords: Vec<Argument>,
}

/// A keyword argument.
#[derive(Debug)]
pub(super) struct Argument {
    pub name: String,
    pub value: Value,
    pub line: u32,
    /// As written.
    pub source: String,
}

/// Follows the statements of a module, without doing anything.
pub(super) struct Interpreter<'m> {
    pub(super) module: &'m Module,
    pub(super) path: &'m str,
    pub(super) tree: &'m dyn Tree,
    pub(super) calls: Vec<SetupCall>,
    /// The variables of the module, then those of each function that is being called.
    scopes: Vec<HashMap<String, Value>>,
    functions: HashMap<&'m str, &'m StmtFunctionDef>,
    /// What each function that is being called has returned.
    returned: Vec<Option<Value>>,
    conditions: Vec<Condition>,
    /// Whether each unknown condition is one that filters the lines of a file.
    filtering: bool,
    steps: usize,
    pub(super) depth: usize,
}

impl<'m> Interpreter<'m> {
    pub(super) fn new(module: &'m Module, path: &'m str, tree: &'m dyn Tree) -> Self {
        Self {
            module,
            path,
            tree,
            calls: Vec::new(),
            scopes: vec![HashMap::new()],
            functions: HashMap::new(),
            returned: Vec::new(),
            conditions: Vec::new(),
            filtering: false,
            steps: 0,
            depth: 0,
        }
    }

    /// Follows the module, and its functions where the call of `setup` is in one of them.
    pub(super) fn run(&mut self) {
        let module = self.module;
        self.block(module.statements());
        if self.calls.is_empty() {
            let mut functions: Vec<_> = self.functions.values().copied().collect();
            functions.sort_by_key(|function| function.range.start());
            for function in functions {
                self.enter(function, HashMap::new());
            }
        }
    }

    fn block(&mut self, statements: &'m [Stmt]) {
        for statement in statements {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return;
            }
            self.statement(statement);
            if matches!(statement, Stmt::Return(_) | Stmt::Break(_) | Stmt::Continue(_)) {
                return;
            }
        }
    }

    fn statement(&mut self, statement: &'m Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.functions.insert(function.name.as_str(), function);
            }
            Stmt::Assign(assign) => {
                let value = self.evaluate(&assign.value);
                for target in &assign.targets {
                    self.assign(target, value.clone());
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    let value = self.evaluate(value);
                    self.assign(&assign.target, value);
                }
            }
            Stmt::AugAssign(assign) if assign.op == Operator::Add => {
                let more = self.evaluate(&assign.value).under(self.condition().as_ref());
                let old = self.evaluate(&assign.target);
                self.put(&assign.target, old.plus(more));
            }
            Stmt::Expr(statement) if !self.change(&statement.value) => {
                self.evaluate(&statement.value);
            }
            Stmt::If(statement) => self.branches(statement),
            Stmt::With(statement) => {
                for item in &statement.items {
                    let value = self.evaluate(&item.context_expr);
                    if let Some(target) = &item.optional_vars {
                        self.put(target, value);
                    }
                }
                self.block(&statement.body);
            }
            Stmt::Try(statement) => {
                self.block(&statement.body);
                self.block(&statement.orelse);
                for handler in &statement.handlers {
                    let ExceptHandler::ExceptHandler(handler) = handler;
                    self.under(Condition::Other("an exception".to_owned()), &handler.body);
                }
                self.block(&statement.finalbody);
            }
            Stmt::For(statement) => {
                let items = self.iterated(&statement.iter).items();
                let before = std::mem::replace(&mut self.filtering, true);
                for item in items.into_iter().take(MOST_TURNS) {
                    self.put(&statement.target, item);
                    self.block(&statement.body);
                }
                self.filtering = before;
            }
            Stmt::While(statement) => self.block(&statement.body),
            Stmt::Return(statement) => {
                let value =
                    statement.value.as_ref().map_or(Value::None, |value| self.evaluate(value));
                if let Some(slot) = self.returned.last_mut()
                    && slot.as_ref().is_none_or(|old| matches!(old, Value::Unknown | Value::None))
                {
                    *slot = Some(value);
                }
            }
            _ => {}
        }
    }

    fn branches(&mut self, statement: &'m StmtIf) {
        let first = condition::read(&statement.test, self.module);
        let mut otherwise = first.as_ref().map(Condition::opposite);
        self.branch(first, &statement.body);
        for clause in &statement.elif_else_clauses {
            let own = clause.test.as_ref().and_then(|test| condition::read(test, self.module));
            let when = match (otherwise.clone(), own.clone()) {
                (Some(before), own) => Some(before.and(own)),
                (None, own) => own,
            };
            self.branch(when, &clause.body);
            if let Some(own) = own {
                otherwise = Some(own.opposite().and(otherwise));
            }
        }
    }

    fn branch(&mut self, condition: Option<Condition>, body: &'m [Stmt]) {
        match condition {
            // a filter over lines: what it keeps is read by the rules for requirement files
            Some(Condition::Other(_)) if self.filtering => self.block(body),
            Some(condition) => self.under(condition, body),
            None => self.block(body),
        }
    }

    fn under(&mut self, condition: Condition, body: &'m [Stmt]) {
        self.conditions.push(condition);
        self.block(body);
        self.conditions.pop();
    }

    /// Returns the conditions in which the current statement stands, as one.
    fn condition(&self) -> Option<Condition> {
        self.conditions.iter().rev().fold(None, |all, condition| Some(condition.clone().and(all)))
    }

    /// Assigns; under a condition, lists are added to what is there, and a text that is there stays.
    fn assign(&mut self, target: &'m Expr, value: Value) {
        let Some(condition) = self.condition() else {
            self.put(target, value);
            return;
        };
        let old = match target {
            Expr::Name(_) | Expr::Subscript(_) => self.evaluate(target),
            _ => Value::Unknown,
        };
        let value = value.under(Some(&condition));
        let value = match (old, value) {
            (Value::List(mut old), Value::List(new)) => {
                for item in new {
                    if !old.contains(&item) {
                        old.push(item);
                    }
                }
                Value::List(old)
            }
            (Value::Unknown | Value::None, new) => new,
            (old, _) => old,
        };
        self.put(target, value);
    }

    fn put(&mut self, target: &'m Expr, value: Value) {
        match target {
            Expr::Name(name) => {
                if let Some(scope) = self.scopes.last_mut() {
                    scope.insert(name.id.to_string(), value);
                }
            }
            Expr::Subscript(subscript) => {
                if let Value::Text(key) = self.evaluate(&subscript.slice) {
                    self.change_name(&subscript.value, |dict| dict.set(&key.text, value));
                }
            }
            Expr::Tuple(tuple) => {
                for (target, value) in tuple.elts.iter().zip(value.items()) {
                    self.put(target, value);
                }
            }
            _ => {}
        }
    }

    pub(super) fn lookup(&self, name: &str) -> Value {
        let known = self.scopes.last().and_then(|scope| scope.get(name));
        known.or_else(|| self.scopes.first()?.get(name)).cloned().unwrap_or(Value::Unknown)
    }

    /// Changes the variable, or the entry of a dictionary in a variable, that `place` names.
    fn change_name(&mut self, place: &'m Expr, change: impl FnOnce(&mut Value)) -> bool {
        match place {
            Expr::Name(name) => {
                let mut value = self.lookup(&name.id);
                change(&mut value);
                self.put(place, value);
                true
            }
            Expr::Subscript(subscript) => {
                let mut value = self.evaluate(place);
                change(&mut value);
                let Value::Text(key) = self.evaluate(&subscript.slice) else { return false };
                let Expr::Name(name) = subscript.value.as_ref() else { return false };
                let mut dict = self.lookup(&name.id);
                dict.set(&key.text, value);
                self.put(&subscript.value, dict);
                true
            }
            _ => false,
        }
    }

    /// `x.append(…)`, `x.extend(…)`, `x.insert(0, …)`, `d.update(…)`, `d.setdefault(k, …).append(…)`
    fn change(&mut self, expression: &'m Expr) -> bool {
        let Expr::Call(call) = expression else { return false };
        let Expr::Attribute(method) = call.func.as_ref() else { return false };
        let Some(last) =
            call.arguments.args.last().or(call.arguments.keywords.first().map(|k| &k.value))
        else {
            return false;
        };
        let condition = self.condition();
        match method.attr.as_str() {
            "append" | "insert" | "add" => {
                let value = self.evaluate(last).under(condition.as_ref());
                self.change_name(&method.value, |list| {
                    let old = std::mem::replace(list, Value::None);
                    *list = match old {
                        Value::List(_) => old.plus(Value::List(vec![value])),
                        _ => Value::List(vec![Value::Unknown, value]),
                    };
                })
            }
            "extend" => {
                let value = self.evaluate(last).under(condition.as_ref());
                self.change_name(&method.value, |list| {
                    let old = std::mem::replace(list, Value::None);
                    *list = old.plus(value);
                })
            }
            "update" => {
                let Value::Dict(more) = self.dictionary(&call.arguments) else { return false };
                let more = Value::Dict(more).under(condition.as_ref());
                self.change_name(&method.value, |dict| {
                    if let Value::Dict(entries) = more {
                        for (key, value) in entries {
                            dict.set(&key, value);
                        }
                    }
                })
            }
            _ => false,
        }
    }

    /// Records a call of `setup`, or follows a function of the module.
    pub(super) fn call(&mut self, call: &'m ExprCall) -> Option<Value> {
        let name = dotted(&call.func)?;
        if matches!(
            name.as_str(),
            "setup"
                | "setuptools.setup"
                | "distutils.core.setup"
                | "core.setup"
                | "skbuild.setup"
                | "numpy.distutils.core.setup"
        ) {
            let keywords = self.arguments(call);
            self.calls.push(SetupCall { keywords });
            return Some(Value::Unknown);
        }
        let function = self.functions.get(name.as_str()).copied()?;
        if self.returned.len() >= DEEPEST_CALL {
            return Some(Value::Unknown);
        }
        let mut locals = HashMap::new();
        let parameters: Vec<_> = function.parameters.iter_non_variadic_params().collect();
        for (index, parameter) in parameters.iter().enumerate() {
            let given =
                call.arguments.find_argument_value(parameter.parameter.name.as_str(), index);
            let value = match (given, parameter.default.as_deref()) {
                (Some(given), _) => self.evaluate(given),
                (None, Some(default)) => self.evaluate(default),
                (None, None) => Value::Unknown,
            };
            locals.insert(parameter.parameter.name.to_string(), value);
        }
        // `def find_version(*file_paths)`
        if let Some(rest) = &function.parameters.vararg {
            let values: Vec<Value> = call
                .arguments
                .args
                .iter()
                .skip(parameters.len())
                .map(|a| self.evaluate(a))
                .collect();
            locals.insert(rest.name.to_string(), Value::List(values));
        }
        Some(self.enter(function, locals))
    }

    fn enter(&mut self, function: &'m StmtFunctionDef, locals: HashMap<String, Value>) -> Value {
        self.scopes.push(locals);
        self.returned.push(None);
        // a condition around the call is put on its result by whoever uses it
        let conditions = std::mem::take(&mut self.conditions);
        let filtering = std::mem::replace(&mut self.filtering, false);
        self.block(&function.body);
        self.conditions = conditions;
        self.filtering = filtering;
        self.scopes.pop();
        self.returned.pop().flatten().unwrap_or(Value::Unknown)
    }

    fn arguments(&mut self, call: &'m ExprCall) -> Vec<Argument> {
        let mut arguments = Vec::new();
        for keyword in &call.arguments.keywords {
            let value = self.evaluate(&keyword.value);
            let line = self.module.line_of(&keyword.value);
            let source = self.module.source_of(&keyword.value).to_owned();
            match &keyword.arg {
                Some(name) => {
                    arguments.push(Argument { name: name.to_string(), value, line, source });
                }
                // `setup(**metadata)`
                None => {
                    if let Value::Dict(entries) = value {
                        for (name, value) in entries {
                            let line = value.texts().first().map_or(line, |text| text.line);
                            arguments.push(Argument { name, value, line, source: source.clone() });
                        }
                    }
                }
            }
        }
        arguments
    }

    /// Evaluates, unless expressions are nested too deep.
    pub(super) fn evaluate(&mut self, expression: &'m Expr) -> Value {
        if self.depth >= DEEPEST_EXPRESSION || self.steps > MOST_STEPS {
            return Value::Unknown;
        }
        self.depth += 1;
        self.steps += 1;
        let value = self.expression(expression);
        self.depth -= 1;
        value
    }

    pub(super) fn with_variable<T>(
        &mut self,
        target: &'m Expr,
        value: Value,
        then: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.put(target, value);
        then(self)
    }
}
