//! What foreign code may see and reach.
//!
//! [`Confinement`] says it in paths; [`detect`] says what this machine can enforce it with.
//! [`crate::process::execute`] is the only user.
//!
//! bubblewrap builds a file system in which only what is listed exists, and namespaces for
//! processes and network. Landlock lets the kernel refuse the rest of the real file system; what
//! it leaves open is said in `landlock::openings`. The package index alone is reached through
//! `proxy` outside and `bridge` inside. The [`helper`]s are this same program.

mod bridge;
mod bubblewrap;
mod confinement;
mod detect;
pub mod helper;
mod index_hosts;
pub(crate) mod landlock;
mod order;
mod proxy;
mod relay;
mod request;
mod restrict;
mod system;
mod upstream;
mod warden;

pub use confinement::{Binding, Confinement, SandboxKind};
pub use detect::{detect, detect_ahead, try_bubblewrap};
pub use landlock::abi as landlock_abi;

pub(crate) use bridge::variables as proxy_variables;
pub(crate) use bubblewrap::{Etc, Setup, arguments, program as bubblewrap_program};
pub(crate) use index_hosts::IndexHosts;
pub(crate) use order::Order;
pub(crate) use proxy::Proxy;
pub(crate) use system::gpu_devices;
pub(crate) use upstream::Upstream;
