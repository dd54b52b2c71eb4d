//! Objects of classes of the tree, and texts that are put together.

use ruff_python_ast::{Expr, InterpolatedStringElement, Operator, StmtClassDef};
use rustc_hash::FxHashMap;

use super::interpreter::{Arguments, Frame, Interpreter};
use super::scope::class_constant;
use super::value::{Object, Value};
use crate::python::expression::string;

impl<'a> Interpreter<'_, '_, 'a> {
    /// Returns what a value has under `name`.
    pub(super) fn attribute(&mut self, receiver: &Value<'a>, name: &'a str) -> Value<'a> {
        match receiver {
            Value::External(module) => Value::External(format!("{module}.{name}")),
            Value::Module(file) => {
                if let Some(value) = self.modules.get(file).and_then(|names| names.get(name)) {
                    return value.clone();
                }
                match self.scopes.member(*file, name) {
                    Some(meaning) => self.known(meaning, name),
                    None => Value::Unknown,
                }
            }
            Value::Instance(index) => {
                let Some(object) = self.objects.get(*index) else { return Value::Unknown };
                if let Some(value) = object.attributes.get(name) {
                    return value.clone();
                }
                let Some((file, class)) = object.class else { return Value::Unknown };
                match self.scopes.method(file, class, name) {
                    Some(mut method) => {
                        method.receiver = Some(Box::new(receiver.clone()));
                        Value::Function(method)
                    }
                    None => class_constant(class, name)
                        .map_or(Value::Unknown, |value| Value::Plain(file, value)),
                }
            }
            Value::Class(file, class) => match self.scopes.method(*file, class, name) {
                Some(method) => Value::Function(method),
                None => class_constant(class, name)
                    .map_or(Value::Unknown, |value| Value::Plain(*file, value)),
            },
            Value::Super(file, class, object) => {
                let found = self
                    .scopes
                    .bases(*file, class)
                    .into_iter()
                    .find_map(|(file, class)| self.scopes.method(file, class, name));
                match found {
                    Some(mut method) => {
                        method.receiver = Some(object.clone());
                        Value::Function(method)
                    }
                    None => Value::Unknown,
                }
            }
            _ => Value::Unknown,
        }
    }

    /// Makes an object of a class, running its `__init__`.
    pub(super) fn instantiate(
        &mut self,
        file: usize,
        class: &'a StmtClassDef,
        parser: Option<usize>,
        arguments: Arguments<'a>,
    ) -> Value<'a> {
        let index = self.objects.len();
        if index > 4096 {
            return Value::Unknown;
        }
        self.objects.push(Object {
            class: Some((file, class)),
            attributes: FxHashMap::default(),
            parser,
        });
        let instance = Value::Instance(index);
        if let Some(mut method) = self.scopes.method(file, class, "__init__") {
            method.receiver = Some(Box::new(instance.clone()));
            self.enter(&method, arguments.positional, arguments.named);
        }
        instance
    }

    /// Returns the parser that a value is.
    pub(super) fn as_parser(&self, value: &Value<'a>) -> Option<usize> {
        match value {
            Value::Parser(parser) => Some(*parser),
            Value::Instance(object) => self.objects.get(*object)?.parser,
            Value::Super(_, _, object) => self.as_parser(object),
            _ => None,
        }
    }

    /// Returns the class of an object.
    pub(super) fn class_of(&self, value: &Value<'a>) -> Option<(usize, &'a StmtClassDef)> {
        match value {
            Value::Instance(object) => self.objects.get(*object)?.class,
            _ => None,
        }
    }

    /// Returns the text that an expression spells with the names bound as they are.
    pub(super) fn text(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Option<String> {
        match expr {
            Expr::StringLiteral(literal) => Some(literal.value.to_str().to_owned()),
            Expr::BinOp(sum) if sum.op == Operator::Add => {
                let left = self.text(frame, &sum.left)?;
                Some(left + &self.text(frame, &sum.right)?)
            }
            Expr::BinOp(format) if format.op == Operator::Mod => {
                let (template, value) =
                    (self.text(frame, &format.left)?, self.text(frame, &format.right)?);
                template.contains("%s").then(|| template.replacen("%s", &value, 1))
            }
            Expr::FString(f_string) => {
                let mut text = String::new();
                for element in f_string.value.elements() {
                    match element {
                        InterpolatedStringElement::Literal(part) => {
                            text.push_str(&part.value);
                        }
                        InterpolatedStringElement::Interpolation(part) => {
                            text.push_str(&self.text(frame, &part.expression)?);
                        }
                    }
                }
                for part in f_string.value.literals() {
                    text.push_str(part.as_str());
                }
                Some(text)
            }
            Expr::Name(_) | Expr::Attribute(_) => match self.evaluate(frame, expr) {
                Value::Text(text) => Some(text),
                Value::Plain(file, expr) => {
                    let (_, expr) = self.scopes.constant(file, expr);
                    string(expr).map(str::to_owned)
                }
                _ => None,
            },
            _ => None,
        }
    }
}
