//! From locators to checkouts, with real files, real git and real connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod archives;
mod datasets;
mod faults;
mod folders;
mod hostile;
mod index;
mod repositories;
mod transfers;
mod world;
