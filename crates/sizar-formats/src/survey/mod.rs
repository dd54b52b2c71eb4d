//! What is in a data set: counts, classes, sizes, and a picture of it.

mod sheet;
pub mod summary;

pub use sheet::sheet;
pub use summary::{ClassCount, Summary, summarise};
