//! Runs foreign programs, with limits, and says how they ended.
//!
//! [`execute`] is the only way foreign code is started: clean variables ([`environment`]), a
//! sandbox ([`crate::sandbox`]), limits ([`Limits`]), a way to stop it ([`Control`]).

mod adopted;
mod affinity;
mod control;
pub mod environment;
mod error;
mod execute;
mod gpus;
mod launch;
mod limits;
mod meter;
mod oom;
mod output;
mod scratch;
mod series;
mod supervise;
pub(crate) mod tree;

pub use control::Control;
pub use error::ProcessError;
pub use execute::{Finished, execute};
pub use limits::Limits;
pub(crate) use oom::Kills;
pub use output::Io;

/// Returns whether something waits at this process's standard input that nobody typed: programs that
/// [`execute`] starts do not read it.
pub fn input_waits() -> bool {
    let input = std::io::stdin();
    !rustix::termios::isatty(&input)
        && rustix::io::ioctl_fionread(&input).is_ok_and(|bytes| bytes > 0)
}
