//! Python source: parsing with recovery, imports, drivers.

pub mod parse;
pub mod stdlib;
