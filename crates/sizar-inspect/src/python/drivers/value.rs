//! What the interpreter of parser-building code knows of a value.

use ruff_python_ast::{Expr, StmtClassDef, StmtFunctionDef};
use rustc_hash::FxHashMap;
use sizar_model::inspection::DriverOption;

use super::scope::Meaning;

/// A value, as far as building parsers goes.
#[derive(Clone)]
pub(super) enum Value<'a> {
    Unknown,
    /// The dotted name of something outside of the tree.
    External(String),
    Module(usize),
    Function(Function<'a>),
    Class(usize, &'a StmtClassDef),
    /// An object of a class of the tree.
    Instance(usize),
    /// `super()`: the class whose bases are meant, and the object.
    Super(usize, &'a StmtClassDef, Box<Value<'a>>),
    /// A parser, or a group of one.
    Parser(usize),
    /// What `add_subparsers` returns.
    Subparsers(usize),
    /// An expression that builds nothing, with its file.
    Plain(usize, &'a Expr),
    /// A text that was put together.
    Text(String),
    Sequence(Vec<Value<'a>>),
}

/// A function of the tree, perhaps bound to an object.
#[derive(Clone)]
pub(super) struct Function<'a> {
    pub(super) file: usize,
    pub(super) definition: &'a StmtFunctionDef,
    /// The class that the method was found in.
    pub(super) class: Option<(usize, &'a StmtClassDef)>,
    pub(super) receiver: Option<Box<Value<'a>>>,
}

impl<'a> From<Meaning<'a>> for Value<'a> {
    fn from(meaning: Meaning<'a>) -> Self {
        match meaning {
            Meaning::Function(file, definition) => {
                Self::Function(Function { file, definition, class: None, receiver: None })
            }
            Meaning::Class(file, class) => Self::Class(file, class),
            Meaning::Constant(file, value) => Self::Plain(file, value),
            Meaning::Module(file) => Self::Module(file),
            Meaning::External(name) => Self::External(name),
        }
    }
}

impl Value<'_> {
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// An object of a class of the tree.
#[derive(Default)]
pub(super) struct Object<'a> {
    pub(super) class: Option<(usize, &'a StmtClassDef)>,
    pub(super) attributes: FxHashMap<&'a str, Value<'a>>,
    /// The parser that it is, where its class is derived from one.
    pub(super) parser: Option<usize>,
}

/// A parser while it is built.
#[derive(Clone, Debug, Default)]
pub(super) struct Parser {
    pub(super) framework: &'static str,
    pub(super) options: Vec<DriverOption>,
    /// The subcommand, with those above it: `remote add`.
    pub(super) subcommand: Option<String>,
    pub(super) parent: Option<usize>,
    pub(super) parsed: bool,
}
