//! One option of argparse or optparse, from the call that adds it.

use ruff_python_ast::{Expr, ExprCall};
use sizar_model::inspection::DriverOption;

use super::scope::Scopes;
use crate::python::expression::{elements, is_literal, keyword, last_name, spelled, string};

/// The place of an option and the flags that its call spells.
pub(super) struct Added<'s, 'p, 'a> {
    pub(super) scopes: &'s Scopes<'p, 'a>,
    pub(super) file: usize,
    pub(super) call: &'a ExprCall,
}

impl<'a> Added<'_, '_, 'a> {
    /// Returns the option that `add_argument(flags…, **keywords)` makes.
    pub(super) fn option(&self, flags: Vec<String>) -> Option<DriverOption> {
        let source = self.scopes.project.files.get(self.file)?;
        let positional = flags.iter().all(|flag| !flag.starts_with('-'));
        let action = self.keyword("action");
        let action_name =
            action.and_then(|a| string(a).or_else(|| last_name(a))).unwrap_or("store");
        if flags.is_empty() || matches!(action_name, "help" | "version") {
            return None;
        }
        let nargs = self.keyword("nargs").map(|value| self.nargs(value));
        let mut option = DriverOption {
            flags,
            default: self.keyword("default").and_then(|value| self.default(value)),
            kind: self.keyword("type").map(|value| self.kind(value)),
            help: self.keyword("help").and_then(|value| self.text(value)),
            required: match self.keyword("required") {
                Some(Expr::BooleanLiteral(literal)) => literal.value,
                _ => positional && !matches!(nargs.as_deref(), Some("?" | "*" | "...")),
            },
            choices: self
                .keyword("choices")
                .and_then(|value| choices(self.scopes, self.file, value)),
            nargs,
            subcommand: None,
            path: source.path.clone(),
            line: source.module.line_of(self.call),
        };
        match action_name {
            "store_true" | "store_false" => {
                option.kind = Some("bool".to_owned());
                let rest = if action_name == "store_true" { "False" } else { "True" };
                option.default.get_or_insert_with(|| rest.to_owned());
            }
            "BooleanOptionalAction" => {
                option.kind = Some("bool".to_owned());
                let negated: Vec<_> = option
                    .flags
                    .iter()
                    .filter_map(|flag| flag.strip_prefix("--"))
                    .map(|name| format!("--no-{name}"))
                    .collect();
                option.flags.extend(negated);
            }
            "count" => option.kind = Some("int".to_owned()),
            "store_const" | "append_const" => {}
            _ => {
                let values = option.kind.is_none() && option.choices.is_none();
                if values {
                    option.kind = Some("str".to_owned());
                }
            }
        }
        if option.default.is_some() && !positional && self.keyword("required").is_none() {
            option.required = false;
        }
        Some(option)
    }

    fn keyword(&self, name: &str) -> Option<&'a Expr> {
        keyword(self.call, name)
    }

    fn text(&self, value: &'a Expr) -> Option<String> {
        let (file, value) = self.scopes.constant(self.file, value);
        let text = spelled(value, |expr| self.scopes.source(file, expr).to_owned())?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
    }

    fn default(&self, value: &'a Expr) -> Option<String> {
        if last_name(value) == Some("SUPPRESS") {
            return None;
        }
        Some(default_source(self.scopes, self.file, value))
    }

    fn nargs(&self, value: &'a Expr) -> String {
        match last_name(value) {
            Some("REMAINDER") => "...".to_owned(),
            Some("OPTIONAL") => "?".to_owned(),
            Some("ZERO_OR_MORE") => "*".to_owned(),
            Some("ONE_OR_MORE") => "+".to_owned(),
            _ => {
                let (file, value) = self.scopes.constant(self.file, value);
                string(value)
                    .map_or_else(|| self.scopes.source(file, value).to_owned(), str::to_owned)
            }
        }
    }

    fn kind(&self, value: &'a Expr) -> String {
        if let Some(name) = string(value) {
            // optparse's names
            return if name == "string" { "str" } else { name }.to_owned();
        }
        kind_of(value, self.scopes.source(self.file, value))
    }
}

