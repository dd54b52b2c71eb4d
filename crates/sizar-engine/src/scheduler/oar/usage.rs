//! What was used: the tables of `oarstat --accounting`, which has no other form.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sizar_model::cluster::UsageRow;
use sizar_model::{Invocation, Output};

use super::dialect::Oar;
use super::failure;
use crate::scheduler::{Period, SchedulerError, Whose};

/// The seconds of a day.
const DAY: i64 = 86_400;

pub(super) fn ask(whose: Whose, period: &Period) -> Invocation {
    let day =
        |time: Timestamp| time.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d").to_string();
    // both days stand for their midnight, and what is counted is windows of whole days: one that
    // begins before the period's end is in
    let whole = SignedDuration::from_secs(DAY - 1);
    let end = period.end.checked_add(whole).unwrap_or(period.end);
    let command =
        Oar::command("oarstat").arg(format!("--accounting={}, {}", day(period.start), day(end)));
    match whose {
        Whose::Mine => command.arg("--user"),
        Whose::Everyones => command,
    }
}

/// Reads the table of all users, or the summary of one by project. OAR counts no GPUs.
pub(super) fn read(output: &Output) -> Result<Vec<UsageRow>, SchedulerError> {
    let text = failure::answer("oarstat", output)?;
    if let Some((_, rest)) = text.split_once("Usage summary for user ") {
        let user = rest.split_whitespace().next().unwrap_or("").trim_matches('\'');
        return Ok(by_project(user, rest));
    }
    let rows = text.lines().skip_while(|line| !line.trim_start().starts_with("---")).skip(1);
    rows.filter(|line| !line.trim().is_empty())
        .map(|line| all_users(line).ok_or_else(|| SchedulerError::unreadable("oarstat", line)))
        .collect()
}

/// Reads `alice  2026-11-27 00:00:00  2026-11-27 23:59:59  37885  821`: asked and used seconds.
fn all_users(line: &str) -> Option<UsageRow> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (user, used) = (words.first()?, words.last()?);
    Some(row(None, user, used.parse().ok()?))
}

fn row(account: Option<&str>, user: &str, seconds: f64) -> UsageRow {
    UsageRow {
        account: account.map(str::to_owned),
        user: user.to_owned(),
        core_hours: seconds / 3600.0,
        gpu_hours: None,
        jobs: None,
    }
}

fn by_project(user: &str, text: &str) -> Vec<UsageRow> {
    let mut rows = Vec::new();
    let mut project = None;
    let listed = text.lines().skip_while(|line| !line.starts_with("By project")).skip(1);
    for line in listed.map(str::trim) {
        if let Some(name) = line.strip_suffix(':') {
            project = Some(name);
        } else if line.starts_with("Used") {
            // `Used : 3 ( 3 seconds )` in 2.5, `Used consumption: 3 (…)` in 3
            let used = line.split_once(':').map_or("", |(_, used)| used);
            let seconds = used.split_whitespace().next().and_then(|word| word.parse().ok());
            rows.extend(seconds.map(|seconds| row(project, user, seconds)));
        }
    }
    rows
}
