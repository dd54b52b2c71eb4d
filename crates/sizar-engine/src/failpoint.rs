//! Places at which a test can make the process die as `kill -9` would, or hold it.
//!
//! `SIZAR_FAILPOINT=NAME` aborts the process the first time that it comes to the place `NAME`:
//! nothing is unwound, no destructor runs, no file is flushed. `SIZAR_FAILPOINT=NAME=FILE` makes
//! `FILE.reached` there, and goes on when `FILE` exists. `SIZAR_FAILPOINT=NAME*COUNT` makes what is
//! done there fail so often. This is compiled into every build, so what
//! is tested is what is shipped; without the variable a place costs one load.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static ARMED: OnceLock<Option<String>> = OnceLock::new();

/// Dies here, or waits, if the environment asks for it.
pub fn hit(name: &str) {
    let armed = ARMED.get_or_init(|| std::env::var("SIZAR_FAILPOINT").ok());
    let Some(armed) = armed else { return };
    match armed.split_once('=') {
        None if armed == name => std::process::abort(),
        Some((at, file)) if at == name => wait_for(Path::new(file)),
        _ => {}
    }
}

/// Returns whether what is done here fails now: the first so many times that the environment asks for.
pub(crate) fn fails(name: &str) -> bool {
    static LEFT: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    let left = LEFT.get_or_init(|| {
        let armed = std::env::var("SIZAR_FAILPOINT").ok()?;
        let (at, count) = armed.split_once('*')?;
        Some((at.to_owned(), AtomicU32::new(count.parse().ok()?)))
    });
    let Some((at, left)) = left else { return false };
    let less = |count: u32| count.checked_sub(1);
    at == name && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
}

fn wait_for(file: &Path) {
    // a test that waits for the mark fails where it cannot be made
    let _ = fs_err::write(file.with_extension("reached"), "");
    while !file.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}
