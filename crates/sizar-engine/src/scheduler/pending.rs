//! Why a job does not start, in words, and what to change: `knowledge/pending-reasons.toml`.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sizar_model::{Resources, SchedulerKind, Site};

use super::check;

/// Why a job waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PendingReason {
    /// The scheduler's own words.
    pub word: String,
    /// One sentence.
    pub cause: String,
    /// What to change, or that waiting is all there is.
    pub advice: String,
    pub remedy: Remedy,
    /// Where this is documented, or when it was seen.
    pub source: Option<&'static str>,
}

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Nobody needs to: it starts in its turn.
    Wait,
    /// The user: it never starts as it was asked for.
    Change,
    /// The user, by an act: release it, or end others.
    Act,
    /// The site's administrators.
    Ask,
}

/// A row of `knowledge/pending-reasons.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    scheduler: SchedulerKind,
    /// Slurm's word for it, where `*` at the end stands for more letters; for OAR, words that
    /// its message holds.
    reason: String,
    cause: String,
    advice: String,
    remedy: Remedy,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    reason: Vec<Row>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../knowledge/pending-reasons.toml"))
        .expect("a test reads the table that is compiled in")
});

/// Says why a job waits, from what the scheduler gave as the reason.
///
/// Where the request and the site are known, and the request cannot be fulfilled there, the
/// advice names the figures.
pub fn why_pending(
    scheduler: SchedulerKind,
    reason: &str,
    asked: Option<(&Resources, &Site, Timestamp)>,
) -> PendingReason {
    let rows = TABLE.reason.iter().filter(|row| row.scheduler == scheduler);
    // the longest is the most exact
    let row = rows.filter(|row| row.fits(reason)).max_by_key(|row| row.reason.len());
    let word = reason.to_owned();
    let Some(row) = row else {
        let cause = match (scheduler, reason) {
            (_, "") => format!("{scheduler} has not looked at the job yet, or gives no reason"),
            _ => format!("{scheduler} gives the reason `{reason}`, which sizar does not know"),
        };
        let advice = "wait, and ask the site's support if it stays so".to_owned();
        return PendingReason { word, cause, advice, remedy: Remedy::Wait, source: None };
    };
    let refusals = asked
        .filter(|_| row.remedy == Remedy::Change)
        .and_then(|(wish, site, now)| check(wish, None, site, now).err())
        .unwrap_or_default();
    let figures: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    PendingReason {
        word,
        cause: row.cause.clone(),
        advice: match &figures[..] {
            [] => row.advice.clone(),
            figures => format!("{} ({})", row.advice, figures.join("; ")),
        },
        remedy: row.remedy,
        source: Some(&row.source),
    }
}

impl Row {
    fn fits(&self, reason: &str) -> bool {
        match self.scheduler {
            SchedulerKind::Slurm => {
                // `ReqNodeNotAvail, UnavailableNodes:cpu01`; brackets where a site's tool adds them
                let word =
                    reason.trim_start_matches('(').split([',', ')', ':']).next().unwrap_or("");
                let whole = reason.trim_matches(['(', ')']);
                match self.reason.strip_suffix('*') {
                    Some(start) => word.starts_with(start) || whole.starts_with(start),
                    None => word == self.reason || whole == self.reason,
                }
            }
            SchedulerKind::Oar => reason.contains(self.reason.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn slurm(reason: &str) -> PendingReason {
        why_pending(SchedulerKind::Slurm, reason, None)
    }

    #[test]
    fn the_table_is_well_formed() {
        let mut seen = BTreeSet::new();
        for row in &TABLE.reason {
            assert!(seen.insert((row.scheduler.to_string(), &row.reason)), "{} twice", row.reason);
            assert!(
                row.source.starts_with("https://") || row.source.starts_with("seen"),
                "{row:?}"
            );
            for text in [&row.cause, &row.advice] {
                assert!(!text.is_empty() && !text.ends_with('.') && text.len() < 200, "{text}");
            }
        }
        assert!(seen.len() >= 40);
    }

    #[test]
    fn the_most_exact_row_speaks() {
        assert_eq!(slurm("Priority").remedy, Remedy::Wait);
        assert_eq!(slurm("PartitionTimeLimit").remedy, Remedy::Change);
        assert_eq!(slurm("DependencyNeverSatisfied").remedy, Remedy::Change);
        assert_eq!(slurm("JobHeldUser").remedy, Remedy::Act);
        let node = slurm("ReqNodeNotAvail, UnavailableNodes:ghost01");
        let maintenance = slurm("ReqNodeNotAvail, Reserved for maintenance");
        assert_ne!(node.cause, maintenance.cause);
        assert!(slurm("AssocGrpGRES").cause.contains("account"));
        assert_ne!(slurm("QOSMaxWallDurationPerJobLimit").cause, slurm("QOSMaxFrob").cause);
        let unknown = slurm("Frobnication");
        assert!(unknown.cause.contains("`Frobnication`"));
        let wish = Resources { walltime: "2h".parse().ok(), ..Resources::default() };
        let short = sizar_model::site::Partition {
            name: "short".into(),
            default: true,
            max_walltime: "30m".parse().ok(),
            ..Default::default()
        };
        let site = Site { partitions: vec![short], ..Site::default() };
        let asked = Some((&wish, &site, Timestamp::UNIX_EPOCH));
        let told = why_pending(SchedulerKind::Slurm, "PartitionTimeLimit", asked);
        assert_eq!(
            told.advice,
            "ask for less time, or for another partition (walltime 02:00:00: partition `short` \
             allows 00:30:00)"
        );
        let oar = why_pending(
            SchedulerKind::Oar,
            "No enough matching resources (no_matching_slot)",
            None,
        );
        assert!(!oar.cause.contains("does not know"), "{}", oar.cause);
    }
}
