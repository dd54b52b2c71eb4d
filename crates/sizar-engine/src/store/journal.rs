//! Adding to the journal.

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use sizar_model::{Digest, EventKind, JobSpec, Resources, RunId, RunState};

use super::{Active, StoreError, projection, schema};
use crate::failpoint;
use crate::home::Home;
use crate::queue::Watcher;

/// The journal of all runs.
#[derive(Debug)]
pub struct Journal {
    pub(super) connection: Connection,
    pub(super) path: Utf8PathBuf,
}

/// A run that is wished for.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The source's locator, without secrets.
    pub source: String,
    /// Where it runs: `local`.
    pub target: String,
    pub job: JobSpec,
    /// What the caller needs to prepare it again after a crash; the journal only keeps it.
    pub request: Option<serde_json::Value>,
    /// What is needed to execute it, where it is prepared already: it is then queued at once.
    pub prepared: Option<Prepared>,
}

/// What a preparation made.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The short digest of the environment's lock.
    pub environment: String,
    /// A [`RunPlan`](crate::run::RunPlan) as JSON.
    pub plan: String,
}

impl Journal {
    /// Opens the journal for writing, making it where there is none.
    ///
    /// # Errors
    ///
    /// A journal of a newer sizar is left untouched ([`StoreError::Newer`]); so is a file that is
    /// no journal.
    pub fn open(home: &Home) -> Result<Self, StoreError> {
        Ok(Self { connection: schema::open(home)?, path: home.journal() })
    }

    /// Opens the journal for reading alone, also on a read-only disk; none where there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the file is newer than this sizar, damaged or not readable.
    pub fn open_reading(home: &Home) -> Result<Option<Self>, StoreError> {
        let connection = schema::open_reading(home)?;
        Ok(connection.map(|connection| Self { connection, path: home.journal() }))
    }

    /// Writes down a wish, and returns the name that its run got.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written; then nothing was.
    pub fn create(&mut self, run: &NewRun) -> Result<RunId, StoreError> {
        let mut ids = self.create_many(std::slice::from_ref(run))?;
        Ok(ids.pop().expect("one run was made for one wish"))
    }

    /// Writes down many wishes at once: all of them, or none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the journal cannot be written; then nothing was.
    pub fn create_many(&mut self, runs: &[NewRun]) -> Result<Vec<RunId>, StoreError> {
        let maker = Watcher::current();
        let at = Timestamp::now();
        let ids = self.transaction(|transaction, path| {
            runs.iter().map(|run| create(transaction, path, run, maker, at)).collect()
        })?;
        failpoint::hit("run:after-created");
        Ok(ids)
    }

    /// Adds an event to a run and returns the run's new state.
    ///
    /// # Errors
    ///
    /// [`StoreError::Illegal`] where the event cannot happen in the run's state, and whatever
    /// keeps the journal from being written; nothing was added then.
    pub fn append(&mut self, run: &RunId, kind: &EventKind) -> Result<RunState, StoreError> {
        self.transaction(|transaction, path| append(transaction, path, run, kind))
    }

    /// Adds an event to a run that is still as `seen`: the same state, process and attempt.
    ///
    /// Returns none, and adds nothing, where something else happened to it in the meantime.
    ///
    /// # Errors
    ///
    /// As for [`Journal::append`].
    pub(crate) fn append_if(
        &mut self,
        run: &RunId,
        kind: &EventKind,
        seen: &Active,
    ) -> Result<Option<RunState>, StoreError> {
        self.transaction(|transaction, path| {
            let same: bool = transaction
                .query_row(
                    "SELECT count(*) FROM runs WHERE id = ?1 AND state = ?2 AND attempts = ?3
                     AND pid IS ?4 AND pid_started IS ?5",
                    params![
                        run.as_str(),
                        seen.state.name(),
                        seen.attempts,
                        seen.watcher.map(|watcher| watcher.pid),
                        seen.watcher.map(|watcher| watcher.started as i64),
                    ],
                    |row| row.get(0),
                )
                .map_err(|source| StoreError::sql(path, source))?;
            if same { append(transaction, path, run, kind).map(Some) } else { Ok(None) }
        })
    }

    /// Says that a run is prepared, and keeps what is needed to execute it.
    ///
    /// # Errors
    ///
    /// As for [`Journal::append`].
    pub fn prepared(&mut self, run: &RunId, made: &Prepared) -> Result<RunState, StoreError> {
        self.transaction(|transaction, path| prepared(transaction, path, run, made))
    }

    /// Says that a prepared run waits for a place on this machine.
    ///
    /// # Errors
    ///
    /// As for [`Journal::append`].
    pub fn enqueue(&mut self, run: &RunId) -> Result<RunState, StoreError> {
        self.append(run, &EventKind::Queued)
    }

    /// Says that the user wants another attempt, and that this process prepares it.
    ///
    /// # Errors
    ///
    /// As for [`Journal::append`]; a run that completed is not resumed.
    pub fn resume(&mut self, run: &RunId) -> Result<RunState, StoreError> {
        self.resume_with(run, None)
    }

    /// As [`Journal::resume`], with what the next attempt asks for where that is more, and why.
    ///
    /// # Errors
    ///
    /// As for [`Journal::resume`].
    pub fn resume_with(
        &mut self,
        run: &RunId,
        raised: Option<(Box<Resources>, String)>,
    ) -> Result<RunState, StoreError> {
        let me = Watcher::current();
        let began = EventKind::PreparationBegan { pid: me.pid, pid_started: me.started };
        self.transaction(|transaction, path| {
            append(transaction, path, run, &EventKind::Resumed)?;
            if let Some((resources, words)) = raised {
                append(transaction, path, run, &EventKind::Raised { resources, words })?;
            }
            append(transaction, path, run, &began)
        })
    }

