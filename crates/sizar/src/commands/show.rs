//! `sizar show`.

use std::fmt::Write as _;

use sizar_engine::elsewhere;
use sizar_engine::run::Attempt;
use sizar_engine::store::Journal;
use sizar_env::stopped::Why;
use sizar_formats::formats;
use sizar_model::artifact::GpuUsage;
use sizar_model::resources::{ByteSize, Walltime};
use sizar_model::{
    Contact, DataOrigin, EventKind, JobHandle, Resources, Run, RunState, Usage, counted,
};

use crate::commands::repaired;
use crate::commands::runs::duration;
use crate::commands::sweep_show::{self, ShowArgs as ShowArgsOfSweep};
use crate::elsewhere::{contact, is_elsewhere, refresh};
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output;
use crate::session::Session;
use crate::sweeps::is_sweep;

/// How many results a page shows.
const PAGE: usize = 20;

/// Show one run: what it was, how it went, what it made
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar show                      the newest run
  sizar show 7x2k                 the beginning of a run's name is enough
  sizar show 7x2k --json | jq '.results[].path'")]
pub struct ShowArgs {
    /// The run's or the sweep's name, or its beginning; without it, the newest run
    run: Option<String>,
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
    let name = session.named_or_newest(args.run.as_deref())?;
    if is_sweep(&name) {
        let code = sweep_show::show(session, &ShowArgsOfSweep::of(&name, args.all, args.json))?;
        debug_assert_eq!(code, 0);
        return Ok(ExitCode::Success);
    }
    let mut run = session.journal_with(&name)?.get(&name)?;
    if is_elsewhere(&run) && !run.state.is_final() && !args.no_refresh {
        let mut journal = session.journal()?;
        if let Err(failure) = refresh(session, &mut journal, &run.target) {
            session.say(&format!("{} could not be asked: {}", run.target, failure.error));
        }
        run = journal.get(run.id.as_str())?;
    }
    let (job, raised) = match is_elsewhere(&run) {
        true => {
            let journal = session.journal_with(&name)?;
            (elsewhere::known(&journal, &run.id)?.job, raised(&journal, &run)?)
        }
        false => (None, Vec::new()),
    };
    let contact = match is_elsewhere(&run) {
        true => Some(contact(&session.journal_with(&name)?, &run.id)?),
        false => None,
    };
    if args.json {
        let mut document = document(session, &run)?;
        document["scheduler_job"] = serde_json::to_value(&job)?;
        document["raised"] = serde_json::to_value(&raised)?;
        if let Some(contact) = contact {
            add_contact(&mut document, contact)?;
        }
        output::print_json(&document)?;
    } else {
        let of = OfTarget { job: job.as_ref(), raised: &raised, contact };
        let known = repaired::known(session, &session.journal_with(&name)?, &run)?;
        let why = known.map(|(_, why)| why);
        output::print(&page(&run, &of, why.as_ref(), args.all))?;
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
    format!(
        "{}, {}, {} to the scheduler; {} sent, {} received (and {} of questions and answers)",
        counted(contact.logins, "login", "logins"),
        counted(contact.round_trips, "round trip", "round trips"),
        counted(contact.scheduler_queries, "question", "questions"),
        ByteSize(contact.bytes_sent),
        ByteSize(contact.bytes_received),
        ByteSize(contact.control_sent + contact.control_received),
    )
}

/// The documented JSON of `sizar show --json`.
fn document(session: &Session, run: &Run) -> CommandResult<serde_json::Value> {
    let attempt = Attempt::of(&session.home, &run.id, run.attempts);
    let receipt = attempt.receipt();
    let mut document = serde_json::to_value(run)?;
    document["sandbox"] = serde_json::to_value(receipt.as_ref().map(|r| &r.sandbox))?;
    let why = match session.journal_to_read()? {
        Some(journal) => repaired::known(session, &journal, run)?,
        None => None,
    };
    document["why"] = serde_json::to_value(why.map(|(_, why)| why))?;
    document["notes"] = serde_json::to_value(receipt.as_ref().map(|r| &r.notes))?;
    document["usage_table"] = serde_json::to_value(Some(attempt.usage()).filter(|t| t.exists()))?;
    Ok(document)
}

/// What is told of a run beside the run itself, where it is on a target.
struct OfTarget<'a> {
    job: Option<&'a JobHandle>,
    /// Why later attempts asked for more than the first.
    raised: &'a [String],
    contact: Option<Contact>,
}

/// Says why later attempts of a run asked for more than the first.
fn raised(journal: &Journal, run: &Run) -> CommandResult<Vec<String>> {
    let words = journal.events(&run.id)?.into_iter().filter_map(|event| match event.kind {
        EventKind::Raised { words, .. } => Some(words),
        _ => None,
    });
    Ok(words.collect())
}

