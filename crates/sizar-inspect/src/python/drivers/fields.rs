//! Options from the fields of a class or the parameters of a function.

use ruff_python_ast::{Expr, Stmt, StmtClassDef, StmtFunctionDef};
use sizar_model::inspection::DriverOption;

use super::argument::{choices, default_source};
use super::scope::Scopes;
use crate::python::expression::{elements, keyword, last_name, spelled, string};

/// What stands before the names of fields.
#[derive(Clone, Default)]
pub(super) struct Prefix {
    /// `--path.field`
    pub(super) path: Option<String>,
}

/// Returns the options that the annotated fields of a class make, those of its bases first.
pub(super) fn of_class<'a>(
    scopes: &Scopes<'_, 'a>,
    file: usize,
    class: &'a StmtClassDef,
    prefix: &Prefix,
) -> Vec<DriverOption> {
    let mut options = Vec::new();
    collect(scopes, file, class, prefix, &mut options, 6);
    // Without fields, the parameters of `__init__` are meant.
    if options.is_empty()
        && let Some(init) = super::scope::own_method(class, "__init__")
    {
        options = of_parameters(scopes, file, init, true);
    }
    options
}

fn collect<'a>(
    scopes: &Scopes<'_, 'a>,
    file: usize,
    class: &'a StmtClassDef,
    prefix: &Prefix,
    options: &mut Vec<DriverOption>,
    hops: u32,
) {
    let Some(hops) = hops.checked_sub(1) else { return };
    for (file, base) in scopes.bases(file, class) {
        collect(scopes, file, base, prefix, options, hops);
    }
    let Some(source) = scopes.project.files.get(file) else { return };
    for statement in &class.body {
        let Stmt::AnnAssign(field) = statement else { continue };
        let Expr::Name(name) = &*field.target else { continue };
        let annotation = annotated(&field.annotation);
        if last_name(annotation).is_some_and(|name| matches!(name, "ClassVar" | "InitVar")) {
            continue;
        }
        let flag = match &prefix.path {
            Some(path) => format!("--{path}.{}", name.id),
            None => format!("--{}", name.id),
        };
        let mut option = DriverOption {
            flags: vec![flag],
            path: source.path.clone(),
            line: source.module.line_of(field),
            ..DriverOption::default()
        };
        describe(scopes, file, annotation, &mut option);
        match field.value.as_deref() {
            None => option.required = true,
            Some(Expr::Call(call))
                if matches!(
                    last_name(&call.func),
                    Some("field" | "Field" | "list_field" | "flag" | "pai_meta" | "choice")
                ) =>
            {
                let default = keyword(call, "default").or_else(|| call.arguments.args.first());
                if let Some(factory) = keyword(call, "default_factory") {
                    let body = match factory {
                        Expr::Lambda(lambda) => &*lambda.body,
                        other => other,
                    };
                    option.default = Some(match last_name(body) {
                        Some("list") => "[]".to_owned(),
                        Some("dict") => "{}".to_owned(),
                        _ => default_source(scopes, file, body),
                    });
                } else if let Some(default) = default
                    && last_name(default) != Some("MISSING")
                {
                    option.default = Some(default_source(scopes, file, default));
                } else {
                    option.required = true;
                }
                let metadata = keyword(call, "metadata");
                option.help = entry(metadata, "help")
                    .or_else(|| keyword(call, "help"))
                    .or_else(|| keyword(call, "description"))
                    .and_then(|help| spelled(help, |expr| scopes.source(file, expr).to_owned()));
                let listed = entry(metadata, "choices").or_else(|| keyword(call, "choices"));
                if let Some(values) = listed.and_then(|value| choices(scopes, file, value)) {
                    option.choices = Some(values);
                }
            }
            Some(value) => option.default = Some(default_source(scopes, file, value)),
        }
        options.retain(|known| known.flags != option.flags);
        options.push(option);
    }
}

