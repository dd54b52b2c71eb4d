//! A client for Python package indexes.
//!
//! [`Index::from_environment`] finds the index that pip and uv would use, [`Index::project`]
//! reads the page of one project (JSON as in PEP 691, or HTML as in PEP 503), and
//! [`Project::sdist`] and [`Project::wheel`] choose a file from it.

mod choice;
mod configuration;
mod error;
mod file_name;
mod page;

pub use choice::{Release, WheelRelease};
pub use configuration::Index;
pub use error::IndexError;
pub use file_name::{SdistName, WheelName, normalize};
pub use page::{IndexFile, Project};
