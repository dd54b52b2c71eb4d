//! The program that sizar starts when it needs itself in another process.

use std::path::PathBuf;

/// Returns sizar's own executable: `SIZAR_HELPER`, or the file of this process.
///
/// It is started with a hidden subcommand: `__supervise`, `__execute`, and the like.
///
/// # Errors
///
/// Where the system does not say which file this process is.
pub fn helper_executable() -> std::io::Result<PathBuf> {
    match std::env::var_os("SIZAR_HELPER") {
        Some(path) if !path.is_empty() => Ok(path.into()),
        _ => std::env::current_exe(),
    }
}
