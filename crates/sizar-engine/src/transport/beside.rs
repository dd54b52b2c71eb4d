//! Further channels in a connection that is open, for lines that one channel does not fill.
//!
//! OpenSSH lets at most 2 MiB of a channel be on their way (`CHAN_SES_WINDOW_DEFAULT` of its
//! `channels.h`), whatever the line holds: at 100 ms a round trip that is 20 MB in a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::remote_config::RemoteConfig;
use super::{Answer, Counters, SshOptions, Step, Talk, TransportError};

/// How many bytes of one channel may be on their way.
pub const WINDOW: u64 = 2 << 20;

/// A way to further channels beside one that is open. It never logs in.
pub trait Beside: Send + Sync {
    /// Returns the shortest round trip that was seen, if one was.
    fn round_trip(&self) -> Option<Duration>;

    /// Runs a step in a channel of its own, as [`Transport::talk`](super::Transport::talk) does.
    ///
    /// # Errors
    ///
    /// As that, and [`TransportError::SessionRefused`] where the site gives no further channel.
    fn talk(&self, step: &Step, talk: &mut Talk<'_>) -> Result<Answer, TransportError>;
}

/// The shortest round trip of a session, which several threads may read.
#[derive(Clone, Debug)]
pub(super) struct RoundTrip(Arc<AtomicU64>);

impl Default for RoundTrip {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl RoundTrip {
    /// Notes one.
    pub fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_min(micros, Ordering::Relaxed);
    }

    /// Returns the shortest.
    pub fn shortest(&self) -> Option<Duration> {
        let micros = self.0.load(Ordering::Relaxed);
        (micros < u64::MAX).then(|| Duration::from_micros(micros))
    }
}

/// The channels of a connection over SSH.
pub(super) struct Channels {
    pub options: SshOptions,
    pub config: RemoteConfig,
    pub round_trip: RoundTrip,
    /// What they used.
    pub used: Arc<Mutex<Counters>>,
}

impl Beside for Channels {
    fn round_trip(&self) -> Option<Duration> {
        self.round_trip.shortest()
    }

    fn talk(&self, step: &Step, talk: &mut Talk<'_>) -> Result<Answer, TransportError> {
        let refused = || TransportError::SessionRefused { target: self.options.name() };
        let mut session = self.options.shared(&self.config).ok_or_else(refused)??;
        let result = session.talk(step, talk);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.plus(session.counters());
        result
    }
}
