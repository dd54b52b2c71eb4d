//! From locators to checkouts, with real files, real git and real connections.

mod archives;
mod faults;
mod folders;
mod hostile;
mod index;
mod repositories;
mod transfers;
mod world;
