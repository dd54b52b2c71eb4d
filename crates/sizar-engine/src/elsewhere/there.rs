//! What sizar does on the target itself: it makes the plan on the login node, and executes it on
//! a node. Both are hidden subcommands; neither opens a journal.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Instant;

use camino::Utf8PathBuf;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sizar_model::resources::Walltime;
use sizar_model::{Activity, Checkout, DataBinding, Ending, Progress, Receipt, RunId};

use super::addresses::{self, Unfetched};
use super::given::{Told, ahead_of, allotment, granted, kept, meaning, obey_signals};
use super::node::{self, Chosen};
use super::whole::whole;
use super::{Layout, after, array, marks, sent, store_sweep};
use crate::home::{Home, lock_by_leases};
use crate::process::Control;
use crate::run::{self, Attempt, Execution, Input, RunPlan, RunRequest, chain, execute_allotted};
use crate::stale;
use crate::transfer;
use crate::tree_digest::write_by_rename;

/// The hidden first arguments.
pub(super) const PREPARE: &str = "__there-prepare";
pub(super) const REHEARSE: &str = "__there-rehearse";
/// Makes sure that an environment starts that came as one file.
pub(super) const SETTLE: &str = "__there-settle";
pub(super) const EXECUTE: &str = "__there-execute";
/// Fetches what lies at an address.
pub(super) const GET: &str = "__there-get";
/// Removes what of the store nobody uses.
pub(super) const SWEEP: &str = "__there-sweep";
/// Makes a folder, and tells of each tree that is named whether it is there and sound.
pub(super) const HAS: &str = "__there-has";

/// The exit code of a job whose attempt another job has: nothing was run.
pub const CLAIMED: u8 = 76;

/// The exit code of a job that was to come after one that did not complete: nothing was run.
pub const NOT_RUN: u8 = 78;

/// What is needed to plan a run on its target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Request {
    /// With its path there.
    pub checkout: Checkout,
    /// With data and arguments as they are there.
    pub request: RunRequest,
    pub inputs: Vec<Input>,
    /// With their paths there.
    #[serde(default)]
    pub fetched: Vec<DataBinding>,
}

/// What the planning on the target says, a line of JSON each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub(super) enum Said {
    Began {
        what: String,
    },
    Ended {
        what: String,
    },
    Line {
        text: String,
    },
    Note {
        text: String,
    },
    Warning {
        text: String,
    },
    /// How far it is, in bytes.
    Advanced {
        done: u64,
        total: Option<u64>,
    },
    Fetched {
        path: String,
    },
    Unfetched {
        why: Unfetched,
    },
    Done,
    Rehearsed {
        rehearsed: run::Rehearsed,
    },
    Failed {
        message: String,
        hints: Vec<String>,
    },
}

/// Acts as the sizar of a target, if this process was started as one: then `main` returns what
/// this returns.
pub fn intercept() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    let verb = args.next()?;
    if ![PREPARE, SETTLE, REHEARSE, EXECUTE, HAS, SWEEP, GET, transfer::SERVE]
        .contains(&verb.as_str())
    {
        return None;
    }
    // other login nodes and compute nodes see the same files
    lock_by_leases();
    let layout = Layout::at(Utf8PathBuf::from(args.next()?));
    if [HAS, transfer::SERVE].contains(&verb.as_str()) {
        // what is the user's is for the user alone
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    }
    if verb == transfer::SERVE {
        // unbuffered: what comes after the last word is not for this program
        let sharing = transfer::Sharing::of(args);
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(sharing.umask()));
        let served = transfer::serve(layout.root(), &sharing, &mut Unbuffered, std::io::stdout());
        return Some(if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if verb == GET {
        return Some(addresses::there(&layout, &args.next()?));
    }
    if verb == SWEEP {
        return Some(answered(store_sweep::there(&layout, &args.next()?)));
    }
    if verb == HAS {
        let folder = args.next()?;
        let names: Vec<String> = args.collect();
        return Some(has(&layout, &folder, &names));
    }
    let run = RunId::from_str(&args.next()?).ok()?;
    if verb == PREPARE {
        return Some(prepare(&layout, &run));
    }
    if verb == SETTLE {
        return Some(settle(&layout, &run));
    }
    if verb == REHEARSE {
        return Some(rehearse(&layout, &run));
    }
    let attempt = args.next()?.parse().ok()?;
    // a task of an array is told where its line lies
    let tasks = args.next().map(Utf8PathBuf::from);
    Some(execute(&layout, &Work { run, attempt, tasks }))
}

