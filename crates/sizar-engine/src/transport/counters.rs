//! What talking to a place has cost.

use serde::{Deserialize, Serialize};

/// What was used of a place that is shared with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Attempts to log in, successful or not; using a login that is still open is none.
    pub logins: u64,
    /// Shells that were started.
    pub shells: u64,
    /// Questions that were waited for.
    pub round_trips: u64,
    /// Steps that were asked for.
    pub steps: u64,
    /// Bytes written into channels.
    pub bytes_sent: u64,
    /// Bytes read from channels.
    pub bytes_received: u64,
}

impl Counters {
    /// Adds what another connection to the same target has used.
    pub fn plus(self, other: Self) -> Self {
        Self {
            logins: self.logins + other.logins,
            shells: self.shells + other.shells,
            round_trips: self.round_trips + other.round_trips,
            steps: self.steps + other.steps,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            bytes_received: self.bytes_received + other.bytes_received,
        }
    }
}
