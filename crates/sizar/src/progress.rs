//! Shows what is going on, on standard error.

use std::io::IsTerminal as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
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

/// Where no line moves, a step is named once it has taken this long …
const NAMED_AFTER: Duration = Duration::from_secs(3);
/// … and from then on it is said this often that it goes on.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Shows activities: a moving line on a terminal, plain lines elsewhere.
pub struct Reporter {
    verbosity: Verbosity,
    moving: bool,
    shared: Arc<Shared>,
    /// Starts the thread that names long steps, with the first step.
    naming: Once,
}

/// What the thread that names long steps sees, too.
#[derive(Default)]
struct Shared {
    step: Mutex<Option<Step>>,
    changed: Condvar,
}

struct Step {
    bar: Option<ProgressBar>,
    began: Instant,
    /// When the first of the steps began of which each took the place of the one before.
    since: Instant,
    what: String,
    /// When a line about it is due, where none moves.
    due: Instant,
}

impl Shared {
    fn step(&self) -> MutexGuard<'_, Option<Step>> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names steps that take long, as long as the program lives.
    fn name_long_steps(&self) -> ! {
        let mut current = self.step();
        loop {
            let now = Instant::now();
            current = match current.as_mut() {
                None => self.changed.wait(current).unwrap_or_else(PoisonError::into_inner),
                Some(step) if now < step.due => {
                    let left = step.due - now;
                    let waited = self.changed.wait_timeout(current, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                Some(step) => {
                    let dim = anstyle::Style::new().dimmed();
                    let what = &step.what;
                    match step.began.elapsed().as_secs() {
                        seconds if seconds < AGAIN_AFTER.as_secs() => {
                            anstream::eprintln!("{dim}{what} …{dim:#}");
                        }
                        seconds => anstream::eprintln!("{dim}{what} … {seconds} s{dim:#}"),
                    }
                    step.due = now + AGAIN_AFTER;
                    current
                }
            };
        }
    }
}

impl Reporter {
    /// Makes a reporter for this terminal.
    pub fn new(verbosity: Verbosity) -> Self {
        let moving = verbosity == Verbosity::Normal
            && std::io::stderr().is_terminal()
            && std::env::var_os("SIZAR_NO_PROGRESS").is_none();
        Self { verbosity, moving, shared: Arc::default(), naming: Once::new() }
    }

    fn began(&self, what: String) {
        if !self.moving && self.verbosity == Verbosity::Normal {
            self.naming.call_once(|| {
                let shared = Arc::clone(&self.shared);
                // without the thread there are fewer words, and nothing else is lost
                let _ = std::thread::Builder::new()
                    .name("progress".to_owned())
                    .spawn(move || shared.name_long_steps());
            });
        }
        let mut step = self.shared.step();
        let before = step.take();
        let since = before.as_ref().map(|step| step.since);
        if let Some(bar) = before.and_then(|step| step.bar) {
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
        let began = Instant::now();
        *step = Some(Step {
            bar,
            began,
            since: since.unwrap_or(began),
            what,
            due: began + NAMED_AFTER,
        });
        self.shared.changed.notify_all();
    }

    fn advanced(&self, done: u64, total: Option<u64>, unit: Unit) {
        let step = self.shared.step();
        let Some((bar, what)) = step.as_ref().and_then(|s| Some((s.bar.as_ref()?, &s.what))) else {
            return;
        };
        let amount = |n| match unit {
            Unit::Bytes => HumanBytes(n).to_string(),
            Unit::Items => n.to_string(),
        };
        let pace = match unit {
            Unit::Bytes => step.as_ref().and_then(|step| pace(step.began.elapsed(), done, total)),
            Unit::Items => None,
        };
        let pace = pace.unwrap_or_default();
        bar.set_message(match total {
            Some(total) => format!("{what} {} of {}{pace}", amount(done), amount(total)),
            None => format!("{what} {}{pace}", amount(done)),
        });
    }

    fn ended(&self, what: &str) {
        let step = self.shared.step().take();
        let (bar, long) = step.map_or((None, true), |step| {
            let long = step.since.elapsed() >= WORTH_A_LINE;
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
        let step = self.shared.step();
        match step.as_ref().and_then(|step| step.bar.as_ref()) {
            Some(bar) => bar.suspend(|| anstream::eprintln!("{line}")),
            None => anstream::eprintln!("{line}"),
        }
    }
}

/// Says how fast it goes, and how long what is left will take.
fn pace(took: Duration, done: u64, total: Option<u64>) -> Option<String> {
    let rate = done as f64 / took.as_secs_f64();
    if took < Duration::from_secs(1) || rate < 1.0 {
        return None;
    }
    let mut text = format!(", {}/s", HumanBytes(rate as u64));
    if let Some(left) = total.and_then(|total| total.checked_sub(done)).filter(|left| *left > 0) {
        let left = Duration::from_secs((left as f64 / rate) as u64);
        text.push_str(&format!(", {} left", HumanDuration(left)));
    }
    Some(text)
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
        let step = self.shared.step().take();
        if let Some(bar) = step.and_then(|step| step.bar) {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_says_what_is_left_once_it_is_known() {
        assert_eq!(pace(Duration::from_millis(10), 5 << 20, None), None);
        let said = pace(Duration::from_secs(2), 4 << 20, Some(124 << 20)).unwrap();
        assert_eq!(said, ", 2.00 MiB/s, 60 seconds left");
        assert_eq!(pace(Duration::from_secs(2), 4 << 20, Some(4 << 20)).unwrap(), ", 2.00 MiB/s");
    }
}
