//! Reads path expressions as far as they are constant: `osp.join(expanduser('~'), 'data')` is
//! `~/data`.

use std::borrow::Cow;

use ruff_python_ast::{Expr, ExprCall, InterpolatedStringElement, Operator};

use super::names::Names;

/// The deepest expression that is followed.
const MAX_DEPTH: u32 = 40;

/// The beginning of a text, or all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded<'a> {
    pub text: Cow<'a, str>,
    /// Whether nothing unknown follows.
    pub complete: bool,
}

/// Returns what is known of the beginning of a path expression.
pub fn fold<'e>(expr: &'e Expr, names: &Names<'_>) -> Option<Folded<'e>> {
    folded(expr, names, 0)
}

/// Returns whether a call of that last name may be a path expression, so that folding it is worth
/// while.
pub fn may_be_a_path(method: &str) -> bool {
    const METHODS: &[&str] = &[
        "join",
        "expanduser",
        "abspath",
        "realpath",
        "normpath",
        "expandvars",
        "fspath",
        "str",
        "Path",
        "PurePath",
        "PosixPath",
        "home",
        "get",
        "getenv",
        "resolve",
        "absolute",
        "joinpath",
        "format",
    ];
    METHODS.contains(&method)
}

/// Returns whether an expression is the environment, by the look of it.
pub fn is_environment(expr: &Expr) -> bool {
    match expr {
        Expr::Attribute(attribute) => attribute.attr.as_str() == "environ",
        Expr::Name(name) => name.id.as_str() == "environ",
        _ => false,
    }
}

fn folded<'e>(expr: &'e Expr, names: &Names<'_>, depth: u32) -> Option<Folded<'e>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let next = |expr: &'e Expr| folded(expr, names, depth + 1);
    match expr {
        Expr::StringLiteral(literal) => Some(whole(literal.value.to_str())),
        Expr::FString(fstring) => {
            let mut text = String::new();
            for element in fstring.value.elements() {
                match element {
                    InterpolatedStringElement::Literal(literal) => text.push_str(&literal.value),
                    InterpolatedStringElement::Interpolation(part) => {
                        match next(&part.expression) {
                            Some(inner) if inner.complete => text.push_str(&inner.text),
                            _ => return begun(text),
                        }
                    }
                }
            }
            Some(Folded { text: text.into(), complete: true })
        }
        Expr::BinOp(operation) => {
            let left = next(&operation.left)?;
            match operation.op {
                Operator::Add => Some(then(left, || next(&operation.right), false)),
                Operator::Div => Some(then(left, || next(&operation.right), true)),
                Operator::Mod => begun(before(&left.text, '%')),
                _ => None,
            }
        }
        Expr::Subscript(subscript) => {
            let environment = names.dotted(&subscript.value)? == "os.environ";
            (environment && is_home(&subscript.slice)).then(|| whole("~"))
        }
        Expr::Call(call) => call_of(call, names, depth),
        _ => None,
    }
}

fn call_of<'e>(call: &'e ExprCall, names: &Names<'_>, depth: u32) -> Option<Folded<'e>> {
    let next = |expr: &'e Expr| folded(expr, names, depth + 1);
    let name = names.dotted(&call.func)?;
    let arguments = &call.arguments.args;
    match name.as_str() {
        "os.path.join" => {
            let (first, rest) = arguments.split_first()?;
            let first = next(first)?;
            Some(rest.iter().fold(first, |path, part| then(path, || next(part), true)))
        }
        "os.path.expanduser" | "os.path.abspath" | "os.path.realpath" | "os.path.normpath"
        | "os.path.expandvars" | "os.fspath" | "str" => next(arguments.first()?),
        "pathlib.Path" | "pathlib.PurePath" | "pathlib.PosixPath" | "Path" => {
            let (first, rest) = arguments.split_first()?;
            let first = next(first)?;
            Some(rest.iter().fold(first, |path, part| then(path, || next(part), true)))
        }
        "pathlib.Path.home" | "Path.home" => Some(whole("~")),
        "os.environ.get" | "os.getenv" => {
            arguments.first().is_some_and(is_home).then(|| whole("~"))
        }
        _ => {
            let Expr::Attribute(method) = &*call.func else { return None };
            let value = next(&method.value);
            match method.attr.as_str() {
                "expanduser" | "resolve" | "absolute" => value,
                "joinpath" => {
                    let value = value?;
                    Some(arguments.iter().fold(value, |path, part| then(path, || next(part), true)))
                }
                "format" => begun(before(&value?.text, '{')),
                _ => None,
            }
        }
    }
}

