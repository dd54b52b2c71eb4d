//! Another attempt that goes on from the last one's results.

use std::cell::OnceCell;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::inspection::Driver;
use sizar_model::{Ending, EventKind, JobSpec, Progress, Resources, RunId};

use super::carry::{Carrier, Look};
use super::prepare::put;
use super::{ElsewhereError, Layout, plain, sent};
use crate::dataset;
use crate::home::Home;
use crate::run::checkpoint::{is_whole, newest, resume_arguments};
use crate::run::{self, Attempt, RunPlan};
use crate::store::Journal;
use crate::target::Place;
use crate::transport::Step;

/// What stands for the newest checkpoint in `--restart-args`.
const CHECKPOINT: &str = "{checkpoint}";

/// Returns whether a run ended before its work was done, through no fault of its program.
pub fn is_unfinished(ending: &Ending) -> bool {
    matches!(
        ending,
        Ending::TimedOut | Ending::OutOfMemory | Ending::Preempted | Ending::NodeFailed
    )
}

/// The attempt that follows attempt `last`.
#[derive(Clone, Copy, Debug)]
pub struct NextAttempt<'a> {
    pub run: &'a RunId,
    pub last: u32,
    /// What it asks for, which may be more than the last one had.
    pub resources: &'a Resources,
    /// What executes it there.
    pub program: &'a Utf8Path,
    /// The plan to go on with, where what the last one built on had to be sent anew.
    pub anew: Option<&'a RunPlan>,
}

/// Writes the plan of another attempt: the same, gone on from what the last one made.
///
/// Code, data and environment are there already. The driver is told of the newest whole checkpoint
/// by what the user said, else by an option of its own, where it has one.
///
/// # Errors
///
/// [`ElsewhereError::Run`] where the run has no plan, [`ElsewhereError::Step`] where it cannot be
/// written there.
pub fn again(
    home: &Home,
    journal: &Journal,
    place: &mut Place,
    next: &NextAttempt<'_>,
    progress: &dyn Progress,
) -> Result<RunPlan, ElsewhereError> {
    let NextAttempt { run, last, resources, program, anew } = *next;
    let mut plan = match anew {
        Some(plan) => plan.clone(),
        None => plan_of(journal, run)?,
    };
    let from = made_by(home, run, last);
    plan.carry_from = Some(from);
    plan.job.resources = resources.clone();
    let checkpoint = checkpoint_of(home, run, from);
    let known = journal.get(run.as_str())?;
    // what an earlier restart added is made anew
    let added =
        arguments(&known.job, &plan.job.args, checkpoint.as_deref(), || driver(home, &plan));
    let typed = plan.args.len().min(plan.job.args.len());
    plan.args.truncate(typed);
    if let Some(checkpoint) = &checkpoint {
        progress.note(format!("it goes on from `{checkpoint}` {}", added.join(" ")));
    }
    plan.args.extend(added);
    let layout = Layout::at(place.root());
    if plain::is_plain(program) {
        let text = plain::script_of_next(home, &plan, run, &layout)?;
        put(place, program, text, "write the script that executes the run")?;
    }
    put(place, &layout.plan(run), plan.to_json()?, "write the plan")?;
    Ok(plan)
}

fn plan_of(journal: &Journal, run: &RunId) -> Result<RunPlan, ElsewhereError> {
    let text = journal.plan(run)?.ok_or_else(|| run::RunError::Unprepared { run: run.clone() })?;
    Ok(RunPlan::from_json(&text)?)
}

/// Returns whether all that the last attempt of a run built on is still there, and sound: its code,
/// its data, its environment. What a sweep took is to be prepared anew.
///
/// # Errors
///
/// [`ElsewhereError::Run`] where the run has no plan; [`ElsewhereError`] of the connection.
pub fn is_still_there(
    home: &Home,
    journal: &Journal,
    place: &mut Place,
    (run, program): (&RunId, &Utf8Path),
    progress: &dyn Progress,
) -> Result<bool, ElsewhereError> {
    let plan = plan_of(journal, run)?;
    has_all(home, place, (run, &plan, program), progress)
}

/// As [`is_still_there`], for a plan and the folder of the run or sweep that it is of.
///
/// # Errors
///
/// [`ElsewhereError`] of the connection.
pub fn has_all(
    home: &Home,
    place: &mut Place,
    (folder, plan, program): (&RunId, &RunPlan, &Utf8Path),
    progress: &dyn Progress,
) -> Result<bool, ElsewhereError> {
    let layout = Layout::at(place.root());
    let (trees, paths) = builds_on(plan, &layout, plain::is_plain(program));
    let program = Some(program).filter(|program| !plain::is_plain(program));
    let carrier = Carrier { home, layout: &layout, program, progress };
    let look = Look { folder: &layout.run(folder), names: trees };
    let there = carrier.look(place, &look)?;
    if !look.names.iter().all(|name| there.contains(name)) {
        return Ok(false);
    }
    let step = Step::script(ALL_THERE).args(paths.iter().map(|path| path.as_str()));
    let answers = place.transport.run(&[step])?;
    Ok(answers.first().is_some_and(crate::transport::Answer::is_success))
}

