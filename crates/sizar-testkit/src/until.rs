//! Waiting for a condition in place of a time.

use std::time::{Duration, Instant};

/// Waits for something that must come true; how long it takes says nothing.
///
/// # Panics
///
/// Where it has not come true after `most`: then it never does.
pub fn until(what: &str, most: Duration, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < most, "never happened: {what}");
        // a condition of other processes: nothing wakes whoever waits for it
        std::thread::sleep(Duration::from_millis(5));
    }
}
