//! The supervisor of detached runs.

mod watcher;

pub use watcher::Watcher;
