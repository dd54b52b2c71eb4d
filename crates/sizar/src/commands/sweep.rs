//! `sizar sweep`.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use sizar_engine::acquire::acquire;
use sizar_engine::elsewhere;
use sizar_engine::queue::Capacity;
use sizar_engine::run::{self, RunRequest};
use sizar_engine::store::{Journal, NewSweep, SweepRecord};
use sizar_engine::sweep::{Metric, Sources, Template, Wish, parameter_sets};
use sizar_engine::target::{Place, TargetName, connect};
use sizar_model::Locator;

use crate::commands::after;
use crate::commands::run::{RunArgs, request};
use crate::commands::sweep_show::{self, ShowArgs};
use crate::elsewhere::{connecting, targets};
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::output;
use crate::session::Session;
use crate::sweeps;

/// How many tasks `--dry-run` shows.
const SHOWN: usize = 5;

/// Run a driver once for each of many parameter sets
///
/// Each task is a run of its own, with its own working copy and results; code, environment and data
/// are made ready once. On a cluster the tasks are one job array, or several where the site's
/// limits ask for it. What one task does harms no other.
///
/// `{name}` in the command stands for a parameter's value; a parameter without such a place is
/// handed over as the driver's option of that name. The exit code is 0 if all tasks completed.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    override_usage = "sizar sweep [OPTIONS] <SOURCE> -- <DRIVER ARGS>...\n       \
                      sizar sweep list | show | retry",
    after_help = "\
Examples:
  sizar sweep ./code --on tours --time 1h --grid lr=0.1,0.01 --seeds 5 -- train.py --lr {lr}
  sizar sweep ./code --grid seed=0..4 -- train.py          `--seed` is handed over
  sizar sweep ./code --zip depth=1,2 --zip width=8,16 -- train.py --net {depth}x{width}
  sizar sweep ./code --file sets.csv --metric acc=out/metrics.json:test.acc -- train.py
  sizar sweep ./code --on tours --grid lr=0.1,0.01 --dry-run -- train.py
  sizar sweep ./code --on tours --seeds 9 --time 4h --restart 5 -- train.py
                                                           go on after each walltime
  sizar sweep show s-7x2k --sort -acc                      what became of it, and the metrics
  sizar sweep retry s-7x2k                                 only what did not complete

`wait`, `cancel`, `fetch`, `show` and `resume` take a sweep's name, too; `s-7x2k.3` is its task 3."
)]
pub struct SweepArgs {
    #[command(flatten)]
    run: Typed,
    /// The values of a parameter, each combined with all others; `0..4` is 0, 1, 2, 3, 4
    #[arg(long, value_name = "NAME=VALUES", help_heading = "Parameters")]
    grid: Vec<String>,
    /// The values of a parameter; all that are given so step together
    #[arg(long, value_name = "NAME=VALUES", help_heading = "Parameters")]
    zip: Vec<String>,
    /// Parameter sets: CSV with names in its first line, or JSON objects, as a list or one a line
    #[arg(long, value_name = "FILE", help_heading = "Parameters")]
    file: Vec<Utf8PathBuf>,
    /// The parameter `seed`: so many seeds from 0 on, or values
    #[arg(long, value_name = "N|VALUES", help_heading = "Parameters")]
    seeds: Option<String>,
    /// Run at most so many tasks at once
    #[arg(long, value_name = "N", help_heading = "Tasks",
          value_parser = clap::value_parser!(u32).range(1..))]
    max_running: Option<u32>,
    /// A number that every task is asked for: NAME (the last one behind that word in what it
    /// printed), NAME=REGEX, or NAME=FILE:KEY in a result that is JSON or CSV
    #[arg(long, value_name = "METRIC", help_heading = "Tasks")]
    metric: Vec<Metric>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What `sizar run` takes, too; none where a verb was typed.
#[derive(Debug)]
struct Typed(Option<RunArgs>);

