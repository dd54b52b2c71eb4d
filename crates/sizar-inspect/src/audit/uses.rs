//! Names whose use matters to an environment: a later release of their distribution removed them,
//! or they need another distribution that nobody asks for.
//!
//! What is installed is not known here: what is seen are the uses.

use std::sync::LazyLock;

use ruff_python_ast::{Expr, StmtImportFrom};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;

use super::facts::sighting;
use super::reading::{Call, Reading};

/// `knowledge/removed.toml` and `knowledge/companions.toml`, as far as reading asks.
#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    removed: Vec<Row>,
    #[serde(default)]
    companion: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    module: Option<String>,
    #[serde(default)]
    methods: Vec<String>,
}

/// What is looked for.
#[derive(Debug, Default)]
struct Wanted {
    /// Dotted names, plain and of calls.
    names: FxHashSet<String>,
    /// Those that only later releases have: they count behind a guard, too.
    later: FxHashSet<String>,
    /// The last parts of plain names and methods: most attributes are none of these.
    last: FxHashSet<String>,
    /// The last parts of names of calls.
    called: FxHashSet<String>,
    /// The keywords of calls, by the dotted name or the method.
    keywords: FxHashMap<String, Vec<String>>,
    /// The module in which a method, with its keyword, counts.
    methods: FxHashMap<String, Vec<String>>,
}

static WANTED: LazyLock<Wanted> = LazyLock::new(|| {
    let tables = [
        include_str!("../../../../knowledge/removed.toml"),
        include_str!("../../../../knowledge/companions.toml"),
    ];
    let files = tables.into_iter().map(|text| -> File {
        toml::from_str(text).expect("a test reads the table that is compiled in")
    });
    let mut wanted = Wanted::default();
    for row in files.flat_map(|file| file.removed.into_iter().chain(file.companion)) {
        wanted.later.extend(row.unless.iter().cloned());
        for name in row.names.into_iter().chain(row.unless) {
            wanted.take(name);
        }
        for method in row.methods {
            let module = row.module.clone().expect("a test looks at each row");
            wanted.methods.entry(method.clone()).or_default().push(module);
            wanted.take(method);
        }
    }
    wanted
});

impl Wanted {
    fn take(&mut self, name: String) {
        let (plain, keyword) = match name.split_once('(') {
            Some((plain, keyword)) => (plain, Some(keyword.trim_end_matches(')'))),
            None => (name.as_str(), None),
        };
        let last = plain.rsplit('.').next().unwrap_or(plain).to_owned();
        match keyword {
            Some(keyword) => {
                self.keywords.entry(plain.to_owned()).or_default().push(keyword.to_owned());
                self.called.insert(last);
            }
            None => {
                self.last.insert(last);
            }
        }
        self.names.insert(name);
    }
}

/// Looks at an attribute: `np.float`, `graph.node`.
pub(super) fn attribute(reading: &mut Reading<'_>, expr: &Expr) {
    let Expr::Attribute(attribute) = expr else { return };
    let last = attribute.attr.as_str();
    if !WANTED.last.contains(last) {
        return;
    }
    if let Some(name) = reading.names.dotted(expr)
        && WANTED.names.contains(&name)
        && name.contains('.')
    {
        let line = reading.line(expr);
        return see(reading, &name, line);
    }
    // what is taken from a module is no method of an object
    if !reading.is_of_a_module(expr) {
        method(reading, last, reading.line(expr));
    }
}

/// Looks at an imported module: `import tensorflow.compat.v1 as tf`.
pub(super) fn import(reading: &mut Reading<'_>, module: &str, line: u32) {
    let ends = module.match_indices('.').map(|(at, _)| at).skip(1).chain([module.len()]);
    for end in ends {
        if WANTED.names.contains(&module[..end]) {
            see(reading, &module[..end], line);
        }
    }
}

/// Looks at what is taken from a module: `from scipy.misc import imread`.
pub(super) fn import_from(reading: &mut Reading<'_>, import: &StmtImportFrom, module: &str) {
    for alias in &import.names {
        if WANTED.last.contains(alias.name.as_str()) {
            let name = format!("{module}.{}", alias.name);
            if WANTED.names.contains(&name) {
                let line = reading.line(import);
                see(reading, &name, line);
            }
        }
    }
}

/// Looks at a call with, or without, a keyword.
pub(super) fn call(reading: &mut Reading<'_>, call: &Call<'_, '_>) {
    if !WANTED.called.contains(call.method()) {
        return;
    }
    // words that a table hands on may be any
    if call.arguments().keywords.iter().any(|keyword| keyword.arg.is_none()) {
        return;
    }
    for name in [call.name, call.method()] {
        for keyword in WANTED.keywords.get(name).into_iter().flatten() {
            let is_so = match keyword.strip_prefix('!') {
                Some(absent) => call.keyword(absent).is_none() && call.arguments().args.len() == 1,
                None => call.keyword(keyword).is_some(),
            };
            if !is_so {
                continue;
            }
            let whole = format!("{name}({keyword})");
            if name.contains('.') {
                see(reading, &whole, call.line());
            } else {
                method(reading, &whole, call.line());
            }
        }
    }
}

fn method(reading: &mut Reading<'_>, method: &str, line: u32) {
    for module in WANTED.methods.get(method).into_iter().flatten() {
        if reading.imported.contains(module.as_str()) {
            see(reading, &format!("{module}:{method}"), line);
        }
    }
}

fn see(reading: &mut Reading<'_>, name: &str, line: u32) {
    // who asks first, or catches that it is gone, has another way
    if reading.has_another_way() && !WANTED.later.contains(name) {
        return;
    }
    // one of each is enough
    if !reading.facts.uses.iter().any(|seen| seen.kind == name) {
        let seen = sighting(name, name, reading.path, line);
        reading.facts.uses.push(seen);
    }
}