#[expect(clippy::print_stdout, reason = "standard output is this process's way to its caller")]
fn answered(answer: Result<String, String>) -> ExitCode {
    match answer {
        Ok(text) => println!("{text}"),
        Err(message) => {
            say(&message);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "standard output is this process's way to its caller")]
fn has(layout: &Layout, folder: &str, names: &[String]) -> ExitCode {
    if let Err(error) = fs::create_dir_all(folder) {
        say(&error.to_string());
        return ExitCode::FAILURE;
    }
    let store = transfer::Store::at(layout.root());
    for name in names {
        println!("{}", i32::from(store.has_tree(name)));
    }
    ExitCode::SUCCESS
}

/// Standard input, read no further than asked for.
struct Unbuffered;

impl std::io::Read for Unbuffered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(rustix::io::read(std::io::stdin(), buffer)?)
    }
}

/// Makes the environment and the plan of a run whose code is here.
fn prepare(layout: &Layout, run: &RunId) -> ExitCode {
    let teller = Teller;
    match plan(layout, run, &teller) {
        Ok(()) => {
            tell(&Said::Done);
            ExitCode::SUCCESS
        }
        Err(failed) => {
            tell(&failed);
            ExitCode::FAILURE
        }
    }
}

fn plan(layout: &Layout, run: &RunId, progress: &dyn Progress) -> Result<(), Said> {
    let failed =
        |error: &dyn std::error::Error| Said::Failed { message: chain(error), hints: Vec::new() };
    let home = Home::at(layout.root());
    let text = stale::read_expected(&layout.request(run)).map_err(|error| failed(&error))?;
    let asked: Request = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    let mut plan =
        run::plan_for(&home, &asked.checkout, &asked.request, progress).map_err(|error| {
            Said::Failed {
                hints: match &error {
                    run::PrepareError::Setup(error) => error.hints(),
                    _ => Vec::new(),
                },
                message: chain(&error),
            }
        })?;
    plan.inputs = asked.inputs;
    plan.fetched = asked.fetched;
    let json = plan.to_json().map_err(|error| failed(&error))?;
    write_by_rename(&layout.plan(run), json.as_bytes()).map_err(|error| failed(&error))
}

/// Sees that the environment of a run works that came as one file.
fn settle(layout: &Layout, run: &RunId) -> ExitCode {
    let settled = || -> Result<(), String> {
        let text = fs::read_to_string(layout.plan(run)).map_err(|error| error.to_string())?;
        let plan = RunPlan::from_json(&text).map_err(|error| chain(&error))?;
        sent::settle(&Home::at(layout.root()), &plan)
    };
    match settled() {
        Ok(()) => {
            tell(&Said::Done);
            ExitCode::SUCCESS
        }
        Err(message) => {
            tell(&Said::Failed { message, hints: Vec::new() });
            ExitCode::FAILURE
        }
    }
}

/// Starts the driver of a run whose plan is here, and says how far it came.
fn rehearse(layout: &Layout, run: &RunId) -> ExitCode {
    let told = || -> Result<run::Rehearsed, String> {
        let text = stale::read_expected(&layout.plan(run)).map_err(|error| error.to_string())?;
        let plan = RunPlan::from_json(&text).map_err(|error| chain(&error))?;
        let inspection = run::inspect(&plan.checkout).map_err(|error| chain(&error))?;
        let home = Home::at(layout.root());
        let moment = node::for_a_moment(&home, &plan).map_err(|error| error.to_string())?;
        run::rehearse(&home, run, moment.plan(), &inspection).map_err(|error| chain(&error))
    };
    let rehearsed = told().unwrap_or_else(|words| run::Rehearsed::Unknown { words });
    tell(&Said::Rehearsed { rehearsed });
    ExitCode::SUCCESS
}

/// What a job is to execute.
struct Work {
    run: RunId,
    attempt: u32,
    /// The file with a line for each task of its array.
    tasks: Option<Utf8PathBuf>,
}

impl Work {
    /// Reads its plan: a task's is the one of its sweep, with arguments of its own.
    fn plan(&self, layout: &Layout) -> Result<RunPlan, String> {
        let sweep = self.tasks.as_deref().and_then(marks::sweep_of);
        let folder = sweep.as_ref().map_or(&self.run, |sweep| sweep.folder());
        // the login node wrote it, and this node may see it later
        let text = stale::read_expected(&layout.plan(folder)).map_err(|error| error.to_string())?;
        let mut plan = RunPlan::from_json(&text).map_err(|error| chain(&error))?;
        if let Some(tasks) = &self.tasks {
            let text = stale::read_expected(tasks).map_err(|error| error.to_string())?;
            let own = array::own(&text, &self.run, self.attempt)
                .ok_or_else(|| format!("`{tasks}` does not tell of run {}", self.run))?;
            plan.args = own.args;
            plan.carry_from = own.carry_from;
            plan.job.resources = own.resources.unwrap_or(plan.job.resources);
        }
        Ok(plan)
    }

    /// Returns whether there are tasks of its array that have not begun.
    fn are_more_to_come(&self, layout: &Layout) -> bool {
        let Some(tasks) = &self.tasks else { return false };
        let text = fs::read_to_string(tasks).unwrap_or_default();
        let sweep = marks::sweep_of(tasks);
        sweep.is_some_and(|sweep| !marks::have_all_begun(layout, &sweep, &text))
    }