fn is_home(expr: &Expr) -> bool {
    expr.as_string_literal_expr().is_some_and(|literal| literal.value.to_str() == "HOME")
}

fn whole(text: &str) -> Folded<'_> {
    Folded { text: text.into(), complete: true }
}

/// Something unknown follows; nothing known is nothing at all.
fn begun<'e>(text: String) -> Option<Folded<'e>> {
    (!text.is_empty()).then_some(Folded { text: text.into(), complete: false })
}

fn before(text: &str, mark: char) -> String {
    text.split(mark).next().unwrap_or_default().to_owned()
}

/// Appends the right side, as a path's next part or as text.
fn then<'e>(
    left: Folded<'e>,
    right: impl FnOnce() -> Option<Folded<'e>>,
    as_part: bool,
) -> Folded<'e> {
    if !left.complete {
        return left;
    }
    let mut text = left.text.into_owned();
    let Some(right) = right() else {
        if as_part && !text.ends_with('/') {
            text.push('/');
        }
        return Folded { text: text.into(), complete: false };
    };
    if as_part {
        // an absolute part throws away what stands before it
        if right.text.starts_with('/') || right.text.starts_with('~') {
            return right;
        }
        if !text.is_empty() && !text.ends_with('/') {
            text.push('/');
        }
    }
    text.push_str(&right.text);
    Folded { text: text.into(), complete: right.complete }
}

#[cfg(test)]
mod tests {
    use ruff_python_ast::Stmt;

    use super::*;
    use crate::python::parse::Module;

    fn read(source: &str) -> Option<(String, bool)> {
        let text = format!("import os, os.path as osp\nfrom pathlib import Path\n{source}\n");
        let module = Module::parse(text);
        let mut names = Names::default();
        let mut found = None;
        for statement in module.statements() {
            match statement {
                Stmt::Import(import) => names.import(import),
                Stmt::ImportFrom(import) => names.import_from(import),
                Stmt::Expr(expr) => found = fold(&expr.value, &names),
                _ => {}
            }
        }
        found.map(|folded: Folded<'_>| (folded.text.into_owned(), folded.complete))
    }

    #[test]
    fn constant_beginnings_are_read() {
        for (source, text, complete) in [
            ("'~/data'", "~/data", true),
            ("osp.expanduser('~/data/datasets')", "~/data/datasets", true),
            ("os.path.join(os.path.expanduser('~'), 'data', name)", "~/data/", false),
            ("os.environ['HOME'] + '/data'", "~/data", true),
            ("Path.home() / 'data' / 'voc'", "~/data/voc", true),
            ("Path('/mnt') / name / 'x'", "/mnt/", false),
            ("f'/data/{name}/x'", "/data/", false),
            ("'/data/%s/x' % name", "/data/", false),
            ("'/data/{}/x'.format(name)", "/data/", false),
            ("osp.join('/data', '/mnt/x')", "/mnt/x", true),
            ("str(Path('/a/b').resolve())", "/a/b", true),
        ] {
            assert_eq!(read(source), Some((text.to_owned(), complete)), "{source}");
        }
        for source in ["name", "f(x)", "osp.join(root, 'data')", "1 + 2", "f'{x}/data'"] {
            assert_eq!(read(source), None, "{source}");
        }
    }
}
