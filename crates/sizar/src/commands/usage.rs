//! `sizar usage`.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sizar_engine::looking::{self, UsageTotal, total};
use sizar_engine::scheduler::{Period, Whose};
use sizar_engine::transport::Counters;
use sizar_model::SchedulerKind;
use sizar_model::cluster::UsageRow;

use crate::elsewhere::{looked, place};
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::output::usage::render;
use crate::output::{self, page::Style};
use crate::session::{Session, parse_date, parse_last_day};

/// How far back a question goes that does not say.
const DAYS: i64 = 30;

/// Show what was used on a target: core-hours and GPU-hours by account and user
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar usage tours                                       yours, in the last 30 days
  sizar usage tours --since 2026-11-01 --until 2026-11-30
  sizar usage tours --everyone --json | jq '.total.core_hours'

A day is one in UTC, and OAR counts whole days of the site's. Slurm adds up what everyone used by
the hour, and OAR when the site tells it to: the newest may be missing.")]
pub struct UsageArgs {
    /// The target's name
    target: String,
    /// The first day, or a time (RFC 3339); 30 days before the end if not given
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    since: Option<Timestamp>,
    /// The last day, or a time; now if not given
    #[arg(long, value_name = "DATE", value_parser = parse_last_day)]
    until: Option<Timestamp>,
    /// Of all users that the site shows you
    #[arg(long)]
    everyone: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    target: &'a str,
    since: Timestamp,
    until: Timestamp,
    rows: &'a [UsageRow],
    total: UsageTotal,
    cost: Counters,
}

pub fn usage(session: &Session, args: &UsageArgs) -> CommandResult {
    let period = period(args.since, args.until, Timestamp::now())?;
    let mut place = place(session, &args.target)?;
    let whose = if args.everyone { Whose::Everyones } else { Whose::Mine };
    let rows = looked(session, &mut place, |place| looking::usage(place, whose, &period))?;
    let total = total(&rows);
    if args.json {
        output::print_json(&Document {
            target: &args.target,
            since: period.start,
            until: period.end,
            rows: &rows,
            total,
            cost: place.transport.counters(),
        })?;
        return Ok(ExitCode::Success);
    }
    let day = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M").to_string();
    session.say(&format!("from {} to {} UTC", day(period.start), day(period.end)));
    if rows.is_empty() {
        session.say("nothing was used");
        return Ok(ExitCode::Success);
    }
    output::print(&render(&rows, &total, output::width(), &Style::coloured()))?;
    if place.scheduler.kind() == SchedulerKind::Oar {
        session.say("OAR counts no GPU-hours and no jobs");
    }
    Ok(ExitCode::Success)
}

/// Returns the span of time that is asked for.
fn period(
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    now: Timestamp,
) -> CommandResult<Period> {
    let end = until.unwrap_or(now).min(now);
    let start = match since {
        Some(start) => start,
        None => end.checked_sub(SignedDuration::from_hours(24 * DAYS)).unwrap_or(end),
    };
    if start >= end {
        let error = anyhow::anyhow!("the period begins at {start}, and ends at {end}");
        return Err(Failure::new(ExitCode::Usage, error)
            .hint("`--since` takes a day before that of `--until`, and before tomorrow"));
    }
    Ok(Period { start, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_with_their_last_day_and_never_after_now() {
        let time = |text: &str| parse_date(text).unwrap();
        let now = time("2026-11-27T20:00:00Z");
        let last = |text: &str| Some(parse_last_day(text).unwrap());
        let november = period(Some(time("2026-10-01")), last("2026-10-31"), now).unwrap();
        assert_eq!(november.end, time("2026-11-01"));
        assert_eq!(period(None, None, now).unwrap().start, time("2026-10-28T20:00:00Z"));
        assert_eq!(period(None, last("2026-11-30"), now).unwrap().end, now);
        assert!(period(Some(time("2026-11-28")), None, now).is_err());
        assert!(period(Some(time("2026-11-02")), last("2026-11-01"), now).is_err());
        assert!(period(Some(time("2026-11-02")), last("2026-11-02"), now).is_ok());
    }
}
