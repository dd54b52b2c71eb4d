//! What a run's events add up to: its row in `runs`.

use camino::Utf8Path;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Transaction, params, params_from_iter};
use sizar_model::{Ending, EventKind, Receipt, RunId, RunState};

use super::StoreError;
use super::journal::json;

/// One event and what it leads to.
pub(super) struct Step<'a> {
    pub seq: i64,
    pub at: Timestamp,
    pub kind: &'a EventKind,
    pub next: &'a RunState,
}

/// Writes what `step` changes in the row of `run`.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    path: &Utf8Path,
    run: &RunId,
    step: &Step<'_>,
) -> Result<(), StoreError> {
    let changes = changes(step)?;
    let mut sql = String::from("UPDATE runs SET state = ?");
    for (column, _) in &changes {
        sql.push_str(", ");
        sql.push_str(column);
        sql.push_str(" = ?");
    }
    sql.push_str(" WHERE id = ?");
    let state = Value::from(step.next.name().to_owned());
    let id = Value::from(run.as_str().to_owned());
    let values =
        std::iter::once(state).chain(changes.into_iter().map(|(_, value)| value)).chain([id]);
    transaction
        .prepare_cached(&sql)
        .and_then(|mut update| update.execute(params_from_iter(values)))
        .map_err(|source| StoreError::sql(path, source))?;
    match step.kind {
        EventKind::Ended { receipt } => results(transaction, path, run, receipt),
        EventKind::Resumed => clear_results(transaction, path, run),
        _ => Ok(()),
    }
}

/// Returns the columns that an event changes beside the state.
fn changes(step: &Step<'_>) -> Result<Vec<(&'static str, Value)>, StoreError> {
    let at = Value::from(step.at.as_microsecond());
    let nobody = [("pid", Value::Null), ("pid_started", Value::Null)];
    let by = |pid: u32, started: u64| {
        [("pid", Value::from(pid)), ("pid_started", Value::from(started as i64))]
    };
    let mut changes = Vec::new();
    match step.kind {
        EventKind::PreparationBegan { pid, pid_started } => changes.extend(by(*pid, *pid_started)),
        EventKind::Prepared { environment } => {
            changes.push(("environment", Value::from(environment.clone())));
        }
        EventKind::Queued => {
            changes.push(("queued", Value::from(step.seq)));
            changes.extend(nobody);
        }
        EventKind::Started { attempt, pid, pid_started, gpus, .. } => {
            changes.push(("attempts", Value::from(*attempt)));
            changes.push(("started", at));
            changes.push(("gpu_numbers", Value::from(json("list", gpus)?)));
            changes.extend(by(*pid, *pid_started));
        }
        EventKind::Submitting { attempt, name } => {
            changes.push(("attempts", Value::from(*attempt)));
            changes.push(("submission", Value::from(name.clone())));
            changes.push(("job", Value::Null));
            changes.push(("queued", Value::from(step.seq)));
        }
        // until here the process that announced it knows more than the journal
        EventKind::Submitted { job, .. } => {
            changes.push(("job", Value::from(job.to_string())));
            changes.extend(nobody);
        }
        // the attempt did not take place
        EventKind::Deferred { attempt, .. } => {
            changes.push(("attempts", Value::from(attempt.saturating_sub(1))));
            changes.push(("submission", Value::Null));
            changes.extend(nobody);
        }
        EventKind::JobStarted { .. } => changes.push(("started", at)),
        EventKind::NotSubmitted { reason, .. } => {
            changes.push(("reason", Value::from(reason.clone())));
            changes.push(("ended", at));
        }
        EventKind::Judged { ending, witness, .. } => {
            let reason = match ending.reason() {
                Some(reason) => format!("{reason} ({witness})"),
                None => witness.clone(),
            };
            changes.push(("reason", Value::from(reason)));
            changes.push(("ended", at));
            if let Ending::Exited { code } = ending {
                changes.push(("exit_code", Value::from(*code)));
            }
        }
        EventKind::Ended { receipt } => {
            // both by the clock of the machine that it ran on
            changes.push(("started", Value::from(receipt.started.as_microsecond())));
            changes.push(("ended", Value::from(receipt.ended.as_microsecond())));
            changes.push(("exit_code", exit_code(receipt).map_or(Value::Null, Value::from)));
            changes.push(("reason", receipt.ending.reason().map_or(Value::Null, Value::from)));
            changes.push(("usage", Value::from(json("usage", &receipt.usage)?)));
            changes.extend(nobody);
        }
        EventKind::Failed { reason } | EventKind::Lost { reason } => {
            changes.push(("reason", Value::from(reason.clone())));
            changes.push(("ended", at));
            changes.extend(nobody);
        }
        EventKind::Cancelled => {
            changes.push(("ended", at));
            changes.extend(nobody);
        }
        EventKind::CancelRequested => changes.push(("cancel_requested", Value::from(1))),
        EventKind::Resumed => {
            for column in
                ["ended", "exit_code", "reason", "usage", "queued", "started", "submission", "job"]
            {
                changes.push((column, Value::Null));
            }
            changes.push(("cancel_requested", Value::from(0)));
        }
        EventKind::Created { .. }
        | EventKind::Raised { .. }
        | EventKind::Contacted { .. }
        | EventKind::Unknown => {}
    }
    if step.next.is_final() {
        changes.push(("gpu_numbers", Value::Null));
    }
    Ok(changes)
}

/// Returns the code that the program itself ended with.
fn exit_code(receipt: &Receipt) -> Option<i32> {
    match receipt.ending {
        Ending::Exited { code } => Some(code),
        _ => None,
    }
}

fn results(
    transaction: &Transaction<'_>,
    path: &Utf8Path,
    run: &RunId,
    receipt: &Receipt,
) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql(path, source);
    let mut insert = transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO results (run, path, size, blake3) VALUES (?1, ?2, ?3, ?4)",
        )
        .map_err(failed)?;
    for result in &receipt.results {
        insert
            .execute(params![
                run.as_str(),
                result.path,
                result.size as i64,
                result.blake3.to_string()
            ])
            .map_err(failed)?;
    }
    Ok(())
}

fn clear_results(
    transaction: &Transaction<'_>,
    path: &Utf8Path,
    run: &RunId,
) -> Result<(), StoreError> {
    transaction
        .execute("DELETE FROM results WHERE run = ?1", [run.as_str()])
        .map_err(|source| StoreError::sql(path, source))?;
    Ok(())
}
