//! `sizar show`.

use std::fmt::Write as _;

use sizar_engine::elsewhere;
use sizar_engine::run::Attempt;
use sizar_model::resources::ByteSize;
use sizar_model::{Contact, JobHandle, Run};

use crate::commands::runs::duration;
use crate::elsewhere::{contact, is_elsewhere, refresh};
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output;
use crate::session::Session;

/// How many results a page shows.
const PAGE: usize = 20;

/// Show one run: what it was, how it went, what it made
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar show 7x2k                 the beginning of a run's name is enough
  sizar show 7x2k --json | jq '.results[].path'")]
pub struct ShowArgs {
    /// The run's name, or its beginning
    run: String,
    /// List all results, not only the first 20
    #[arg(long)]
    all: bool,
    /// Show what is known here, without asking the target of the run
    #[arg(long)]
    no_refresh: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub fn show(session: &Session, args: &ShowArgs) -> CommandResult {
    let mut run = session.journal_with(&args.run)?.get(&args.run)?;
    if is_elsewhere(&run) && !run.state.is_final() && !args.no_refresh {
        let mut journal = session.journal()?;
        if let Err(failure) = refresh(session, &mut journal, &run.target) {
            session.say(&format!("{} could not be asked: {}", run.target, failure.error));
        }
        run = journal.get(run.id.as_str())?;
    }
    let job = match is_elsewhere(&run) {
        true => elsewhere::known(&session.journal_with(&args.run)?, &run.id)?.job,
        false => None,
    };
    let contact = match is_elsewhere(&run) {
        true => Some(contact(&session.journal_with(&args.run)?, &run.id)?),
        false => None,
    };
    if args.json {
        let mut document = document(session, &run)?;
        document["scheduler_job"] = serde_json::to_value(&job)?;
        if let Some(contact) = contact {
            add_contact(&mut document, contact)?;
        }
        output::print_json(&document)?;
    } else {
        output::print(&page(&run, job.as_ref(), contact, args.all))?;
    }
    Ok(ExitCode::Success)
}

/// Adds what talking to the target has used to what the run used.
fn add_contact(document: &mut serde_json::Value, contact: Contact) -> CommandResult<()> {
    if !document["usage"].is_object() {
        document["usage"] = serde_json::json!({});
    }
    if let serde_json::Value::Object(used) = serde_json::to_value(contact)? {
        for (name, value) in used {
            document["usage"][name] = value;
        }
    }
    Ok(())
}

/// Says what talking to the target has used.
fn in_words(contact: Contact) -> String {
    let counted = |number: u64, one: &str, many: &str| {
        if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
    };
    format!(
        "{}, {}, {} to the scheduler; {} sent, {} received",
        counted(contact.logins, "login", "logins"),
        counted(contact.round_trips, "round trip", "round trips"),
        counted(contact.scheduler_queries, "question", "questions"),
        ByteSize(contact.bytes_sent),
        ByteSize(contact.bytes_received),
    )
}

/// The documented JSON of `sizar show --json`.
fn document(session: &Session, run: &Run) -> CommandResult<serde_json::Value> {
    let receipt = Attempt::of(&session.home, &run.id, run.attempts).receipt();
    let mut document = serde_json::to_value(run)?;
    document["sandbox"] = serde_json::to_value(receipt.as_ref().map(|r| &r.sandbox))?;
    document["notes"] = serde_json::to_value(receipt.as_ref().map(|r| &r.notes))?;
    Ok(document)
}

fn page(run: &Run, job: Option<&JobHandle>, contact: Option<Contact>, all: bool) -> String {
    let bold = anstyle::Style::new().bold();
    let mut page = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(page, "{bold}{name:<12}{bold:#}{value}");
        }
    };
    line("run", run.id.as_str());
    let code = run.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
    line("state", &format!("{}{code}", run.state));
    line("reason", run.reason.as_deref().unwrap_or_default());
    line("source", &run.source);
    line("command", &run.command.join(" "));
    let job = job.map(|job| format!(", job {job}")).unwrap_or_default();
    line("target", &format!("{}{job}", run.target));
    line("environment", run.environment.as_deref().unwrap_or_default());
    let time = |at: Option<jiff::Timestamp>| {
        at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default()
    };
    line("started", &time(run.started));
    line("ended", &time(run.ended));
    if let Some(usage) = &run.usage {
        line(
            "used",
            &format!(
                "{} of time, {} of processor, {} of memory at most",
                duration(usage.wall_seconds),
                duration(usage.cpu_seconds),
                ByteSize(usage.peak_memory)
            ),
        );
    }
    if let Some(contact) = contact {
        line("asked", &in_words(contact));
    }
    for binding in &run.job.data {
        line("data", &format!("{} as {}", binding.here, binding.there));
    }
    let total: u64 = run.results.iter().map(|result| result.size).sum();
    line("results", &format!("{} files, {}", run.results.len(), ByteSize(total)));
    let shown = if all { run.results.len() } else { PAGE };
    for result in run.results.iter().take(shown) {
        let _ = writeln!(page, "  {:>10}  {}", ByteSize(result.size), result.path);
    }
    if run.results.len() > shown {
        let _ = writeln!(page, "  … and {} more; `--all` lists them", run.results.len() - shown);
    }
    if !run.results.is_empty() {
        let _ = writeln!(page, "\nsizar fetch {} copies them here", run.id);
    }
    page
}
