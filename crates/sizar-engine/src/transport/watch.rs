//! Decides what to do about a step that takes too long, or prints too much.

use std::time::{Duration, Instant};

use super::LostStep;
use super::step::{End, Step};

/// How long a step that was asked to end is given before it is killed, and again after that.
const GRACE: Duration = Duration::from_secs(2);
/// How long the shell may take to go on when it was told to.
const LAST: Duration = Duration::from_secs(20);
/// When a step's output is measured for the first time, and then again each.
const FIRST_MEASURE: Duration = Duration::from_millis(300);
const MEASURE: Duration = Duration::from_secs(1);

/// The steps of a batch, as seen from here.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Vec<Duration>,
    durations: Vec<Duration>,
    ended: Vec<Option<End>>,
    current: usize,
    process: Option<u32>,
    has_begun: bool,
    since: Instant,
    stage: Stage,
    /// When to look next.
    next: Instant,
    measured_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    Asked,
    Killed,
    Abandoned,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Signal {
        process: u32,
        signal: &'static str,
    },
    Measure {
        step: usize,
    },
    /// Go on without the step: nothing ends it.
    Abandon,
    /// The shell itself does not answer.
    GiveUp,
}

impl Watch {
    /// How long a batch may take to arrive.
    pub const BEGIN: Duration = Duration::from_mins(2);

    pub fn new(limits: Vec<Duration>) -> Self {
        let now = Instant::now();
        Self {
            durations: vec![Duration::ZERO; limits.len()],
            ended: vec![None; limits.len()],
            limits,
            current: 0,
            process: None,
            has_begun: false,
            since: now,
            stage: Stage::Running,
            next: now + Self::BEGIN,
            measured_at: now,
        }
    }

    /// Takes note that the batch arrived.
    pub fn begun(&mut self) {
        self.has_begun = true;
        self.since = Instant::now();
        self.next = self.since + self.limit() + LAST;
    }

    /// Takes note that a step started, and the one before it ended.
    pub fn started(&mut self, step: usize, process: u32) {
        self.ended();
        self.has_begun = true;
        self.current = step.min(self.limits.len().saturating_sub(1));
        self.process = Some(process);
        self.stage = Stage::Running;
        self.since = Instant::now();
        self.measured_at = self.since + FIRST_MEASURE;
        self.next = self.since + self.limit();
    }

    /// Takes note that the current step ended.
    pub fn ended(&mut self) {
        if let Some(duration) = self.durations.get_mut(self.current) {
            *duration = self.since.elapsed();
        }
    }

    /// Takes note of how much a step has printed.
    pub fn printed(&mut self, step: usize, bytes: u64) {
        if step == self.current && bytes > Step::MOST_OUTPUT && self.stage == Stage::Running {
            self.ended[step] = Some(End::TooMuchOutput);
            self.next = Instant::now();
        }
    }

    /// Returns how long there is nothing to do.
    pub fn due(&self) -> Duration {
        let mut next = self.next;
        if self.stage == Stage::Running && self.process.is_some() {
            next = next.min(self.measured_at);
        }
        next.saturating_duration_since(Instant::now())
    }

    /// Returns what to do now.
    pub fn act(&mut self) -> Option<Act> {
        let now = Instant::now();
        if now < self.next {
            let measure = self.stage == Stage::Running
                && self.process.is_some()
                && now >= self.measured_at
                && self.ended.get(self.current) == Some(&None);
            if measure {
                self.measured_at = now + MEASURE;
                return Some(Act::Measure { step: self.current });
            }
            return None;
        }
        let Some(process) = self.process else { return Some(Act::GiveUp) };
        self.next = now + GRACE;
        match self.stage {
            Stage::Running => {
                if let Some(ended) = self.ended.get_mut(self.current) {
                    ended.get_or_insert(End::TimedOut);
                }
                self.stage = Stage::Asked;
                Some(Act::Signal { process, signal: "TERM" })
            }
            Stage::Asked => {
                self.stage = Stage::Killed;
                Some(Act::Signal { process, signal: "KILL" })
            }
            Stage::Killed => {
                self.stage = Stage::Abandoned;
                self.next = now + LAST;
                Some(Act::Abandon)
            }
            Stage::Abandoned => Some(Act::GiveUp),
        }
    }

    /// Returns why a step was ended from here.
    pub fn why_ended(&self, step: usize) -> Option<End> {
        self.ended.get(step).copied().flatten()
    }

    /// Returns how long a step took.
    pub fn duration(&self, step: usize) -> Duration {
        self.durations.get(step).copied().unwrap_or_default()
    }

    /// Returns how far the batch is known to have come.
    pub fn place(&self) -> LostStep {
        LostStep { step: self.current, sent: true }
    }

    fn limit(&self) -> Duration {
        self.limits.get(self.current).copied().unwrap_or(Step::LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_over_its_limit_is_asked_then_killed_then_left() {
        let mut watch = Watch::new(vec![Duration::ZERO]);
        assert_eq!(watch.act(), None);
        watch.started(0, 7);
        assert_eq!(watch.act(), Some(Act::Signal { process: 7, signal: "TERM" }));
        assert_eq!(watch.act(), None, "it has a moment to end");
        for expected in [Act::Signal { process: 7, signal: "KILL" }, Act::Abandon, Act::GiveUp] {
            watch.next = Instant::now();
            assert_eq!(watch.act(), Some(expected));
        }
        assert_eq!(watch.why_ended(0), Some(End::TimedOut));
    }

    #[test]
    fn output_without_end_ends_the_step() {
        let mut watch = Watch::new(vec![Step::LIMIT]);
        watch.started(0, 7);
        watch.measured_at = Instant::now();
        assert_eq!(watch.act(), Some(Act::Measure { step: 0 }));
        watch.printed(0, Step::MOST_OUTPUT + 1);
        assert_eq!(watch.act(), Some(Act::Signal { process: 7, signal: "TERM" }));
        assert_eq!(watch.why_ended(0), Some(End::TooMuchOutput));
    }
}
