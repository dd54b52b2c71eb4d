//! Submission by `sbatch`, and what a lost answer is made up for with.

use camino::Utf8Path;
use sizar_model::{Invocation, JobHandle, Output};

use super::dialect::Slurm;
use super::{accounting, failure, jobs};
use crate::scheduler::error::{answer, last_words};
use crate::scheduler::script::one_line;
use crate::scheduler::{Found, SchedulerError, ScriptError, Submission, Unsubmitted};

/// Refusals that pass when jobs of the user's end.
const LATER: [&str; 5] = [
    "job submit limit",
    "AssocMaxSubmitJobLimit",
    "QOSMaxSubmitJobPerUserLimit",
    "Resource temporarily unavailable",
    "job count limit",
];

pub(super) fn submit(slurm: &Slurm, path: &Utf8Path) -> Result<Invocation, ScriptError> {
    one_line("script's path", path.as_str())?;
    Ok(slurm.plain_command("sbatch").arg("--parsable").arg(path.as_str()))
}

pub(super) fn read(output: &Output) -> Submission {
    // a line of its own: `123` or `123;cluster`, below whatever a site's plugin prints
    let job = output.stdout.lines().rev().find_map(|line| line.parse::<JobHandle>().ok());
    match (output.code, job) {
        (Some(0), Some(job)) => Submission::Accepted { job, tasks: Vec::new() },
        (Some(0), None) => Submission::Unknown { why: "`sbatch` named no job".to_owned() },
        (None, _) => Submission::Unknown { why: "`sbatch` gave no answer in time".to_owned() },
        (Some(_), Some(_)) => Submission::Unknown { why: last_words(output) },
        (Some(_), None) if failure::may_have_been_taken(output) => {
            Submission::Unknown { why: reason(output) }
        }
        (Some(_), None) => {
            let message = reason(output);
            let later = LATER.iter().any(|text| output.stderr.contains(text));
            Submission::Refused(Unsubmitted { message, later })
        }
    }
}

/// Returns why `sbatch` refused, without the words that are always there.
fn reason(output: &Output) -> String {
    let reasons: Vec<&str> = output
        .stderr
        .lines()
        .filter_map(|line| line.trim().strip_prefix("sbatch: error: "))
        .map(|line| line.strip_prefix("Batch job submission failed: ").unwrap_or(line))
        .collect();
    if reasons.is_empty() { last_words(output) } else { reasons.join("; ") }
}

/// Joins what the queue and the accounting know of a name.
pub(super) fn read_look_up(
    slurm: &Slurm,
    outputs: &[Output],
) -> Result<Vec<Found>, SchedulerError> {
    let cluster = slurm.cluster.as_deref();
    let queue = answer(outputs, 0, "squeue")?;
    let mut reports = jobs::read(failure::answer("squeue", queue)?, cluster)?;
    if slurm.accounting {
        let past = answer(outputs, 1, "sacct")?;
        for (job, report) in accounting::read(failure::answer("sacct", past)?, cluster)? {
            // the queue is nearer to what happens
            reports.entry(job).or_insert(report);
        }
    }
    let refused = |report: &sizar_model::JobReport| {
        report.never_ran() && matches!(report.state, sizar_model::JobState::Failed { .. })
    };
    Ok(reports
        .into_iter()
        .filter(|(_, report)| !refused(report))
        .map(|(job, report)| Found { job, report })
        .collect())
}
