//! Commands of click and typer, which are functions with decorators.

use ruff_python_ast::{Decorator, Expr, ExprCall, Stmt, StmtFunctionDef};
use sizar_model::inspection::DriverOption;

use super::argument::{choices, default_source, kind_of};
use super::fields::kind_of_literal;
use super::scope::{Meaning, Scopes};
use super::typer;
use crate::python::expression::{argument, elements, keyword, last_name, spelled, string};

/// The commands of a program.
#[derive(Default)]
pub(super) struct Commands {
    pub(super) framework: &'static str,
    pub(super) subcommands: Vec<String>,
    pub(super) options: Vec<DriverOption>,
}

/// Finds the commands that are defined at the top level of `file`, and those of the tree that
/// are added to its groups.
pub(super) fn commands(scopes: &Scopes<'_, '_>, file: usize) -> Option<Commands> {
    let mut found = Found::new(scopes, file);
    found.read(file);
    found.add_members(file);
    found.finish()
}

/// Returns the options of the one command `function`, for console scripts.
pub(super) fn command(scopes: &Scopes<'_, '_>, file: usize, function: &str) -> Option<Commands> {
    let Some(Meaning::Function(file, definition)) = scopes.lookup(file, function) else {
        // `app = typer.Typer()` is a console script as well.
        return commands(scopes, file);
    };
    let mut found = Found::new(scopes, file);
    match found.role_of(definition) {
        Some(Role::Command(None)) => {
            let options = found.options(file, definition, None);
            found.commands.options.extend(options);
            found.standalone += 1;
            found.finish()
        }
        Some(_) => commands(scopes, file),
        None => None,
    }
}

enum Role {
    Group,
    /// A command, and its name where a group has it.
    Command(Option<String>),
}

struct Found<'s, 'p, 'a> {
    scopes: &'s Scopes<'p, 'a>,
    file: usize,
    commands: Commands,
    /// Commands that stand alone: their options have no subcommand unless there are several.
    standalone: usize,
    single: Vec<(String, Vec<DriverOption>)>,
}

impl<'s, 'p, 'a> Found<'s, 'p, 'a> {
    fn new(scopes: &'s Scopes<'p, 'a>, file: usize) -> Self {
        Self { scopes, file, commands: Commands::default(), standalone: 0, single: Vec::new() }
    }

    fn finish(mut self) -> Option<Commands> {
        let grouped = !self.commands.subcommands.is_empty();
        // Typer's only command is the program itself.
        if !grouped && self.single.len() == 1 {
            let (_, options) = self.single.pop()?;
            self.commands.options.extend(options);
        } else {
            for (name, mut options) in std::mem::take(&mut self.single) {
                if grouped && self.commands.framework == "click" {
                    // A command beside a group that was not added to it.
                    continue;
                }
                for option in &mut options {
                    option.subcommand = Some(name.clone());
                }
                self.commands.subcommands.push(name);
                self.commands.options.extend(options);
            }
        }
        let empty = self.commands.framework.is_empty();
        (!empty).then_some(self.commands)
    }

    fn read(&mut self, file: usize) {
        let Some(source) = self.scopes.project.files.get(file) else { return };
        for statement in source.module.statements() {
            let Stmt::FunctionDef(function) = statement else { continue };
            match self.role_of(function) {
                Some(Role::Group) => {
                    let options = self.options(file, function, None);
                    self.commands.options.extend(options);
                }
                Some(Role::Command(Some(name))) => self.subcommand(file, function, name),
                Some(Role::Command(None)) => {
                    let name = command_name(function.name.as_str());
                    let options = self.options(file, function, None);
                    self.single.push((name, options));
                }
                None => {}
            }
        }
    }

    fn subcommand(&mut self, file: usize, function: &'a StmtFunctionDef, name: String) {
        if self.commands.subcommands.contains(&name) {
            return;
        }
        let options = self.options(file, function, Some(&name));
        self.commands.subcommands.push(name);
        self.commands.options.extend(options);
    }

    /// `cli.add_command(train)`, also of functions from other files.
    fn add_members(&mut self, file: usize) {
        let Some(source) = self.scopes.project.files.get(file) else { return };
        for statement in source.module.statements() {
            let Stmt::Expr(expression) = statement else { continue };
            let Expr::Call(call) = &*expression.value else { continue };
            let Expr::Attribute(method) = &*call.func else { continue };
            if method.attr.as_str() != "add_command" {
                continue;
            }
            let Some(member) = call.arguments.args.first() else { continue };
            let meaning = match member {
                Expr::Name(name) => self.scopes.lookup(file, name.id.as_str()),
                Expr::Attribute(attribute) => match &*attribute.value {
                    Expr::Name(name) => match self.scopes.lookup(file, name.id.as_str()) {
                        Some(Meaning::Module(module)) => {
                            self.scopes.member(module, attribute.attr.as_str())
                        }
                        _ => None,
                    },
                    _ => None,
                },
                _ => None,
            };
            let Some(Meaning::Function(at, function)) = meaning else { continue };
            let name = argument(call, "name", 1)
                .and_then(string)
                .map(str::to_owned)
                .or_else(|| Self::decorated_name(function))
                .unwrap_or_else(|| command_name(function.name.as_str()));
            self.single.retain(|(single, _)| *single != name);
            self.commands.framework = "click";
            self.subcommand(at, function, name);
        }
    }

