//! Slurm's times and lengths of time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sizar_model::Walltime;

/// Reads seconds since 1970 as `SLURM_TIME_FORMAT=%s` gives them, or `2026-11-27T19:00:00` in
/// UTC where a version or a wrapper ignores it. None for `N/A`, `Unknown`, `None`.
pub(super) fn read_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return (seconds > 0).then(|| Timestamp::from_second(seconds).ok()).flatten();
    }
    let civil: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// Reads `D-HH:MM:SS`, `D-HH:MM`, `D-HH`, `HH:MM:SS`, `MM:SS` or `MM`. None for `UNLIMITED`,
/// `NONE`, `INVALID`, `NOT_SET`.
pub(super) fn read_length(text: &str) -> Option<Walltime> {
    let text = text.trim();
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (Some(days.parse::<u64>().ok()?), clock),
        None => (None, text),
    };
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let seconds = match (days, &parts[..]) {
        (Some(_), [hours]) => hours.checked_mul(3600)?,
        (Some(_), [hours, minutes]) => {
            hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?
        }
        (_, [hours, minutes, seconds]) => {
            hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(*seconds)?
        }
        (None, [minutes, seconds]) => minutes.checked_mul(60)?.checked_add(*seconds)?,
        (None, [minutes]) => minutes.checked_mul(60)?,
        _ => return None,
    };
    days.unwrap_or(0).checked_mul(86_400)?.checked_add(seconds).map(Walltime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let at = Timestamp::from_second(1_795_807_957).ok();
        assert_eq!(read_time("1795807957"), at);
        assert_eq!(read_time("2026-11-27T19:32:37"), at);
        for text in ["N/A", "Unknown", "None", "", "(null)", "0", "NONE"] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn lengths_are_read() {
        for (text, seconds) in [
            ("1-00:00:00", 86_400),
            ("7-00:00:00", 604_800),
            ("1-02", 93_600),
            ("1-02:03", 93_780),
            ("00:30:00", 1800),
            ("4:38", 278),
            ("0:00", 0),
            ("90", 5400),
        ] {
            assert_eq!(read_length(text), Some(Walltime(seconds)), "{text}");
        }
        for text in ["UNLIMITED", "INVALID", "NONE", "", "N/A", "-", "99999999999999999999:00:00"] {
            assert_eq!(read_length(text), None, "{text}");
        }
    }
}
