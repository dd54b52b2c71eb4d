//! The user's data set in the shape, and at the place, where a driver looks for it.
//!
//! [`parse`] reads `--data voc:./mypages`. [`expect`] decides, from what inspecting the source told
//! and from what was typed, which shape of `knowledge/datasets.toml` is meant and where it belongs;
//! it looks at nothing itself. [`lay_out`] converts the data where they are not of that shape,
//! once, and returns what is bound into the run.

mod adapt;
mod arguments;
mod clean;
mod error;
mod expect;
mod identity;
mod lay_out;
mod origin;
mod search;
mod seen;
mod shaped;
mod tree;
mod unknown;
mod wish;

pub use clean::{KEPT_FOR, clean};
pub use error::FittingError;
pub use expect::{Asked, Expectation, expect};
pub use lay_out::{LaidOut, Lost, Record, lay_out};
pub use origin::origin;
pub use unknown::{Reason, Unknown};
pub use wish::{FormatWish, Typed, parse};
