//! Conditions of a `setup.py`, and the environment markers that say the same.

use ruff_python_ast::{BoolOp, CmpOp, Expr, ExprCompare, Number, UnaryOp};

use crate::packaging::requirement::is_marker;
use crate::python::parse::Module;

/// When something applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// An environment marker of PEP 508.
    Marker(String),
    /// The source of a condition that no marker says.
    Other(String),
}

impl Condition {
    /// Both together.
    pub(super) fn and(self, other: Option<Self>) -> Self {
        match (self, other) {
            (this, None) => this,
            (this, Some(other)) if this == other => this,
            (Self::Marker(this), Some(Self::Marker(other))) => {
                Self::Marker(format!("{} and {}", grouped(&this), grouped(&other)))
            }
            (Self::Other(this), Some(Self::Other(other))) => {
                Self::Other(format!("{this} and {other}"))
            }
            (Self::Other(this), _) | (_, Some(Self::Other(this))) => Self::Other(this),
        }
    }

    /// Returns when this does not apply.
    pub(super) fn opposite(&self) -> Self {
        match self {
            Self::Marker(marker) => match opposite_marker(marker) {
                Some(opposite) => Self::Marker(opposite),
                None => Self::Other(format!("not ({marker})")),
            },
            Self::Other(source) => Self::Other(format!("not ({source})")),
        }
    }
}

fn grouped(marker: &str) -> String {
    if marker.contains(" or ") { format!("({marker})") } else { marker.to_owned() }
}

fn opposite_marker(marker: &str) -> Option<String> {
    // of several, by De Morgan; not where they are nested
    for (word, other) in [(" and ", " or "), (" or ", " and ")] {
        if marker.contains(word) {
            let flat = !marker.contains('(') && !marker.contains(other);
            let parts: Option<Vec<String>> = marker.split(word).map(opposite_marker).collect();
            return parts.filter(|_| flat).map(|parts| parts.join(other));
        }
    }
    let mut words = marker.splitn(3, ' ');
    let (key, operator, value) = (words.next()?, words.next()?, words.next()?);
    let operator = match operator {
        "<" => ">=",
        ">=" => "<",
        "<=" => ">",
        ">" => "<=",
        "==" => "!=",
        "!=" => "==",
        _ => return None,
    };
    Some(format!("{key} {operator} {value}"))
}

/// Reads a condition. Nothing where it always holds, such as `__name__ == "__main__"`.
pub(super) fn read(test: &Expr, module: &Module) -> Option<Condition> {
    let source = module.source_of(test);
    if source.contains("__name__") || source.contains("sys.argv") {
        return None;
    }
    let meant = named(test, module).unwrap_or(test);
    let marker = marker(meant).filter(|marker| is_marker(marker));
    Some(marker.map_or_else(|| Condition::Other(source.to_owned()), Condition::Marker))
}

/// Returns what a name stands for that is given a value once, at the top of the file:
/// `IS_MAC = platform.system() == "Darwin"`.
fn named<'m>(test: &Expr, module: &'m Module) -> Option<&'m Expr> {
    let name = test.as_name_expr()?;
    let mut values = module.statements().iter().filter_map(|statement| {
        let assigned = statement.as_assign_stmt()?;
        let [target] = assigned.targets.as_slice() else { return None };
        (target.as_name_expr()?.id == name.id).then_some(&*assigned.value)
    });
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn marker(test: &Expr) -> Option<String> {
    match test {
        Expr::Compare(compare) => compared(compare),
        Expr::BoolOp(operation) => {
            let parts: Option<Vec<String>> = operation.values.iter().map(marker).collect();
            let word = if operation.op == BoolOp::And { " and " } else { " or " };
            let parts: Vec<String> = parts?.iter().map(|part| grouped(part)).collect();
            Some(parts.join(word))
        }
        Expr::UnaryOp(operation) if operation.op == UnaryOp::Not => {
            opposite_marker(&marker(&operation.operand)?)
        }
        Expr::Name(_) | Expr::Attribute(_) => match dotted(test)?.rsplit('.').next()? {
            "PY2" => Some("python_version < \"3\"".to_owned()),
            "PY3" => Some("python_version >= \"3\"".to_owned()),
            _ => None,
        },
        // `sys.platform.startswith("linux")`
        Expr::Call(call) => {
            let prefix = call.arguments.args.first()?.as_string_literal_expr()?.value.to_str();
            (dotted(&call.func)? == "sys.platform.startswith").then(|| {
                let name = match prefix {
                    "win" => "win32",
                    "linux2" => "linux",
                    other => other,
                };
                format!("sys_platform == \"{name}\"")
            })
        }
        _ => None,
    }
}

fn compared(compare: &ExprCompare) -> Option<String> {
    let ([operator], [right]) = (compare.ops.as_ref(), compare.comparators.as_ref()) else {
        return None;
    };
    // `sys.version_info[0]` and `[:2]` compare whole numbers, the bare tuple compares with more
    let (left, sliced) = match compare.left.as_ref() {
        Expr::Subscript(subscript) => (subscript.value.as_ref(), true),
        Expr::Attribute(attribute) if attribute.attr.as_str() == "major" => {
            (attribute.value.as_ref(), true)
        }
        other => (other, false),
    };
    let name = match left {
        Expr::Call(call) => dotted(&call.func)?,
        other => dotted(other)?,
    };
    let sign = sign(*operator)?;
    match name.as_str() {
        "sys.version_info" | "version_info" => version(sign, right, sliced),
        "sys.platform" => Some(format!("sys_platform {sign} \"{}\"", text(right)?)),
        "os.name" => Some(format!("os_name {sign} \"{}\"", text(right)?)),
        "platform.system" => Some(format!("platform_system {sign} \"{}\"", text(right)?)),
        "platform.machine" => Some(format!("platform_machine {sign} \"{}\"", text(right)?)),
        "platform.python_implementation" => {
            Some(format!("platform_python_implementation {sign} \"{}\"", text(right)?))
        }
        "platform.python_version" => Some(format!("python_version {sign} \"{}\"", text(right)?)),
        _ => None,
    }
}

