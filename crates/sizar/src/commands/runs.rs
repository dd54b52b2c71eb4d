//! `sizar runs`.

use sizar_engine::store::Filter;
use sizar_model::{RunState, RunSummary};

use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output::{self, table};
use crate::session::Session;

/// How many runs a page shows.
const PAGE: u32 = 20;

/// List runs, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar runs
  sizar runs --state failed --all
  sizar runs --json | jq -r '.[] | select(.state == \"lost\") | .id'")]
pub struct RunsArgs {
    /// Only runs in this state: created, preparing, queued, running, completed, failed, timeout,
    /// cancelled, lost
    #[arg(long, value_name = "STATE")]
    state: Option<RunState>,
    /// All runs, not only the newest 20
    #[arg(long)]
    all: bool,
    /// Print one JSON document with all runs
    #[arg(long)]
    json: bool,
}

pub fn runs(session: &Session, args: &RunsArgs) -> CommandResult {
    let limit = (!args.all && !args.json).then_some(PAGE);
    let filter = Filter { states: args.state.iter().cloned().collect(), limit };
    let runs = match session.journal_to_read()? {
        Some(journal) => journal.list(&filter)?,
        None => Vec::new(),
    };
    if args.json {
        output::print_json(&runs)?;
        return Ok(ExitCode::Success);
    }
    if runs.is_empty() {
        session.say("no such runs; `sizar run SOURCE -- DRIVER` makes one");
        return Ok(ExitCode::Success);
    }
    let now = jiff::Timestamp::now();
    let rows: Vec<Vec<String>> = runs.iter().map(|run| row(run, now)).collect();
    output::print(&table::render(
        &["RUN", "STATE", "STARTED", "TOOK", "SOURCE", "COMMAND"],
        &rows,
    ))?;
    if limit.is_some_and(|limit| runs.len() >= limit as usize) {
        session.say("there may be older runs; `sizar runs --all` lists all of them");
    }
    Ok(ExitCode::Success)
}

fn row(run: &RunSummary, now: jiff::Timestamp) -> Vec<String> {
    let state = match (&run.state, run.exit_code) {
        (RunState::Failed, Some(code)) => format!("failed ({code})"),
        (state, _) => state.to_string(),
    };
    let took = run.started.map(|started| {
        let end = run.ended.unwrap_or(now);
        duration(end.duration_since(started).as_secs_f64())
    });
    vec![
        run.id.to_string(),
        state,
        run.started.map(|at| ago(at, now)).unwrap_or_default(),
        took.unwrap_or_default(),
        table::shorten(&run.source, 36),
        table::shorten(&run.command.join(" "), 48),
    ]
}

/// Writes a length of time as people say it.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Writes a time as a distance from now.
fn ago(at: jiff::Timestamp, now: jiff::Timestamp) -> String {
    match now.duration_since(at).as_secs() {
        s if s < 60 => format!("{} s ago", s.max(0)),
        s if s < 3600 => format!("{} min ago", s / 60),
        s if s < 86_400 => format!("{} h ago", s / 3600),
        _ => at.strftime("%Y-%m-%d").to_string(),
    }
}
