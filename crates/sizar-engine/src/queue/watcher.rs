//! The processes that prepare and watch runs.

use fs_err as fs;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watcher {
    pub pid: u32,
    /// When it started, in clock ticks since boot: field 22 of `/proc/PID/stat`, see proc(5).
    pub started: u64,
}

impl Watcher {
    /// Returns this process.
    pub fn current() -> Self {
        Self::of(std::process::id())
    }

    /// Returns the process that has the number `pid` now.
    pub(super) fn of(pid: u32) -> Self {
        Self { pid, started: stat(pid).map_or(0, |(_, started)| started) }
    }

    /// Returns whether the process is still there, and not merely waiting to be reaped.
    pub fn is_alive(self) -> bool {
        stat(self.pid)
            .is_some_and(|(state, started)| started == self.started && !matches!(state, 'Z' | 'X'))
    }

    /// Returns whether this is the process that asks.
    pub fn is_me(self) -> bool {
        self == Self::current()
    }

    /// Asks the process to stop what it watches; returns whether it is there to be asked.
    pub fn interrupt(self) -> bool {
        self.signal(Signal::INT)
    }

    fn signal(self, signal: Signal) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        // the handle keeps its process even if the number is given away after the check
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        self.is_alive() && pidfd_send_signal(&handle, signal).is_ok()
    }
}

/// Reads a process's state letter and start time.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name of the program, in parentheses, may hold anything, also `)`
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    // `state` is field 3, the start time field 22
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let me = Watcher::current();
        assert!(me.is_alive() && me.is_me());
        assert!(!Watcher { started: me.started + 1, ..me }.is_alive());
    }

    #[test]
    fn a_process_that_ended_is_not_alive_though_nobody_reaped_it() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        let watcher = Watcher { pid, started: stat(pid).unwrap().1 };
        assert!(watcher.is_alive());
        assert!(watcher.interrupt());
        while watcher.is_alive() {
            std::thread::yield_now();
        }
        assert!(!watcher.interrupt());
        child.wait().unwrap();
    }
}
