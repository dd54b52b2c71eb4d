//! The process that starts detached runs when there is a place for them.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sizar_model::{EventKind, RunId, RunState};

use super::helper::{EXECUTE, SUPERVISE};
use super::recover::{recover_in, settle};
use super::schedule::{Candidate, Overtaken, choose};
use super::socket::{self, Ear, Message};
use super::{Capacity, QueueError, Watcher};
use crate::elsewhere;
use crate::home::Home;
use crate::sandbox;
use crate::store::{Journal, StoreError};

/// How often the journal is looked at when nobody sends a message.
const LOOK: Duration = Duration::from_millis(250);

/// How long the supervisor stays when there is nothing to do.
const LINGER: Duration = Duration::from_secs(2);

/// How long a supervisor waits for a lock whose holder takes no messages.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many waiting runs are compared with what is free.
const WINDOW: u32 = 100;

/// How often a runner may end without having started its run.
const TRIES: u32 = 3;

/// Sees to it that a supervisor is there for what waits in the journal.
///
/// It is the program itself, called `__supervise`, in a session of its own; it ends when nothing
/// waits or runs.
///
/// # Errors
///
/// [`QueueError::Supervisor`] where it cannot be started.
pub fn ensure_supervisor(home: &Home) -> Result<(), QueueError> {
    begin(home).map(drop)
}

/// Wakes the supervisor, or starts one, which is returned.
pub(super) fn begin(home: &Home) -> Result<Option<Child>, QueueError> {
    if socket::send(home, &Message::Wake) {
        return Ok(None);
    }
    let failed = |source| QueueError::Supervisor { source };
    let helper = sandbox::helper::program().ok_or(QueueError::NoHelper)?;
    detached(Command::new(helper).arg(SUPERVISE), home).spawn().map(Some).map_err(failed)
}

/// Cuts a command off from the terminal.
fn detached<'a>(command: &'a mut Command, home: &Home) -> &'a mut Command {
    command
        .env("SIZAR_HOME", home.root())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

/// Starts what waits in the journal, until nothing waits or runs any more.
///
/// Returns at once where another supervisor is at work.
///
/// # Errors
///
/// [`QueueError`] where the journal cannot be used.
pub fn main(home: &Home) -> Result<(), QueueError> {
    // fails only where this process leads a group already, and then it is apart
    let _ = rustix::process::setsid();
    let began = Instant::now();
    loop {
        let Some(_lock) = home.try_lock("supervisor")? else {
            // one that takes no messages is there, and looks at the journal by itself
            if socket::send(home, &Message::Wake) || began.elapsed() >= PATIENCE {
                return Ok(());
            }
            // it is about to begin or to end, or was killed and a process that it was starting
            // still has its lock: each takes a moment
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let mut supervisor = Supervisor::new(home)?;
        supervisor.work()?;
        // from here on messages are lost, so look once more
        let Supervisor { ear, journal, .. } = supervisor;
        drop(ear);
        if !journal.is_any_queued()? {
            return Ok(());
        }
    }
}

struct Supervisor<'a> {
    home: &'a Home,
    journal: Journal,
    generation: i64,
    machine: Capacity,
    ear: Ear,
    runners: HashMap<RunId, Runner>,
    /// How often the runner of a run ended without having started it.
    false_starts: HashMap<RunId, u32>,
    overtaken: Overtaken,
}

/// A runner that this supervisor sent out.
struct Runner {
    process: Child,
    watcher: Watcher,
    asked: Capacity,
    /// The sweep that its run is part of, where only so many of its tasks may run at once.
    sweep: Option<String>,
    /// It said that it is done.
    done: bool,
}

impl<'a> Supervisor<'a> {
    fn new(home: &'a Home) -> Result<Self, QueueError> {
        let mut journal = Journal::open(home)?;
        let generation = journal.next_generation()?;
        recover_in(home, &mut journal)?;
        Ok(Self {
            home,
            journal,
            generation,
            machine: Capacity::of_this_machine(),
            ear: Ear::new(home),
            runners: HashMap::new(),
            false_starts: HashMap::new(),
            overtaken: Overtaken::default(),
        })
    }

    fn work(&mut self) -> Result<(), QueueError> {
        let mut idle_since = Instant::now();
        let mut looked = Instant::now();
        loop {
            self.reap()?;
            let busy = self.start_what_fits()?;
            if busy {
                idle_since = Instant::now();
            } else if idle_since.elapsed() >= LINGER {
                return Ok(());
            }
            self.listen();
            if looked.elapsed() >= LOOK {
                // runs that an earlier supervisor started, and those in the foreground
                recover_in(self.home, &mut self.journal)?;
                looked = Instant::now();
            }
        }
    }

    /// Takes in all messages that are there, waiting for the first.
    fn listen(&mut self) {
        let mut message = self.ear.listen(LOOK);
        while let Some(received) = message {
            if let Message::Ended(run) = received
                && let Some(runner) = self.runners.get_mut(&run)
            {
                runner.done = true;
            }
            message = self.ear.listen(Duration::ZERO);
        }
    }

