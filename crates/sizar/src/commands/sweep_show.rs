//! `sizar sweep list` and `show`: what became of the tasks, and their metrics.

use std::collections::BTreeMap;

use sizar_engine::store::{Journal, SweepRecord};
use sizar_engine::sweep::{Metric, Row, Table, Value, Wish, table};
use sizar_model::RunState;

use crate::commands::runs::duration;
use crate::elsewhere::refresh;
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::output::{self, table as columns};
use crate::session::Session;
use crate::sweeps;

/// How many sweeps a list shows, and how many tasks a page.
const PAGE: usize = 40;

/// Show what became of a sweep's tasks: states, parameters and metrics
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "status",
    after_help = "\
Examples:
  sizar sweep show s-7x2k --metric acc=out/metrics.json:test.acc --sort -acc
  sizar sweep show s-7x2k --metric 'loss=val loss ([0-9.]+)' --csv > table.csv
  sizar sweep show s-7x2k --state failed"
)]
pub struct ShowArgs {
    /// The sweep's name, or its beginning
    pub sweep: String,
    /// Another number that every task is asked for, as in `sizar sweep`; it replaces one of the
    /// same name
    #[arg(long, value_name = "METRIC")]
    pub metric: Vec<Metric>,
    /// Sort by a parameter or metric; `-NAME` puts the largest first
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub sort: Option<String>,
    /// Only tasks in this state
    #[arg(long, value_name = "STATE")]
    pub state: Option<RunState>,
    /// List all tasks, not only the first 40
    #[arg(long)]
    pub all: bool,
    /// Say what is known here, without asking the target
    #[arg(long)]
    pub no_refresh: bool,
    /// Print the table as CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

impl ShowArgs {
    /// Returns what `sizar show SWEEP` means.
    pub fn of(sweep: &str, all: bool, json: bool) -> Self {
        Self {
            sweep: sweep.to_owned(),
            metric: Vec::new(),
            sort: None,
            state: None,
            all,
            no_refresh: false,
            csv: false,
            json,
        }
    }
}

pub fn list(session: &Session, json: bool) -> CommandResult<u8> {
    let Some(journal) = session.journal_to_read()? else {
        session.say("there are no sweeps; `sizar sweep --help` shows how one is made");
        return Ok(0);
    };
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for sweep in journal.sweeps(Some(PAGE as u32))? {
        let states = journal.sweep_states(&sweep.id)?;
        let wish: Wish = serde_json::from_value(sweep.wish.clone())?;
        let command = wish.request.job.command();
        if json {
            documents.push(serde_json::json!({
                "id": sweep.id, "target": sweep.target, "source": sweep.source,
                "created": sweep.created, "tasks": sweep.tasks, "failed": sweep.failed,
                "states": counts(&states), "command": command,
            }));
        }
        rows.push(vec![
            sweep.id.to_string(),
            sweep.target.clone(),
            sweep.tasks.to_string(),
            sweep.failed.clone().unwrap_or_else(|| sweeps::in_words(&states)),
            columns::shorten(&sweep.source, 36),
            columns::shorten(&command.join(" "), 48),
        ]);
    }
    if json {
        output::print_json(&documents)?;
        return Ok(0);
    }
    let names = ["SWEEP", "TARGET", "TASKS", "STATES", "SOURCE", "COMMAND"];
    output::print(&columns::render(&names, &rows))?;
    Ok(0)
}

pub fn show(session: &Session, args: &ShowArgs) -> CommandResult<u8> {
    if !sweeps::is_sweep(&args.sweep) {
        let error = anyhow::anyhow!("`{}` is no sweep's name", args.sweep);
        return Err(Failure::new(ExitCode::Usage, error)
            .hint(format!("`sizar show {}` shows a run, also one of a sweep", args.sweep)));
    }
    let mut journal = session.journal()?;
    let record = journal.find_sweep(&args.sweep)?;
    if !args.no_refresh
        && record.target != "local"
        && let Err(failure) = refresh(session, &mut journal, &record.target)
    {
        session.say(&format!("{} could not be asked: {}", record.target, failure.error));
    }
    let mut table = table_of(session, &journal, &record, &args.metric)?;
    if let Some(state) = &args.state {
        table.rows.retain(|row| row.state == *state);
    }
    if let Some(by) = &args.sort
        && !table.sort_by(by)
    {
        let names: Vec<String> =
            table.parameters.iter().chain(&table.metrics).map(|n| format!("`{n}`")).collect();
        let error = anyhow::anyhow!("there is no parameter or metric `{by}`");
        return Err(Failure::new(ExitCode::Usage, error)
            .hint(format!("there is {}; `--metric` adds one", names.join(", "))));
    }
    let states = journal.sweep_states(&record.id)?;
    if args.csv {
        output::print(
            &table
                .to_csv()
                .map_err(anyhow::Error::from)
                .map_err(|error| Failure::new(ExitCode::Failure, error))?,
        )?;
    } else if args.json {
        let wish: Wish = serde_json::from_value(record.wish.clone())?;
        output::print_json(&serde_json::json!({
            "id": record.id, "target": record.target, "source": record.source,
            "created": record.created, "tasks": record.tasks, "failed": record.failed,
            "command": wish.request.job.command(), "states": counts(&states),
            "parameters": table.parameters, "metrics": table.metrics,
            "rows": documents(&table),
        }))?;
    } else {
        output::print(&page(&record, &table, &states, args.all))?;
    }
    Ok(0)
}

/// Prints the table of a sweep that has ended.
pub fn print(session: &Session, journal: &Journal, record: &SweepRecord) -> CommandResult<()> {
    let table = table_of(session, journal, record, &[])?;
    let states = journal.sweep_states(&record.id)?;
    output::print(&page(record, &table, &states, false))?;
    Ok(())
}

fn table_of(
    session: &Session,
    journal: &Journal,
    record: &SweepRecord,
    more: &[Metric],
) -> CommandResult<Table> {
    let wish: Wish = serde_json::from_value(record.wish.clone())?;
    let mut metrics = wish.metrics;
    metrics.retain(|metric| !more.iter().any(|new| new.name == metric.name));
    metrics.extend(more.iter().cloned());
    Ok(table(&session.home, &journal.tasks(&record.id)?, &wish.sets, &metrics))
}

fn counts(states: &[(RunState, u32)]) -> BTreeMap<&str, u32> {
    states.iter().map(|(state, count)| (state.name(), *count)).collect()
}

/// The documented JSON of a task.
fn documents(table: &Table) -> Vec<serde_json::Value> {
    let document = |row: &Row| {
        let metrics: serde_json::Map<String, serde_json::Value> = table
            .metrics
            .iter()
            .cloned()
            .zip(row.metrics.iter().map(|value| serde_json::json!(value)))
            .collect();
        serde_json::json!({
            "task": row.task, "run": row.run, "state": row.state, "exit_code": row.exit_code,
            "attempts": row.attempts, "seconds": row.seconds, "reason": row.reason,
            "parameters": row.parameters, "metrics": metrics,
        })
    };
    table.rows.iter().map(document).collect()
}

fn page(record: &SweepRecord, table: &Table, states: &[(RunState, u32)], all: bool) -> String {
    let shown = if all { table.rows.len() } else { PAGE };
    let mut names = vec!["TASK", "RUN", "STATE"];
    names.extend(table.parameters.iter().chain(&table.metrics).map(String::as_str));
    names.push("TOOK");
    let rows: Vec<Vec<String>> =
        table.rows.iter().take(shown).map(|row| cells(row, table)).collect();
    let mut page = format!("{}: {}\n", record.id, sweeps::in_words(states));
    if let Some(reason) = &record.failed {
        page.push_str(&format!("it could not be prepared: {reason}\n"));
    }
    if rows.is_empty() {
        return page;
    }
    page.push('\n');
    page.push_str(&columns::render(&names, &rows));
    if table.rows.len() > shown {
        page.push_str(&format!("… and {} more; `--all` lists them\n", table.rows.len() - shown));
    }
    if let Some(failed) = table.rows.iter().find(|row| row.state == RunState::Failed) {
        let id = &record.id;
        page.push_str(&format!(
            "\nsizar logs {id}.{} shows what a failed one printed; sizar sweep retry {id} runs them again\n",
            failed.task
        ));
    }
    page
}

fn cells(row: &Row, table: &Table) -> Vec<String> {
    let state = match (&row.state, row.exit_code) {
        (RunState::Failed, Some(code)) => format!("failed ({code})"),
        (state, _) => state.to_string(),
    };
    let mut cells = vec![row.task.to_string(), row.run.to_string(), state];
    let value = |name: &String| row.parameters.get(name).unwrap_or_default().to_owned();
    cells.extend(table.parameters.iter().map(|name| columns::shorten(&value(name), 24)));
    let metrics = row.metrics.iter();
    cells.extend(metrics.map(|value| value.as_ref().map(Value::rounded).unwrap_or_default()));
    cells.push(row.seconds.map(duration).unwrap_or_default());
    cells
}
