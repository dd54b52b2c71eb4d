//! Who waits for runs, and sees to it meanwhile that somebody starts them.

use std::process::Child;

use super::QueueError;
use super::supervisor::begin;
use crate::home::Home;
use crate::store::Journal;

/// After how many looks it is made sure again that there is a supervisor.
const LOOKS: u32 = 10;

/// Sees to it that what is queued is started, as long as somebody looks.
///
/// A supervisor that is killed is nobody's child, and without another one a wait would have no end.
#[derive(Debug, Default)]
pub struct Attendant {
    looks: u32,
    /// The supervisor that this process started last: it may be waiting for another's end.
    started: Option<Child>,
}

impl Attendant {
    /// Makes sure of a supervisor where something is queued on this machine; not at every look.
    ///
    /// # Errors
    ///
    /// [`QueueError`] where the journal cannot be read or no process be started.
    pub fn look(&mut self, home: &Home, journal: &Journal) -> Result<(), QueueError> {
        let is_due = self.looks.is_multiple_of(LOOKS);
        self.looks = self.looks.wrapping_add(1);
        if !is_due || self.is_there() || !journal.is_any_queued()? {
            return Ok(());
        }
        self.started = begin(home)?;
        Ok(())
    }

    /// Whether the process that was started last is still there; one that has ended is buried.
    fn is_there(&mut self) -> bool {
        self.started.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }
}
