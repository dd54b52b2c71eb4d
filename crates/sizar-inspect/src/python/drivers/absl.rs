//! Flags of absl, and of TensorFlow's `tf.app.flags`.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprCall, Stmt};
use sizar_model::inspection::DriverOption;

use super::argument::{choices, default_source};
use super::scope::Scopes;
use crate::python::expression::{argument, last_name, spelled, string};

/// Returns the flags that `files` define, the first of them the driver.
pub(super) fn flags(scopes: &Scopes<'_, '_>, files: &[usize]) -> Vec<DriverOption> {
    let mut walk = Walk { scopes, file: 0, options: Vec::new(), required: Vec::new() };
    for &file in files {
        let Some(source) = scopes.project.files.get(file) else { continue };
        if !source.module.text.contains("DEFINE_") {
            continue;
        }
        walk.file = file;
        source.module.statements().iter().for_each(|statement| walk.visit_stmt(statement));
    }
    for name in walk.required {
        let flag = format!("--{name}");
        walk.options
            .iter_mut()
            .filter(|option| option.flags.contains(&flag))
            .for_each(|option| option.required = true);
    }
    walk.options
}

struct Walk<'s, 'p, 'a> {
    scopes: &'s Scopes<'p, 'a>,
    file: usize,
    options: Vec<DriverOption>,
    required: Vec<String>,
}

impl<'a> Visitor<'a> for Walk<'_, '_, 'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        visitor::walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr
            && let Some(name) = last_name(&call.func)
        {
            if let Some(kind) = name.strip_prefix("DEFINE_") {
                self.define(kind, call);
            } else if name == "mark_flag_as_required" {
                let flag = call.arguments.args.first().and_then(string);
                self.required.extend(flag.map(str::to_owned));
            } else if name == "mark_flags_as_required" {
                let flags = call.arguments.args.first();
                let flags = flags.and_then(|list| choices(self.scopes, self.file, list));
                self.required.extend(flags.unwrap_or_default());
            }
        }
        visitor::walk_expr(self, expr);
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}
}

impl<'a> Walk<'_, '_, 'a> {
    fn define(&mut self, kind: &str, call: &'a ExprCall) {
        let Some(source) = self.scopes.project.files.get(self.file) else { return };
        let name = argument(call, "name", 0).or_else(|| argument(call, "flag_name", 0));
        let Some(name) = name.and_then(string) else { return };
        let is_enum = matches!(kind, "enum" | "multi_enum");
        let default = argument(call, "default", 1)
            .or_else(|| argument(call, "default_value", 1))
            .filter(|value| !value.is_none_literal_expr());
        let help = argument(call, "help", if is_enum || kind == "enum_class" { 3 } else { 2 })
            .or_else(|| argument(call, "docstring", 2));
        let values = is_enum.then(|| argument(call, "enum_values", 2)).flatten();
        let required = argument(call, "required", usize::MAX)
            .is_some_and(|value| matches!(value, Expr::BooleanLiteral(literal) if literal.value));
        let mut flags = vec![format!("--{name}")];
        let short = argument(call, "short_name", usize::MAX).and_then(string);
        flags.extend(short.map(|short| format!("-{short}")));
        if matches!(kind, "bool" | "boolean") {
            flags.push(format!("--no{name}"));
        }
        let type_of = match kind {
            "integer" | "multi_integer" => "int",
            "float" | "multi_float" => "float",
            "bool" | "boolean" => "bool",
            _ => "str",
        };
        let many = kind.starts_with("multi_") || matches!(kind, "list" | "spaceseplist");
        self.options.retain(|option| option.flags.first() != flags.first());
        self.options.push(DriverOption {
            flags,
            default: default.map(|value| default_source(self.scopes, self.file, value)),
            kind: Some(type_of.to_owned()),
            help: help
                .and_then(|help| {
                    spelled(help, |expr| self.scopes.source(self.file, expr).to_owned())
                })
                .map(|help| help.split_whitespace().collect::<Vec<_>>().join(" ")),
            required,
            choices: values.and_then(|values| choices(self.scopes, self.file, values)),
            nargs: many.then(|| "*".to_owned()),
            subcommand: None,
            path: source.path.clone(),
            line: source.module.line_of(call),
        });
    }
}
