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

    /// Returns the dotted name of an expression, with imports resolved; for a method of something
    /// that has no name, the method with a dot before it: `.cuda`.
    pub fn dotted(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Name(name) => {
                let id = name.id.as_str();
                Some(self.meanings.get(id).map_or_else(|| id.to_owned(), Clone::clone))
            }
            Expr::Attribute(attribute) => {
                let mut parts = vec![attribute.attr.as_str()];
                let mut value = &*attribute.value;
                loop {
                    match value {
                        Expr::Attribute(inner) => {
                            parts.push(inner.attr.as_str());
                            value = &*inner.value;
                        }
                        Expr::Name(name) => {
                            let id = name.id.as_str();
                            let first = self.meanings.get(id).map_or(id, String::as_str);
                            let mut dotted = String::from(first);
                            for part in parts.iter().rev() {
                                dotted.push('.');
                                dotted.push_str(part);
                            }
                            return Some(dotted);
                        }
                        _ => return Some(format!(".{}", attribute.attr)),
                    }
                }
            }
            _ => None,
        }
    }
}
