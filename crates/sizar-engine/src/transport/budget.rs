//! How often a site may be logged in to, over all processes of this user.
//!
//! Sites ban who knocks too often. Attempts that nobody watches are 15 seconds apart, twice as
//! long after each further failure, and ten in an hour at most. Where the last one found that a
//! person is needed, there is none for an hour unless a person starts it.

use std::time::Duration;

use fs_err as fs;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Clock, TransportError};
use crate::home::{Home, HomeError};

const APART: Duration = Duration::from_secs(15);
const LONGEST: Duration = Duration::from_mins(10);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const PER_HOUR: usize = 10;
/// How long is waited for the next moment; what takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(15);

/// The attempts of the last hour.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Attempts {
    #[serde(default)]
    attempts: Vec<Attempt>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Attempt {
    at: Timestamp,
    outcome: Outcome,
}

/// What came of an attempt; an unfinished one counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Failed,
    LoggedIn,
    /// Only a person can log in.
    NeedsPerson,
}

/// The attempts at one target.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    pub home: &'a Home,
    pub clock: &'a dyn Clock,
    /// The name of the file.
    pub key: &'a str,
    pub target: &'a str,
}

impl Budget<'_> {
    /// Takes one attempt, waiting a moment if that is enough; a person need not wait.
    ///
    /// # Errors
    ///
    /// [`TransportError::TooManyLogins`] where the next attempt is further away.
    pub fn take(&self, attended: bool) -> Result<(), TransportError> {
        loop {
            let wait = {
                let _lock = self.lock()?;
                let mut attempts = self.read()?;
                let now = self.clock.now();
                attempts
                    .attempts
                    .retain(|attempt| now.duration_since(attempt.at) < HOUR && attempt.at <= now);
                match next(&attempts.attempts).filter(|(next, _)| !attended && *next > now) {
                    None => {
                        attempts.attempts.push(Attempt { at: now, outcome: Outcome::Failed });
                        return self.write(&attempts);
                    }
                    Some((next, why)) => {
                        let wait = next.duration_since(now).unsigned_abs();
                        if wait > PATIENCE {
                            let target = self.target.to_owned();
                            return Err(TransportError::TooManyLogins { target, next, why });
                        }
                        wait
                    }
                }
            };
            // another process may be first: look again
            self.clock.sleep(wait);
        }
    }

    /// Takes note of what came of the attempt.
    pub fn record(&self, outcome: Outcome) -> Result<(), TransportError> {
        let _lock = self.lock()?;
        let mut attempts = self.read()?;
        if let Some(latest) = attempts.attempts.last_mut() {
            latest.outcome = outcome;
        }
        self.write(&attempts)
    }

    fn lock(&self) -> Result<crate::home::Lock, HomeError> {
        self.home.lock(&format!("ssh-{}", self.key), || {})
    }

    fn path(&self) -> Result<camino::Utf8PathBuf, HomeError> {
        Ok(self.home.folder("ssh")?.join(format!("{}.attempts", self.key)))
    }

    fn read(&self) -> Result<Attempts, TransportError> {
        // an unreadable file is one of another version: it begins anew
        let text = fs::read_to_string(self.path()?).unwrap_or_default();
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    fn write(&self, attempts: &Attempts) -> Result<(), TransportError> {
        let path = self.path()?;
        let failed = |source| TransportError::File { path: path.clone(), source };
        let text = serde_json::to_string(attempts).map_err(|error| failed(error.into()))?;
        let new = path.with_extension("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(failed)
    }
}

/// Returns when the next unattended attempt may be, and why not before.
fn next(attempts: &[Attempt]) -> Option<(Timestamp, &'static str)> {
    let latest = attempts.last()?;
    if latest.outcome == Outcome::NeedsPerson {
        return Some((latest.at + HOUR, "it asks for a password, and nobody is there"));
    }
    let failures =
        attempts.iter().rev().take_while(|attempt| attempt.outcome == Outcome::Failed).count();
    let apart = APART.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(LONGEST);
    let apart = SignedDuration::try_from(apart).unwrap_or(SignedDuration::MAX);
    let next = (latest.at + apart, "the last attempt was a moment ago");
    let full = attempts.len().checked_sub(PER_HOUR).and_then(|index| attempts.get(index));
    let full = full.map(|oldest| (oldest.at + HOUR, "there were ten attempts in an hour"));
    Some(full.filter(|full| full.0 > next.0).unwrap_or(next))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug)]
    struct FakeClock(Mutex<Timestamp>);

    impl FakeClock {
        fn new() -> Self {
            Self(Mutex::new(Timestamp::from_second(1_700_000_000).unwrap()))
        }

        fn pass(&self, seconds: i64) {
            *self.0.lock().unwrap() += SignedDuration::from_secs(seconds);
        }
    }

    impl Clock for FakeClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, time: Duration) {
            *self.0.lock().unwrap() += SignedDuration::try_from(time).unwrap();
        }
    }

    fn with_budget(test: impl Fn(&Budget<'_>, &FakeClock)) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_str().unwrap());
        let clock = FakeClock::new();
        test(&Budget { home: &home, clock: &clock, key: "k", target: "t" }, &clock);
    }

    #[test]
    fn attempts_are_fifteen_seconds_apart() {
        with_budget(|budget, clock| {
            let start = clock.now();
            for _ in 0..4 {
                budget.take(false).unwrap();
                budget.record(Outcome::LoggedIn).unwrap();
            }
            assert_eq!(clock.now().duration_since(start), SignedDuration::from_secs(45));
        });
    }

    #[test]
    fn failures_double_the_wait() {
        with_budget(|budget, clock| {
            budget.take(false).unwrap();
            budget.take(false).unwrap();
            let error = budget.take(false).unwrap_err();
            assert!(matches!(error, TransportError::TooManyLogins { .. }), "{error}");
            clock.pass(30);
            budget.take(false).unwrap();
        });
    }

    #[test]
    fn there_are_ten_in_an_hour() {
        with_budget(|budget, clock| {
            for _ in 0..10 {
                budget.take(false).unwrap();
                budget.record(Outcome::LoggedIn).unwrap();
                clock.pass(20);
            }
            assert!(budget.take(false).is_err());
            budget.take(true).expect("a person need not wait");
            clock.pass(3600);
            budget.take(false).unwrap();
        });
    }

    #[test]
    fn where_a_person_is_needed_nobody_else_tries() {
        with_budget(|budget, clock| {
            budget.take(false).unwrap();
            budget.record(Outcome::NeedsPerson).unwrap();
            clock.pass(600);
            assert!(budget.take(false).is_err());
            budget.take(true).unwrap();
            budget.record(Outcome::LoggedIn).unwrap();
            clock.pass(20);
            budget.take(false).unwrap();
        });
    }
}