    /// Says that the user wants another attempt, and that it is prepared already.
    ///
    /// # Errors
    ///
    /// As for [`Journal::resume`].
    pub fn resume_prepared(
        &mut self,
        run: &RunId,
        made: &Prepared,
    ) -> Result<RunState, StoreError> {
        let me = Watcher::current();
        let began = EventKind::PreparationBegan { pid: me.pid, pid_started: me.started };
        self.transaction(|transaction, path| {
            append(transaction, path, run, &EventKind::Resumed)?;
            append(transaction, path, run, &began)?;
            prepared(transaction, path, run, made)
        })
    }

    /// Does `work` in one transaction that takes the right to write at once.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &Utf8Path) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let failed = |source| StoreError::sql(&self.path, source);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let value = work(&transaction, &self.path)?;
        transaction.commit().map_err(failed)?;
        Ok(value)
    }
}

pub(super) fn create(
    transaction: &Transaction<'_>,
    path: &Utf8Path,
    run: &NewRun,
    maker: Watcher,
    at: Timestamp,
) -> Result<RunId, StoreError> {
    let command = json("command", &run.job.command())?;
    let request = run.request.as_ref().map(|request| json("request", request)).transpose()?;
    let resources = &run.job.resources;
    let id = loop {
        let id = RunId::from_bits(random_bits()?);
        let made = transaction
            .prepare_cached(
                "INSERT INTO runs (id, state, target, source, command, created, cpus, memory,
                                   gpus, pid, pid_started, request, sweep, task)
                 SELECT ?1, 'created', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
                 WHERE NOT EXISTS (SELECT 1 FROM sweeps WHERE id = 's-' || ?1)
                 ON CONFLICT (id) DO NOTHING",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    id.as_str(),
                    run.target,
                    run.source,
                    command,
                    at.as_microsecond(),
                    resources.cpus.unwrap_or(1),
                    resources.memory.map_or(0, |size| size.0 as i64),
                    resources.gpus.unwrap_or(0),
                    maker.pid,
                    maker.started as i64,
                    request,
                    run.job.task.as_ref().map(|task| task.sweep.to_string()),
                    run.job.task.as_ref().map(|task| task.number),
                ])
            })
            .map_err(|source| StoreError::sql(path, source))?;
        if made == 1 {
            break id;
        }
    };
    let wish = EventKind::Created {
        source: run.source.clone(),
        target: run.target.clone(),
        job: run.job.clone(),
        pid: maker.pid,
        pid_started: maker.started,
    };
    add(transaction, path, &id, at, &wish)?;
    for before in &run.job.after {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO predecessors (run, predecessor) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute(params![id.as_str(), before.as_str()]))
            .map_err(|source| StoreError::sql(path, source))?;
    }
    if let Some(made) = &run.prepared {
        prepared(transaction, path, &id, made)?;
        append(transaction, path, &id, &EventKind::Queued)?;
    }
    Ok(id)
}

fn prepared(
    transaction: &Transaction<'_>,
    path: &Utf8Path,
    run: &RunId,
    made: &Prepared,
) -> Result<RunState, StoreError> {
    let failed = |source| StoreError::sql(path, source);
    let state = append(
        transaction,
        path,
        run,
        &EventKind::Prepared { environment: made.environment.clone() },
    )?;
    let digest = Digest::of(made.plan.as_bytes()).to_string();
    transaction
        .prepare_cached(
            "INSERT INTO plans (digest, json) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING",
        )
        .and_then(|mut insert| insert.execute(params![digest, made.plan]))
        .map_err(failed)?;
    transaction
        .prepare_cached(
            "UPDATE runs SET plan = (SELECT plan FROM plans WHERE digest = ?2) WHERE id = ?1",
        )
        .and_then(|mut update| update.execute(params![run.as_str(), digest]))
        .map_err(failed)?;
    Ok(state)
}

/// Adds an event and writes what the run's events add up to.
pub(super) fn append(
    transaction: &Transaction<'_>,
    path: &Utf8Path,
    run: &RunId,
    kind: &EventKind,
) -> Result<RunState, StoreError> {
    let failed = |source| StoreError::sql(path, source);
    let state: Option<String> = transaction
        .prepare_cached("SELECT state FROM runs WHERE id = ?1")
        .and_then(|mut select| select.query_row([run.as_str()], |row| row.get(0)).optional())
        .map_err(failed)?;
    let Some(state) = state else {
        return Err(StoreError::NoSuchRun { wanted: run.to_string(), newest: None });
    };
    let next = RunState::from(state.as_str())
        .after(kind)
        .map_err(|source| StoreError::Illegal { run: run.clone(), source })?;
    let at = Timestamp::now();
    let seq = add(transaction, path, run, at, kind)?;
    projection::apply(transaction, path, run, &projection::Step { seq, at, kind, next: &next })?;
    Ok(next)
}

fn add(
    transaction: &Transaction<'_>,
    path: &Utf8Path,
    run: &RunId,
    at: Timestamp,
    kind: &EventKind,
) -> Result<i64, StoreError> {
    let kind = json("event", kind)?;
    transaction
        .prepare_cached("INSERT INTO events (run, at, kind) VALUES (?1, ?2, ?3)")
        .and_then(|mut insert| insert.insert(params![run.as_str(), at.as_microsecond(), kind]))
        .map_err(|source| StoreError::sql(path, source))
}

pub(super) fn json<T: serde::Serialize>(
    what: &'static str,
    value: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Unwritable { what, source })
}

pub(super) fn random_bits() -> Result<u64, StoreError> {
    getrandom::u64().map_err(StoreError::Random)
}
