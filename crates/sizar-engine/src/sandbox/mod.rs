//! What foreign code may see and reach.
//!
//! [`Confinement`] says it in paths; [`detect`] says what this machine can enforce it with.
//! [`crate::process::execute`] is the only user.

mod bubblewrap;
mod confinement;
mod detect;
mod system;

pub use confinement::{Binding, Confinement, SandboxKind};
pub use detect::detect;

pub(crate) use bubblewrap::{Setup, arguments, program};
pub(crate) use system::etc_files;
