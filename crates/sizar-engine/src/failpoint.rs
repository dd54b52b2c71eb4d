//! Places at which a test can make the process die as `kill -9` would, or hold it.
//!
//! `SIZAR_FAILPOINT=NAME` aborts the process the first time that it comes to the place `NAME`:
//! nothing is unwound, no destructor runs, no file is flushed. `SIZAR_FAILPOINT=NAME=FILE` makes
//! `FILE.reached` there, and goes on when `FILE` exists. This is compiled into every build, so what
//! is tested is what is shipped; without the variable a place costs one load.

use std::path::Path;
use std::sync::OnceLock;
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

fn wait_for(file: &Path) {
    // a test that waits for the mark fails where it cannot be made
    let _ = fs_err::write(file.with_extension("reached"), "");
    while !file.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}
