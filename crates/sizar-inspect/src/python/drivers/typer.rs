//! Commands of typer, whose options are the parameters of functions.

use ruff_python_ast::{Expr, ExprCall, StmtFunctionDef};
use sizar_model::inspection::DriverOption;

use super::argument::default_source;
use super::click::split_switch;
use super::fields::{describe, kind_of_literal};
use super::scope::Scopes;
use crate::python::expression::{argument, elements, keyword, last_name, spelled, string};

/// Returns the options of a typer command: the parameters of its function.
pub(super) fn options<'a>(
    scopes: &Scopes<'_, 'a>,
    file: usize,
    function: &'a StmtFunctionDef,
) -> Vec<DriverOption> {
    let Some(source) = scopes.project.files.get(file) else { return Vec::new() };
    let parameters = function.parameters.iter_non_variadic_params();
    parameters
        .filter_map(|parameter| {
            let name = parameter.name().as_str();
            let mut annotation = parameter.annotation();
            let mut settings: Option<&ExprCall> = None;
            let is_setting =
                |call: &ExprCall| matches!(last_name(&call.func), Some("Option" | "Argument"));
            if let Some(Expr::Subscript(subscript)) = annotation
                && last_name(&subscript.value) == Some("Annotated")
                && let Some([kind, rest @ ..]) = elements(&subscript.slice)
            {
                annotation = Some(kind);
                settings = rest.iter().filter_map(Expr::as_call_expr).find(|call| is_setting(call));
            }
            if annotation.and_then(last_name) == Some("Context") {
                return None;
            }
            let mut default = parameter.default();
            if let Some(Expr::Call(call)) = default
                && is_setting(call)
            {
                settings = Some(call);
                default = argument(call, "default", 0);
            }
            let default = default.filter(|value| !value.is_ellipsis_literal_expr());
            let by_setting = settings.map(|call| last_name(&call.func) == Some("Argument"));
            let is_argument = by_setting.unwrap_or(default.is_none());
            let mut flags: Vec<String> = settings
                .iter()
                .flat_map(|call| call.arguments.args.iter().filter_map(string))
                .filter(|flag| flag.starts_with('-'))
                .flat_map(split_switch)
                .map(str::to_owned)
                .collect();
            let mut option = DriverOption {
                path: source.path.clone(),
                line: source.module.line_of(parameter),
                default: default.map(|value| default_source(scopes, file, value)),
                required: default.is_none(),
                help: settings
                    .and_then(|call| keyword(call, "help"))
                    .and_then(|help| spelled(help, |expr| scopes.source(file, expr).to_owned())),
                ..DriverOption::default()
            };
            if let Some(annotation) = annotation {
                describe(scopes, file, annotation, &mut option);
            } else {
                option.kind = default.and_then(kind_of_literal).map(str::to_owned);
            }
            if flags.is_empty() {
                let dashed = name.replace('_', "-");
                if is_argument {
                    flags.push(name.to_owned());
                } else if option.kind.as_deref() == Some("bool") {
                    flags.extend([format!("--{dashed}"), format!("--no-{dashed}")]);
                } else {
                    flags.push(format!("--{dashed}"));
                }
            }
            option.flags = flags;
            Some(option)
        })
        .collect()
}
