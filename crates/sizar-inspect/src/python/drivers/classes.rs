//! Classes across files: their bases and methods.

use ruff_python_ast::{Expr, StmtClassDef};

use super::scope::{Scopes, own_method};
use super::value::{Function, Value};

impl<'a> Scopes<'_, 'a> {
    /// Returns the bases of a class that are of the tree.
    pub(super) fn bases(
        &self,
        file: usize,
        class: &'a StmtClassDef,
    ) -> Vec<(usize, &'a StmtClassDef)> {
        class
            .bases()
            .iter()
            .filter_map(|base| match self.class_named(file, base) {
                Some(Value::Class(file, class)) => Some((file, class)),
                _ => None,
            })
            .collect()
    }

    fn class_named(&self, file: usize, base: &'a Expr) -> Option<Value<'a>> {
        match base {
            Expr::Name(name) => match self.lookup(file, name.id.as_str()) {
                Some(meaning) => Some(meaning.into()),
                None => Some(Value::External(name.id.as_str().to_owned())),
            },
            Expr::Attribute(attribute) => match self.class_named(file, &attribute.value)? {
                Value::Module(module) => {
                    self.member(module, attribute.attr.as_str()).map(Value::from)
                }
                Value::External(name) => {
                    Some(Value::External(format!("{name}.{}", attribute.attr.as_str())))
                }
                _ => None,
            },
            Expr::Subscript(subscript) => self.class_named(file, &subscript.value),
            _ => None,
        }
    }

    /// Returns the dotted names of the bases, near and far, that are not of the tree.
    pub(super) fn external_bases(&self, file: usize, class: &'a StmtClassDef) -> Vec<String> {
        let mut names = Vec::new();
        let mut open = vec![(file, class, 0)];
        while let Some((file, class, depth)) = open.pop() {
            for base in class.bases() {
                match self.class_named(file, base) {
                    Some(Value::External(name)) => names.push(name),
                    Some(Value::Class(file, class)) if depth < 8 => {
                        open.push((file, class, depth + 1));
                    }
                    _ => {}
                }
            }
        }
        names
    }

    pub(super) fn method(
        &self,
        file: usize,
        class: &'a StmtClassDef,
        name: &str,
    ) -> Option<Function<'a>> {
        self.method_within(file, class, name, 8)
    }

    fn method_within(
        &self,
        file: usize,
        class: &'a StmtClassDef,
        name: &str,
        hops: u32,
    ) -> Option<Function<'a>> {
        let hops = hops.checked_sub(1)?;
        if let Some(definition) = own_method(class, name) {
            return Some(Function { file, definition, class: Some((file, class)), receiver: None });
        }
        self.bases(file, class)
            .into_iter()
            .find_map(|(file, class)| self.method_within(file, class, name, hops))
    }
}