/// Fails unless there is something at each path; what is there is wanted now.
const ALL_THERE: &str =
    r#"for path; do [ -e "$path" ] || exit 1; touch -c "$path" 2>/dev/null; done; exit 0"#;

/// Returns the trees that a plan builds on, and the other paths whose time says that they are wanted.
fn builds_on(plan: &RunPlan, layout: &Layout, is_plain: bool) -> (Vec<String>, Vec<Utf8PathBuf>) {
    let (mut trees, mut paths) = (Vec::new(), Vec::new());
    let fetched = layout.root().join(dataset::FOLDER);
    let here = plan.bindings().map(|binding| &binding.here);
    for path in std::iter::once(&plan.checkout.path).chain(here) {
        let first = |below: &Utf8Path| below.components().next().map(|name| name.to_string());
        if let Some(name) = path.strip_prefix(layout.trees()).ok().and_then(first) {
            trees.push(name);
            continue;
        }
        paths.push(path.clone());
        if let Some(name) = path.strip_prefix(&fetched).ok().and_then(first) {
            paths.push(fetched.join(name));
        }
    }
    let sent = sent::evidence_there(layout.root(), plan);
    if sent != plan.python() && !is_plain {
        // it may be in its packed form alone
        paths.push(sent);
    } else if plan.prefix.starts_with(layout.root()) {
        paths.push(plan.python());
        paths.push(plan.prefix.join("ready.json"));
    }
    trees.sort_unstable();
    trees.dedup();
    (trees, paths)
}

/// Returns which attempt the one after `last` goes on from: one that was taken away and left nothing
/// is passed over for the one that it had gone on from itself.
fn made_by(home: &Home, run: &RunId, last: u32) -> u32 {
    let mut attempt = last;
    while attempt > 0 {
        match Attempt::of(home, run, attempt).receipt() {
            None => attempt -= 1,
            Some(receipt) if attempt == last || is_unfinished(&receipt.ending) => return attempt,
            // it began anew after one that failed
            Some(_) => return last,
        }
    }
    last
}

/// Finds the newest whole checkpoint among what an attempt made.
fn checkpoint_of(home: &Home, run: &RunId, attempt: u32) -> Option<String> {
    let attempt = Attempt::of(home, run, attempt);
    let receipt = attempt.receipt()?;
    let whole: Vec<&str> = receipt
        .results
        .iter()
        .map(|result| result.path.as_str())
        .filter(|path| is_whole(&attempt.result(path)).unwrap_or(false))
        .collect();
    newest(whole).map(str::to_owned)
}

/// Returns what is added to the driver's arguments `typed`.
fn arguments(
    job: &JobSpec,
    typed: &[String],
    checkpoint: Option<&str>,
    driver: impl FnOnce() -> Option<Driver>,
) -> Vec<String> {
    if !job.restart_args.is_empty() {
        let name = checkpoint.unwrap_or_default();
        return match checkpoint.is_none() && job.restart_args.iter().any(|a| a.contains(CHECKPOINT))
        {
            // there is none to go on from yet: it starts as the first time
            true => Vec::new(),
            false => job.restart_args.iter().map(|arg| arg.replace(CHECKPOINT, name)).collect(),
        };
    }
    let Some(checkpoint) = checkpoint else { return Vec::new() };
    driver().map(|driver| resume_arguments(&driver, typed, checkpoint)).unwrap_or_default()
}

/// What the tasks of a sweep go on from, where an earlier attempt of theirs was not let finish.
#[derive(Debug)]
pub struct TasksAgain<'a> {
    home: &'a Home,
    plan: &'a RunPlan,
    /// Read when it is first asked for.
    driver: OnceCell<Option<Driver>>,
}

/// What an attempt of a task goes on from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Onward {
    /// The earlier attempt.
    pub from: Option<u32>,
    /// What is added to its arguments.
    pub added: Vec<String>,
}

impl<'a> TasksAgain<'a> {
    /// Knows the tasks of the sweep whose shared plan is `plan`.
    pub fn of(home: &'a Home, plan: &'a RunPlan) -> Self {
        Self { home, plan, driver: OnceCell::new() }
    }

