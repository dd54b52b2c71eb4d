//! Who may execute which run, and what is under way.

use rusqlite::{Row, params};
use sizar_model::{EventKind, RunId, RunState};

use super::journal::append;
use super::{Journal, StoreError};
use crate::queue::Watcher;

/// A process that wants to execute a run.
#[derive(Clone, Debug)]
pub struct Claim {
    pub watcher: Watcher,
    /// The machine's name.
    pub node: String,
    /// How many GPUs the machine has.
    pub gpus: u32,
    /// The supervisor that sent the process out; none where the user did.
    pub generation: Option<i64>,
}

/// The right to execute one attempt of a run: nobody else gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// From 1.
    pub attempt: u32,
    /// The numbers of the GPUs that the program may use.
    pub gpus: Vec<u32>,
}

/// A run that waits for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub run: RunId,
    pub cpus: u32,
    pub memory: u64,
    pub gpus: u32,
    /// The sweep that it is part of, where only so many of its tasks may run at once.
    pub throttle: Option<(String, u32)>,
}

/// A run that is being prepared or executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    pub run: RunId,
    pub state: RunState,
    /// The process that prepares or watches it.
    pub watcher: Option<Watcher>,
    pub attempts: u32,
    pub cpus: u32,
    pub memory: u64,
    pub gpus: u32,
    /// The sweep that it is part of.
    pub sweep: Option<String>,
}

impl Journal {
    /// Gives one attempt of a run to one process, and writes down that its program starts.
    ///
    /// # Errors
    ///
    /// [`StoreError::Illegal`] where somebody else was first or the run was cancelled,
    /// [`StoreError::Superseded`] where the process was sent out by an earlier supervisor, and
    /// [`StoreError::NoFreeGpu`].
    pub fn claim(&mut self, run: &RunId, claim: &Claim) -> Result<Claimed, StoreError> {
        self.transaction(|transaction, path| {
            let failed = |source| StoreError::sql(path, source);
            let generation: i64 = transaction
                .query_row("SELECT generation FROM supervisor", [], |row| row.get(0))
                .map_err(failed)?;
            if claim.generation.is_some_and(|wanted| wanted != generation) {
                return Err(StoreError::Superseded { run: run.clone() });
            }
            let (attempts, wanted): (u32, u32) = transaction
                .query_row("SELECT attempts, gpus FROM runs WHERE id = ?1", [run.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .map_err(failed)?;
            let gpus = if wanted == 0 {
                Vec::new()
            } else {
                let taken = taken_gpus(transaction).map_err(failed)?;
                let free: Vec<u32> = (0..claim.gpus).filter(|gpu| !taken.contains(gpu)).collect();
                if (free.len() as u32) < wanted {
                    let free = free.len() as u32;
                    return Err(StoreError::NoFreeGpu { run: run.clone(), wanted, free });
                }
                free.into_iter().take(wanted as usize).collect()
            };
            let attempt = attempts + 1;
            let started = EventKind::Started {
                attempt,
                pid: claim.watcher.pid,
                pid_started: claim.watcher.started,
                node: claim.node.clone(),
                gpus: gpus.clone(),
            };
            append(transaction, path, run, &started)?;
            Ok(Claimed { attempt, gpus })
        })
    }

    /// Takes over as the supervisor: what earlier ones sent out can start nothing any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written.
    pub fn next_generation(&mut self) -> Result<i64, StoreError> {
        self.transaction(|transaction, path| {
            transaction
                .query_row(
                    "UPDATE supervisor SET generation = generation + 1 RETURNING generation",
                    [],
                    |row| row.get(0),
                )
                .map_err(|source| StoreError::sql(path, source))
        })
    }

    /// Returns the runs that wait for a place on this machine, in the order in which they came:
    /// not those that wait for other runs, nor those whose sweep runs as many as it may.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT id, cpus, memory, gpus, sweep,
                        (SELECT at_once FROM sweeps WHERE sweeps.id = sweep) AS at_once
                 FROM runs INDEXED BY runs_queued
                 WHERE state = 'queued' AND target = 'local'
                   AND NOT EXISTS (
                       SELECT 1 FROM predecessors p JOIN runs q ON q.id = p.predecessor
                       WHERE p.run = runs.id AND q.state <> 'completed')
                   AND (sweep IS NULL OR at_once IS NULL OR at_once > (
                       SELECT count(*) FROM runs r
                       WHERE r.sweep = runs.sweep AND r.state = 'running'))
                 ORDER BY queued LIMIT ?1",
            )
            .map_err(failed)?;
        let rows = select
            .query_map(params![limit], |row| {
                Ok(Waiting {
                    run: id(row, 0)?,
                    cpus: row.get(1)?,
                    memory: row.get::<_, i64>(2)? as u64,
                    gpus: row.get(3)?,
                    throttle: row.get::<_, Option<String>>(4)?.zip(row.get::<_, Option<u32>>(5)?),
                })
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Returns whether any run is queued on this machine, also one that waits for other runs.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn is_any_queued(&self) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM runs INDEXED BY runs_queued
                                WHERE state = 'queued' AND target = 'local')",
            )
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .map_err(|source| StoreError::sql(&self.path, source))
    }