fn version(sign: &str, right: &Expr, sliced: bool) -> Option<String> {
    let numbers: Vec<u64> = match right {
        Expr::Tuple(tuple) => tuple.elts.iter().map(number).collect::<Option<_>>()?,
        Expr::List(list) => list.elts.iter().map(number).collect::<Option<_>>()?,
        other => vec![number(other)?],
    };
    let key = if numbers.len() > 2 { "python_full_version" } else { "python_version" };
    let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let (sign, version) = match (sign, numbers.as_slice()) {
        // a whole major version
        ("==", [3]) => (">=", "3".to_owned()),
        ("==", [2]) | ("!=", [3]) => ("<", "3".to_owned()),
        ("!=", [2]) => (">=", "3".to_owned()),
        (">", [2]) if sliced => (">=", "3".to_owned()),
        ("<=", [2]) if sliced => ("<", "3".to_owned()),
        // (3, 4, 1, …) is greater than (3, 4)
        (">", _) if !sliced => (">=", words.join(".")),
        ("<=", _) if !sliced => ("<", words.join(".")),
        (sign, _) => (sign, words.join(".")),
    };
    Some(format!("{key} {sign} \"{version}\""))
}

fn sign(operator: CmpOp) -> Option<&'static str> {
    Some(match operator {
        CmpOp::Eq => "==",
        CmpOp::NotEq => "!=",
        CmpOp::Lt => "<",
        CmpOp::LtE => "<=",
        CmpOp::Gt => ">",
        CmpOp::GtE => ">=",
        _ => return None,
    })
}

fn number(expression: &Expr) -> Option<u64> {
    match &expression.as_number_literal_expr()?.value {
        Number::Int(value) => value.as_u64(),
        _ => None,
    }
}

fn text(expression: &Expr) -> Option<&str> {
    Some(expression.as_string_literal_expr()?.value.to_str()).filter(|text| !text.contains('"'))
}

/// Returns `a.b.c` of names and attributes.
pub(super) fn dotted(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => {
            let mut dotted = dotted(&attribute.value)?;
            if dotted.len() > 200 {
                return None;
            }
            dotted.push('.');
            dotted.push_str(attribute.attr.as_str());
            Some(dotted)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ruff_python_ast::Stmt;

    use super::*;

    fn told(source: &str) -> String {
        let module = Module::parse(source.to_owned());
        let Some(Stmt::Expr(statement)) = module.statements().first() else { panic!("{source}") };
        match read(&statement.value, &module) {
            None => "always".to_owned(),
            Some(Condition::Marker(marker)) => marker,
            Some(Condition::Other(other)) => format!("other: {other}"),
        }
    }

    #[test]
    fn conditions_become_markers() {
        let table = [
            ("sys.version_info < (3, 4)", "python_version < \"3.4\""),
            ("sys.version_info[:2] <= (2, 6)", "python_version <= \"2.6\""),
            ("sys.version_info <= (2, 6)", "python_version < \"2.6\""),
            ("sys.version_info[0] == 2", "python_version < \"3\""),
            ("sys.version_info.major >= 3", "python_version >= \"3\""),
            ("sys.version_info >= (3, 6, 1)", "python_full_version >= \"3.6.1\""),
            ("six.PY2", "python_version < \"3\""),
            ("not PY3", "python_version < \"3\""),
            ("sys.platform == 'win32'", "sys_platform == \"win32\""),
            ("sys.platform.startswith('win')", "sys_platform == \"win32\""),
            ("platform.system() == 'Darwin'", "platform_system == \"Darwin\""),
            (
                "sys.platform == 'darwin' or sys.version_info < (3,)",
                "sys_platform == \"darwin\" or python_version < \"3\"",
            ),
            ("__name__ == '__main__'", "always"),
            ("USE_CUDA", "other: USE_CUDA"),
            ("MAC\nMAC = platform.system() == 'Darwin'", "platform_system == \"Darwin\""),
            ("MAC\nMAC = False\nMAC = sys.platform == 'darwin'", "other: MAC"),
            ("MAC\nMAC = platform.mac_ver()[0]", "other: MAC"),
        ];
        for (source, wanted) in table {
            assert_eq!(told(source), wanted, "{source}");
        }
        let condition = Condition::Marker("python_version < \"3.4\"".to_owned());
        assert_eq!(condition.opposite(), Condition::Marker("python_version >= \"3.4\"".to_owned()));
        let opposite = |marker: &str| Condition::Marker(marker.to_owned()).opposite();
        assert_eq!(
            opposite("platform_system == \"Darwin\" and platform_machine == \"arm64\""),
            Condition::Marker(
                "platform_system != \"Darwin\" or platform_machine != \"arm64\"".to_owned()
            )
        );
        let nested = "os_name == \"nt\" and (os_name == \"a\" or os_name == \"b\")";
        assert_eq!(opposite(nested), Condition::Other(format!("not ({nested})")));
    }
}
