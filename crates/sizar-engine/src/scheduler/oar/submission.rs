//! Submission by `oarsub`, look-up and removal.

use camino::Utf8Path;
use sizar_model::{Invocation, JobHandle, Output};

use super::dialect::Oar;
use super::{failure, field, jobs};
use crate::scheduler::error::{answer, last_words};
use crate::scheduler::script::one_line;
use crate::scheduler::{Found, SchedulerError, ScriptError, Submission, Unsubmitted};

/// Refusals that pass when jobs of the user's end.
const LATER: [&str; 3] = ["too many jobs", "maximum number of jobs", "max number of jobs"];

pub(super) fn submit(path: &Utf8Path) -> Result<Invocation, ScriptError> {
    let word = one_line("script's path", path.as_str())?;
    // the path is a command line to OAR, of which it scans the file that is its first word
    let harmless = |c: char| c.is_alphanumeric() || "/._-+@%=:,".contains(c);
    match word.chars().find(|c| !harmless(*c)) {
        Some(character) => Err(ScriptError::Character {
            field: "script's path",
            value: word.to_owned(),
            character,
            scheduler: "OAR",
        }),
        None => Ok(Oar::command("oarsub").arg("--scanscript").arg(word)),
    }
}

pub(super) fn read(output: &Output) -> Submission {
    // below the lines of the admission rules; `-5` is a refusal
    let ids: Vec<i64> = output
        .stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix("OAR_JOB_ID=")?.trim().parse().ok())
        .collect();
    let jobs: Vec<JobHandle> =
        ids.iter().filter_map(|id| u64::try_from(*id).ok()).map(JobHandle::new).collect();
    let unknown = |why: String| Submission::Unknown { why };
    match (output.code, jobs.first()) {
        (None, _) => unknown("`oarsub` gave no answer in time".to_owned()),
        // it names a job first, and then says that it has killed it, with code 0
        _ if failure::is_unreachable(output) => unknown(reason(output)),
        (Some(0), Some(first)) => {
            let job = first.clone();
            let tasks = if jobs.len() > 1 { jobs } else { Vec::new() };
            Submission::Accepted { job, tasks }
        }
        (Some(0), None) => unknown("`oarsub` named no job".to_owned()),
        (Some(_), Some(_)) => unknown(reason(output)),
        (Some(_), None) => {
            let lower = output.stderr.to_lowercase();
            let later = LATER.iter().any(|text| lower.contains(text));
            Submission::Refused(Unsubmitted { message: reason(output), later })
        }
    }
}

/// Returns why `oarsub` refused: the line that names the cause, not the advice below it.
fn reason(output: &Output) -> String {
    // it warns of every `-d` of a script as if another had been given
    let idle = [
        "/!\\ Ignore script value",
        "[ERROR] Oarsub failed, please verify",
        ")",
        "DBD::",
        "LINE ",
        "^",
    ];
    output
        .stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .find(|line| !idle.iter().any(|start| line.starts_with(start)))
        .map_or_else(
            || last_words(output),
            |line| {
                let line = line.strip_prefix("[ADMISSION RULE] ").unwrap_or(line);
                line.strip_prefix("ERROR : ").unwrap_or(line).to_owned()
            },
        )
}

/// Reads the jobs of a name that are the user's own.
pub(super) fn read_look_up(user: &str, outputs: &[Output]) -> Result<Vec<Found>, SchedulerError> {
    let text = failure::answer("oarstat", answer(outputs, 0, "oarstat")?)?;
    let jobs = field::objects("oarstat", text)?;
    Ok(jobs
        .into_iter()
        .filter(|(_, job)| field::text(job, field::OWNER).is_none_or(|owner| owner == user))
        .map(|(id, job)| Found { job: JobHandle::new(id), report: jobs::report(&job) })
        .collect())
}

pub(super) fn read_cancel(output: &Output) -> Result<(), SchedulerError> {
    match failure::answer("oardel", output) {
        Ok(_) => Ok(()),
        Err(SchedulerError::Failed { .. }) if already_ended(output) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// OAR calls the user of a job that does not exist the wrong one.
fn already_ended(output: &Output) -> bool {
    let said = |text: &str| output.stderr.contains(text) || output.stdout.contains(text);
    said("already killed") || said("was already") || said("is already")
}
