//! Executes one attempt of a run, in this process.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use sizar_env::shims::LEDGER;
use sizar_model::{Ending, EventKind, Invocation, NetworkAccess, Receipt, RunId, RunState};

use super::carry::carry;
use super::collect::{Workplace, collect};
use super::working_copy::{Baseline, Copying, LARGE, copy_tree_by};
use super::{Attempt, Entry, RunError, RunPlan, bind, chain};
use crate::environment::{ledger, python_path};
use crate::failpoint;
use crate::home::Home;
use crate::process::{self, Control, Finished, Io, Limits, environment};
use crate::queue::{Capacity, Watcher};
use crate::sandbox::{self, Confinement, SandboxKind};
use crate::store::{Claim, Claimed, Journal, StoreError};

/// The format of the receipts that are written.
const RECEIPT: u32 = 1;

/// What is to be executed, and how.
#[derive(Clone, Copy, Debug)]
pub struct Execution<'a> {
    pub home: &'a Home,
    pub run: &'a RunId,
    pub plan: &'a RunPlan,
    /// Stops the program from another thread.
    pub control: &'a Control,
    /// Whether what the program prints is shown too.
    pub echo: bool,
    /// The supervisor that asked for it; none where the user waits for it.
    pub generation: Option<i64>,
}

/// What a batch scheduler gave a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allotment {
    /// Whether GPUs are part of it.
    pub gpus: bool,
    /// Variables that tell the program what it has: `CUDA_VISIBLE_DEVICES`, `SLURM_…`, `OAR_…`.
    pub variables: BTreeMap<String, String>,
    /// Where programs are looked for besides, such as those of modules.
    pub path: Option<String>,
    /// Folders that those need to see.
    pub readable: Vec<Utf8PathBuf>,
    /// Copies of folders on the node's own disk, and the folders in whose place they are shown.
    pub instead: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    /// What the receipt says beside.
    pub notes: Vec<String>,
    /// Where earlier attempts lie, where this one works elsewhere.
    pub earlier: Option<Home>,
}

/// Says what the ending of a program means that a batch scheduler started.
pub type Judge<'a> = &'a dyn Fn(Ending) -> Ending;

/// How an attempt went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub state: RunState,
    pub receipt: Receipt,
    pub attempt: Attempt,
}

/// Executes one attempt of a run: own copy, own home, sandbox, log, results, receipt.
///
/// The attempt is claimed in the journal before the program starts, so it happens once, whoever
/// else tries. What goes wrong here is written to the journal as the run's failure.
///
/// # Errors
///
/// [`RunError`] where the program could not be started. A program that fails is no error.
pub fn execute(journal: &mut Journal, execution: Execution<'_>) -> Result<Outcome, RunError> {
    let kind = if execution.plan.job.sandbox { sandbox::detect() } else { SandboxKind::None };
    let attempt = Attempt::begin(execution.home, execution.run)?;
    let mut prepared = match prepare(execution.plan, attempt.clone(), kind) {
        Ok(prepared) => prepared,
        Err(error) => {
            attempt.abandon();
            return Err(failed(journal, execution.run, error));
        }
    };
    if execution.control.is_stopped() {
        attempt.abandon();
        journal.append(execution.run, &EventKind::Cancelled)?;
        return Err(RunError::CancelledBefore);
    }
    failpoint::hit("run:before-started");
    let claimed = match claim(journal, execution) {
        Ok(claimed) => claimed,
        Err(error) => {
            attempt.abandon();
            return Err(error);
        }
    };
    failpoint::hit("run:after-started");
    let mut run = || -> Result<Receipt, RunError> {
        let number = claimed.attempt;
        let taken = prepared
            .attempt
            .take(execution.home, execution.run, number)
            .map_err(|source| RunError::Copy { source })?;
        if !taken {
            return Err(RunError::Claimed { run: execution.run.clone(), attempt: number });
        }
        run_program(execution, &prepared, &claimed, None)
    };
    let receipt = run().map_err(|error| failed(journal, execution.run, error))?;
    let state = journal.append(execution.run, &EventKind::Ended { receipt: receipt.clone() })?;
    let attempt = Attempt::of(execution.home, execution.run, claimed.attempt);
    Ok(Outcome { state, receipt, attempt })
}

