//! Imports and calls that not every Python has.
//!
//! What newer ones removed is a soft limit, since the call may never be reached.

use rustc_hash::FxHashSet;
use std::sync::LazyLock;

use ruff_python_ast::{ExceptHandler, Expr, ExprContext, Stmt};
use sizar_model::PythonVersion;

use super::{Found, Limit, PYTHON_2};
use crate::python::expression::{dotted_name, last_name};
use crate::python::facts::FileFacts;
use crate::python::parse::Module;
use crate::python::stdlib;

/// The last Python before `version`.
fn before(version: PythonVersion) -> PythonVersion {
    match version.minor {
        0 => PYTHON_2,
        minor => PythonVersion::minor(version.major, minor - 1),
    }
}

/// Notes modules that were removed, or that came late.
pub(super) fn imports(found: &mut Found<'_>, facts: &FileFacts) {
    for import in facts.imports.iter().filter(|import| import.level == 0 && !import.optional) {
        if let Some(removed) = stdlib::removed_in(&import.module) {
            let text = format!("import {}", import.module);
            found.see(Limit::SoftAtMost, before(removed), &text, import.line);
        }
        if !import.conditional
            && let Some(added) = stdlib::added_in(&import.module)
            && added > PythonVersion::minor(3, 4)
            && !BACKPORTED.contains(&import.module.as_str())
        {
            // A late module is no syntax, but nothing older imports the file either.
            let text = format!("import {}", import.module);
            found.see(Limit::AtLeast, added, &text, import.line);
        }
        for name in &import.names {
            if !import.conditional
                && let Some(&(.., minor)) = ADDED
                    .iter()
                    .find(|(module, added, _)| *module == import.module && added == name)
            {
                let text = format!("from {} import {name}", import.module);
                let version = PythonVersion::minor(3, minor);
                found.see(Limit::AtLeast, version, &text, import.line);
            }
            if REMOVED_MEMBERS.contains(name.as_str())
                && let Some(last) = last_with(&format!("{}.{name}", import.module))
            {
                let text = format!("from {} import {name}", import.module);
                found.see(Limit::SoftAtMost, last, &text, import.line);
            }
        }
    }
}

/// Modules that older Pythons get from the package index under the same name.
const BACKPORTED: &[&str] = &["typing", "dataclasses", "contextvars", "statistics"];

/// Names whose import fails on a Python 3 older than the minor version.
const ADDED: &[(&str, &str, u8)] = &[
    ("typing", "Literal", 8),
    ("typing", "Protocol", 8),
    ("typing", "Final", 8),
    ("typing", "TypedDict", 8),
    ("typing", "Annotated", 9),
    ("typing", "ParamSpec", 10),
    ("typing", "Concatenate", 10),
    ("typing", "TypeAlias", 10),
    ("typing", "Self", 11),
    ("typing", "Never", 11),
    ("typing", "Required", 11),
    ("typing", "NotRequired", 11),
    ("typing", "Unpack", 11),
    ("typing", "override", 12),
    ("functools", "cached_property", 8),
    ("functools", "cache", 9),
    ("contextlib", "nullcontext", 7),
    ("contextlib", "chdir", 11),
    ("math", "prod", 8),
    ("math", "dist", 8),
    ("math", "comb", 8),
    ("itertools", "pairwise", 10),
    ("itertools", "batched", 12),
    ("enum", "StrEnum", 11),
    ("argparse", "BooleanOptionalAction", 9),
];

/// Notes attributes and names that were removed, by what a walk over the file has met.
pub(super) fn met(found: &mut Found<'_>, met: Met<'_>) {
    for (version, text, line) in met.members {
        found.see(Limit::SoftAtMost, version, &text, line);
    }
    let mut seen = FxHashSet::default();
    for (name, line) in met.python_2 {
        if !met.bound.contains(name) && seen.insert(name) {
            found.see(Limit::SoftAtMost, PYTHON_2, name, line);
        }
    }
}

/// What a walk over a file has met so far; it is told of every statement and expression.
pub(super) struct Met<'a> {
    module: &'a Module,
    members: Vec<(PythonVersion, String, u32)>,
    bound: FxHashSet<&'a str>,
    python_2: Vec<(&'a str, u32)>,
    /// Open `try` statements and conditions on the version, in which nothing is certain.
    forgiving: u32,
}

impl<'a> Met<'a> {
    pub(super) fn new(module: &'a Module) -> Self {
        Self {
            module,
            members: Vec::new(),
            bound: FxHashSet::default(),
            python_2: Vec::new(),
            forgiving: 0,
        }
    }

