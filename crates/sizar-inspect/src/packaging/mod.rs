//! Packaging files: what the authors say is needed.
//!
//! One reader for each format. A reader gets text and returns a [`Read`]; none ever fails: what it
//! cannot make out is said in [`sizar_model::inspection::Declared::unreadable`] and
//! [`sizar_model::inspection::PackagingFile::unreadable`]. [`read_tree`] recognises the files by
//! name and place ([`recognise`]), follows what they include, and puts the findings together.

mod address;
#[cfg(test)]
mod bounds;
mod command_line;
mod conda;
mod conda_environment;
mod conda_list;
mod conda_names;
mod dockerfile;
mod environment_yml;
mod ini;
mod kind;
mod lockfiles;
mod mentions;
mod notebook;
mod outline;
mod pipfile;
mod pkg_info;
mod poetry;
mod popular;
mod pyproject;
mod python_versions;
mod read;
mod readme;
mod repair;
mod requirement;
mod requirements_txt;
mod setup_cfg;
mod setup_py;
mod text;
mod tree;
mod version_table;

pub use conda_environment::{CondaEnvironment, conda_environment, name_on_index};
pub use kind::{Kind, recognise};
pub use read::{Read, Reference, ScriptDeclaration, ScriptTarget};
pub use requirement::{Asked, Distribution, normalise};
pub use tree::{Packaging, Tree, read_file, read_tree};