impl clap::FromArgMatches for Typed {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let typed = matches.contains_id("source");
        typed.then(|| RunArgs::from_arg_matches(matches)).transpose().map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Typed {
    fn augment_args(command: clap::Command) -> clap::Command {
        without_repair(RunArgs::augment_args(command))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        without_repair(RunArgs::augment_args_for_update(command))
    }
}

/// The tasks of a sweep are never run again in another environment without being asked for.
fn without_repair(command: clap::Command) -> clap::Command {
    command.mut_arg("no_repair", |arg| arg.hide(true))
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List sweeps, newest first
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    Show(ShowArgs),
    Retry(RetryArgs),
}

/// Give the tasks that did not complete another attempt, and only those
///
/// One whose time or memory was too little, or whose node was taken away, goes on from what it made.
#[derive(Debug, clap::Args)]
struct RetryArgs {
    /// The sweep's name, or its beginning
    sweep: String,
    /// Give the shell back when they are queued
    #[arg(short, long)]
    detach: bool,
}

pub fn sweep(session: &Session, args: &SweepArgs) -> CommandResult<u8> {
    match (&args.verb, &args.run.0) {
        (Some(Verb::List { json }), _) => sweep_show::list(session, *json),
        (Some(Verb::Show(args)), _) => sweep_show::show(session, args),
        (Some(Verb::Retry(args)), _) => retry(session, args),
        (None, Some(run)) => start(session, args, run),
        (None, None) => {
            let error = anyhow::anyhow!("there is no source and no driver");
            Err(Failure::new(ExitCode::Usage, error).hint("`sizar sweep --help` shows examples"))
        }
    }
}

fn start(session: &Session, args: &SweepArgs, run: &RunArgs) -> CommandResult<u8> {
    if run.queue.batch.is_some() {
        let error = anyhow::anyhow!("a sweep has no `--batch`");
        return Err(Failure::new(ExitCode::Usage, error).hint("`--file` names parameter sets"));
    }
    let mut journal = session.journal()?;
    let wish = wish(session, args, run)?;
    let mut sweep = Start { session, source: &run.source, wish, at_once: args.max_running };
    let Some(target) = &run.on else {
        if run.dry_run {
            output::print(&sweep.page("this machine"))?;
            return Ok(0);
        }
        Capacity::of_this_machine()
            .check(&sweep.wish.request.job.resources)
            .map_err(sizar_engine::queue::QueueError::from)?;
        after::check_here(&journal, &sweep.wish.request.job.after)?;
        let record = sweep.create(&mut journal, "local")?;
        sweeps::queue_here(session, &mut journal, &record, &run.source)?;
        return finish(session, &mut journal, None, &record, run.queue.detach);
    };
    let name: TargetName = target.parse()?;
    let profile = targets(session).profile(&name)?;
    let resources = profile.resources(&sweep.wish.request.job.resources);
    elsewhere::check_request(&resources, &profile)?;
    sweep.wish.request.job.resources = resources;
    let mut place = connect(&name, profile, &connecting(session))?;
    if run.dry_run {
        let count = sweep.wish.sets.len() as u32;
        let resources = &sweep.wish.request.job.resources;
        let scratch = &sweep.wish.request.job.scratch;
        let script = elsewhere::array_script(resources, scratch, count, args.max_running, &place)?;
        output::print(&format!("{}\n{script}", sweep.page(name.as_str())))?;
        return Ok(0);
    }
    sweeps::check_after(session, &mut journal, name.as_str(), &sweep.wish.request.job.after)?;
    let record = sweep.create(&mut journal, name.as_str())?;
    sweeps::hand_over(session, &mut journal, &mut place, &record)?;
    finish(session, &mut journal, Some(&mut place), &record, run.queue.detach)
}

/// Follows a sweep that was started, unless the shell is wanted back.
fn finish(
    session: &Session,
    journal: &mut Journal,
    place: Option<&mut Place>,
    record: &SweepRecord,
    detach: bool,
) -> CommandResult<u8> {
    let id = &record.id;
    if detach {
        output::print(&format!("{id}\n"))?;
        session.say(&format!("`sizar wait {id}` follows it, `sizar sweep show {id}` tells of it"));
        return Ok(0);
    }
    session.say(&format!("the sweep is {id}"));
    sweeps::follow(session, journal, place, record)?;
    sweep_show::print(session, journal, record)?;
    sweeps::exit_code(journal, id)
}

fn retry(session: &Session, args: &RetryArgs) -> CommandResult<u8> {
    let mut journal = session.journal()?;
    let record = journal.find_sweep(&args.sweep)?;
    let mut place = sweeps::place(session, &record)?;
    let count = sweeps::retry(session, &mut journal, place.as_mut(), &record, None)?;
    if count == 0 {
        session.say(&format!("every task of {} completed, or has not ended", record.id));
        return Ok(0);
    }
    let tasks = if count == 1 { "1 task gets" } else { "the tasks that ended badly get" };
    session.say(&format!("{tasks} another attempt ({count} of {})", record.tasks));
    finish(session, &mut journal, place.as_mut(), &record, args.detach)
}

/// Turns what was typed into what the sweep is made from; nothing is made or sent.
fn wish(session: &Session, args: &SweepArgs, run: &RunArgs) -> CommandResult<Wish> {
    let usage = |error: anyhow::Error| Failure::new(ExitCode::Usage, error);
    let sources = Sources {
        files: args.file.clone(),
        zip: args.zip.clone(),
        grid: args.grid.clone(),
        seeds: args.seeds.clone(),
    };
    let sets = parameter_sets(&sources).map_err(|error| {
        let hint = error.hint();
        usage(error.into()).hints(hint)
    })?;
    let mut request = request(session, run)?;
    let mut template = Template::new(&request.job.args);
    let unclear = |error: sizar_engine::sweep::TemplateError| {
        let hints = error.hints();
        usage(error.into()).hints(hints)
    };
    let names: Vec<&str> = sets.first().map(|set| set.names().collect()).unwrap_or_default();
    let unplaced = template.unplaced(&names).map_err(unclear)?;
    if !unplaced.is_empty() {
        let driver = driver(session, &run.source, &request)?;
        for name in &unplaced {
            template.place(name, driver.as_ref()).map_err(unclear)?;
        }
        request.job.args = template.args().to_vec();
    }
    let mut wish = Wish { request, sets, metrics: args.metric.clone(), args: Vec::new() };
    show_files(session, &run.source, &mut wish)?;
    Ok(wish)
}

/// Reads which options the driver has.
fn driver(
    session: &Session,
    source: &Locator,
    request: &RunRequest,
) -> CommandResult<Option<sizar_model::inspection::Driver>> {
    let options = request.environment.acquire();
    let checkout = acquire(&session.home, source, &options, &session.reporter)?;
    let wanted = request.job.driver.as_str();
    let is_it = |driver: &sizar_model::inspection::Driver| {
        driver.path == wanted || driver.name.as_deref() == Some(wanted)
    };
    Ok(run::inspect(&checkout)?.drivers.into_iter().find(is_it))
}

/// Shows the user's own files to the tasks whose parameters name them.
fn show_files(session: &Session, source: &Locator, wish: &mut Wish) -> CommandResult<()> {
    let cwd = &wish.request.caller_cwd;
    let mut values: Vec<&str> =
        wish.sets.iter().flat_map(|set| set.0.iter().map(|(_, value)| value.as_str())).collect();
    values.sort_unstable();
    values.dedup();
    if !values.iter().any(|value| !value.is_empty() && cwd.join(value).exists()) {
        return Ok(());
    }
    let options = wish.request.environment.acquire();
    let checkout = acquire(&session.home, source, &options, &session.reporter)?;
    let mut args = Vec::new();
    for number in 0..wish.sets.len() as u32 {
        let typed = wish.args_of(number);
        let found = run::inputs(&session.home, &checkout, &typed, &wish.request);
        for input in found.inputs {
            if !wish.request.job.data.contains(&input.binding) {
                wish.request.job.data.push(input.binding);
            }
        }
        args.push(found.args);
    }
    wish.args = args;
    Ok(())
}

/// A sweep that is about to begin.
struct Start<'a> {
    session: &'a Session,
    source: &'a Locator,
    wish: Wish,
    at_once: Option<u32>,
}

impl Start<'_> {
    fn create(&self, journal: &mut Journal, target: &str) -> CommandResult<SweepRecord> {
        let id = journal.create_sweep(&NewSweep {
            target: target.to_owned(),
            source: self.wish.request.source.clone(),
            tasks: self.wish.sets.len() as u32,
            at_once: self.at_once,
            wish: serde_json::to_value(&self.wish)?,
        })?;
        sizar_engine::failpoint::hit("sweep:after-created");
        tracing::debug!(%id, verbosity = ?self.session.verbosity, "a sweep begins");
        Ok(journal.find_sweep(&id.to_string())?)
    }

    /// Describes what would happen.
    fn page(&self, place: &str) -> String {
        let sets = &self.wish.sets;
        let mut page = format!("{} tasks of {} on {place}\n\n", sets.len(), self.source);
        let mut line = |number: usize| {
            let job = &self.wish.request.job;
            let args = self.wish.args_of(number as u32);
            let command = shell_words::join(std::iter::once(&job.driver).chain(&args));
            let _ = writeln!(page, "{number:>6}  {command}");
        };
        (0..sets.len().min(SHOWN)).for_each(&mut line);
        if sets.len() > SHOWN {
            line(sets.len() - 1);
        }
        page
    }
}
