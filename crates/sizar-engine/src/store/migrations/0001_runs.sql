-- What happened, in order. Rows are only ever added.
CREATE TABLE events (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    run  TEXT    NOT NULL,
    at   INTEGER NOT NULL, -- microseconds since 1970, UTC
    kind TEXT    NOT NULL  -- JSON, see EventKind
) STRICT;
CREATE INDEX events_of_run ON events (run, seq);
CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'an event is never removed'); END;

-- What the preparation made: all that is needed to execute a run, kept once for equal runs.
CREATE TABLE plans (
    plan   INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    json   TEXT NOT NULL
) STRICT;

-- What the events add up to, kept in the same transaction.
CREATE TABLE runs (
    number           INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of creation
    id               TEXT    NOT NULL UNIQUE,
    state            TEXT    NOT NULL,
    exit_code        INTEGER,
    target           TEXT    NOT NULL,
    source           TEXT    NOT NULL,
    command          TEXT    NOT NULL, -- a JSON list
    created          INTEGER NOT NULL,
    started          INTEGER,
    ended            INTEGER,
    reason           TEXT,
    environment      TEXT,
    usage            TEXT,             -- JSON
    attempts         INTEGER NOT NULL DEFAULT 0,
    cpus             INTEGER NOT NULL DEFAULT 1,
    memory           INTEGER NOT NULL DEFAULT 0,
    gpus             INTEGER NOT NULL DEFAULT 0,
    gpu_numbers      TEXT,             -- a JSON list, while it runs
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    pid              INTEGER,          -- who prepares or watches it
    pid_started      INTEGER,
    queued           INTEGER,          -- the number of the event that queued it
    plan             INTEGER REFERENCES plans (plan),
    request          TEXT              -- JSON: what `resume` needs to prepare it again
) STRICT;
CREATE INDEX runs_queued ON runs (queued) WHERE state = 'queued';
CREATE INDEX runs_by_state ON runs (state, number);

CREATE TABLE results (
    run    TEXT    NOT NULL,
    path   TEXT    NOT NULL,
    size   INTEGER NOT NULL,
    blake3 TEXT    NOT NULL,
    PRIMARY KEY (run, path)
) STRICT, WITHOUT ROWID;

-- Each supervisor takes the next number; a runner that an earlier one sent out starts nothing.
CREATE TABLE supervisor (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO supervisor (one, generation) VALUES (1, 0);
