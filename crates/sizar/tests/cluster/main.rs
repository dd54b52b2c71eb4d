//! Runs on real schedulers, over SSH: the same command, and the faults on the way.
//!
//! What happened is counted at the scheduler, never read from what sizar says of itself.

#![expect(clippy::unwrap_used, reason = "the steps of tests are functions of their own")]

mod addresses;
mod awkward;
mod cut;
mod data;
mod endings;
mod faults;
mod killed;
mod login_nodes;
mod node;
mod plain;
mod quota;
mod restart;
mod shell;
mod site;
mod sweep;