    pub(super) fn home(&self) -> &'a Home {
        self.home
    }

    /// Returns what `attempt` of a task goes on from: nothing where the one before was its own end.
    ///
    /// # Errors
    ///
    /// [`ElsewhereError::Store`] where the journal cannot be read.
    pub(super) fn of_task(
        &self,
        journal: &Journal,
        run: &RunId,
        attempt: u32,
    ) -> Result<Onward, ElsewhereError> {
        let last = attempt.saturating_sub(1);
        if last == 0 || !ending_of(journal, run, last)?.is_some_and(|end| is_unfinished(&end)) {
            return Ok(Onward::default());
        }
        let from = made_by(self.home, run, last);
        let checkpoint = checkpoint_of(self.home, run, from);
        let job = journal.get(run.as_str())?.job;
        let added = arguments(&job, &job.args, checkpoint.as_deref(), || {
            self.driver.get_or_init(|| driver(self.home, self.plan)).clone()
        });
        Ok(Onward { from: Some(from), added })
    }
}

/// Returns how an attempt of a run ended.
fn ending_of(
    journal: &Journal,
    run: &RunId,
    wanted: u32,
) -> Result<Option<Ending>, ElsewhereError> {
    let events = journal.events(run)?;
    Ok(events.into_iter().rev().find_map(|event| match event.kind {
        EventKind::Ended { receipt } if receipt.attempt == wanted => Some(receipt.ending),
        EventKind::Judged { attempt, ending, .. } if attempt == wanted => Some(ending),
        _ => None,
    }))
}

/// Reads the driver of a plan again, from the source as it is here.
fn driver(home: &Home, plan: &RunPlan) -> Option<Driver> {
    let locator = plan.locator.parse().ok()?;
    let options = crate::acquire::AcquireOptions { offline: true, ..Default::default() };
    let checkout = crate::acquire::acquire(home, &locator, &options, &sizar_model::Silent).ok()?;
    let inspection = run::inspect(&checkout).ok()?;
    let wanted = plan.job.driver.as_str();
    inspection
        .drivers
        .into_iter()
        .find(|driver| driver.path == wanted || driver.name.as_deref() == Some(wanted))
}

#[cfg(test)]
mod tests {
    use fs_err as fs;
    use serde_json::json;

    use super::*;

    fn left(home: &Home, run: &RunId, attempt: u32, ending: &serde_json::Value, files: &[&str]) {
        let folder = Attempt::of(home, run, attempt);
        let mut results = Vec::new();
        for path in files {
            let file = folder.result(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "1").unwrap();
            results.push(json!({"path": path, "size": 1, "blake3": sizar_model::Digest::of(b"1")}));
        }
        let receipt = json!({
            "version": 1, "attempt": attempt, "ending": ending, "node": "n", "sandbox": "none",
            "started": "2024-01-01T00:00:00Z", "ended": "2024-01-01T00:00:00Z",
            "usage": {"wall_seconds": 1, "cpu_seconds": 1}, "notes": [], "results": results,
        });
        fs::create_dir_all(folder.folder()).unwrap();
        fs::write(folder.folder().join("receipt.json"), receipt.to_string()).unwrap();
    }

    #[test]
    fn an_attempt_that_left_nothing_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(Utf8Path::from_path(folder.path()).unwrap());
        let run = RunId::from_bits(1);
        assert_eq!(made_by(&home, &run, 3), 3);
        let (over, failed) = (json!({"how": "timed_out"}), json!({"how": "exited", "code": 3}));
        left(&home, &run, 1, &over, &["ck/2.pth", "ck/10.pth"]);
        assert_eq!((made_by(&home, &run, 3), made_by(&home, &run, 1)), (1, 1));
        assert_eq!(checkpoint_of(&home, &run, 1).as_deref(), Some("ck/10.pth"));
        // attempt 3 began anew
        left(&home, &run, 2, &failed, &["ck/11.pth"]);
        assert_eq!(made_by(&home, &run, 3), 3);
        let shown = plain::tasks_again(&home, &[(run.clone(), 1)], None).unwrap();
        let sh = format!("again() {{ echo \"$@\"; }}\n{shown}run=$1; go_on");
        let said = |run: &str| {
            let out = std::process::Command::new("sh").args(["-c", &sh, "sh", run]).output();
            String::from_utf8(out.unwrap().stdout).unwrap()
        };
        assert_eq!(
            said(run.as_str()),
            "1 work/ck/2.pth work/ck/2.pth\n1 work/ck/10.pth work/ck/10.pth\n"
        );
        assert_eq!(said("other"), "");
    }
}
