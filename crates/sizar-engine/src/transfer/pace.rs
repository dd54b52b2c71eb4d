//! How fast bytes may go.

use std::time::{Duration, Instant};

/// A limit of bytes in a second; none where there is none.
#[derive(Clone, Debug)]
pub struct Pace {
    limit: Option<u64>,
    /// Since when, and how many.
    since: Option<Instant>,
    gone: u64,
}

impl Pace {
    pub fn new(limit: Option<u64>) -> Self {
        Self { limit: limit.filter(|limit| *limit > 0), since: None, gone: 0 }
    }

    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Says how long to wait before `bytes` more may go.
    fn wait(&mut self, bytes: u64, now: Instant) -> Duration {
        let Some(limit) = self.limit else { return Duration::ZERO };
        let since = *self.since.get_or_insert(now);
        let due = Duration::from_secs_f64(self.gone as f64 / limit as f64);
        self.gone += bytes;
        let past = now.saturating_duration_since(since);
        // who stood still for long does not make up for it
        if past > due + Duration::from_secs(1) {
            (self.since, self.gone) = (Some(now), bytes);
            return Duration::ZERO;
        }
        due.saturating_sub(past)
    }

    /// Waits until `bytes` more may go.
    pub fn hold(&mut self, bytes: u64) {
        let wait = self.wait(bytes, Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_goes_than_may() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut pace = Pace::new(Some(1000));
        assert_eq!(pace.wait(500, at(0.0)), Duration::ZERO);
        assert_eq!(pace.wait(500, at(0.0)), Duration::from_millis(500));
        assert_eq!(pace.wait(500, at(0.5)), Duration::from_millis(500));
        // what was not used is gone
        assert_eq!(pace.wait(500, at(60.0)), Duration::ZERO);
        assert_eq!(pace.wait(500, at(60.0)), Duration::from_millis(500));
        assert_eq!(Pace::new(None).wait(1 << 40, at(0.0)), Duration::ZERO);
    }
}
