//! What the other modules read: parsed files, and what the packaging says of the tree.

use super::parse::Module;

/// A Python file (or a notebook's code) of the tree, parsed.
pub struct SourceFile {
    /// The path relative to the root, with `/`.
    pub path: String,
    pub module: Module,
}

impl SourceFile {
    /// Parses `text` as the file at `path`.
    pub fn parse(path: impl Into<String>, text: String) -> Self {
        Self { path: path.into(), module: Module::parse(text) }
    }

    /// Returns the folder of the file; empty for the root.
    pub fn folder(&self) -> &str {
        folder_of(&self.path)
    }

    /// Returns whether the file is a notebook, of which only the code was kept.
    pub fn is_notebook(&self) -> bool {
        std::path::Path::new(&self.path).extension().is_some_and(|end| end == "ipynb")
    }

    /// Returns the file's name without its last extension.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }
}

/// Returns the folder of a path; empty for the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A command that installing the source makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptDeclaration {
    /// The name it is installed under.
    pub name: String,
    /// `package.module:function`, or the path of a file from `scripts=[…]`.
    pub target: String,
}

/// What the tree holds beside its Python files, and what the packaging says of it.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The paths of all files of the tree, relative to the root.
    pub paths: Vec<String>,
    /// Folders that become the top level when installed (`package_dir`), such as `src`.
    pub package_roots: Vec<String>,
    /// Dotted names of compiled modules (`ext_modules`).
    pub extensions: Vec<String>,
}
