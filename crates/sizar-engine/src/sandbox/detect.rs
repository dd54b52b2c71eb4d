//! Finds out what really works here.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::{SandboxKind, bubblewrap, landlock};

/// Returns the best sandbox that works on this machine.
///
/// Being installed is not enough: kernels and containers forbid user namespaces in many ways, so
/// it is tried, once per process. `SIZAR_SANDBOX` (`bubblewrap`, `landlock`, `none`) overrides it.
pub fn detect() -> SandboxKind {
    static FOUND: OnceLock<SandboxKind> = OnceLock::new();
    *FOUND.get_or_init(|| match std::env::var("SIZAR_SANDBOX").as_deref() {
        Ok("bubblewrap") => SandboxKind::Bubblewrap,
        Ok("landlock") => SandboxKind::Landlock,
        Ok("none") => SandboxKind::None,
        _ if try_bubblewrap().is_ok() => SandboxKind::Bubblewrap,
        _ if landlock::abi() > 0 => SandboxKind::Landlock,
        _ => SandboxKind::None,
    })
}

/// Begins to find out, so that a later [`detect`] need not wait for it.
///
/// The trial waits for the kernel more than it computes, and so costs nothing beside other work.
pub fn detect_ahead() {
    // where no thread can be had, `detect` does it in its turn
    let _ = std::thread::Builder::new().name("sandbox-detect".to_owned()).spawn(detect);
}

/// Tries the namespaces and mounts that every run needs.
///
/// # Errors
///
/// What bubblewrap says, or that it is not installed.
pub fn try_bubblewrap() -> Result<(), String> {
    let program = bubblewrap::program().ok_or("it is not installed")?;
    let output = Command::new(program)
        .args(["--unshare-all", "--unshare-user", "--uid", bubblewrap::INSIDE_ID])
        .args(["--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"])
        .args(["--", "true"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(said.trim().trim_start_matches("bwrap: ").to_owned())
    }
}