fn page(run: &Run, of: &OfTarget<'_>, why: Option<&Why>, all: bool) -> String {
    let OfTarget { job, raised, contact } = *of;
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
    let before_its_start = run.state == RunState::Cancelled && run.started.is_none();
    let interrupted = before_its_start.then_some("it was interrupted before its program started");
    line("reason", run.reason.as_deref().or(interrupted).unwrap_or_default());
    if let Some(why) = why {
        line("why", &format!("{} ({})", why.cause, why.rule));
        line("what helps", why.advice.as_deref().unwrap_or_default());
    }
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
        line("used", &used(usage));
        line("gpu", &usage.gpu.as_ref().map(gpu).unwrap_or_default());
        line("asked", &asked(&run.job.resources, usage));
    }
    for words in raised {
        line("raised", words);
    }
    if let Some(contact) = contact {
        line("site", &in_words(contact));
    }
    for binding in &run.job.data {
        let is_of = |origin: &&DataOrigin| origin.places.contains(&binding.there);
        match run.job.origins.iter().find(is_of) {
            // said below
            Some(origin) if origin.converted => {}
            _ => line("data", &format!("{} as {}", binding.here, binding.seen_as())),
        }
    }
    for origin in &run.job.origins {
        for words in laid_out(origin) {
            line("data set", &words);
        }
    }
    let total: u64 = run.results.iter().map(|result| result.size).sum();
    let files = counted(run.results.len() as u64, "file", "files");
    line("results", &format!("{files}, {}", ByteSize(total)));
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
    if run.state == RunState::Failed {
        let _ = writeln!(page, "sizar explain {} says what is known of such failures", run.id);
    }
    if why.is_some_and(|why| why.repairable) && !is_elsewhere(run) {
        let _ =
            writeln!(page, "sizar resume {} --repair does so without what made it stop", run.id);
    }
    if run.state.is_final() && run.state != RunState::Completed {
        let _ = writeln!(page, "sizar resume {} gives it another attempt", run.id);
    }
    page
}

/// Says where a data set comes from, what it was made, and why.
fn laid_out(origin: &DataOrigin) -> Vec<String> {
    let title = |name: &str| formats::named(name).map_or(String::new(), |it| it.title().to_owned());
    let made = match (origin.converted, origin.format == origin.shown_as) {
        (false, _) => "shown as it is".to_owned(),
        (true, true) => format!("laid out anew as {}", title(&origin.shown_as)),
        (true, false) => format!("converted to {}", title(&origin.shown_as)),
    };
    let places: Vec<&str> = origin.places.iter().map(|place| place.as_str()).collect();
    let counts = match (origin.images, origin.annotations) {
        (Some(images), Some(annotations)) => format!(
            ", {}, {}",
            counted(images, "image", "images"),
            counted(annotations, "annotation", "annotations")
        ),
        _ => String::new(),
    };
    let mut lines = vec![
        format!(
            "{} ({}{counts}, digest {})",
            origin.data,
            title(&origin.format),
            origin.digest.short()
        ),
        format!("{made}, at {}", places.join(", ")),
    ];
    if let Some(shape) = &origin.shape {
        lines.push(format!("in the shape `{shape}`"));
    }
    lines.extend(origin.reasons.iter().cloned());
    lines.extend(origin.losses.iter().map(|loss| format!("lost: {loss}")));
    lines
}

/// Says what a run used.
fn used(usage: &Usage) -> String {
    let mut text = format!(
        "{} of time, {} of processor, {} of memory at most",
        duration(usage.wall_seconds),
        duration(usage.cpu_seconds),
        ByteSize(usage.peak_memory)
    );
    // older receipts know no more
    if usage.mean_memory > 0 {
        let _ = write!(
            text,
            " ({} on average); {:.1} cores on average, {:.1} at most",
            ByteSize(usage.mean_memory),
            usage.mean_cores(),
            usage.peak_cores.max(usage.mean_cores())
        );
    }
    text
}

fn gpu(gpu: &GpuUsage) -> String {
    let percent = gpu.busy * 100.0;
    format!("{percent:.0} % busy on average, {} of its memory at most", ByteSize(gpu.peak_memory))
}

/// Holds what a run asked for against what it used; nothing where it asked for nothing.
fn asked(resources: &Resources, usage: &Usage) -> String {
    let cores = resources.cpus.map(|asked| {
        let most = usage.peak_cores.max(usage.mean_cores());
        format!("{asked} cores (used {most:.1} at most)")
    });
    let memory = resources
        .memory
        .map(|asked| format!("{asked} of memory (used {} at most)", ByteSize(usage.peak_memory)));
    let time = resources
        .walltime
        .map(|asked| format!("{asked} of time (used {})", Walltime(usage.wall_seconds as u64)));
    [cores, memory, time].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_is_held_against_what_was_used() {
        let usage = Usage {
            wall_seconds: 100.0,
            cpu_seconds: 190.0,
            peak_memory: 1200 << 20,
            mean_memory: 600 << 20,
            peak_cores: 2.5,
            gpu: Some(GpuUsage { busy: 0.634, peak_memory: 11 << 30 }),
        };
        let resources = Resources {
            cpus: Some(8),
            memory: Some(ByteSize(16 << 30)),
            walltime: Some(Walltime(3600)),
            ..Resources::default()
        };
        assert_eq!(
            asked(&resources, &usage),
            "8 cores (used 2.5 at most), 16.0 GiB of memory (used 1.2 GiB at most), \
             01:00:00 of time (used 00:01:40)"
        );
        assert_eq!(asked(&Resources::default(), &usage), "");
        assert!(used(&usage).ends_with("(600 MiB on average); 1.9 cores on average, 2.5 at most"));
        let gpu = gpu(usage.gpu.as_ref().unwrap());
        assert_eq!(gpu, "63 % busy on average, 11.0 GiB of its memory at most");
    }
}
