//! Shows what is going on, on standard error.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use sizar_model::progress::Unit;
use sizar_model::{Activity, Progress};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    Quiet,
    Normal,
    /// Also the lines of the programs that do the work; no moving bar then, they would mix.
    Verbose,
}

/// A step that ended sooner than this leaves no line behind on a terminal.
const WORTH_A_LINE: Duration = Duration::from_millis(800);

/// Shows activities: a moving line on a terminal, plain lines elsewhere.
pub struct Reporter {
    verbosity: Verbosity,
    moving: bool,
    step: Mutex<Option<Step>>,
}

struct Step {
    bar: Option<ProgressBar>,
    began: Instant,
    what: String,
}

impl Reporter {
    /// Makes a reporter for this terminal.
    pub fn new(verbosity: Verbosity) -> Self {
        let moving = verbosity == Verbosity::Normal
            && std::io::stderr().is_terminal()
            && std::env::var_os("SIZAR_NO_PROGRESS").is_none();
        Self { verbosity, moving, step: Mutex::new(None) }
    }

    fn began(&self, what: String) {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = step.take().and_then(|step| step.bar) {
            bar.finish_and_clear();
        }
        let bar = self.moving.then(|| {
            let bar = ProgressBar::new_spinner().with_message(what.clone());
            bar.set_style(spinner());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if self.verbosity == Verbosity::Verbose {
            anstream::eprintln!("{what} …");
        }
        *step = Some(Step { bar, began: Instant::now(), what });
    }

    fn advanced(&self, done: u64, total: Option<u64>, unit: Unit) {
        let step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((bar, what)) = step.as_ref().and_then(|s| Some((s.bar.as_ref()?, &s.what))) else {
            return;
        };
        let amount = |n| match unit {
            Unit::Bytes => HumanBytes(n).to_string(),
            Unit::Items => n.to_string(),
        };
        bar.set_message(match total {
            Some(total) => format!("{what} {} of {}", amount(done), amount(total)),
            None => format!("{what} {}", amount(done)),
        });
    }

    fn ended(&self, what: &str) {
        let step = self.step.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (bar, long) = step.map_or((None, true), |step| {
            let long = step.began.elapsed() >= WORTH_A_LINE;
            (step.bar, long)
        });
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        if self.verbosity == Verbosity::Verbose || (self.verbosity == Verbosity::Normal && long) {
            let dim = anstyle::Style::new().dimmed();
            anstream::eprintln!("{dim}{what}{dim:#}");
        }
    }

    /// Prints a line above the moving one.
    fn say(&self, line: &str) {
        let step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        match step.as_ref().and_then(|step| step.bar.as_ref()) {
            Some(bar) => bar.suspend(|| anstream::eprintln!("{line}")),
            None => anstream::eprintln!("{line}"),
        }
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Progress for Reporter {
    fn report(&self, activity: Activity) {
        let quiet = self.verbosity == Verbosity::Quiet;
        match activity {
            Activity::Began { what } => self.began(what),
            Activity::Advanced { done, total, unit } => self.advanced(done, total, unit),
            Activity::Ended { what } => self.ended(&what),
            Activity::Line { text } if self.verbosity == Verbosity::Verbose => {
                self.say(&format!("  {text}"));
            }
            Activity::Line { .. } => {}
            Activity::Note { text } if !quiet => self.say(&format!("note: {text}")),
            Activity::Note { .. } => {}
            Activity::Warning { text } => {
                let yellow =
                    anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Yellow.into()));
                self.say(&format!("{yellow}warning:{yellow:#} {text}"));
            }
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let step = self.step.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(bar) = step.and_then(|step| step.bar) {
            bar.finish_and_clear();
        }
    }
}