    /// Looks at a statement, and returns whether what is in it is forgiven, until
    /// [`Met::leave`].
    pub(super) fn enter_stmt(&mut self, statement: &'a Stmt) -> bool {
        let forgives = match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.bind(name.as_str());
                }
                false
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.bind(name.as_str());
                    if name.as_str() == "*" {
                        // Anything may come from there.
                        self.bound.extend(PYTHON_2_NAMES);
                    }
                }
                false
            }
            Stmt::FunctionDef(function) => {
                self.bind(function.name.as_str());
                false
            }
            Stmt::ClassDef(class) => {
                self.bind(class.name.as_str());
                false
            }
            Stmt::Try(attempt) => attempt.handlers.iter().any(catches_missing_names),
            Stmt::If(branch) => self.mentions_version(&branch.test),
            _ => false,
        };
        self.forgiving += u32::from(forgives);
        forgives
    }

    /// Looks at an expression, as [`Met::enter_stmt`] does at a statement.
    pub(super) fn enter_expr(&mut self, expr: &'a Expr) -> bool {
        match expr {
            Expr::Name(name) => match name.ctx {
                ExprContext::Load if self.forgiving == 0 => {
                    if is_python_2_name(name.id.as_str()) {
                        let line = self.module.line_of(expr);
                        self.python_2.push((name.id.as_str(), line));
                    }
                }
                ExprContext::Load => {}
                _ => self.bind(name.id.as_str()),
            },
            Expr::Attribute(attribute) if self.forgiving == 0 => {
                let method = attribute.attr.as_str();
                if matches!(method, "has_key" | "iteritems" | "itervalues" | "iterkeys")
                    && !matches!(&*attribute.value, Expr::Name(name) if matches!(name.id.as_str(), "six" | "utils" | "compat" | "future"))
                {
                    let line = self.module.line_of(expr);
                    self.members.push((PYTHON_2, format!(".{method}()"), line));
                } else if REMOVED_MEMBERS.contains(method)
                    && let Some(name) = dotted_name(expr)
                    && let Some(last) = last_with(&name)
                {
                    let line = self.module.line_of(expr);
                    self.members.push((last, name, line));
                }
            }
            Expr::If(choice) if self.mentions_version(&choice.test) => {
                self.forgiving += 1;
                return true;
            }
            _ => {}
        }
        false
    }

    /// Ends what an `enter` began.
    pub(super) fn leave(&mut self, forgiven: bool) {
        self.forgiving -= u32::from(forgiven);
    }

    /// Notes that the file gives a name a meaning of its own.
    pub(super) fn bind(&mut self, name: &'a str) {
        if is_python_2_name(name) {
            self.bound.insert(name);
        }
    }

    fn mentions_version(&self, test: &Expr) -> bool {
        let source = self.module.source_of(test).as_bytes();
        memchr::memchr3_iter(b'v', b'P', b'h', source).any(|at| {
            let rest = source.get(at..).unwrap_or_default();
            ["version", "PY2", "PY3", "hasattr"].iter().any(|it| rest.starts_with(it.as_bytes()))
        })
    }
}

fn catches_missing_names(handler: &ExceptHandler) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    let catches = |expr: &Expr| {
        matches!(
            last_name(expr),
            Some(
                "NameError"
                    | "AttributeError"
                    | "ImportError"
                    | "ModuleNotFoundError"
                    | "Exception"
            )
        )
    };
    match handler.type_.as_deref() {
        None => true,
        Some(Expr::Tuple(tuple)) => tuple.elts.iter().any(catches),
        Some(expr) => catches(expr),
    }
}

/// Built-in names of Python 2.
const PYTHON_2_NAMES: &[&str] = &[
    "basestring",
    "cmp",
    "execfile",
    "file",
    "long",
    "raw_input",
    "reduce",
    "reload",
    "unichr",
    "unicode",
    "xrange",
];

/// Returns whether a name is among [`PYTHON_2_NAMES`].
fn is_python_2_name(name: &str) -> bool {
    // hardly a name begins like one of them
    matches!(name.as_bytes(), [b'b' | b'c' | b'e' | b'f' | b'l' | b'r' | b'u' | b'x', _, _, ..])
        && PYTHON_2_NAMES.contains(&name)
}

fn last_with(name: &str) -> Option<PythonVersion> {
    REMOVED
        .iter()
        .find(|(removed, _)| *removed == name)
        .map(|&(_, (major, minor))| PythonVersion::minor(major, minor))
}

