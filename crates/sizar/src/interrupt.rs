//! Ctrl-C: once stops what runs cleanly, twice kills it.

use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use sizar_engine::home::Home;
use sizar_engine::process::Control;
use sizar_engine::store::Journal;
use sizar_model::{EventKind, RunId};

use crate::exit_code::ExitCode;

/// What an interrupt means right now.
enum Moment {
    /// Nothing is recorded yet, or everything is: just end.
    Idle,
    /// A run is being prepared: it is cancelled.
    Preparing(RunId),
    /// A job has the run on a target: it goes on, and the shell is given back.
    Elsewhere(RunId),
    /// A program runs: it is asked to stop, and killed the second time.
    Running(Control),
}

/// Watches for Ctrl-C and its relatives.
#[derive(Clone)]
pub struct Interrupt {
    moment: Arc<Mutex<Moment>>,
}

impl Interrupt {
    /// Starts to watch, in a thread of its own.
    pub fn watch(home: &Home) -> std::io::Result<Self> {
        let moment = Arc::new(Mutex::new(Moment::Idle));
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let (watched, home) = (Arc::clone(&moment), home.clone());
        std::thread::spawn(move || {
            for _ in signals.forever() {
                obey(&watched, &home);
            }
        });
        Ok(Self { moment })
    }

    /// Says that `run` is being prepared.
    pub fn preparing(&self, run: &RunId) {
        self.set(Moment::Preparing(run.clone()));
    }

    /// Says that a target's scheduler has `run`.
    pub fn elsewhere(&self, run: &RunId) {
        self.set(Moment::Elsewhere(run.clone()));
    }

    /// Says that a program runs under `control`.
    pub fn running(&self, control: &Control) {
        self.set(Moment::Running(control.clone()));
    }

    /// Says that nothing more has to be stopped.
    pub fn idle(&self) {
        self.set(Moment::Idle);
    }

    fn set(&self, moment: Moment) {
        *self.moment.lock().unwrap_or_else(PoisonError::into_inner) = moment;
    }
}

fn obey(moment: &Mutex<Moment>, home: &Home) {
    let moment = moment.lock().unwrap_or_else(PoisonError::into_inner);
    match &*moment {
        Moment::Running(control) => {
            if !control.is_stopped() {
                anstream::eprintln!("stopping the program; Ctrl-C once more kills it");
            }
            control.stop();
            return;
        }
        Moment::Preparing(run) => {
            // if the journal can't be written the run is found to be lost later
            if let Ok(mut journal) = Journal::open(home) {
                let _ = journal.append(run, &EventKind::Cancelled);
            }
            anstream::eprintln!("interrupted; `sizar resume {run}` goes on where this one stopped");
            std::process::exit(i32::from(ExitCode::Interrupted.number()));
        }
        Moment::Elsewhere(run) => {
            anstream::eprintln!(
                "the job goes on; `sizar wait {run}` follows it again, `sizar cancel {run}` ends it"
            );
            std::process::exit(i32::from(ExitCode::Interrupted.number()));
        }
        Moment::Idle => {}
    }
    anstream::eprintln!("interrupted; the same command goes on where this one stopped");
    std::process::exit(i32::from(ExitCode::Interrupted.number()));
}
