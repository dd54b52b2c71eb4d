//! Batches of steps: on this machine, and over a real sshd on the loopback.

mod figures;
mod framing;
mod logins;
mod remote;
mod world;
