//! The programs of others that sizar uses, found or fetched.

pub mod uv;
pub mod virtualenv;

pub use uv::{UvError, find_or_install_uv};
pub use virtualenv::{VirtualenvError, find_or_install_virtualenv};
