//! Hidden subcommands: the other halves of this program, which it starts itself.
//!
//! They are recognised before the command line is parsed, so that they cost no start-up time.

use std::process::ExitCode;

use camino::Utf8Path;
use sizar_engine::{elsewhere, queue, sandbox};

/// Runs a hidden subcommand, if the command line names one.
pub fn dispatch() -> Option<ExitCode> {
    sandbox::helper::intercept()
        .or_else(queue::helper::intercept)
        .or_else(elsewhere::there::intercept)
        .or_else(reference)
        .or_else(send)
}

/// `__send TARGET PATH` brings a file or folder to a target and prints where it lies there, for
/// `cargo xtask bench transfer`.
fn send() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    let name = args.next().filter(|name| name == "__send").and_then(|_| args.next())?;
    let here = args.next()?;
    let sent = || -> crate::error::CommandResult<()> {
        let session = crate::session::Session::with(crate::progress::Verbosity::Quiet)?;
        let mut place = crate::elsewhere::place(&session, &name)?;
        let (home, reporter) = (&session.home, &session.reporter);
        let there = elsewhere::send(home, &mut place, Utf8Path::new(&here), reporter)?;
        let sent = place.payload.sent;
        Ok(crate::output::print(&format!("{there} {sent}\n"))?)
    };
    Some(match sent() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            anstream::eprint!("{}", failure.render());
            ExitCode::FAILURE
        }
    })
}

/// `__reference FOLDER` writes the reference pages; `cargo xtask generate` calls it.
fn reference() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().filter(|name| name == "__reference").and_then(|_| args.next())?;
    Some(match super::reference::write(Utf8Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            anstream::eprint!("{}", failure.render());
            ExitCode::FAILURE
        }
    })
}
