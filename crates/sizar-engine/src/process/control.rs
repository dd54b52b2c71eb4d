//! Stops a running program from another thread.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Stops a running program from another thread, such as one that waits for signals.
///
/// Clones are the same switch. One that has been thrown stays thrown: what is executed under it
/// later does not start.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Switch>);

#[derive(Debug)]
struct Switch {
    level: AtomicU8,
    /// Wakes the watching thread. Absent when no descriptor was left: then it looks regularly.
    wake: Option<OwnedFd>,
}

impl Default for Switch {
    fn default() -> Self {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        Self { level: AtomicU8::new(0), wake }
    }
}

/// How often is looked where nothing wakes.
const REGULARLY: Duration = Duration::from_millis(50);

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    GoOn,
    Stop,
    Kill,
}

impl Control {
    /// Asks the program to end: SIGINT, after [`super::Limits::grace`] SIGTERM, then SIGKILL. Called
    /// again, it kills.
    pub fn stop(&self) {
        let raise = |level: u8| Some(level.saturating_add(1).min(2));
        // The closure always returns a value, so this cannot fail.
        let _ = self.0.level.fetch_update(Ordering::SeqCst, Ordering::SeqCst, raise);
        self.wake();
    }

    /// Ends the program and all it started at once.
    pub fn kill(&self) {
        self.0.level.store(2, Ordering::SeqCst);
        self.wake();
    }

    /// Returns whether it was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.wish() != Wish::GoOn
    }

    /// Waits until it is asked to end, for `time` at most; returns whether it was.
    pub fn is_stopped_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while !self.is_stopped() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // without a descriptor it looks regularly
            let most = if self.wake_fd().is_some() { left } else { left.min(REGULARLY) };
            let timeout = Timespec {
                tv_sec: i64::try_from(most.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(most.subsec_nanos()),
            };
            let mut fds: Vec<PollFd<'_>> = self
                .wake_fd()
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                .into_iter()
                .collect();
            // interrupted or not, what counts is looked at next
            let _ = poll(&mut fds, Some(&timeout));
        }
        true
    }

    pub(super) fn wish(&self) -> Wish {
        match self.0.level.load(Ordering::SeqCst) {
            0 => Wish::GoOn,
            1 => Wish::Stop,
            _ => Wish::Kill,
        }
    }

    /// Returns what becomes readable when the wish changes.
    pub(super) fn wake_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.wake.as_ref().map(AsFd::as_fd)
    }

    /// Makes [`Control::wake_fd`] unreadable again.
    pub(super) fn acknowledge(&self) {
        if let Some(wake) = &self.0.wake {
            let mut count = [0u8; 8];
            // Another watcher may have read it first; the wish itself is in `level`.
            let _ = rustix::io::read(wake, &mut count);
        }
    }

    fn wake(&self) {
        if let Some(wake) = &self.0.wake {
            // Fails only where the counter is full, and then the watcher is awake.
            let _ = rustix::io::write(wake, &1u64.to_ne_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_stop_kills() {
        let control = Control::default();
        assert_eq!(control.wish(), Wish::GoOn);
        control.stop();
        assert_eq!(control.clone().wish(), Wish::Stop);
        control.stop();
        control.stop();
        assert_eq!(control.wish(), Wish::Kill);
    }
}
