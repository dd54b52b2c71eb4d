//! `sizar logs`.

use std::io::ErrorKind;

use sizar_engine::elsewhere;
use sizar_engine::queue::{self, QueueError};
use sizar_engine::run::Attempt;
use sizar_model::Run;

use crate::commands::run_elsewhere::go_on;
use crate::elsewhere::{follow, is_elsewhere, place};
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::session::Session;
use crate::sweeps::{is_sweep, not_a_run};

/// Print what a run's program printed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar logs                      of the newest run
  sizar logs 7x2k
  sizar logs -f 7x2k              and what it prints from now on, until it ends")]
pub struct LogsArgs {
    /// The run's name, or its beginning; without it, the newest run
    run: Option<String>,
    /// Go on until the run ends
    #[arg(short, long)]
    follow: bool,
}

pub fn logs(session: &Session, args: &LogsArgs) -> CommandResult {
    let name = session.named_or_newest(args.run.as_deref())?;
    if is_sweep(&name) {
        return Err(not_a_run(&name, "logs"));
    }
    let found = session.journal_with(&name)?.get(&name)?;
    let run = found.id.clone();
    let here = Attempt::of(&session.home, &run, found.attempts).log().exists();
    if is_elsewhere(&found) && !here {
        return elsewhere_logs(session, &found, args.follow);
    }
    let shown = queue::logs(&session.home, &run, args.follow, &mut std::io::stdout().lock());
    match shown {
        Err(QueueError::Log { source, .. }) if source.kind() == ErrorKind::BrokenPipe => {}
        other => other?,
    }
    Ok(ExitCode::Success)
}

/// Prints what a job on a target printed, which has not come home yet.
fn elsewhere_logs(session: &Session, run: &Run, until_its_end: bool) -> CommandResult {
    let mut journal = session.journal()?;
    let mut place = place(session, &run.target)?;
    if until_its_end && !run.state.is_final() {
        go_on(session, &mut journal, &mut place, &run.id)?;
        follow(session, &mut journal, &mut place, &run.id, true)?;
        return Ok(ExitCode::Success);
    }
    let known = elsewhere::known(&journal, &run.id)?;
    let mut position = 0;
    loop {
        let piece = elsewhere::log(&mut place, &known, position)?;
        if piece.is_empty() {
            return Ok(ExitCode::Success);
        }
        position += piece.len() as u64;
        crate::output::print_bytes(&piece)?;
    }
}
