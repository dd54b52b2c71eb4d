//! `sizar logs`.

use std::io::ErrorKind;

use sizar_engine::queue::{self, QueueError};

use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::session::Session;

/// Print what a run's program printed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar logs 7x2k
  sizar logs -f 7x2k              and what it prints from now on, until it ends")]
pub struct LogsArgs {
    /// The run's name, or its beginning
    run: String,
    /// Go on until the run ends
    #[arg(short, long)]
    follow: bool,
}

pub fn logs(session: &Session, args: &LogsArgs) -> CommandResult {
    let run = session.journal_with(&args.run)?.find(&args.run)?;
    let shown = queue::logs(&session.home, &run, args.follow, &mut std::io::stdout().lock());
    match shown {
        Err(QueueError::Log { source, .. }) if source.kind() == ErrorKind::BrokenPipe => {}
        other => other?,
    }
    Ok(ExitCode::Success)
}