/// Executes attempt `number` of a run that a batch scheduler started, without a journal: a shared
/// file system is no place for one.
///
/// Whoever calls holds the claim to this attempt, and `judge` knows what the scheduler asked this
/// process to do: it says what the program's ending means. The receipt lies in the attempt's folder
/// when this returns.
///
/// # Errors
///
/// [`RunError`] where the program could not be started. A program that fails is no error.
pub fn execute_allotted(
    execution: Execution<'_>,
    number: u32,
    allotment: &Allotment,
    judge: Judge<'_>,
) -> Result<Receipt, RunError> {
    let kind = if execution.plan.job.sandbox { sandbox::detect() } else { SandboxKind::None };
    let attempt = Attempt::begin(execution.home, execution.run)?;
    let mut ready = prepare(execution.plan, attempt, kind)?;
    let taken = ready
        .attempt
        .take(execution.home, execution.run, number)
        .map_err(|source| RunError::Copy { source })?;
    if !taken {
        return Err(RunError::Claimed { run: execution.run.clone(), attempt: number });
    }
    if let Some(from) = execution.plan.carry_from {
        let earlier = allotment.earlier.as_ref().unwrap_or(execution.home);
        let from = Attempt::of(earlier, execution.run, from);
        let notes = carry(&from, &ready.attempt).map_err(|source| RunError::Copy { source })?;
        ready.baseline.notes.extend(notes);
    }
    ready.baseline.notes.extend(allotment.notes.iter().cloned());
    if let Err(error) = ready.attempt.reserve_receipt() {
        ready.baseline.notes.push(format!("no room could be kept for the receipt: {error}"));
    }
    let claimed = Claimed { attempt: number, gpus: Vec::new() };
    run_program(execution, &ready, &claimed, Some((allotment, judge)))
}

/// What is ready before an attempt is claimed.
pub(super) struct Ready {
    pub attempt: Attempt,
    pub kind: SandboxKind,
    pub baseline: Baseline,
}

/// Makes the working copy of an attempt, with the user's data in it.
pub(super) fn prepare(
    plan: &RunPlan,
    attempt: Attempt,
    kind: SandboxKind,
) -> Result<Ready, RunError> {
    // elsewhere what is shown could be written to under its other name
    let shown_from = (kind == SandboxKind::Bubblewrap).then_some(LARGE);
    let checkout = &plan.checkout.path;
    let mut baseline = copy_tree_by(checkout, &attempt.work(), Copying { shown_from })
        .map_err(|source| RunError::Copy { source })?;
    bind::furnish(plan, &attempt, kind, &mut baseline)?;
    failpoint::hit("run:after-copy");
    Ok(Ready { attempt, kind, baseline })
}

fn claim(journal: &mut Journal, execution: Execution<'_>) -> Result<Claimed, RunError> {
    let claim = Claim {
        watcher: Watcher::current(),
        node: node(),
        gpus: Capacity::gpus_of_this_machine(&execution.plan.job.resources),
        generation: execution.generation,
    };
    journal.claim(execution.run, &claim).map_err(|error| match error {
        StoreError::Illegal { .. } | StoreError::Superseded { .. } => {
            RunError::NotMine { run: execution.run.clone(), reason: chain(&error) }
        }
        // a detached run goes on waiting; nobody would start one that the user waits for
        StoreError::NoFreeGpu { .. } if execution.generation.is_none() => {
            failed(journal, execution.run, error.into())
        }
        other => other.into(),
    })
}

