//! Paths of the tree that code spells: `os.path.join(os.path.dirname(__file__), '..', 'lib')`.

use ruff_python_ast::{Expr, ExprCall, Number, Operator};
use rustc_hash::FxHashMap;

use super::expression::{dotted_name, string};
use super::source_file::folder_of;

/// Evaluates path expressions of one file.
pub(super) struct PathReader<'a> {
    /// The file's path, relative to the root.
    pub(super) file: &'a str,
    /// Names that were assigned a path.
    pub(super) names: FxHashMap<&'a str, String>,
}

impl<'a> PathReader<'a> {
    /// Returns the path relative to the root that `expr` spells, not normalised.
    ///
    /// Only what hangs on `__file__`, on the working folder or on a literal is understood.
    pub(super) fn read(&self, expr: &'a Expr) -> Option<String> {
        match expr {
            Expr::Name(name) if name.id.as_str() == "__file__" => Some(self.file.to_owned()),
            Expr::Name(name) => self.names.get(name.id.as_str()).cloned(),
            Expr::StringLiteral(literal) => Some(literal.value.to_str().to_owned()),
            Expr::Attribute(attribute) => match attribute.attr.as_str() {
                "parent" => self.read(&attribute.value).map(|path| parent(&path)),
                "pardir" => Some("..".to_owned()),
                "curdir" => Some(".".to_owned()),
                _ => None,
            },
            Expr::Subscript(subscript) => {
                let Expr::Attribute(parents) = &*subscript.value else { return None };
                let levels = usize_of(&subscript.slice)?;
                if parents.attr.as_str() != "parents" || levels > 16 {
                    return None;
                }
                let path = self.read(&parents.value)?;
                Some((0..=levels).fold(path, |path, _| parent(&path)))
            }
            Expr::BinOp(binary) => {
                let (left, right) = (self.read(&binary.left)?, self.read(&binary.right)?);
                match binary.op {
                    Operator::Div => Some(join(&left, &right)),
                    Operator::Add => Some(left + &right),
                    _ => None,
                }
            }
            Expr::Call(call) => self.read_call(call),
            _ => None,
        }
    }

    fn read_call(&self, call: &'a ExprCall) -> Option<String> {
        let arguments = &call.arguments.args;
        if let Expr::Attribute(method) = &*call.func
            && matches!(
                method.attr.as_str(),
                "resolve" | "absolute" | "as_posix" | "expanduser" | "joinpath"
            )
            && dotted_name(&method.value).is_none_or(|name| !name.ends_with("path"))
        {
            let base = self.read(&method.value)?;
            return arguments
                .iter()
                .try_fold(base, |path, part| Some(join(&path, &self.read(part)?)));
        }
        let name = dotted_name(&call.func)?;
        let last = name.rsplit('.').next().unwrap_or(&name);
        match last {
            "getcwd" | "cwd" => Some(String::new()),
            "dirname" => self.read(arguments.first()?).map(|path| parent(&path)),
            "abspath" | "realpath" | "normpath" | "expanduser" | "Path" | "PurePath" | "str"
            | "PosixPath" | "fspath" | "relpath" => self.read(arguments.first()?),
            "join" => {
                let mut parts = arguments.iter().map(|part| self.read(part));
                let first = parts.next()??;
                parts.try_fold(first, |path, part| Some(join(&path, &part?)))
            }
            // `inspect.getfile(inspect.currentframe())`
            "getfile" | "getsourcefile" => Some(self.file.to_owned()),
            _ => None,
        }
    }

    /// Returns the folders of the tree that `expr` may mean when it is put on `sys.path`.
    ///
    /// A relative literal hangs on the working folder, which is the root or the file's folder.
    pub(super) fn folders(&self, expr: &'a Expr) -> Vec<String> {
        if let Some(literal) = string(expr) {
            if literal.starts_with('/') || literal.starts_with('~') {
                return Vec::new();
            }
            return [join(folder_of(self.file), literal), literal.to_owned()]
                .iter()
                .filter_map(|path| normalise(path))
                .collect();
        }
        let Some(path) = self.read(expr) else { return Vec::new() };
        let from_folder = normalise(&join(folder_of(self.file), &path));
        let from_root = normalise(&path);
        match (from_root, from_folder) {
            (Some(root), _) if !path.starts_with('.') => vec![root],
            (root, folder) => root.into_iter().chain(folder).collect(),
        }
    }
}

fn usize_of(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => int.as_usize(),
            _ => None,
        },
        _ => None,
    }
}

/// Joins like `os.path.join`; an absolute part is taken as it is.
pub(super) fn join(base: &str, part: &str) -> String {
    let mut path = String::with_capacity(base.len() + part.len() + 1);
    path.push_str(base);
    enter(&mut path, part);
    path
}

/// Makes `path` what [`join`] makes of it.
pub(super) fn enter(path: &mut String, part: &str) {
    if part.starts_with('/') || path.is_empty() {
        path.clear();
    } else {
        path.truncate(path.trim_end_matches('/').len());
        path.push('/');
    }
    path.push_str(part);
}

fn parent(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" | "." => "..".to_owned(),
        path if path == ".." || path.ends_with("/..") => format!("{path}/.."),
        path => folder_of(path).to_owned(),
    }
}

/// Resolves `.` and `..`; nothing for what is outside of the tree.
pub(super) fn normalise(path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
