CREATE TABLE interrupted (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, started_at_ms INTEGER NOT NULL, ended_at_ms INTEGER NOT NULL,
    name TEXT NOT NULL, attempt INTEGER NOT NULL, executor TEXT, seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq, started_at_ms)
);
CREATE INDEX interrupted_seen ON interrupted (seen_at_ms);