/// The value of a literal dictionary's key; also of `pai_meta(help=…)`.
fn entry<'a>(metadata: Option<&'a Expr>, key: &str) -> Option<&'a Expr> {
    match metadata? {
        Expr::Dict(dict) => dict
            .items
            .iter()
            .find(|item| item.key.as_ref().and_then(string) == Some(key))
            .map(|item| &item.value),
        Expr::Call(call) => keyword(call, key),
        _ => None,
    }
}

/// Returns the options that the parameters of a function make.
pub(super) fn of_parameters<'a>(
    scopes: &Scopes<'_, 'a>,
    file: usize,
    function: &'a StmtFunctionDef,
    is_method: bool,
) -> Vec<DriverOption> {
    let Some(source) = scopes.project.files.get(file) else { return Vec::new() };
    function
        .parameters
        .iter_non_variadic_params()
        .skip(usize::from(is_method))
        .map(|parameter| {
            let mut option = DriverOption {
                flags: vec![format!("--{}", parameter.name().as_str())],
                path: source.path.clone(),
                line: source.module.line_of(parameter),
                default: parameter.default().map(|value| default_source(scopes, file, value)),
                required: parameter.default().is_none(),
                ..DriverOption::default()
            };
            if let Some(annotation) = parameter.annotation() {
                describe(scopes, file, annotated(annotation), &mut option);
            } else {
                option.kind = parameter.default().and_then(kind_of_literal).map(str::to_owned);
            }
            option
        })
        .collect()
}

/// The type inside of `Annotated[…]`.
fn annotated(annotation: &Expr) -> &Expr {
    match annotation {
        Expr::Subscript(subscript) if last_name(&subscript.value) == Some("Annotated") => {
            elements(&subscript.slice).and_then(<[Expr]>::first).unwrap_or(&subscript.slice)
        }
        other => other,
    }
}

/// Sets type, number of values and choices by an annotation.
pub(super) fn describe<'a>(
    scopes: &Scopes<'_, 'a>,
    file: usize,
    annotation: &'a Expr,
    option: &mut DriverOption,
) {
    match annotation {
        Expr::Subscript(subscript) => match last_name(&subscript.value) {
            Some("Optional" | "Final" | "Required" | "NotRequired") => {
                describe(scopes, file, &subscript.slice, option);
                return;
            }
            Some("List" | "list" | "Sequence" | "Tuple" | "tuple" | "Iterable" | "Set") => {
                option.nargs = Some("+".to_owned());
                let inner = elements(&subscript.slice).and_then(<[Expr]>::first);
                describe(scopes, file, inner.unwrap_or(&subscript.slice), option);
                return;
            }
            Some("Union") => {
                let first = elements(&subscript.slice).and_then(<[Expr]>::first);
                if let Some(first) = first {
                    describe(scopes, file, first, option);
                    return;
                }
            }
            Some("Literal") => {
                option.choices = match &*subscript.slice {
                    Expr::Tuple(_) => choices(scopes, file, &subscript.slice),
                    one => string(one).map(|value| vec![value.to_owned()]),
                };
                option.kind = Some("str".to_owned());
                return;
            }
            _ => {}
        },
        Expr::BinOp(either) => {
            let none_first = either.left.is_none_literal_expr();
            let side = if none_first { &either.right } else { &either.left };
            describe(scopes, file, side, option);
            return;
        }
        Expr::StringLiteral(literal) => {
            option.kind = Some(literal.value.to_str().to_owned());
            return;
        }
        _ => {}
    }
    let source = scopes.source(file, annotation);
    option.kind = Some(super::argument::kind_of(annotation, source));
}

/// Returns the type of a literal default.
pub(super) fn kind_of_literal(value: &Expr) -> Option<&'static str> {
    match value {
        Expr::StringLiteral(_) => Some("str"),
        Expr::BooleanLiteral(_) => Some("bool"),
        Expr::NumberLiteral(literal) => match literal.value {
            ruff_python_ast::Number::Int(_) => Some("int"),
            ruff_python_ast::Number::Float(_) => Some("float"),
            ruff_python_ast::Number::Complex { .. } => None,
        },
        Expr::UnaryOp(unary) => kind_of_literal(&unary.operand),
        _ => None,
    }
}
