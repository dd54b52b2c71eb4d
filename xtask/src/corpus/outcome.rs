//! What came of each repository, as CSV, as a table and as one line.

use anyhow::Context as _;
use camino::Utf8Path;
use serde::Serialize;

/// What came of one repository.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    pub name: String,
    /// The highest of L1 (an environment was made), L2 (it answers), L3 (it computes); L0 if none.
    pub level: String,
    pub l1: bool,
    pub l2: bool,
    /// Empty where the corpus has no such probe.
    pub l3: Option<bool>,
    /// What sizar claims: whether it verified, and how far.
    pub verified: bool,
    pub claimed: String,
    pub python: String,
    /// Seconds of the setup, and of the same setup again.
    pub seconds: f64,
    pub again_seconds: f64,
    /// Seconds in which uv alone installs the same packages, where that was measured.
    pub uv_seconds: Option<f64>,
    pub probe_seconds: f64,
    pub attempts: usize,
    /// The rules, in their order.
    pub deviations: String,
    /// Why it stopped, where it did.
    pub cause: String,
}

impl Outcome {
    /// Whether sizar said that it works and it does not.
    pub fn is_false_ready(&self) -> bool {
        self.verified && !self.l2
    }
}

/// Writes all outcomes, by renaming.
pub fn write(path: &Utf8Path, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let part = path.with_extension("csv.part");
    let mut writer = csv::Writer::from_path(&part).with_context(|| format!("`{part}`"))?;
    for outcome in outcomes {
        writer.serialize(outcome)?;
    }
    writer.flush()?;
    fs_err::rename(&part, path)?;
    Ok(())
}

/// Tells one outcome in a line.
pub fn told(outcome: Option<&Outcome>) -> String {
    outcome.map_or_else(String::new, |outcome| {
        let cause = if outcome.cause.is_empty() { "" } else { ": " };
        format!(
            "{} {} in {:.0} s{cause}{}",
            outcome.name,
            outcome.level,
            outcome.seconds,
            shortened(&outcome.cause, 200)
        )
    })
}

/// Renders the table.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<24} {:<5} {:<18} {:<8} {:>8} {:>6} {:>4}  cause or rules\n",
        "name", "level", "claimed", "python", "seconds", "again", "try"
    );
    for outcome in outcomes {
        let mark = if outcome.is_false_ready() { " FALSE" } else { "" };
        let claimed = if outcome.verified { &outcome.claimed } else { "unverified" };
        let last = if outcome.cause.is_empty() { &outcome.deviations } else { &outcome.cause };
        text += &format!(
            "{:<24} {:<5} {:<18} {:<8} {:>8.1} {:>6.2} {:>4}  {}\n",
            outcome.name,
            outcome.level,
            format!("{claimed}{mark}"),
            outcome.python,
            outcome.seconds,
            outcome.again_seconds,
            outcome.attempts,
            shortened(last, 160)
        );
    }
    text
}

/// Tells how much longer the verified setups took than uv alone, in the middle; nothing where that
/// was not measured.
pub fn against_uv(outcomes: &[Outcome]) -> Option<String> {
    let verified = outcomes.iter().filter(|outcome| outcome.verified);
    let pairs = verified.filter_map(|outcome| Some((outcome.seconds, outcome.uv_seconds?)));
    let mut ratios: Vec<f64> =
        pairs.filter(|(_, uv)| *uv > 0.0).map(|(sizar, uv)| sizar / uv).collect();
    ratios.sort_by(f64::total_cmp);
    let middle = ratios.get(ratios.len() / 2)?;
    let (least, most) = (ratios.first()?, ratios.last()?);
    let n = ratios.len();
    Some(format!(
        "setup against uv alone, {n} verified: median {middle:.2}, from {least:.2} to {most:.2}"
    ))
}

/// Renders the last line: how many reached each level.
pub fn summary(outcomes: &[Outcome]) -> String {
    let count = |reached: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|o| reached(o)).count();
    format!(
        "false ready {} of {} verified\nL1 {} of {n} · L2 {} of {n} · L3 {} of {}",
        count(&Outcome::is_false_ready),
        count(&|outcome| outcome.verified),
        count(&|outcome| outcome.l1),
        count(&|outcome| outcome.l2),
        count(&|outcome| outcome.l3 == Some(true)),
        count(&|outcome| outcome.l3.is_some()),
        n = outcomes.len(),
    )
}

fn shortened(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_against_uv_is_of_what_was_verified_and_measured() {
        let outcome = |seconds, uv_seconds, verified| Outcome {
            verified,
            seconds,
            uv_seconds,
            ..Outcome::default()
        };
        let outcomes = [
            outcome(30.0, Some(10.0), true),
            outcome(20.0, Some(10.0), true),
            outcome(10.0, Some(10.0), true),
            outcome(10.0, None, true),
            outcome(90.0, Some(1.0), false),
        ];
        assert_eq!(
            against_uv(&outcomes).as_deref(),
            Some("setup against uv alone, 3 verified: median 2.00, from 1.00 to 3.00")
        );
        assert_eq!(against_uv(&outcomes[3..]), None);
    }

    #[test]
    fn the_last_line_counts_levels() {
        let outcome = |l1, l2, l3, verified| Outcome { l1, l2, l3, verified, ..Outcome::default() };
        let outcomes = [
            outcome(true, true, Some(true), true),
            outcome(true, false, Some(false), true),
            outcome(false, false, None, false),
        ];
        assert_eq!(
            summary(&outcomes),
            "false ready 1 of 2 verified\nL1 2 of 3 · L2 1 of 3 · L3 1 of 2"
        );
    }
}
