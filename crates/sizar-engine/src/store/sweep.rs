//! Sweeps in the journal: many runs that were one wish.

use camino::Utf8Path;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use sizar_model::{EventKind, JobHandle, Resources, RunId, RunState, SweepId};

use super::journal::{append, create, json, random_bits};
use super::query::timestamp;
use super::{Journal, NewRun, StoreError};
use crate::queue::Watcher;

/// A sweep that is wished for.
#[derive(Clone, Debug)]
pub struct NewSweep {
    pub target: String,
    /// The source's locator, without secrets.
    pub source: String,
    /// How many runs it is.
    pub tasks: u32,
    /// How many of them may run at the same time.
    pub at_once: Option<u32>,
    /// What its maker needs to go on with it after a crash; the journal only keeps it.
    pub wish: serde_json::Value,
}

/// A sweep, without its tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepRecord {
    pub id: SweepId,
    pub target: String,
    pub source: String,
    pub created: Timestamp,
    /// How many runs it is, or will be.
    pub tasks: u32,
    pub at_once: Option<u32>,
    /// Why it could not be prepared.
    pub failed: Option<String>,
    pub wish: serde_json::Value,
}

/// A run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepTask {
    pub run: RunId,
    /// From 0, in the order of the parameter sets.
    pub number: u32,
    pub state: RunState,
    pub exit_code: Option<i32>,
    pub attempts: u32,
    /// The name under which its newest job was announced to the scheduler.
    pub submission: Option<String>,
    /// That job, once the scheduler has it.
    pub job: Option<JobHandle>,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub reason: Option<String>,
}

/// Some tasks of a sweep that are handed to the scheduler together, as one array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The array's submission key, which is its name.
    pub name: String,
    /// In the order of the array's indices.
    pub tasks: Vec<PartTask>,
    /// What its tasks ask for, where that is more than was typed.
    pub raised: Option<Resources>,
    /// When it was first announced.
    pub since: Timestamp,
}

/// One task of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartTask {
    pub run: RunId,
    /// Its number in the sweep.
    pub number: u32,
    pub attempt: u32,
}

/// What a task was last raised to, as JSON; `{before}` narrows down which events count.
const RAISED: &str = "(SELECT json_extract(r.kind, '$.resources') FROM events r
     WHERE r.run = runs.id AND json_extract(r.kind, '$.event') = 'raised' {before}
     ORDER BY r.seq DESC LIMIT 1)";

const RECORD: &str = "id, target, source, created, tasks, at_once, failed, wish";

/// How many candidates of an ambiguous name are named.
const CANDIDATES: u32 = 8;

