//! What every command needs: the home folder, the journal, the reporter.

use jiff::Timestamp;
use sizar_engine::home::Home;
use sizar_engine::store::{Filter, Journal, StoreError};

use crate::args::Global;
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::progress::{Reporter, Verbosity};

/// What every command needs.
pub struct Session {
    pub home: Home,
    pub reporter: Reporter,
    pub verbosity: Verbosity,
}

impl Session {
    /// Finds the home folder and makes the reporter.
    pub fn new(global: &Global) -> CommandResult<Self> {
        Self::with(global.verbosity())
    }

    /// As [`Session::new`], for what has no command line.
    pub fn with(verbosity: Verbosity) -> CommandResult<Self> {
        let reporter = Reporter::new(verbosity);
        Ok(Self { home: Home::from_environment()?, reporter, verbosity })
    }

    /// Opens the journal for writing.
    pub fn journal(&self) -> CommandResult<Journal> {
        Ok(Journal::open(&self.home)?)
    }

    /// Opens the journal for reading, also on a read-only disk; none where nothing was ever run.
    pub fn journal_to_read(&self) -> CommandResult<Option<Journal>> {
        Ok(Journal::open_reading(&self.home)?)
    }

    /// Opens the journal for reading, to look up the run that `wanted` names.
    pub fn journal_with(&self, wanted: &str) -> CommandResult<Journal> {
        let none = || StoreError::NoSuchRun { wanted: wanted.to_owned(), newest: None };
        Ok(self.journal_to_read()?.ok_or_else(none)?)
    }

    /// Returns the name of a run or sweep, as typed; without one, the newest run's.
    pub fn named_or_newest(&self, typed: Option<&str>) -> CommandResult<String> {
        if let Some(name) = typed {
            return Ok(name.to_owned());
        }
        let newest = Filter { limit: Some(1), ..Filter::default() };
        let runs = match self.journal_to_read()? {
            Some(journal) => journal.list(&newest)?,
            None => Vec::new(),
        };
        let run = runs.into_iter().next().ok_or_else(|| {
            Failure::new(ExitCode::Usage, anyhow::anyhow!("there are no runs yet"))
                .hint("`sizar run SOURCE -- DRIVER` makes one")
        })?;
        self.say(&format!("of {}, the newest run", run.id));
        Ok(run.id.to_string())
    }

    /// Says something that a person should know, unless told to be quiet.
    pub fn say(&self, text: &str) {
        use sizar_model::Progress as _;
        self.reporter.report(sizar_model::Activity::Note { text: text.to_owned() });
    }

    /// Says something that a person should do something about.
    pub fn warn(&self, text: &str) {
        use sizar_model::Progress as _;
        self.reporter.report(sizar_model::Activity::Warning { text: text.to_owned() });
    }
}

/// Reads the end of a period: after the day that is given, or a full timestamp (RFC 3339).
pub fn parse_last_day(text: &str) -> Result<Timestamp, String> {
    let time = parse_date(text)?;
    let is_day = text.parse::<Timestamp>().is_err();
    if !is_day {
        return Ok(time);
    }
    time.checked_add(jiff::SignedDuration::from_hours(24)).map_err(|error| error.to_string())
}

/// Reads a date as `2019-06-30` or as a full timestamp (RFC 3339).
pub fn parse_date(text: &str) -> Result<Timestamp, String> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    text.parse::<jiff::civil::Date>()
        .and_then(|date| date.to_zoned_datetime(jiff::tz::TimeZone::UTC))
        .map(|zoned| zoned.timestamp())
        .map_err(|_| format!("`{text}` is not a date such as 2019-06-30"))
}