fn run_program(
    execution: Execution<'_>,
    ready: &Ready,
    claimed: &Claimed,
    allotted: Option<(&Allotment, Judge<'_>)>,
) -> Result<Receipt, RunError> {
    let allotment = allotted.map(|(allotment, _)| allotment);
    let Ready { attempt, baseline, .. } = ready;
    let plan = execution.plan;
    let (mut confinement, shown) = confine(plan, ready);
    confinement.gpus = !claimed.gpus.is_empty() || allotment.is_some_and(|given| given.gpus);
    confinement.readable.extend(allotment.iter().flat_map(|given| given.readable.iter().cloned()));
    let instead = allotment.iter().flat_map(|given| given.instead.iter().cloned());
    // what is shown so need not be there itself
    let shows = |path: &Utf8PathBuf| instead.clone().any(|(_, there)| path.starts_with(there));
    confinement.readable.retain(|path| !shows(path));
    confinement.bindings.extend(instead.map(|(here, there)| sandbox::Binding {
        here,
        there,
        writable: false,
    }));
    let limits = Limits {
        // a batch scheduler has chosen the cores already
        cpus: plan.job.resources.cpus.filter(|_| allotment.is_none()),
        memory: plan.job.resources.memory,
        walltime: plan.job.resources.walltime,
        ..Limits::default()
    };
    let mut invocation = invocation(plan, attempt, claimed);
    if let Some(given) = allotment {
        if let (Some(path), Some(more)) = (invocation.env.get_mut("PATH"), &given.path) {
            path.push(':');
            path.push_str(more);
        }
        for (name, value) in &given.variables {
            invocation.env.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    let log = attempt.log();
    let used = attempt.usage();
    let io = Io::Live { log: &log, echo: execution.echo, usage: Some(&used) };
    let kills = process::Kills::until_now();
    let started = Timestamp::now();
    let finished = process::execute(&invocation, &confinement, &limits, io, execution.control)?;
    let ended = Timestamp::now();
    failpoint::hit("run:after-program");
    let full = allotted.is_some() && attempt.is_full();
    let work = attempt.work();
    let home = attempt.home();
    let place =
        Workplace { checkout: &plan.checkout.path, work: &work, home: &home, shown: &shown };
    let (results, left_out) = collect(place, baseline);
    let Finished { ending, usage, sandbox, mut notes, .. } = finished;
    let ending = for_want_of_memory(ending, allotment.is_some(), || kills.more());
    let ending = allotted.map_or(ending.clone(), |(_, judge)| judge(ending));
    notes.extend(baseline.notes.iter().cloned());
    notes.extend(left_out);
    notes.extend(ledger::read(&attempt.ledger(), &[&work, &plan.prefix]).sentences());
    if full {
        let note = "the disk is full there, or the quota used up: what the program wrote last may \
                    be missing";
        notes.push(note.to_owned());
    }
    if plan.job.sandbox && ready.kind == SandboxKind::None {
        notes.push("no sandbox works on this machine; the program could see all files".to_owned());
    }
    let mut receipt = Receipt {
        version: RECEIPT,
        attempt: claimed.attempt,
        ending,
        started,
        ended,
        node: node(),
        usage,
        sandbox,
        notes,
        results,
    };
    failpoint::hit("run:before-receipt");
    if let Err(error) = attempt.leave_receipt(&receipt) {
        // the journal is the second place where the verdict is kept
        receipt.notes.push(format!("the receipt could not be written: {error}"));
    }
    failpoint::hit("run:after-receipt");
    Ok(receipt)
}

/// Says what an ending means where the kernel has killed for want of memory meanwhile.
///
/// In a job's own control group any failure follows from that: the one that was killed may be a
/// worker of the program.
fn for_want_of_memory(ending: Ending, own_group: bool, killed: impl FnOnce() -> bool) -> Ending {
    let looks_so = match ending {
        Ending::Signalled { signal } => signal == 9 || own_group,
        Ending::Exited { code } => code == 137 || (own_group && code != 0),
        _ => false,
    };
    if looks_so && killed() { Ending::OutOfMemory } else { ending }
}

/// Says what a program may see: its working copy, its environment, the user's data, of which it
/// returns where they are shown.
pub(super) fn confine(plan: &RunPlan, ready: &Ready) -> (Confinement, Vec<Utf8PathBuf>) {
    let Ready { attempt, kind, baseline } = ready;
    let mut confinement = Confinement::new(*kind, attempt.home(), attempt.tmp());
    confinement.writable.extend([attempt.work(), attempt.notes()]);
    confinement.readable.push(plan.prefix.clone());
    confinement.readable.extend(plan.python_roots.iter().cloned());
    let shown = bind::show(plan, attempt, baseline, &mut confinement);
    (confinement, shown)
}

/// Says which command is run, in the working copy.
fn invocation(plan: &RunPlan, attempt: &Attempt, claimed: &Claimed) -> Invocation {
    let work = attempt.work();
    let (program, args) = plan.command(&work);
    let network = if plan.job.network { NetworkAccess::Full } else { NetworkAccess::None };
    let mut invocation = with_variables(Invocation::new(program).args(args), plan, attempt);
    if !claimed.gpus.is_empty() {
        let numbers: Vec<String> = claimed.gpus.iter().map(u32::to_string).collect();
        for name in ["CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"] {
            invocation = invocation.env(name, numbers.join(","));
        }
    }
    // what the user set wins
    for (name, value) in &plan.job.env {
        invocation = invocation.env(name, value);
    }
    let stdin = plan.job.stdin().map(Utf8Path::to_owned);
    invocation.network(network).cwd(plan.starts_in(&work)).stdin(stdin)
}

/// A command as it is without a sandbox, and with nothing of this machine's.
pub(crate) struct BareCommand {
    pub program: String,
    /// What comes before the driver's own arguments.
    pub first: Vec<String>,
    pub variables: BTreeMap<String, String>,
}

/// Returns what a batch script executes by itself.
pub(crate) fn bare_command(plan: &RunPlan, attempt: &Attempt) -> BareCommand {
    let claimed = Claimed { attempt: 0, gpus: Vec::new() };
    let own = RunPlan { args: Vec::new(), ..plan.clone() };
    let invocation = invocation(&own, attempt, &claimed);
    let confinement = Confinement::new(SandboxKind::None, attempt.home(), attempt.tmp());
    let limits = Limits { cpus: plan.job.resources.cpus, ..Limits::default() };
    let nobody = BTreeMap::new();
    let variables = environment::variables(&invocation, &confinement, &limits, true, &nobody);
    BareCommand { program: invocation.program, first: invocation.args, variables }
}

/// Adds the variables of a run's environment and of the user.
pub(super) fn with_variables(
    invocation: Invocation,
    plan: &RunPlan,
    attempt: &Attempt,
) -> Invocation {
    let work = attempt.work();
    let mut invocation = invocation
        .env("PATH", format!("{}:{}", plan.prefix.join("bin"), environment::PATH))
        .env("VIRTUAL_ENV", plan.prefix.as_str())
        .env(LEDGER, attempt.ledger().as_str());
    let script = match &plan.entry {
        Entry::Script { path } => Some(path.as_str()),
        // a script that starts as a module
        Entry::Module { .. } => Some(plan.job.driver.as_str()).filter(|it| it.ends_with(".py")),
        _ => None,
    };
    if let Some(path) = python_path(&work, plan.project, script) {
        invocation = invocation.env("PYTHONPATH", path);
    }
    for (name, value) in plan.variables.iter().chain(plan.job.env.iter().map(|(a, b)| (a, b))) {
        invocation = invocation.env(name, value);
    }
    invocation
}

/// Writes down that a run failed, for all reasons but those that are another's business.
fn failed(journal: &mut Journal, run: &RunId, error: RunError) -> RunError {
    let event = EventKind::Failed { reason: chain(&error) };
    match journal.append(run, &event) {
        Ok(_) => error,
        // it was cancelled or taken by another in the meantime, and stays as it is
        Err(unwritten) if unwritten.is_illegal_event() => error,
        Err(unwritten) => {
            tracing::warn!(%run, error = chain(&unwritten), "the failure was not written down");
            error
        }
    }
}

/// Returns what ended a run whose watcher is gone, if its receipt says so.
pub(crate) fn receipt_of(home: &Home, run: &RunId, attempt: u32) -> Option<Receipt> {
    Attempt::of(home, run, attempt).receipt().filter(|receipt| receipt.attempt == attempt)
}

/// Returns the machine's name.
pub(crate) fn node() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl Outcome {
    /// Returns the code that `sizar run` passes on.
    pub fn exit_code(&self) -> i32 {
        self.receipt.ending.exit_code()
    }

    /// Returns where the program's results are.
    pub fn folder(&self) -> Utf8PathBuf {
        self.attempt.work()
    }

    /// Returns whether the program ended by itself, with code 0.
    pub fn is_success(&self) -> bool {
        self.receipt.ending == Ending::Exited { code: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_killed_was_out_of_memory() {
        let killed = Ending::Signalled { signal: 9 };
        assert_eq!(for_want_of_memory(killed.clone(), false, || true), Ending::OutOfMemory);
        assert_eq!(for_want_of_memory(killed.clone(), true, || false), killed);
        let failed = Ending::Exited { code: 1 };
        assert_eq!(for_want_of_memory(failed.clone(), true, || true), Ending::OutOfMemory);
        assert_eq!(for_want_of_memory(failed.clone(), false, || true), failed);
        let well = Ending::Exited { code: 0 };
        assert_eq!(for_want_of_memory(well.clone(), true, || true), well);
    }
}
