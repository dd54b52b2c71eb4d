//! Opening the journal, and bringing an older one up to date.

use std::fmt::Write as _;
use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::StoreError;
use crate::home::{Home, HomeError};

/// The steps from an empty file to today's tables; `user_version` counts those done.
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/0001_runs.sql"), include_str!("migrations/0002_sweeps.sql")];

/// "sizr": tells a journal from another program's file.
const APPLICATION_ID: i64 = 0x7369_7a72;

/// How long a process waits for another one that writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many statements are kept ready: all that there are.
const STATEMENTS: usize = 64;

/// The format that this sizar writes.
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Opens the journal for writing, making or migrating it where needed.
pub(super) fn open(home: &Home) -> Result<Connection, StoreError> {
    let path = home.journal();
    if !path.exists() {
        home.folder("")?;
        // it holds the variables that users set for their runs, and those may be secrets
        fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| HomeError::Unusable { path: path.clone(), source })?;
    }
    let failed = |source| StoreError::sql(&path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    if check(&connection, &path)? < KNOWN {
        // turning on WAL does not wait for others, so only one process at a time may try
        let _lock = home.lock("journal", || {})?;
        migrate(&mut connection, &path)?;
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Opens the journal for reading alone; none where there is no journal yet.
///
/// A journal on a read-only disk is read as it is in its main file.
pub(super) fn open_reading(home: &Home) -> Result<Option<Connection>, StoreError> {
    let path = home.journal();
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let usual = Connection::open_with_flags(&path, flags)
        .map_err(|source| StoreError::sql(&path, source))
        .and_then(|connection| {
            connection.busy_timeout(PATIENCE).map_err(|source| StoreError::sql(&path, source))?;
            let version = check(&connection, &path)?;
            Ok((connection, version))
        });
    let (connection, version) = match usual {
        Ok(opened) => opened,
        Err(StoreError::Open { .. } | StoreError::ReadOnly { .. }) => immutable(&path)?,
        Err(other) => return Err(other),
    };
    // an empty or older file has nothing, or not yet everything, to list: writing migrates it
    Ok((version == KNOWN).then_some(connection))
}

/// Opens a journal that nobody can be writing, because its disk is read-only.
fn immutable(path: &Utf8Path) -> Result<(Connection, i64), StoreError> {
    let mut uri = String::from("file:");
    for byte in path.as_str().bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(byte));
            }
            other => {
                let _ = write!(uri, "%{other:02x}");
            }
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection =
        Connection::open_with_flags(uri, flags).map_err(|source| StoreError::sql(path, source))?;
    let version = check(&connection, path)?;
    Ok((connection, version))
}

/// Returns the file's format, after making sure that it is a journal that this sizar can read.
fn check(connection: &Connection, path: &Utf8Path) -> Result<i64, StoreError> {
    let failed = |source| StoreError::sql(path, source);
    let (version, application, tables): (i64, i64, i64) = connection
        .query_row(
            "SELECT (SELECT user_version FROM pragma_user_version),
                    (SELECT application_id FROM pragma_application_id),
                    (SELECT count(*) FROM sqlite_schema)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .map_err(failed)?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    if version > KNOWN {
        return Err(StoreError::Newer { path: path.to_owned(), found: version, known: KNOWN });
    }
    Ok(version)
}

fn migrate(connection: &mut Connection, path: &Utf8Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql(path, source);
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(failed)?;
    loop {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let done = check(&transaction, path)?;
        let Some(step) = MIGRATIONS.get(done as usize) else { return Ok(()) };
        transaction.execute_batch(step).map_err(failed)?;
        transaction.pragma_update(None, "user_version", done + 1).map_err(failed)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
}
