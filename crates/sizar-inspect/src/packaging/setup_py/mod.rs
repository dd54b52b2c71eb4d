//! `setup.py`, read from its syntax tree: nothing of it is executed.
//!
//! [`Interpreter`] follows the assignments, lists, file readings and helper functions that such
//! files are made of, with bounds on everything; [`keywords`] turns the arguments of `setup(…)`
//! into findings; [`build_imports`] tells what the file imports and so needs before it can run.

mod build_imports;
mod condition;
mod expression;
mod interpreter;
mod keywords;
mod methods;
mod value;
mod version;

pub(super) use build_imports::is_undeclared;
pub(super) use version::version_in_code;

use interpreter::Interpreter;

use super::kind::Kind;
use super::read::Read;
use super::text::pattern;
use super::tree::Tree;
use crate::python::parse::Module;

/// Reads a `setup.py`.
pub(super) fn read(path: &str, text: &str, tree: &dyn Tree) -> Read {
    let mut read = Read::new(path, Kind::SetupPy);
    let module = Module::parse(text.to_owned());
    let mut interpreter = Interpreter::new(&module, path, tree);
    interpreter.run();
    let calls = std::mem::take(&mut interpreter.calls);
    if calls.is_empty() {
        read.cannot_read("no call of `setup` was found".to_owned());
    }
    for call in calls {
        keywords::record(&mut read, &call, &module, tree);
    }
    build_imports::record(&mut read, &module, tree);
    if module.text.contains("add_extension(") || module.text.contains("from skbuild") {
        read.file.compiles = true;
    }
    // a list of extensions that a function builds can look empty from here
    pattern!(EXTENSIONS, r"\bext_modules\b", needs["ext_modules"]);
    pattern!(EXTENSION, r"\b\w*Extension\(|\bcythonize\(", needs ["Extension(", "cythonize("]);
    if EXTENSIONS.is_match(&module.text) && EXTENSION.is_match(&module.text) {
        read.file.compiles = true;
    }
    read
}

#[cfg(test)]
mod tests;
