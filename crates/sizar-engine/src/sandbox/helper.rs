//! The program itself as its own helper, beside and inside sandboxes.
//!
//! What has to happen between `fork` and `exec`, or within a sandbox, is done by this same
//! program, started under a hidden first argument: `warden` watches a program
//! that no namespace holds together, `restrict` gives up rights and becomes the
//! program, `bridge` leads from a network namespace to the package index.

use std::process::ExitCode;
use std::sync::OnceLock;

use camino::Utf8PathBuf;

use super::{bridge, restrict, warden};

/// The hidden first arguments.
pub const WARDEN: &str = "__confine";
pub const RESTRICT: &str = "__restrict";
pub const BRIDGE: &str = "__bridge";

/// How a helper says that it could not start the program, on standard error.
pub const COMPLAINT: &str = "sizar-confine: ";
/// Its exit code then.
pub const COMPLAINED: u8 = 125;

/// The program that is started as a helper.
static PROGRAM: OnceLock<Utf8PathBuf> = OnceLock::new();

/// Acts as a helper, if this process was started as one: then `main` returns what this returns.
///
/// A program that runs foreign code calls it first in `main`, before it reads its arguments.
pub fn intercept() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some(WARDEN) => Some(warden::main()),
        Some(RESTRICT) => Some(restrict::main()),
        Some(BRIDGE) => Some(bridge::main(args)),
        _ => {
            if let Some(me) =
                std::env::current_exe().ok().and_then(|me| Utf8PathBuf::from_path_buf(me).ok())
            {
                announce(me);
            }
            None
        }
    }
}

/// Names the program to start as a helper, for programs that do not call [`intercept`]; the first
/// one named counts.
pub fn announce(program: Utf8PathBuf) {
    let _ = PROGRAM.set(program);
}

/// Returns the program to start as a helper: `SIZAR_HELPER`, or the one that was announced.
pub fn program() -> Option<Utf8PathBuf> {
    std::env::var("SIZAR_HELPER").map(Utf8PathBuf::from).ok().or_else(|| PROGRAM.get().cloned())
}

/// Says why the program could not be started, in the form that the outer process reads.
#[expect(clippy::print_stderr, reason = "standard error is this process's way to its parent")]
pub fn complain(message: &str) -> ExitCode {
    eprintln!("{COMPLAINT}{message}");
    ExitCode::from(COMPLAINED)
}

/// Says why `program` could not be executed, in bubblewrap's words.
pub fn complain_of(program: &str, error: &std::io::Error) -> ExitCode {
    use std::io::ErrorKind as K;
    let reason = match error.kind() {
        K::NotFound => "No such file or directory".to_owned(),
        K::PermissionDenied => "Permission denied".to_owned(),
        _ => error.to_string(),
    };
    complain(&format!("execvp {program}: {reason}"))
}

/// Ends this process the way `status` says another one ended, signal for signal.
pub fn end_like(status: std::process::ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt as _;
    let Some(signal) = status.signal() else {
        return ExitCode::from(status.code().unwrap_or(-1) as u8);
    };
    // It knows the signals whose default is the end; the others are sent by hand, twice because
    // the standard library's handler for stack overflows swallows the first SIGSEGV.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    if let Some(named) = rustix::process::Signal::from_named_raw(signal) {
        for _ in 0..2 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), named);
        }
    }
    ExitCode::from((128 + signal) as u8)
}
