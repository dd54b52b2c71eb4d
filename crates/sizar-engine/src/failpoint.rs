//! Places where a test can have sizar die, to see that the next one goes on.

/// Aborts the process if `SIZAR_FAILPOINT` is `name`.
pub(crate) fn hit(name: &str) {
    if std::env::var_os("SIZAR_FAILPOINT").is_some_and(|wanted| wanted == name) {
        std::process::abort();
    }
}
