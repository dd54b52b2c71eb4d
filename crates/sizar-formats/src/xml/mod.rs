//! XML from strangers, and XML for them.

pub mod reading;
pub mod writing;

pub use reading::{XmlFile, attribute, child, children, number, text};
pub use writing::Writer;
