CREATE TABLE step_attempts (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, started_at_ms INTEGER NOT NULL, attempt INTEGER NOT NULL,
    failed INTEGER NOT NULL, data BLOB NOT NULL, seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq, started_at_ms, attempt)
);
CREATE INDEX step_attempts_run ON step_attempts (run_id, started_at_ms);
CREATE INDEX step_attempts_seen ON step_attempts (seen_at_ms);
CREATE TABLE watched (run_id TEXT NOT NULL PRIMARY KEY, until_ms INTEGER NOT NULL);
CREATE INDEX watched_until ON watched (until_ms);
