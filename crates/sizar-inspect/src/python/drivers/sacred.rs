//! Experiments of sacred: `@ex.automain`, with the names of `@ex.config` as options.

use ruff_python_ast::{Expr, Stmt, StmtFunctionDef};
use sizar_model::inspection::DriverOption;

use super::argument::default_source;
use super::fields::kind_of_literal;
use super::scope::{Meaning, Scopes, spells};
use crate::python::expression::last_name;

/// Returns the function that an experiment of `file` starts with.
pub(super) fn main_function<'a>(
    scopes: &Scopes<'_, 'a>,
    file: usize,
) -> Option<&'a StmtFunctionDef> {
    decorated(scopes, file).find(|(_, kind)| *kind == "automain").map(|(function, _)| function)
}

/// Returns what can be set by `with name=value`.
pub(super) fn options(scopes: &Scopes<'_, '_>, file: usize) -> Vec<DriverOption> {
    let Some(source) = scopes.project.files.get(file) else { return Vec::new() };
    let mut options: Vec<DriverOption> = Vec::new();
    for (function, kind) in decorated(scopes, file) {
        if kind != "config" {
            continue;
        }
        for statement in &function.body {
            let Stmt::Assign(assign) = statement else { continue };
            for target in &assign.targets {
                let Expr::Name(name) = target else { continue };
                let default = default_source(scopes, file, &assign.value);
                options.retain(|known| {
                    known.flags.first().is_none_or(|flag| flag != name.id.as_str())
                });
                options.push(DriverOption {
                    flags: vec![name.id.as_str().to_owned()],
                    default: Some(default).filter(|default| default != "None"),
                    kind: kind_of_literal(&assign.value).map(str::to_owned),
                    path: source.path.clone(),
                    line: source.module.line_of(assign),
                    ..DriverOption::default()
                });
            }
        }
    }
    options
}

/// The functions that an `Experiment` decorates, and how.
fn decorated<'s, 'p, 'a>(
    scopes: &'s Scopes<'p, 'a>,
    file: usize,
) -> impl Iterator<Item = (&'a StmtFunctionDef, &'a str)> + use<'s, 'p, 'a> {
    let source = scopes.project.files.get(file);
    let uses_sacred = source.is_some_and(|source| spells(&source.module.text, &["sacred"]));
    let statements = source.filter(|_| uses_sacred).map_or(&[][..], |s| s.module.statements());
    statements.iter().filter_map(move |statement| {
        let Stmt::FunctionDef(function) = statement else { return None };
        let kind = function.decorator_list.iter().find_map(|decorator| {
            let Expr::Attribute(attribute) = &decorator.expression else { return None };
            let Expr::Name(name) = &*attribute.value else { return None };
            match scopes.lookup(file, name.id.as_str())? {
                Meaning::Constant(_, Expr::Call(call))
                    if last_name(&call.func) == Some("Experiment") =>
                {
                    Some(attribute.attr.as_str())
                }
                _ => None,
            }
        })?;
        Some((function, kind))
    })
}