impl Journal {
    /// Writes down a sweep before anything is prepared, and returns the name that it got.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written; then nothing was.
    pub fn create_sweep(&mut self, sweep: &NewSweep) -> Result<SweepId, StoreError> {
        let wish = json("wish", &sweep.wish)?;
        let at = Timestamp::now().as_microsecond();
        self.transaction(|transaction, path| {
            loop {
                let id = SweepId::from_bits(random_bits()?);
                // its folder on a target lies among those of runs
                let made = transaction
                    .execute(
                        "INSERT INTO sweeps (id, target, source, created, tasks, at_once, wish)
                         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
                         WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = ?8)
                         ON CONFLICT (id) DO NOTHING",
                        params![
                            id.to_string(),
                            sweep.target,
                            sweep.source,
                            at,
                            sweep.tasks,
                            sweep.at_once,
                            wish,
                            id.folder().as_str(),
                        ],
                    )
                    .map_err(|source| StoreError::sql(path, source))?;
                if made == 1 {
                    return Ok(id);
                }
            }
        })
    }

    /// Makes the runs of a sweep, all or none; does nothing where they are there already.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written; then nothing was.
    pub fn create_tasks(&mut self, sweep: &SweepId, runs: &[NewRun]) -> Result<(), StoreError> {
        let maker = Watcher::current();
        let at = Timestamp::now();
        self.transaction(|transaction, path| {
            let failed = |source| StoreError::sql(path, source);
            let id = sweep.to_string();
            transaction
                .execute("UPDATE sweeps SET failed = NULL WHERE id = ?1", [&id])
                .map_err(failed)?;
            let there: bool = transaction
                .query_row("SELECT EXISTS (SELECT 1 FROM runs WHERE sweep = ?1)", [&id], |row| {
                    row.get(0)
                })
                .map_err(failed)?;
            if !there {
                for run in runs {
                    create(transaction, path, run, maker, at)?;
                }
            }
            Ok(())
        })
    }

    /// Writes down why a sweep could not be prepared.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written.
    pub fn fail_sweep(&mut self, sweep: &SweepId, reason: &str) -> Result<(), StoreError> {
        self.transaction(|transaction, path| {
            transaction
                .execute(
                    "UPDATE sweeps SET failed = ?2 WHERE id = ?1",
                    params![sweep.to_string(), reason],
                )
                .map_err(|source| StoreError::sql(path, source))?;
            Ok(())
        })
    }

    /// Gives the tasks of a sweep that is cancelled no further attempts by themselves.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written.
    pub fn end_restarts(&mut self, sweep: &SweepId) -> Result<(), StoreError> {
        self.transaction(|transaction, path| {
            transaction
                .execute(
                    "UPDATE sweeps SET wish = json_set(wish, '$.request.job.restart', 0)
                     WHERE id = ?1 AND json_extract(wish, '$.request.job.restart') > 0",
                    params![sweep.to_string()],
                )
                .map_err(|source| StoreError::sql(path, source))?;
            Ok(())
        })
    }

    /// Finds the one sweep whose name begins with `text`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchSweep`] and [`StoreError::AmbiguousSweep`], which names the candidates.
    pub fn find_sweep(&self, text: &str) -> Result<SweepRecord, StoreError> {
        let wanted = text.trim().to_ascii_lowercase();
        let failed = |source| StoreError::sql(&self.path, source);
        let sql = format!(
            "SELECT {RECORD} FROM sweeps WHERE id >= ?1 AND id < ?1 || '{{' ORDER BY number DESC
             LIMIT {CANDIDATES}"
        );
        let mut select = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = select.query([&wanted]).map_err(failed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            found.push(self.record(row)?);
        }
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => {
                let newest = self.sweeps(Some(1))?.into_iter().next().map(|sweep| sweep.id);
                Err(StoreError::NoSuchSweep { wanted: text.to_owned(), newest })
            }
            _ => Err(StoreError::AmbiguousSweep {
                wanted: text.to_owned(),
                candidates: found.into_iter().map(|sweep| sweep.id).collect(),
            }),
        }
    }

    /// Lists sweeps, the newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn sweeps(&self, limit: Option<u32>) -> Result<Vec<SweepRecord>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let limit = limit.map_or(-1, i64::from);
        let sql = format!("SELECT {RECORD} FROM sweeps ORDER BY number DESC LIMIT {limit}");
        let mut select = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        let mut sweeps = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            sweeps.push(self.record(row)?);
        }
        Ok(sweeps)
    }

    /// Returns how many tasks of a sweep are in each state.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn sweep_states(&self, sweep: &SweepId) -> Result<Vec<(RunState, u32)>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let mut select = self
            .connection
            .prepare_cached("SELECT state, count(*) FROM runs WHERE sweep = ?1 GROUP BY state")
            .map_err(failed)?;
        let rows = select
            .query_map([sweep.to_string()], |row| {
                Ok((RunState::from(row.get::<_, String>(0)?.as_str()), row.get(1)?))
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Returns the runs of a sweep, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn tasks(&self, sweep: &SweepId) -> Result<Vec<SweepTask>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT id, task, state, exit_code, attempts, submission, job, started, ended,
                        reason
                 FROM runs WHERE sweep = ?1 ORDER BY task",
            )
            .map_err(failed)?;
        let rows = select.query_map([sweep.to_string()], task).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Takes up to `most` tasks that wait to be handed to a scheduler and ask for the same, and
    /// announces them as one array: nobody else takes them. None where none waits.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written; then nothing was.
    pub fn announce_part(
        &mut self,
        sweep: &SweepId,
        most: u32,
    ) -> Result<Option<Part>, StoreError> {
        let me = Watcher::current();
        let since = Timestamp::now();
        self.transaction(|transaction, path| {
            let failed = |source| StoreError::sql(path, source);
            let id = sweep.to_string();
            let raised = RAISED.replace("{before}", "");
            let mut select = transaction
                .prepare_cached(&format!(
                    "SELECT id, task, attempts + 1, {raised} FROM runs
                     WHERE sweep = ?1 AND state = 'queued' AND submission IS NULL
                     ORDER BY task LIMIT ?2",
                ))
                .map_err(failed)?;
            let rows = select
                .query_map(params![id, most], |row| {
                    Ok((part_task(row)?, row.get::<_, Option<String>>(3)?))
                })
                .map_err(failed)?;
            let mut waiting: Vec<_> = rows.collect::<Result<_, _>>().map_err(failed)?;
            let Some((first, asked)) = waiting.first().cloned() else { return Ok(None) };
            // one array asks for one thing
            waiting.retain(|(_, also)| *also == asked);
            let raised = asked.map(|text| resources(path, &first.run, &text)).transpose()?;
            let tasks: Vec<PartTask> = waiting.into_iter().map(|(task, _)| task).collect();
            let number: u32 = transaction
                .query_row(
                    "UPDATE sweeps SET parts = parts + 1 WHERE id = ?1 RETURNING parts",
                    [&id],
                    |row| row.get(0),
                )
                .map_err(failed)?;
            let name = format!("sizar-{sweep}-{number}");
            for PartTask { run, attempt, .. } in &tasks {
                let event = EventKind::Submitting { attempt: *attempt, name: name.clone() };
                append(transaction, path, run, &event)?;
            }
            watch(transaction, path, &id, &name, me)?;
            Ok(Some(Part { name, tasks, raised, since }))
        })
    }

    /// Takes over the parts of a sweep that were announced, and of which nothing more is known
    /// because the process that announced them is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written; then nothing was.
    pub fn take_over_parts(&mut self, sweep: &SweepId) -> Result<Vec<Part>, StoreError> {
        let me = Watcher::current();
        self.transaction(|transaction, path| {
            let failed = |source| StoreError::sql(path, source);
            let id = sweep.to_string();
            let mut select = transaction
                .prepare_cached(
                    "SELECT DISTINCT submission, pid, pid_started FROM runs
                     WHERE sweep = ?1 AND state = 'queued' AND submission IS NOT NULL
                       AND job IS NULL",
                )
                .map_err(failed)?;
            let rows = select
                .query_map([&id], |row| {
                    let pid: Option<u32> = row.get(1)?;
                    let started: Option<i64> = row.get(2)?;
                    let watcher = pid
                        .zip(started)
                        .map(|(pid, started)| Watcher { pid, started: started as u64 });
                    Ok((row.get::<_, String>(0)?, watcher))
                })
                .map_err(failed)?;
            let mut parts = Vec::new();
            for row in rows {
                let (name, watcher) = row.map_err(failed)?;
                if watcher.is_some_and(|watcher| watcher.is_alive() && !watcher.is_me()) {
                    continue;
                }
                watch(transaction, path, &id, &name, me)?;
                parts.push(announced(transaction, path, &id, name)?);
            }
            Ok(parts)
        })
    }

    /// Adds many events at once, each to the run that it is of.
    ///
    /// Returns the runs in whose state theirs cannot happen: those got none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written; then nothing was.
    pub fn append_all(&mut self, events: &[(RunId, EventKind)]) -> Result<Vec<RunId>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.transaction(|transaction, path| {
            let mut refused = Vec::new();
            for (run, kind) in events {
                match append(transaction, path, run, kind) {
                    Ok(_) => {}
                    Err(StoreError::Illegal { .. }) => refused.push(run.clone()),
                    Err(error) => return Err(error),
                }
            }
            Ok(refused)
        })
    }

    /// Says which job each task of a part is, or that it has none.
    ///
    /// Returns the runs that want none any more: they were cancelled, or announced anew.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written; then nothing was.
    pub fn accept_part(
        &mut self,
        part: &Part,
        jobs: &[Option<JobHandle>],
    ) -> Result<Vec<RunId>, StoreError> {
        self.transaction(|transaction, path| {
            let mut refused = Vec::new();
            for (task, job) in part.tasks.iter().zip(jobs) {
                let PartTask { run, attempt, .. } = task;
                let same: bool = transaction
                    .prepare_cached("SELECT submission IS ?2 FROM runs WHERE id = ?1")
                    .and_then(|mut select| {
                        select.query_row(params![run.as_str(), part.name], |row| row.get(0))
                    })
                    .map_err(|source| StoreError::sql(path, source))?;
                let event = match job.clone() {
                    Some(job) => EventKind::Submitted { attempt: *attempt, job },
                    None => EventKind::Deferred {
                        attempt: *attempt,
                        reason: "the scheduler has no job for it".to_owned(),
                    },
                };
                let added = match same {
                    true => append(transaction, path, run, &event),
                    false => {
                        refused.push(run.clone());
                        continue;
                    }
                };
                match added {
                    Ok(_) => {}
                    Err(StoreError::Illegal { .. }) => refused.push(run.clone()),
                    Err(error) => return Err(error),
                }
            }
            Ok(refused)
        })
    }

    /// Returns the runs that have to complete before `run` begins, with their states.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn predecessors(&self, run: &RunId) -> Result<Vec<(RunId, RunState)>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT p.predecessor, r.state FROM predecessors p
                 JOIN runs r ON r.id = p.predecessor WHERE p.run = ?1 ORDER BY r.number",
            )
            .map_err(failed)?;
        let rows = select
            .query_map([run.as_str()], |row| {
                Ok((self::run(row, 0)?, RunState::from(row.get::<_, String>(1)?.as_str())))
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    fn record(&self, row: &Row<'_>) -> Result<SweepRecord, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let id: String = row.get(0).map_err(failed)?;
        let wish: String = row.get(7).map_err(failed)?;
        let wish = serde_json::from_str(&wish).map_err(|source| StoreError::Unreadable {
            path: self.path.clone(),
            run: id.clone(),
            source,
        })?;
        Ok(SweepRecord {
            id: id
                .parse()
                .map_err(|_| StoreError::Headless { path: self.path.clone(), run: id.clone() })?,
            target: row.get(1).map_err(failed)?,
            source: row.get(2).map_err(failed)?,
            created: timestamp(row.get(3).map_err(failed)?),
            tasks: row.get(4).map_err(failed)?,
            at_once: row.get(5).map_err(failed)?,
            failed: row.get(6).map_err(failed)?,
            wish,
        })
    }
}

/// Says that `me` knows more of a part than the journal.
fn watch(
    transaction: &Transaction<'_>,
    path: &Utf8Path,
    sweep: &str,
    name: &str,
    me: Watcher,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE runs SET pid = ?3, pid_started = ?4
             WHERE sweep = ?1 AND submission = ?2 AND job IS NULL",
        )
        .and_then(|mut update| update.execute(params![sweep, name, me.pid, me.started as i64]))
        .map_err(|source| StoreError::sql(path, source))?;
    Ok(())
}

