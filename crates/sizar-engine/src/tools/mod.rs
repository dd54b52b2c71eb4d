//! The programs of others that sizar uses, found or fetched.

mod uv;

pub use uv::{UvError, find_or_install_uv};