    /// Says that its receipt lies there, where many look for it.
    fn mark(&self, layout: &Layout) {
        if let Some(sweep) = self.tasks.as_deref().and_then(marks::sweep_of) {
            marks::ended(layout, &sweep, &self.run, self.attempt);
        }
    }
}

/// Executes one attempt, on the node that the scheduler gave it.
fn execute(layout: &Layout, work: &Work) -> ExitCode {
    let began = Instant::now();
    let failed = work.plan(layout).ok().and_then(|plan| after::obstacle(layout, &plan.job.after));
    if let Some(reason) = failed {
        say(&format!("not run: {reason}"));
        return ExitCode::from(NOT_RUN);
    }
    match attempt_of(layout, work, began) {
        Ok(receipt) => {
            work.mark(layout);
            for note in &receipt.notes {
                say(note);
            }
            ExitCode::from(u8::try_from(receipt.ending.exit_code()).unwrap_or(1))
        }
        Err(message) => {
            say(&message);
            ExitCode::from(125)
        }
    }
}

fn attempt_of(layout: &Layout, work: &Work, began: Instant) -> Result<Receipt, String> {
    let shared = Home::at(layout.root());
    let mut plan = work.plan(layout)?;
    let (run, attempt) = (&work.run, work.attempt);
    whole(layout, &plan.checkout.path)?;
    let variables: BTreeMap<String, String> = std::env::vars().collect();
    let told = Arc::new(Told::default());
    let control = Control::default();
    obey_signals(&control, &told);
    let given = variables.get(node::VARIABLE).map(String::as_str);
    let mut chosen = node::choose(&shared, run, &plan, given);
    match &chosen {
        Chosen::OnNode { plan: on_node, .. } => plan = (**on_node).clone(),
        Chosen::InPlace { .. } => node::unpack_in_place(&shared, &plan)
            .map_err(|error| format!("its environment cannot be unpacked: {error}"))?,
    }
    let walltime = granted(&variables).or(plan.job.resources.walltime);
    // what was made on the node has to be copied yet
    let slow = matches!(chosen, Chosen::OnNode { .. });
    let after = |walltime: Walltime| kept(walltime) * if slow { 2 } else { 1 };
    plan.job.resources.walltime =
        walltime.map(|walltime| ahead_of(walltime, after(walltime), began));
    let home = chosen.home(&shared);
    let execution = Execution {
        home: &home,
        run,
        plan: &plan,
        control: &control,
        echo: true,
        generation: None,
    };
    let mut allotment = allotment(plan.job.resources.cpus, &variables);
    // modules name folders that are not there, too
    allotment.readable.retain(|folder| folder.is_dir());
    if let Chosen::OnNode { place, .. } = &chosen {
        allotment.instead.clone_from(&place.instead);
        allotment.earlier = Some(shared.clone());
    }
    let judge = |ending: Ending| {
        let over = walltime.is_some_and(|time| began.elapsed().as_secs() + after(time) >= time.0);
        meaning(ending, || told.by_now(), over)
    };
    if let Chosen::InPlace { note } = &chosen {
        allotment.notes.extend(note.clone());
    }
    let receipt =
        execute_allotted(execution, attempt, &allotment, &judge).map_err(|error| chain(&error))?;
    if let Chosen::OnNode { place, note, .. } = &mut chosen {
        if work.are_more_to_come(layout) {
            place.leave_copies();
        }
        let (from, to) = (Attempt::of(&home, run, attempt), Attempt::of(&shared, run, attempt));
        // for the records, and nothing that the job has to print
        let mut sealed = receipt.clone();
        sealed.notes.push(note.clone());
        node::bring_back(&from, &to, &sealed).map_err(|error| {
            format!("what it made could not be brought back from the node: {error}")
        })?;
    }
    Ok(receipt)
}

/// Writes what happens as lines of JSON.
pub(super) struct Teller;

impl Progress for Teller {
    fn report(&self, activity: Activity) {
        match activity {
            Activity::Began { what } => tell(&Said::Began { what }),
            Activity::Ended { what } => tell(&Said::Ended { what }),
            Activity::Line { text } => tell(&Said::Line { text }),
            Activity::Note { text } => tell(&Said::Note { text }),
            Activity::Warning { text } => tell(&Said::Warning { text }),
            // a bar that moves many times a second is not worth the line
            Activity::Advanced { .. } => {}
        }
    }
}

#[expect(clippy::print_stdout, reason = "standard output is this process's way to its caller")]
pub(super) fn tell(said: &Said) {
    if let Ok(line) = serde_json::to_string(said) {
        println!("{line}");
    }
}

#[expect(clippy::print_stderr, reason = "a job's output is read by people")]
fn say(text: &str) {
    eprintln!("sizar: {text}");
}