    fn decorated_name(function: &'a StmtFunctionDef) -> Option<String> {
        function.decorator_list.iter().find_map(|decorator| {
            let (name, call) = decorator_name(decorator)?;
            let call = call.filter(|_| matches!(name, "command" | "group"))?;
            argument(call, "name", 0).and_then(string).map(str::to_owned)
        })
    }

    /// Says what a function's decorators make of it.
    fn role_of(&mut self, function: &'a StmtFunctionDef) -> Option<Role> {
        function.decorator_list.iter().find_map(|decorator| {
            let (kind, call) = decorator_name(decorator)?;
            if !matches!(kind, "command" | "group" | "callback") {
                return None;
            }
            let receiver = match call.map_or(&decorator.expression, |call| &*call.func) {
                Expr::Attribute(attribute) => last_name(&attribute.value)?,
                _ => "click",
            };
            let is_click = matches!(receiver, "click" | "rich_click" | "asyncclick");
            let framework = self.framework(receiver, is_click)?;
            self.commands.framework = framework;
            if kind == "callback" || (kind == "group" && is_click) {
                return Some(Role::Group);
            }
            let named = call.and_then(|call| argument(call, "name", 0)).and_then(string);
            if is_click {
                return Some(Role::Command(None));
            }
            let name = named.map_or_else(|| command_name(function.name.as_str()), str::to_owned);
            // A typer application with one command has no subcommands.
            if framework == "typer" {
                let options = self.options(self.file, function, None);
                self.single.push((name, options));
                return None;
            }
            Some(Role::Command(Some(name)))
        })
    }

    fn framework(&self, receiver: &str, is_click: bool) -> Option<&'static str> {
        if is_click {
            return Some("click");
        }
        match self.scopes.lookup(self.file, receiver)? {
            Meaning::Constant(_, Expr::Call(call)) if last_name(&call.func) == Some("Typer") => {
                Some("typer")
            }
            Meaning::Constant(_, Expr::Call(call))
                if matches!(last_name(&call.func), Some("Group" | "CommandCollection")) =>
            {
                Some("click")
            }
            Meaning::Function(..) => Some("click"),
            _ => None,
        }
    }

    fn options(
        &self,
        file: usize,
        function: &'a StmtFunctionDef,
        subcommand: Option<&str>,
    ) -> Vec<DriverOption> {
        let mut options = Vec::new();
        if self.commands.framework == "typer" {
            options = typer::options(self.scopes, file, function);
        } else {
            for decorator in &function.decorator_list {
                self.decorator_options(file, decorator, &mut options);
            }
        }
        for option in &mut options {
            option.subcommand = subcommand.map(str::to_owned);
        }
        options
    }

    fn decorator_options(
        &self,
        file: usize,
        decorator: &'a Decorator,
        options: &mut Vec<DriverOption>,
    ) {
        let Some((kind, call)) = decorator_name(decorator) else { return };
        if let (Some(call), "option" | "argument") = (call, kind) {
            options.extend(click_option(self.scopes, file, call, kind == "argument"));
            return;
        }
        // `@common_options`: a function of the tree that applies several.
        let Some(Meaning::Function(at, shared)) = self.scopes.lookup(file, kind) else { return };
        let mut calls = Vec::new();
        option_calls(&shared.body, &mut calls, 6);
        for call in calls {
            let is_argument = last_name(&call.func) == Some("argument");
            options.extend(click_option(self.scopes, at, call, is_argument));
        }
    }
}

/// The calls of `click.option` inside of a decorator of the tree.
fn option_calls<'a>(body: &'a [Stmt], calls: &mut Vec<&'a ExprCall>, depth: u32) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let mut see = |expr: &'a Expr| {
        let mut open = vec![expr];
        while let Some(expr) = open.pop() {
            if let Expr::Call(call) = expr {
                if matches!(last_name(&call.func), Some("option" | "argument")) {
                    calls.push(call);
                }
                open.push(&call.func);
                open.extend(&call.arguments.args);
            } else if let Some(items) = elements(expr) {
                open.extend(items);
            }
        }
    };
    let mut nested: Vec<&'a [Stmt]> = Vec::new();
    for statement in body {
        match statement {
            Stmt::Return(back) => back.value.as_deref().into_iter().for_each(&mut see),
            Stmt::Assign(assign) => see(&assign.value),
            Stmt::Expr(expression) => see(&expression.value),
            Stmt::FunctionDef(function) => {
                function.decorator_list.iter().for_each(|decorator| see(&decorator.expression));
                nested.push(&function.body);
            }
            Stmt::For(each) => {
                see(&each.iter);
                nested.push(&each.body);
            }
            _ => {}
        }
    }
    for body in nested {
        option_calls(body, calls, depth);
    }
}

