//! The programs of others that sizar uses, found or fetched.

pub mod uv;

pub use uv::{UvError, find_or_install_uv};
