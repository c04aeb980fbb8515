CREATE TABLE attempts (
    run_id TEXT NOT NULL, at_ms INTEGER NOT NULL, data BLOB NOT NULL, seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, at_ms)
);
CREATE INDEX attempts_seen ON attempts (seen_at_ms);
