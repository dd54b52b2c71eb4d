//! Scripts that read `sys.argv` themselves.

use ruff_python_ast::{Expr, ExprCall};
use sizar_model::inspection::DriverOption;

use super::scope::Scopes;
use crate::python::expression::{argument, elements, string};
use crate::python::facts::ArgvUse;

/// Returns a positional argument for each index up to the largest that is read.
pub(super) fn positionals(
    scopes: &Scopes<'_, '_>,
    file: usize,
    used: &ArgvUse,
) -> Vec<DriverOption> {
    let Some(source) = scopes.project.files.get(file) else { return Vec::new() };
    let count = used.indices.last().copied().unwrap_or(0);
    (1..=count)
        .map(|index| DriverOption {
            flags: vec![format!("argv[{index}]")],
            kind: Some("str".to_owned()),
            required: used.indices.contains(&index),
            path: source.path.clone(),
            line: used.line,
            ..DriverOption::default()
        })
        .collect()
}

/// Returns the options of `getopt.getopt(args, "ho:v", ["help", "output="])`.
pub(super) fn getopt<'a>(
    scopes: &Scopes<'_, 'a>,
    file: usize,
    call: &'a ExprCall,
) -> Vec<DriverOption> {
    let Some(source) = scopes.project.files.get(file) else { return Vec::new() };
    let option = |flag: String, takes_value: bool| DriverOption {
        flags: vec![flag],
        kind: Some(if takes_value { "str" } else { "bool" }.to_owned()),
        path: source.path.clone(),
        line: source.module.line_of(call),
        ..DriverOption::default()
    };
    let mut options = Vec::new();
    let text = |expr: &'a Expr| string(scopes.constant(file, expr).1);
    let short = argument(call, "shortopts", 1).and_then(text).unwrap_or_default();
    let mut letters = short.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != ':' {
            options.push(option(format!("-{letter}"), letters.peek() == Some(&':')));
        }
    }
    let long = argument(call, "longopts", 2).map(|list| scopes.constant(file, list).1);
    for name in long.and_then(elements).unwrap_or_default().iter().filter_map(text) {
        options.push(option(format!("--{}", name.trim_end_matches('=')), name.ends_with('=')));
    }
    options.retain(|option| {
        !matches!(option.flags.first().map(String::as_str), Some("-h" | "--help"))
    });
    options
}