/// Reads from the events what was announced under a name: a row may tell of a later attempt.
fn announced(
    transaction: &Transaction<'_>,
    path: &Utf8Path,
    sweep: &str,
    name: String,
) -> Result<Part, StoreError> {
    let failed = |source| StoreError::sql(path, source);
    let raised = RAISED.replace("{before}", "AND r.seq < e.seq");
    let mut select = transaction
        .prepare_cached(&format!(
            "SELECT runs.id, runs.task, json_extract(e.kind, '$.attempt'), e.at, {raised}
             FROM runs JOIN events e ON e.run = runs.id
             WHERE runs.sweep = ?1 AND json_extract(e.kind, '$.event') = 'submitting'
               AND json_extract(e.kind, '$.name') = ?2
             ORDER BY runs.task",
        ))
        .map_err(failed)?;
    let rows = select
        .query_map(params![sweep, name], |row| {
            Ok((part_task(row)?, row.get::<_, i64>(3)?, row.get::<_, Option<String>>(4)?))
        })
        .map_err(failed)?;
    let mut part = Part { name, tasks: Vec::new(), raised: None, since: Timestamp::now() };
    for row in rows {
        let (task, at, raised) = row.map_err(failed)?;
        part.raised = raised.map(|text| resources(path, &task.run, &text)).transpose()?;
        part.tasks.push(task);
        part.since = part.since.min(timestamp(at));
    }
    Ok(part)
}

