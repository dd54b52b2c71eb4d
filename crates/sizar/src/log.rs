//! What the engine tells those who look for a fault: `SIZAR_LOG=debug` shows it.

use tracing::level_filters::LevelFilter;

/// The variable that says how much is shown: `error`, `warn`, `info`, `debug` or `trace`.
pub const VARIABLE: &str = "SIZAR_LOG";

/// Shows what is told on standard error, if the environment asks for it.
pub fn begin() {
    let Some(asked) = std::env::var(VARIABLE).ok().filter(|asked| !asked.is_empty()) else {
        return;
    };
    match asked.parse::<LevelFilter>() {
        Ok(level) => {
            tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
        }
        Err(_) => anstream::eprintln!(
            "note: {VARIABLE} is `{asked}`, and not off, error, warn, info, debug or trace"
        ),
    }
}
