//! Python source: parsing with recovery, imports, drivers.
//!
//! A [`SourceFile`] is parsed once; a [`Project`] walks over all of them and answers: what they
//! import ([`Project::imports`]), what can be started ([`drivers::find_drivers`]), what a file
//! reaches ([`Project::closure_of`]), which Pythons read them ([`versions::verdict`]).

mod branch;
pub mod closure;
pub mod distributions;
mod downloaded;
pub mod drivers;
mod expression;
pub mod facts;
mod hints;
mod lines;
mod nesting;
pub mod parse;
pub mod project;
pub mod source_file;
pub mod stdlib;
mod traits;
mod tree;
mod tree_path;
pub mod versions;

pub use closure::Closure;
pub use drivers::find_drivers;
pub use facts::{FileFacts, ImportRecord};
pub use parse::{Module, SyntaxProblem, decode, into_text};
pub use project::{Project, Told};
pub use source_file::{Layout, ScriptDeclaration, SourceFile};
pub use traits::traits;
pub use tree::{Resolution, SOURCES};
