//! `sizar runs`.

use sizar_engine::store::Filter;
use sizar_model::{RunState, RunSummary};

use crate::elsewhere::refresh_all;
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output::{self, table};
use crate::session::Session;
use crate::sweeps;

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
    /// All runs, not only the newest 20, and each task of a sweep by itself
    #[arg(long)]
    all: bool,
    /// Say what is known here, without asking the targets of runs that are under way
    #[arg(long)]
    no_refresh: bool,
    /// Print one JSON document with all runs
    #[arg(long)]
    json: bool,
}

pub fn runs(session: &Session, args: &RunsArgs) -> CommandResult {
    let limit = (!args.all && !args.json).then_some(PAGE);
    let filter =
        Filter { states: args.state.iter().cloned().collect(), limit, ..Filter::default() };
    let list = || -> CommandResult<Vec<RunSummary>> {
        Ok(match session.journal_to_read()? {
            Some(journal) => journal.list(&filter)?,
            None => Vec::new(),
        })
    };
    if args.json {
        if !args.no_refresh {
            refresh_all(session)?;
        }
        output::print_json(&list()?)?;
        return Ok(ExitCode::Success);
    }
    // a sweep is one line, unless its tasks are asked for
    let filter = Filter { without_tasks: !args.all && args.state.is_none(), ..filter };
    let list = || lines(session, &filter, limit);
    let runs = list()?;
    if runs.is_empty() {
        session.say("no such runs; `sizar run SOURCE -- DRIVER` makes one");
        return Ok(ExitCode::Success);
    }
    print(&runs)?;
    if !args.no_refresh && runs.iter().any(|line| line.open) {
        refresh_all(session)?;
        let now = list()?;
        // how long ago something was has always changed
        let told = |lines: &[Line]| -> Vec<Vec<String>> {
            lines.iter().map(|line| line.cells.iter().take(2).cloned().collect()).collect()
        };
        if told(&now) != told(&runs) {
            session.say("and now, after asking the targets:");
            print(&now)?;
        }
    }
    if limit.is_some_and(|limit| runs.len() >= limit as usize) {
        session.say("there may be older runs; `sizar runs --all` lists all of them");
    }
    Ok(ExitCode::Success)
}

/// A run or a sweep, as one line.
struct Line {
    created: jiff::Timestamp,
    target: String,
    /// Whether it is on a target and has not ended.
    open: bool,
    cells: Vec<String>,
}

/// Reads the newest runs, and the newest sweeps where their tasks are not asked for.
fn lines(session: &Session, filter: &Filter, limit: Option<u32>) -> CommandResult<Vec<Line>> {
    let Some(journal) = session.journal_to_read()? else { return Ok(Vec::new()) };
    let now = jiff::Timestamp::now();
    let line = |run: RunSummary| Line {
        created: run.created,
        open: run.target != "local" && !run.state.is_final(),
        cells: row(&run, now),
        target: run.target,
    };
    let mut lines: Vec<Line> = journal.list(filter)?.into_iter().map(line).collect();
    if filter.without_tasks {
        for sweep in journal.sweeps(limit)? {
            let states = journal.sweep_states(&sweep.id)?;
            let ended = states.iter().all(|(state, _)| state.is_final());
            lines.push(Line {
                created: sweep.created,
                open: sweep.target != "local" && !ended,
                cells: vec![
                    sweep.id.to_string(),
                    sweeps::in_short(&states, sweep.tasks),
                    ago(sweep.created, now),
                    String::new(),
                    table::shorten(&sweep.source, 36),
                    table::shorten(&sweeps::command(&sweep)?, 48),
                ],
                target: sweep.target,
            });
        }
        lines.sort_by_key(|line| std::cmp::Reverse(line.created));
        lines.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
    }
    Ok(lines)
}

fn print(runs: &[Line]) -> CommandResult<()> {
    // where all are here the column says nothing
    let elsewhere = runs.iter().any(|run| run.target != "local");
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let mut row = run.cells.clone();
            if elsewhere {
                row.insert(2, run.target.clone());
            }
            row
        })
        .collect();
    let mut names = vec!["RUN", "STATE", "STARTED", "TOOK", "SOURCE", "COMMAND"];
    if elsewhere {
        names.insert(2, "TARGET");
    }
    output::print(&table::render(&names, &rows))?;
    Ok(())
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