fn task(row: &Row<'_>) -> rusqlite::Result<SweepTask> {
    let moment = |column: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(timestamp))
    };
    Ok(SweepTask {
        run: run(row, 0)?,
        number: row.get(1)?,
        state: RunState::from(row.get::<_, String>(2)?.as_str()),
        exit_code: row.get(3)?,
        attempts: row.get(4)?,
        submission: row.get(5)?,
        job: row.get::<_, Option<String>>(6)?.and_then(|job| job.parse().ok()),
        started: moment(7)?,
        ended: moment(8)?,
        reason: row.get(9)?,
    })
}

fn part_task(row: &Row<'_>) -> rusqlite::Result<PartTask> {
    Ok(PartTask { run: run(row, 0)?, number: row.get(1)?, attempt: row.get(2)? })
}

fn resources(path: &Utf8Path, run: &RunId, text: &str) -> Result<Resources, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Unreadable {
        path: path.to_owned(),
        run: run.to_string(),
        source,
    })
}

fn run(row: &Row<'_>, column: usize) -> rusqlite::Result<RunId> {
    super::claim::id(row, column)
}

/// Finds `SWEEP.NUMBER`: a task by its number.
pub(super) fn task_of(journal: &Journal, text: &str) -> Result<Option<RunId>, StoreError> {
    let Some((sweep, number)) = text.trim().split_once('.') else { return Ok(None) };
    let (true, Ok(number)) = (SweepId::is_meant(sweep), number.parse::<u32>()) else {
        return Ok(None);
    };
    let sweep = journal.find_sweep(sweep)?;
    journal
        .connection
        .query_row(
            "SELECT id FROM runs WHERE sweep = ?1 AND task = ?2",
            params![sweep.id.to_string(), number],
            |row| run(row, 0),
        )
        .optional()
        .map_err(|source| StoreError::sql(&journal.path, source))
}

#[cfg(test)]
mod tests;
