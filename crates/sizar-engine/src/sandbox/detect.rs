//! Finds out what really works here.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::{SandboxKind, bubblewrap};

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
        _ if bubblewrap_works() => SandboxKind::Bubblewrap,
        _ => SandboxKind::None,
    })
}

/// Tries the namespaces and mounts that every run needs.
fn bubblewrap_works() -> bool {
    let Some(program) = bubblewrap::program() else { return false };
    Command::new(program)
        .args(["--unshare-all", "--unshare-user", "--uid", bubblewrap::INSIDE_ID])
        .args(["--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"])
        .args(["--", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
