//! Reading the journal.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use sizar_model::{
    Artifact, Event, EventKind, JobHandle, JobSpec, Run, RunId, RunState, RunSummary, SweepId,
    Usage,
};

use super::{Journal, StoreError};
use crate::queue::Watcher;

/// Which runs are listed, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only runs in one of these states; all where there are none.
    pub states: Vec<RunState>,
    /// At most this many.
    pub limit: Option<u32>,
    /// Leaves out the tasks of sweeps.
    pub without_tasks: bool,
}

const SUMMARY: &str =
    "id, state, exit_code, target, source, command, created, started, ended, reason, sweep";

/// A run on a target that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    pub run: RunId,
    pub state: RunState,
    pub attempt: u32,
    /// None while it is not known whether the scheduler took it.
    pub job: Option<JobHandle>,
    /// The sweep that it is part of.
    pub sweep: Option<SweepId>,
}

/// How many candidates of an ambiguous id are named.
const CANDIDATES: u32 = 8;

impl Journal {
    /// Lists runs, the newest first, without reading their plans, events and results.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn list(&self, filter: &Filter) -> Result<Vec<RunSummary>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let mut conditions = Vec::new();
        if !filter.states.is_empty() {
            let places = vec!["?"; filter.states.len()].join(", ");
            conditions.push(format!("state IN ({places})"));
        }
        if filter.without_tasks {
            conditions.push("sweep IS NULL".to_owned());
        }
        let condition = match conditions.is_empty() {
            true => String::new(),
            false => format!("WHERE {}", conditions.join(" AND ")),
        };
        let limit = filter.limit.map_or(-1, i64::from);
        let sql =
            format!("SELECT {SUMMARY} FROM runs {condition} ORDER BY number DESC LIMIT {limit}");
        let mut select = self.connection.prepare_cached(&sql).map_err(failed)?;
        let names = filter.states.iter().map(RunState::name);
        let mut rows = select.query(rusqlite::params_from_iter(names)).map_err(failed)?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            runs.push(self.summary(row)?);
        }
        Ok(runs)
    }

    /// Returns the runs on the target `name` that wait or run there, in the order in which they
    /// came.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn elsewhere(&self, name: &str) -> Result<Vec<UnderWay>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT id, state, attempts, job, sweep FROM runs
                 WHERE state IN ('queued', 'running') AND target = ?1 ORDER BY number",
            )
            .map_err(failed)?;
        let rows = select
            .query_map([name], |row| {
                Ok(UnderWay {
                    run: super::claim::id(row, 0)?,
                    state: RunState::from(row.get::<_, String>(1)?.as_str()),
                    attempt: row.get(2)?,
                    job: row.get::<_, Option<String>>(3)?.and_then(|job| job.parse().ok()),
                    sweep: row.get::<_, Option<String>>(4)?.and_then(|id| id.parse().ok()),
                })
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Finds the one run whose id begins with `text`, or the task that it names: `s-7x2k.3`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchRun`] and [`StoreError::Ambiguous`], which names the candidates.
    pub fn find(&self, text: &str) -> Result<RunId, StoreError> {
        if let Some(task) = super::sweep::task_of(self, text)? {
            return Ok(task);
        }
        let failed = |source| StoreError::sql(&self.path, source);
        let wanted = text.trim().to_ascii_lowercase();
        let valid = !wanted.is_empty() && wanted.bytes().all(|b| b.is_ascii_alphanumeric());
        let mut candidates: Vec<RunId> = Vec::new();
        if valid {
            // `{` follows `z`: the end of everything that begins with what was typed
            let mut select = self
                .connection
                .prepare_cached(
                    "SELECT id FROM runs WHERE id >= ?1 AND id < ?1 || '{' ORDER BY number DESC
                     LIMIT ?2",
                )
                .map_err(failed)?;
            let rows = select
                .query_map(params![wanted, CANDIDATES], |row| row.get::<_, String>(0))
                .map_err(failed)?;
            for row in rows {
                candidates.extend(row.map_err(failed)?.parse::<RunId>().ok());
            }
        }
        match candidates.len() {
            1 => Ok(candidates.remove(0)),
            0 => Err(StoreError::NoSuchRun { wanted: text.to_owned(), newest: self.newest()? }),
            _ => Err(StoreError::Ambiguous { wanted: text.to_owned(), candidates }),
        }
    }

    /// Returns everything about the one run whose id begins with `text`.
    ///
    /// # Errors
    ///
    /// As for [`Journal::find`].
    pub fn get(&self, text: &str) -> Result<Run, StoreError> {
        let id = self.find(text)?;
        let failed = |source| StoreError::sql(&self.path, source);
        let sql = format!("SELECT {SUMMARY}, environment, usage, attempts FROM runs WHERE id = ?1");
        let mut select = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = select.query([id.as_str()]).map_err(failed)?;
        let Some(row) = rows.next().map_err(failed)? else {
            return Err(StoreError::NoSuchRun { wanted: text.to_owned(), newest: None });
        };
        let summary = self.summary(row)?;
        let usage: Option<String> = row.get("usage").map_err(failed)?;
        let usage = usage
            .map(|usage| serde_json::from_str::<Usage>(&usage))
            .transpose()
            .map_err(|source| self.unreadable(&id, source))?;
        Ok(Run {
            job: self.job(&id)?,
            results: self.results(&id)?,
            environment: row.get("environment").map_err(failed)?,
            usage,
            attempts: row.get("attempts").map_err(failed)?,
            id,
            state: summary.state,
            exit_code: summary.exit_code,
            target: summary.target,
            source: summary.source,
            command: summary.command,
            created: summary.created,
            started: summary.started,
            ended: summary.ended,
            reason: summary.reason,
        })
    }

    /// Returns the state of a run, and nothing else.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchRun`] where it is not in the journal.
    pub fn state(&self, run: &RunId) -> Result<RunState, StoreError> {
        let state: Option<String> = self.column(run, "state")?;
        Ok(RunState::from(state.unwrap_or_default().as_str()))
    }

    /// Returns the process that prepares, submits or executes a run, if one does.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchRun`] where it is not in the journal.
    pub fn watcher(&self, run: &RunId) -> Result<Option<Watcher>, StoreError> {
        let pid: Option<u32> = self.column(run, "pid")?;
        let started: Option<i64> = self.column(run, "pid_started")?;
        Ok(pid.zip(started).map(|(pid, started)| Watcher { pid, started: started as u64 }))
    }

    /// Returns how many times the run's program was started.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchRun`] where it is not in the journal.
    pub fn attempts(&self, run: &RunId) -> Result<u32, StoreError> {
        Ok(self.column::<u32>(run, "attempts")?.unwrap_or(0))
    }

    /// Returns everything that happened to a run, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn events(&self, run: &RunId) -> Result<Vec<Event>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let mut select = self
            .connection
            .prepare_cached("SELECT at, kind FROM events WHERE run = ?1 ORDER BY seq")
            .map_err(failed)?;
        let mut rows = select.query([run.as_str()]).map_err(failed)?;
        let mut events = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let kind: String = row.get("kind").map_err(failed)?;
            let kind =
                serde_json::from_str(&kind).map_err(|source| self.unreadable(run, source))?;
            let at = timestamp(row.get("at").map_err(failed)?);
            events.push(Event { run: run.clone(), at, kind });
        }
        Ok(events)
    }

    /// Returns what is needed to execute a run, as JSON, once it was prepared.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn plan(&self, run: &RunId) -> Result<Option<String>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT json FROM plans WHERE plan = (SELECT plan FROM runs WHERE id = ?1)",
            )
            .and_then(|mut select| select.query_row([run.as_str()], |row| row.get(0)).optional())
            .map_err(|source| StoreError::sql(&self.path, source))
    }

    /// Returns what the caller of [`Journal::create`] wanted kept.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read, or the run is not in it.
    pub fn request(&self, run: &RunId) -> Result<Option<serde_json::Value>, StoreError> {
        self.column::<String>(run, "request")?
            .map(|request| serde_json::from_str(&request))
            .transpose()
            .map_err(|source| self.unreadable(run, source))
    }

    fn newest(&self) -> Result<Option<RunId>, StoreError> {
        let newest: Option<String> = self
            .connection
            .query_row("SELECT id FROM runs ORDER BY number DESC LIMIT 1", [], |row| row.get(0))
            .optional()
            .map_err(|source| StoreError::sql(&self.path, source))?;
        Ok(newest.and_then(|id| id.parse().ok()))
    }

    fn job(&self, run: &RunId) -> Result<JobSpec, StoreError> {
        let first = self
            .connection
            .prepare_cached("SELECT kind FROM events WHERE run = ?1 ORDER BY seq LIMIT 1")
            .and_then(|mut select| select.query_row([run.as_str()], |row| row.get::<_, String>(0)))
            .map_err(|source| StoreError::sql(&self.path, source))?;
        match serde_json::from_str(&first).map_err(|source| self.unreadable(run, source))? {
            EventKind::Created { job, .. } => Ok(self.raised(run, job)?),
            _ => Err(StoreError::Headless { path: self.path.clone(), run: run.to_string() }),
        }
    }

    /// Returns a job with what its newest attempt asks for.
    fn raised(&self, run: &RunId, job: JobSpec) -> Result<JobSpec, StoreError> {
        let last = self
            .connection
            .prepare_cached(
                "SELECT kind FROM events WHERE run = ?1 AND json_extract(kind, '$.event') = 'raised'
                 ORDER BY seq DESC LIMIT 1",
            )
            .and_then(|mut select| {
                select.query_row([run.as_str()], |row| row.get::<_, String>(0)).optional()
            })
            .map_err(|source| StoreError::sql(&self.path, source))?;
        let Some(last) = last else { return Ok(job) };
        match serde_json::from_str(&last).map_err(|source| self.unreadable(run, source))? {
            EventKind::Raised { resources, .. } => Ok(JobSpec { resources: *resources, ..job }),
            _ => Ok(job),
        }
    }

    fn results(&self, run: &RunId) -> Result<Vec<Artifact>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let mut select = self
            .connection
            .prepare_cached("SELECT path, size, blake3 FROM results WHERE run = ?1 ORDER BY path")
            .map_err(failed)?;
        let rows = select
            .query_map([run.as_str()], |row| {
                let digest: String = row.get("blake3")?;
                let blake3 = digest.parse().map_err(|source| {
                    rusqlite::Error::FromSqlConversionFailure(
                        2,
                        rusqlite::types::Type::Text,
                        Box::new(source),
                    )
                })?;
                Ok(Artifact {
                    path: row.get("path")?,
                    size: row.get::<_, i64>("size")? as u64,
                    blake3,
                })
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Reads one column of a run's row.
    fn column<T: rusqlite::types::FromSql>(
        &self,
        run: &RunId,
        name: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let found = self
            .connection
            .prepare_cached(&format!("SELECT {name} FROM runs WHERE id = ?1"))
            .and_then(|mut select| {
                select.query_row([run.as_str()], |row| row.get::<_, Option<T>>(0)).optional()
            })
            .map_err(|source| StoreError::sql(&self.path, source))?;
        match found {
            Some(value) => Ok(value),
            None => Err(StoreError::NoSuchRun { wanted: run.to_string(), newest: self.newest()? }),
        }
    }

    fn summary(&self, row: &Row<'_>) -> Result<RunSummary, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let id: String = row.get(0).map_err(failed)?;
        let command: String = row.get(5).map_err(failed)?;
        let command = serde_json::from_str(&command).map_err(|source| StoreError::Unreadable {
            path: self.path.clone(),
            run: id.clone(),
            source,
        })?;
        let moment = |column: usize| -> Result<Option<Timestamp>, StoreError> {
            Ok(row.get::<_, Option<i64>>(column).map_err(failed)?.map(timestamp))
        };
        let state: String = row.get(1).map_err(failed)?;
        Ok(RunSummary {
            id: id
                .parse()
                .map_err(|_| StoreError::Headless { path: self.path.clone(), run: id.clone() })?,
            state: RunState::from(state.as_str()),
            exit_code: row.get(2).map_err(failed)?,
            target: row.get(3).map_err(failed)?,
            source: row.get(4).map_err(failed)?,
            command,
            created: moment(6)?.unwrap_or_default(),
            started: moment(7)?,
            ended: moment(8)?,
            reason: row.get(9).map_err(failed)?,
            sweep: row
                .get::<_, Option<String>>(10)
                .map_err(failed)?
                .and_then(|sweep| sweep.parse().ok()),
        })
    }

    pub(super) fn unreadable(&self, run: &RunId, source: serde_json::Error) -> StoreError {
        StoreError::Unreadable { path: self.path.clone(), run: run.to_string(), source }
    }
}

/// Reads a time as stored; one that no calendar has becomes the beginning of all.
pub(super) fn timestamp(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or_default()
}
