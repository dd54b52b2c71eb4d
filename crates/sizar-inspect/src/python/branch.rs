//! Conditions on the Python version, the system, and on being started.

use ruff_python_ast::{CmpOp, Expr, Number};

use super::expression::{is_dotted, last_name, string};

/// `__name__ == "__main__"`, either way round, and `and` with more.
pub(super) fn is_main_test(test: &Expr) -> bool {
    match test {
        Expr::Compare(compare) => {
            let sides = || std::iter::once(&*compare.left).chain(&*compare.comparators);
            matches!(&*compare.ops, [CmpOp::Eq | CmpOp::In])
                && sides().any(|side| is_dotted(side, &["__name__"]))
        }
        Expr::BoolOp(both) => both.values.iter().any(is_main_test),
        _ => false,
    }
}

/// Which branch of an `if` the code can do without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch {
    Neither,
    OptionalBody,
    OptionalElse,
}

impl Branch {
    pub(super) fn of(test: &Expr) -> Self {
        match test {
            Expr::UnaryOp(unary) => match Self::of(&unary.operand) {
                Self::OptionalBody => Self::OptionalElse,
                Self::OptionalElse => Self::OptionalBody,
                Self::Neither => Self::Neither,
            },
            Expr::Compare(compare) => {
                let ([op], [right]) = (&*compare.ops, &*compare.comparators) else {
                    return Self::Neither;
                };
                Self::of_comparison(&compare.left, *op, right)
            }
            Expr::BoolOp(many) => many
                .values
                .iter()
                .map(Self::of)
                .find(|b| *b != Self::Neither)
                .unwrap_or(Self::Neither),
            _ => match last_name(test) {
                Some("TYPE_CHECKING" | "PY2" | "PY26" | "PY27" | "IS_PY2" | "is_py2" | "py2") => {
                    Self::OptionalBody
                }
                Some("PY3" | "IS_PY3" | "is_py3" | "py3") => Self::OptionalElse,
                _ => Self::Neither,
            },
        }
    }

    fn of_comparison(left: &Expr, op: CmpOp, right: &Expr) -> Self {
        let subject = match left {
            Expr::Subscript(subscript) => &*subscript.value,
            Expr::Attribute(attribute) if attribute.attr.as_str() == "major" => &*attribute.value,
            other => other,
        };
        match last_name(subject) {
            Some("version_info" | "hexversion" | "version") => {
                let Some((major, minor)) = version_of(right) else { return Self::Neither };
                match op {
                    CmpOp::Lt | CmpOp::LtE => Self::OptionalBody,
                    CmpOp::Eq if major == 2 => Self::OptionalBody,
                    CmpOp::Eq | CmpOp::GtE if major == 3 => Self::OptionalElse,
                    CmpOp::Gt if major == 2 || (major == 3 && minor == 0) => Self::OptionalElse,
                    CmpOp::Gt | CmpOp::NotEq => Self::OptionalElse,
                    _ => Self::Neither,
                }
            }
            // Another operating system's branch.
            Some("platform" | "name" | "system") => match (op, string(right)) {
                (CmpOp::Eq, Some("win32" | "nt" | "darwin" | "Windows" | "Darwin" | "cygwin")) => {
                    Self::OptionalBody
                }
                (CmpOp::NotEq, Some("win32" | "nt" | "darwin" | "Windows" | "Darwin")) => {
                    Self::OptionalElse
                }
                _ => Self::Neither,
            },
            _ => Self::Neither,
        }
    }
}

fn version_of(expr: &Expr) -> Option<(i64, i64)> {
    let number = |expr: &Expr| match expr {
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => int.as_i64(),
            Number::Float(float) => Some(*float as i64),
            Number::Complex { .. } => None,
        },
        Expr::StringLiteral(text) => {
            text.value.to_str().chars().next()?.to_digit(10).map(i64::from)
        }
        _ => None,
    };
    match expr {
        Expr::Tuple(tuple) => {
            let mut parts = tuple.elts.iter().map(number);
            Some((parts.next()??, parts.next().flatten().unwrap_or(0)))
        }
        _ => number(expr).map(|major| (if major > 0x0200_0000 { major >> 24 } else { major }, 0)),
    }
}
