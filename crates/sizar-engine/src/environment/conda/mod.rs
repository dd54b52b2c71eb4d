//! Environments whose interpreter, and what belongs to it, come from conda.
//!
//! Used where a source says what it needs in conda's words ([`wish`]), where no Python of the
//! wanted version is there ([`fetch_python`]), and where a package cannot be built. All of it only
//! while a channel answers: [`open`] says which do. Without the feature `conda`, none ever does,
//! and everything goes on without.

#[cfg(not(feature = "conda"))]
mod closed;
#[cfg(feature = "conda")]
mod memory;
#[cfg(feature = "conda")]
mod open;
#[cfg(feature = "conda")]
mod python;
mod source;
mod stage;
mod way;
mod wish;

#[cfg(not(feature = "conda"))]
pub use closed::{Channels, fetch_python, install, open};
#[cfg(feature = "conda")]
pub use open::{Channels, install, open};
#[cfg(feature = "conda")]
pub use python::fetch_python;
pub use source::Source;
pub use stage::{Request, stage};
pub use way::{TRANSLATED, is_asked, refusal};
pub use wish::{Wish, wish};

/// Why conda cannot give what it was asked for, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// Exact packages, and how they differ from what was asked.
pub struct Solved {
    pub packages: Vec<sizar_model::CondaPackage>,
    /// Names that no channel has.
    pub dropped: Vec<String>,
    /// One sentence for each difference.
    pub changes: Vec<String>,
}

/// Returns this machine's platform in the words of a lock.
pub fn platform() -> String {
    format!("linux-{}", std::env::consts::ARCH)
}