/// The last parts of what was removed: most attributes are none of them.
static REMOVED_MEMBERS: LazyLock<FxHashSet<&str>> = LazyLock::new(|| {
    REMOVED.iter().map(|(name, _)| name.rsplit('.').next().unwrap_or(name)).collect()
});

/// What the standard library removed, and the last Python that has it.
#[rustfmt::skip]
const REMOVED: &[(&str, (u8, u8))] = &[
    ("collections.Mapping", (3, 9)), ("collections.MutableMapping", (3, 9)),
    ("collections.Sequence", (3, 9)), ("collections.MutableSequence", (3, 9)),
    ("collections.Iterable", (3, 9)), ("collections.Iterator", (3, 9)),
    ("collections.Callable", (3, 9)), ("collections.Hashable", (3, 9)),
    ("collections.Sized", (3, 9)), ("collections.Container", (3, 9)),
    ("collections.Set", (3, 9)), ("collections.MutableSet", (3, 9)),
    ("collections.Generator", (3, 9)), ("collections.ItemsView", (3, 9)),
    ("collections.KeysView", (3, 9)), ("collections.ValuesView", (3, 9)),
    ("collections.MappingView", (3, 9)), ("collections.Awaitable", (3, 9)),
    ("collections.Coroutine", (3, 9)), ("collections.ByteString", (3, 9)),
    ("time.clock", (3, 7)), ("platform.linux_distribution", (3, 7)), ("platform.dist", (3, 7)),
    ("cgi.escape", (3, 7)), ("os.errno", (3, 6)), ("sys.set_coroutine_wrapper", (3, 7)),
    ("fractions.gcd", (3, 8)), ("base64.encodestring", (3, 8)), ("base64.decodestring", (3, 8)),
    ("sys.setcheckinterval", (3, 8)), ("sys.getcheckinterval", (3, 8)),
    ("asyncio.async", (3, 6)), ("asyncio.coroutine", (3, 10)), 
    ("inspect.getargspec", (3, 10)), ("inspect.formatargspec", (3, 10)),
    ("binascii.b2a_hqx", (3, 10)), ("random.jumpahead", (2, 7)), ("locale.format", (3, 11)),
    ("configparser.SafeConfigParser", (3, 11)), ("unittest.makeSuite", (3, 12)),
    ("pkgutil.ImpImporter", (3, 11)), ("pkgutil.ImpLoader", (3, 11)), ("ssl.wrap_socket", (3, 11)),
    ("ssl.match_hostname", (3, 11)), ("gettext.lgettext", (3, 10)), ("typing.io", (3, 12)),
    ("typing.re", (3, 12)), ("ast.Str", (3, 13)), ("ast.Num", (3, 13)), ("ast.NameConstant", (3, 13)),
    ("ast.Bytes", (3, 13)), ("ast.Ellipsis", (3, 13)), ("pkgutil.find_loader", (3, 13)),
    ("pkgutil.get_loader", (3, 13)), ("importlib.find_loader", (3, 11)),
    ("importlib.abc.Finder", (3, 11)), 
    ("string.letters", (2, 7)), ("string.lowercase", (2, 7)),
    ("string.uppercase", (2, 7)), ("string.maketrans", (2, 7)), ("string.join", (2, 7)),
    ("string.replace", (2, 7)), ("string.split", (2, 7)), ("string.strip", (2, 7)),
    ("string.atoi", (2, 7)), ("string.atof", (2, 7)), ("itertools.izip", (2, 7)),
    ("itertools.imap", (2, 7)), ("itertools.ifilter", (2, 7)), ("itertools.izip_longest", (2, 7)),
    ("sys.maxint", (2, 7)), ("sys.setdefaultencoding", (2, 7)), ("os.getcwdu", (2, 7)),
    ("os.popen2", (2, 7)), ("os.popen3", (2, 7)), ("urllib.urlopen", (2, 7)),
    ("urllib.urlretrieve", (2, 7)), ("urllib.urlencode", (2, 7)), ("urllib.quote", (2, 7)),
    ("urllib.unquote", (2, 7)), ("urllib.quote_plus", (2, 7)), ("types.StringType", (2, 7)),
    ("types.ListType", (2, 7)), ("types.DictType", (2, 7)), ("types.StringTypes", (2, 7)),
    ("types.IntType", (2, 7)), ("types.UnicodeType", (2, 7)),
    ("thread.start_new_thread", (2, 7)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_found() {
        assert!(PYTHON_2_NAMES.iter().all(|name| is_python_2_name(name)));
        assert!(!is_python_2_name("x") && !is_python_2_name("files"));
    }
}
