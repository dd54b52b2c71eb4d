//! Options of hydra: the keys at the top of its configuration.

use ruff_python_ast::{Expr, ExprCall, Stmt};
use rustc_hash::FxHashMap;
use sizar_model::inspection::DriverOption;

use super::ReadText;
use super::scope::{Scopes, spells};
use crate::python::expression::{argument, is_dotted, string};
use crate::python::tree_path::{PathReader, join, normalise};

/// Returns the call of `@hydra.main(…)` in `file`, if there is one.
pub(super) fn main_call<'a>(scopes: &Scopes<'_, 'a>, file: usize) -> Option<&'a ExprCall> {
    let source = scopes.project.files.get(file)?;
    if !spells(&source.module.text, &["hydra"]) {
        return None;
    }
    source.module.statements().iter().find_map(|statement| {
        let Stmt::FunctionDef(function) = statement else { return None };
        function.decorator_list.iter().find_map(|decorator| match &decorator.expression {
            Expr::Call(call)
                if is_dotted(&call.func, &["hydra", "main"])
                    || is_dotted(&call.func, &["hydra_main"]) =>
            {
                Some(call)
            }
            _ => None,
        })
    })
}

/// Returns the keys of the configuration that `@hydra.main` names.
pub(super) fn options<'a>(
    scopes: &Scopes<'_, 'a>,
    file: usize,
    call: &'a ExprCall,
    read: ReadText<'_>,
) -> Vec<DriverOption> {
    let Some(source) = scopes.project.files.get(file) else { return Vec::new() };
    let folder = match argument(call, "config_path", 0) {
        None | Some(Expr::NoneLiteral(_)) => source.folder().to_owned(),
        Some(path) => {
            let (_, path) = scopes.constant(file, path);
            if let Some(literal) = string(path) {
                join(source.folder(), literal)
            } else {
                let reader = PathReader { file: &source.path, names: FxHashMap::default() };
                match reader.read(path) {
                    Some(path) => path,
                    None => return Vec::new(),
                }
            }
        }
    };
    let name = argument(call, "config_name", 1).map(|name| scopes.constant(file, name).1);
    let name = name.and_then(string).unwrap_or("config");
    let base = join(&folder, name.trim_end_matches(".yaml").trim_end_matches(".yml"));
    let found = ["yaml", "yml"].iter().find_map(|end| {
        let path = normalise(&format!("{base}.{end}"))?;
        Some((read(&path)?, path))
    });
    found.map(|(text, path)| top_keys(&text, &path)).unwrap_or_default()
}

/// The keys at the left margin of a YAML file, with their values as written, and the groups of
/// its `defaults` list.
fn top_keys(text: &str, path: &str) -> Vec<DriverOption> {
    let mut options: Vec<DriverOption> = Vec::new();
    let mut in_defaults = false;
    let mut comment = String::new();
    for (index, line) in text.lines().enumerate() {
        let at = index as u32 + 1;
        if let Some(text) = line.strip_prefix('#') {
            text.trim().clone_into(&mut comment);
            continue;
        }
        let indented = line.starts_with([' ', '\t', '-']);
        let trimmed = line.trim().trim_start_matches("- ");
        let Some((key, value)) = trimmed.split_once(':') else {
            comment.clear();
            continue;
        };
        let key = key.trim().trim_matches(['"', '\'']);
        let value = value.split(" #").next().unwrap_or("").trim();
        if !indented {
            in_defaults = key == "defaults";
        }
        let is_group = in_defaults && indented && !key.contains('@');
        let key = key.trim_start_matches("optional ").trim_start_matches("override ");
        let is_name = !key.is_empty()
            && !key.starts_with('/')
            && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/'));
        if (indented && !is_group) || key == "defaults" || key == "_self_" || !is_name {
            comment.clear();
            continue;
        }
        options.push(DriverOption {
            flags: vec![key.to_owned()],
            default: Some(value.trim_end_matches(".yaml").to_owned())
                .filter(|value| !value.is_empty() && value != "null"),
            kind: Some(kind_of(value).to_owned()),
            help: Some(std::mem::take(&mut comment)).filter(|help| !help.is_empty()),
            required: value == "???",
            path: path.to_owned(),
            line: at,
            ..DriverOption::default()
        });
    }
    options
}

fn kind_of(value: &str) -> &'static str {
    match value {
        "true" | "false" | "True" | "False" => "bool",
        _ if value.parse::<i64>().is_ok() => "int",
        _ if value.parse::<f64>().is_ok() => "float",
        _ => "str",
    }
}