/// Returns the source of a default, with a constant's literal in place of its name.
pub(super) fn default_source<'a>(scopes: &Scopes<'_, 'a>, file: usize, value: &'a Expr) -> String {
    let (at, resolved) = scopes.constant(file, value);
    let (at, value) = if is_literal(resolved) { (at, resolved) } else { (file, value) };
    let source = scopes.source(at, value);
    if source.contains('\n') {
        source.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        source.to_owned()
    }
}

/// Returns the type that an expression given as `type=` converts to.
pub(super) fn kind_of(value: &Expr, source: &str) -> String {
    let function = match value {
        Expr::Call(call) => &call.func,
        other => other,
    };
    let name = last_name(function).unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let kind = match lower.as_str() {
        "int" | "float" | "str" | "bool" => name,
        "unicode" | "text" | "string" => "str",
        "path" | "purepath" | "filetype" | "abspath" | "realpath" | "expanduser"
        | "existing_file" | "file_path" | "dir_path" | "filepath" | "dirpath" | "posixpath"
        | "existing_dir" => "path",
        "strtobool" | "boolean" => "bool",
        name if name.contains("2bool") || name.contains("to_bool") || name.contains("bool_") => {
            "bool"
        }
        name if name.contains("_int") || name.ends_with("int") => "int",
        name if name.contains("_float") || name.ends_with("float") => "float",
        _ if value.is_lambda_expr() => {
            let body = source.to_ascii_lowercase();
            if body.contains("true") || body.contains("bool(") { "bool" } else { source }
        }
        _ => source,
    };
    kind.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the values of `choices=`, where they are literals or the keys of a literal.
pub(super) fn choices<'a>(
    scopes: &Scopes<'_, 'a>,
    file: usize,
    value: &'a Expr,
) -> Option<Vec<String>> {
    let (file, value) = scopes.constant(file, value);
    let shown = |element: &'a Expr| {
        let (file, element) = scopes.constant(file, element);
        string(element).map_or_else(|| scopes.source(file, element).to_owned(), str::to_owned)
    };
    match value {
        Expr::Dict(dict) => {
            dict.items.iter().map(|item| item.key.as_ref().map(shown)).collect::<Option<Vec<_>>>()
        }
        // A string's letters.
        Expr::StringLiteral(literal) => {
            Some(literal.value.to_str().chars().map(String::from).collect())
        }
        Expr::Call(call) => match (&*call.func, &*call.arguments.args) {
            (Expr::Name(name), [inner])
                if matches!(name.id.as_str(), "list" | "tuple" | "sorted" | "set") =>
            {
                choices(scopes, file, inner)
            }
            (Expr::Name(name), bounds) if name.id.as_str() == "range" => {
                range(scopes, file, bounds)
            }
            (Expr::Attribute(method), []) if method.attr.as_str() == "keys" => {
                choices(scopes, file, &method.value)
            }
            (Expr::Attribute(method), []) if method.attr.as_str() == "split" => {
                let (_, text) = scopes.constant(file, &method.value);
                Some(string(text)?.split_whitespace().map(str::to_owned).collect())
            }
            _ => None,
        },
        Expr::BinOp(sum) if sum.op == ruff_python_ast::Operator::Add => {
            let mut left = choices(scopes, file, &sum.left)?;
            left.extend(choices(scopes, file, &sum.right)?);
            Some(left)
        }
        _ => Some(elements(value)?.iter().map(shown).collect()),
    }
}

fn range<'a>(scopes: &Scopes<'_, 'a>, file: usize, bounds: &'a [Expr]) -> Option<Vec<String>> {
    let number = |expr: &'a Expr| scopes.source(file, expr).parse::<i64>().ok();
    let (from, to) = match bounds {
        [to] => (0, number(to)?),
        [from, to] => (number(from)?, number(to)?),
        _ => return None,
    };
    (to.saturating_sub(from) <= 64).then(|| (from..to).map(|value| value.to_string()).collect())
}
