//! Small questions to expressions: their dotted name, the text they spell.

use ruff_python_ast::{Expr, ExprCall, Operator};

/// Returns whether `expr` is the dotted name `parts`, as in `sys.path.append`.
pub(super) fn is_dotted(expr: &Expr, parts: &[&str]) -> bool {
    match (expr, parts) {
        (Expr::Name(name), [only]) => name.id.as_str() == *only,
        (Expr::Attribute(attribute), [head @ .., last]) => {
            attribute.attr.as_str() == *last && is_dotted(&attribute.value, head)
        }
        _ => false,
    }
}

/// Returns the dotted name of an expression: `a.b.c`; nothing for anything else.
pub(super) fn dotted_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(name) => Some(name.id.as_str().to_owned()),
        Expr::Attribute(attribute) => {
            let mut name = dotted_name(&attribute.value)?;
            name.push('.');
            name.push_str(attribute.attr.as_str());
            Some(name)
        }
        _ => None,
    }
}

/// Returns the last part of a dotted name, whatever stands before it: `c` of `f().b.c`.
pub(super) fn last_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}

/// Returns the text of a string literal, its parts joined.
pub(super) fn string(expr: &Expr) -> Option<&str> {
    expr.as_string_literal_expr().map(|literal| literal.value.to_str())
}

/// Returns the text that an expression spells: literals, their sums, and strings before `%` or
/// `.format`, as written.
pub(super) fn spelled(expr: &Expr, source: impl Fn(&Expr) -> String + Copy) -> Option<String> {
    match expr {
        Expr::StringLiteral(literal) => Some(literal.value.to_str().to_owned()),
        Expr::FString(_) => {
            let text = source(expr);
            let body = text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
            Some(body.trim_matches(['"', '\'']).to_owned())
        }
        Expr::BinOp(binary) if binary.op == Operator::Add => {
            let part = |side: &Expr| {
                spelled(side, source).or_else(|| {
                    let text = source(side);
                    (!text.contains('\n')).then(|| format!("{{{text}}}"))
                })
            };
            let (left, right) = (part(&binary.left)?, part(&binary.right)?);
            // A sum in which nothing is text is a number.
            (spelled(&binary.left, source).is_some() || spelled(&binary.right, source).is_some())
                .then(|| left + &right)
        }
        Expr::BinOp(binary) if binary.op == Operator::Mod => spelled(&binary.left, source),
        Expr::Call(call) => match &*call.func {
            Expr::Attribute(method)
                if matches!(method.attr.as_str(), "format" | "strip" | "lstrip" | "rstrip") =>
            {
                spelled(&method.value, source)
            }
            Expr::Attribute(method) if method.attr.as_str() == "dedent" => {
                spelled(call.arguments.args.first()?, source)
            }
            Expr::Name(name) if matches!(name.id.as_str(), "_" | "dedent") => {
                spelled(call.arguments.args.first()?, source)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Returns the argument called `name`, or the one at `position`.
pub(super) fn argument<'a>(call: &'a ExprCall, name: &str, position: usize) -> Option<&'a Expr> {
    call.arguments.find_argument_value(name, position)
}

/// Returns the argument called `name`.
pub(super) fn keyword<'a>(call: &'a ExprCall, name: &str) -> Option<&'a Expr> {
    call.arguments.find_keyword(name).map(|keyword| &keyword.value)
}

/// Returns the elements of a list, tuple or set display.
pub(super) fn elements(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::List(list) => Some(&list.elts),
        Expr::Tuple(tuple) => Some(&tuple.elts),
        Expr::Set(set) => Some(&set.elts),
        _ => None,
    }
}

/// Returns whether an expression is a literal, or a display of literals.
pub(super) fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::StringLiteral(_)
        | Expr::BytesLiteral(_)
        | Expr::NumberLiteral(_)
        | Expr::BooleanLiteral(_)
        | Expr::NoneLiteral(_)
        | Expr::EllipsisLiteral(_) => true,
        Expr::UnaryOp(unary) => is_literal(&unary.operand),
        Expr::Dict(dict) => dict
            .items
            .iter()
            .all(|item| item.key.as_ref().is_some_and(is_literal) && is_literal(&item.value)),
        Expr::BinOp(binary) => is_literal(&binary.left) && is_literal(&binary.right),
        _ => elements(expr).is_some_and(|elements| elements.iter().all(is_literal)),
    }
}