    /// Takes note of the runners that have ended.
    fn reap(&mut self) -> Result<(), QueueError> {
        let mut gone = Vec::new();
        for (run, runner) in &mut self.runners {
            let ended = runner.process.try_wait().ok().flatten().is_some();
            if ended {
                gone.push((run.clone(), runner.watcher, runner.done));
            }
        }
        for (run, watcher, done) in gone {
            self.runners.remove(&run);
            self.bury(&run, watcher, done)?;
        }
        Ok(())
    }

    /// Finds out what became of a run whose runner has ended.
    fn bury(&mut self, run: &RunId, watcher: Watcher, done: bool) -> Result<(), QueueError> {
        match self.journal.state(run)? {
            RunState::Running if !done => {
                let active = self.journal.active()?;
                let active = active.iter().find(|a| a.run == *run && a.watcher == Some(watcher));
                if let Some(active) = active {
                    settle(self.home, &mut self.journal, active)?;
                }
            }
            RunState::Queued => {
                let tries = self.false_starts.entry(run.clone()).or_default();
                *tries += 1;
                if *tries >= TRIES {
                    let reason =
                        format!("the process that should execute it ended {TRIES} times at once");
                    match self.journal.append(run, &EventKind::Failed { reason }) {
                        Ok(_) | Err(StoreError::Illegal { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            _ => {
                self.false_starts.remove(run);
            }
        }
        Ok(())
    }

    /// Starts runs that fit; returns whether anything waits or runs.
    fn start_what_fits(&mut self) -> Result<bool, QueueError> {
        let mut taken = Capacity::default();
        let mut busy = !self.runners.is_empty();
        for (run, before, state) in self.journal.doomed()? {
            let reason = elsewhere::not_run(&before, &state);
            match self.journal.append(&run, &EventKind::Failed { reason }) {
                Ok(_) | Err(StoreError::Illegal { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // how many tasks of each sweep run, or are about to
        let mut of_sweeps: HashMap<String, u32> = HashMap::new();
        for runner in self.runners.values().filter(|runner| !runner.done) {
            if let Some(sweep) = &runner.sweep {
                *of_sweeps.entry(sweep.clone()).or_default() += 1;
            }
        }
        for runner in self.runners.values().filter(|runner| !runner.done) {
            taken = taken.with(runner.asked);
        }
        for active in self.journal.active()? {
            if active.state == RunState::Running {
                // only those that the supervisor has to outlive; but all of them take their place
                busy |= active.watcher.is_some_and(Watcher::is_alive);
                if !self.runners.contains_key(&active.run) {
                    if let Some(sweep) = &active.sweep {
                        *of_sweeps.entry(sweep.clone()).or_default() += 1;
                    }
                    let asked =
                        Capacity { cpus: active.cpus, memory: active.memory, gpus: active.gpus };
                    taken = taken.with(asked);
                }
            }
        }
        let free = self.machine.without(taken);
        if free.cpus == 0 {
            return Ok(true);
        }
        let window = WINDOW + self.runners.len() as u32;
        let mut sweeps: HashMap<RunId, String> = HashMap::new();
        let waiting: Vec<Candidate> = self
            .journal
            .waiting(window)?
            .into_iter()
            .filter(|waiting| !self.runners.contains_key(&waiting.run))
            .filter(|waiting| {
                let Some((sweep, most)) = &waiting.throttle else { return true };
                sweeps.insert(waiting.run.clone(), sweep.clone());
                let running = of_sweeps.entry(sweep.clone()).or_default();
                *running += 1;
                *running <= *most
            })
            .map(|waiting| Candidate {
                run: waiting.run,
                // what was queued on a larger machine, or with other limits, gets all there is
                asked: Capacity {
                    cpus: waiting.cpus.min(self.machine.cpus),
                    memory: waiting.memory.min(self.machine.memory),
                    gpus: waiting.gpus.min(self.machine.gpus),
                },
            })
            .collect();
        for run in choose(free, &waiting, &mut self.overtaken) {
            let asked = waiting.iter().find(|candidate| candidate.run == run);
            let asked = asked.map_or_else(Capacity::default, |found| found.asked);
            let sweep = sweeps.remove(&run);
            self.send_out(run, asked, sweep)?;
        }
        Ok(busy || self.journal.is_any_queued()? || !self.runners.is_empty())
    }

    fn send_out(
        &mut self,
        run: RunId,
        asked: Capacity,
        sweep: Option<String>,
    ) -> Result<(), QueueError> {
        let failed = |source| QueueError::Supervisor { source };
        let helper = sandbox::helper::program().ok_or(QueueError::NoHelper)?;
        let mut command = Command::new(helper);
        command.args([EXECUTE, run.as_str(), &self.generation.to_string()]);
        // found out once here, and not again by each runner
        command.env("SIZAR_SANDBOX", sandbox::detect().name());
        let process = detached(&mut command, self.home).spawn().map_err(failed)?;
        let watcher = Watcher::of(process.id());
        self.runners.insert(run, Runner { process, watcher, asked, sweep, done: false });
        Ok(())
    }
}
