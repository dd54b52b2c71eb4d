//! A client for Python package indexes.
//!
//! [`Index::from_environment`] finds the index that pip and uv would use, [`Index::project`]
//! reads the page of one project (JSON as in PEP 691, or HTML as in PEP 503), and
//! [`Project::sdist`] and [`Project::wheel`] choose a file from it. [`TimeMachine`] shows the
//! index as of a date to installers that know of no dates.

mod choice;
mod configuration;
mod error;
mod file_name;
mod page;
mod time_machine;

pub use choice::{Release, WheelRelease};
pub use configuration::Index;
pub use error::IndexError;
pub use file_name::{SdistName, WheelName, normalize};
pub use page::{IndexFile, Project};
pub use time_machine::{Page, TimeMachine, version_of};
