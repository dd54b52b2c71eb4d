-- A wish for many runs that differ in their parameters.
CREATE TABLE sweeps (
    number      INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of creation
    id          TEXT    NOT NULL UNIQUE,
    target      TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    created     INTEGER NOT NULL,
    tasks       INTEGER NOT NULL, -- how many runs it is
    at_once     INTEGER,          -- how many of them may run at the same time
    parts       INTEGER NOT NULL DEFAULT 0, -- how many arrays were announced to the scheduler
    failed      TEXT,             -- why it could not be prepared
    wish        TEXT    NOT NULL  -- JSON, see Wish
) STRICT;

ALTER TABLE runs ADD COLUMN sweep TEXT;
ALTER TABLE runs ADD COLUMN task INTEGER;   -- its number in the sweep
ALTER TABLE runs ADD COLUMN submission TEXT; -- the name under which its newest job was announced
ALTER TABLE runs ADD COLUMN job TEXT;        -- what the scheduler calls that job
CREATE UNIQUE INDEX runs_of_sweep ON runs (sweep, task) WHERE sweep IS NOT NULL;

UPDATE runs SET
    submission = (SELECT json_extract(kind, '$.name') FROM events
                  WHERE run = runs.id AND json_extract(kind, '$.event') = 'submitting'
                  ORDER BY seq DESC LIMIT 1),
    job = (SELECT json_extract(kind, '$.job') FROM events
           WHERE run = runs.id AND json_extract(kind, '$.event') = 'submitted'
           ORDER BY seq DESC LIMIT 1)
WHERE target <> 'local' AND state IN ('queued', 'running');

-- Runs that must have completed before another begins.
CREATE TABLE predecessors (
    run         TEXT NOT NULL,
    predecessor TEXT NOT NULL,
    PRIMARY KEY (run, predecessor)
) STRICT, WITHOUT ROWID;
