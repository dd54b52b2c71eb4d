//! Everything of a tree that can be started, with its options: [`find_drivers`].
//!
//! Parsers of argparse are followed through functions, methods and files by an
//! [`interpreter`] that executes nothing; the other frameworks are read where they are declared.

mod absl;
mod argument;
mod argv;
mod calls;
mod classes;
mod click;
mod docopt;
mod fields;
mod frameworks;
mod hydra;
mod interpreter;
mod objects;
mod parser_methods;
mod role;
mod sacred;
mod scope;
mod search;
mod typer;
mod value;

pub(super) use scope::binds;
pub use search::find_drivers;

/// Gives the text of a file of the tree by its path, if it is there.
pub type ReadText<'r> = &'r (dyn Fn(&str) -> Option<String> + Sync);
