//! What goes on at a target now: its nodes, its queue, and what was used.
//!
//! Each look is one round trip: the scheduler says the questions, [`Place::ask`] carries them all,
//! and what they mean is computed here: [`totals`] and [`alike`] for the nodes, [`queue_lines`] for
//! the queue, [`total`] for what was used.
//!
//! [`Place::ask`]: crate::target::Place::ask

mod ask;
mod nodes;
mod own;
mod queue;
mod usage;

pub use ask::{Answered, nodes, queue, usage};
pub use nodes::{Amounts, Cell, GpuAmounts, Totals, alike, cells, totals};
pub use own::{Own, OwnRun};
pub use queue::{QueueLine, queue_lines};
pub use usage::{UsageTotal, total};