    /// Returns the runs queued on this machine that come after one that ended without completing,
    /// each with that one and its state.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn doomed(&self) -> Result<Vec<(RunId, RunId, RunState)>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT r.id, q.id, q.state FROM predecessors p
                 JOIN runs r ON r.id = p.run JOIN runs q ON q.id = p.predecessor
                 WHERE r.state = 'queued' AND r.target = 'local'
                   AND q.state IN ('failed', 'timeout', 'cancelled', 'lost')
                 GROUP BY r.id",
            )
            .map_err(failed)?;
        let rows = select
            .query_map([], |row| {
                Ok((id(row, 0)?, id(row, 1)?, RunState::from(row.get::<_, String>(2)?.as_str())))
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Whether any run comes after this one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn has_successors(&self, run: &RunId) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM predecessors WHERE predecessor = ?1)")
            .and_then(|mut select| select.query_row([run.as_str()], |row| row.get(0)))
            .map_err(|source| StoreError::sql(&self.path, source))
    }

    /// Returns the runs that some process of this machine prepares or executes, or should.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be read.
    pub fn active(&self) -> Result<Vec<Active>, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT id, state, pid, pid_started, attempts, cpus, memory, gpus, sweep FROM runs
                 WHERE state IN ('created', 'preparing')
                    OR (state = 'running' AND target = 'local') ORDER BY number",
            )
            .map_err(failed)?;
        let rows = select
            .query_map([], |row| {
                let pid: Option<u32> = row.get(2)?;
                let started: Option<i64> = row.get(3)?;
                Ok(Active {
                    run: id(row, 0)?,
                    state: RunState::from(row.get::<_, String>(1)?.as_str()),
                    watcher: pid
                        .zip(started)
                        .map(|(pid, started)| Watcher { pid, started: started as u64 }),
                    attempts: row.get(4)?,
                    cpus: row.get(5)?,
                    memory: row.get::<_, i64>(6)? as u64,
                    gpus: row.get(7)?,
                    sweep: row.get(8)?,
                })
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }
}

fn taken_gpus(connection: &rusqlite::Connection) -> rusqlite::Result<Vec<u32>> {
    let mut select = connection.prepare_cached(
        "SELECT gpu_numbers FROM runs WHERE state = 'running' AND gpu_numbers IS NOT NULL",
    )?;
    let lists = select.query_map([], |row| row.get::<_, String>(0))?;
    let mut taken = Vec::new();
    for list in lists {
        taken.extend(serde_json::from_str::<Vec<u32>>(&list?).unwrap_or_default());
    }
    Ok(taken)
}

pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<RunId> {
    row.get::<_, String>(column)?.parse().map_err(|source| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(source),
        )
    })
}
