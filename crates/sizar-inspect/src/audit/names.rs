//! What names mean in a file: `osp.join` is `os.path.join` after `import os.path as osp`.

use ruff_python_ast::{Expr, StmtImport, StmtImportFrom};
use rustc_hash::FxHashMap;

/// The names that imports have bound so far.
#[derive(Debug, Default)]
pub struct Names<'a> {
    meanings: FxHashMap<&'a str, String>,
}

impl<'a> Names<'a> {
    /// Takes `import a.b as c`.
    pub fn import(&mut self, statement: &'a StmtImport) {
        for alias in &statement.names {
            if let Some(name) = &alias.asname {
                self.meanings.insert(name.as_str(), alias.name.as_str().to_owned());
            }
        }
    }

    /// Takes `from a.b import c as d`; relative imports keep their names.
    pub fn import_from(&mut self, statement: &'a StmtImportFrom) {
        let Some(module) = &statement.module else { return };
        if statement.level > 0 {
            return;
        }
        for alias in &statement.names {
            let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
            self.meanings.insert(name, format!("{module}.{}", alias.name));
        }
    }

    /// Returns whether an import bound the name.
    pub fn is_imported(&self, name: &str) -> bool {
        self.meanings.contains_key(name)
    }

    /// Returns the dotted name of an expression, with imports resolved; for a method of something
    /// that has no name, the method with a dot before it: `.cuda`.
    pub fn dotted(&self, expr: &Expr) -> Option<String> {
        let mut name = String::new();
        self.write_dotted(expr, &mut name).then_some(name)
    }

    /// Appends the dotted name of an expression, and returns whether it has one.
    pub fn write_dotted(&self, expr: &Expr, name: &mut String) -> bool {
        match expr {
            Expr::Name(first) => {
                let id = first.id.as_str();
                name.push_str(self.meanings.get(id).map_or(id, String::as_str));
            }
            Expr::Attribute(attribute) => {
                let before = name.len();
                if !self.write_dotted(&attribute.value, name) || name[before..].starts_with('.') {
                    name.truncate(before);
                }
                name.push('.');
                name.push_str(attribute.attr.as_str());
            }
            _ => return false,
        }
        true
    }
}
