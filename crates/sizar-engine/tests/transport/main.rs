//! Batches of steps: on this machine, and over a real sshd on the loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod figures;
mod framing;
mod logins;
mod remote;
mod world;