/// The last name of a decorator, and its call.
fn decorator_name(decorator: &Decorator) -> Option<(&str, Option<&ExprCall>)> {
    match &decorator.expression {
        Expr::Call(call) => Some((last_name(&call.func)?, Some(call))),
        other => Some((last_name(other)?, None)),
    }
}

/// `train_model` is started as `train-model`.
fn command_name(function: &str) -> String {
    function.to_ascii_lowercase().trim_end_matches('_').replace('_', "-")
}

fn click_option<'a>(
    scopes: &Scopes<'_, 'a>,
    file: usize,
    call: &'a ExprCall,
    is_argument: bool,
) -> Option<DriverOption> {
    let source = scopes.project.files.get(file)?;
    let names: Vec<&str> = call.arguments.args.iter().filter_map(string).collect();
    let mut flags: Vec<String> = names
        .iter()
        .filter(|name| is_argument || name.starts_with('-'))
        .flat_map(|name| name.split(" / ").flat_map(split_switch))
        .map(str::to_owned)
        .collect();
    if is_argument {
        flags.truncate(1);
    }
    if flags.is_empty() {
        flags = names.iter().map(|name| format!("--{}", name.replace('_', "-"))).collect();
    }
    if flags.is_empty() {
        return None;
    }
    let truth = |name: &str| match keyword(call, name) {
        Some(Expr::BooleanLiteral(literal)) => Some(literal.value),
        _ => None,
    };
    let is_switch = names.iter().any(|name| name.starts_with('-') && name.contains("/-"));
    let default = keyword(call, "default");
    let mut option = DriverOption {
        flags,
        default: default.map(|value| default_source(scopes, file, value)),
        help: keyword(call, "help")
            .map(|help| scopes.constant(file, help))
            .and_then(|(at, help)| spelled(help, |expr| scopes.source(at, expr).to_owned()))
            .map(|help| help.split_whitespace().collect::<Vec<_>>().join(" ")),
        required: truth("required").unwrap_or(is_argument && default.is_none()),
        path: source.path.clone(),
        line: source.module.line_of(call),
        ..DriverOption::default()
    };
    let literal = default.map(|value| scopes.constant(file, value).1).and_then(kind_of_literal);
    option.kind = literal.map(str::to_owned);
    if let Some(kind) = keyword(call, "type").or_else(|| argument(call, "type", usize::MAX)) {
        click_type(scopes, file, kind, &mut option);
    }
    if is_switch || truth("is_flag") == Some(true) {
        option.kind = Some("bool".to_owned());
        option.default.get_or_insert_with(|| "False".to_owned());
    } else if truth("count") == Some(true) {
        option.kind = Some("int".to_owned());
    }
    if option.kind.is_none() && option.choices.is_none() {
        option.kind = Some("str".to_owned());
    }
    if option.nargs.is_some() {
        // The type is a tuple.
    } else if let Some(count) = keyword(call, "nargs") {
        let count = scopes.source(file, count);
        option.nargs = Some(if count == "-1" { "*" } else { count }.to_owned());
    } else if truth("multiple") == Some(true) {
        option.nargs = Some("*".to_owned());
    }
    Some(option)
}

/// `--shout/--no-shout`
pub(super) fn split_switch(name: &str) -> impl Iterator<Item = &str> {
    let (first, second) = match name.find("/-") {
        Some(at) => (name.get(..at), name.get(at + 1..)),
        None => (Some(name), None),
    };
    first.into_iter().chain(second)
}

fn click_type<'a>(scopes: &Scopes<'_, 'a>, file: usize, kind: &'a Expr, option: &mut DriverOption) {
    let (file, kind) = scopes.constant(file, kind);
    if let Expr::Tuple(tuple) = kind
        && let Some(first) = tuple.elts.first()
    {
        option.nargs = Some(tuple.elts.len().to_string());
        click_type(scopes, file, first, option);
        return;
    }
    let function = match kind {
        Expr::Call(call) => &*call.func,
        other => other,
    };
    option.kind = match (last_name(function), kind) {
        (Some("Choice"), Expr::Call(call)) => {
            option.choices =
                argument(call, "choices", 0).and_then(|list| choices(scopes, file, list));
            None
        }
        (Some("Path" | "File"), _) => Some("path".to_owned()),
        (Some("IntRange" | "INT"), _) => Some("int".to_owned()),
        (Some("FloatRange" | "FLOAT"), _) => Some("float".to_owned()),
        (Some("STRING"), _) => Some("str".to_owned()),
        (Some("BOOL"), _) => Some("bool".to_owned()),
        _ => Some(kind_of(kind, scopes.source(file, kind))),
    };
}
