//! Places at which a test can make the process die as `kill -9` would.
//!
//! `SIZAR_FAILPOINT=NAME` aborts the process the first time that it comes to the place `NAME`:
//! nothing is unwound, no destructor runs, no file is flushed. This is compiled into every
//! build, so what is tested is what is shipped; without the variable a place costs one load.

use std::sync::OnceLock;

static ARMED: OnceLock<Option<String>> = OnceLock::new();

/// Dies here if the environment asks for it.
pub fn hit(name: &str) {
    let armed = ARMED.get_or_init(|| std::env::var("SIZAR_FAILPOINT").ok());
    if armed.as_deref() == Some(name) {
        std::process::abort();
    }
}
