//! What is going on right now, for whoever watches.
//!
//! An [`Activity`] is shown and forgotten; what must be remembered is an
//! [`Event`](crate::Event). The engine reports to a [`Progress`] and draws nothing itself.

/// A step of work that may take over a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// A step began; `what` reads like "fetching madmom 0.16.1".
    Began {
        what: String,
    },
    /// The step's amount of work became known or went on; bytes or items.
    Advanced {
        done: u64,
        total: Option<u64>,
        unit: Unit,
    },
    /// A line from the program that does the work, for `--verbose`.
    Line {
        text: String,
    },
    /// The step ended; `what` reads like "fetched madmom 0.16.1 (20 MiB)".
    Ended {
        what: String,
    },
    /// Something a person should know, though the work goes on.
    Note {
        text: String,
    },
    Warning {
        text: String,
    },
}

/// The unit of an amount of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Items,
}

/// Somebody who watches.
pub trait Progress: Send + Sync {
    /// Takes note of what is going on.
    fn report(&self, activity: Activity);
}

impl dyn Progress + '_ {
    /// Reports that a step began.
    pub fn begin(&self, what: impl Into<String>) {
        self.report(Activity::Began { what: what.into() });
    }

    /// Reports that a step ended.
    pub fn end(&self, what: impl Into<String>) {
        self.report(Activity::Ended { what: what.into() });
    }

    /// Reports something that a person should know.
    pub fn note(&self, text: impl Into<String>) {
        self.report(Activity::Note { text: text.into() });
    }

    /// Reports something that may go wrong later.
    pub fn warn(&self, text: impl Into<String>) {
        self.report(Activity::Warning { text: text.into() });
    }
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _: Activity) {}
}

/// Writes a number with what it counts: `1 file`, `2 files`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
