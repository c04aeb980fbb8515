CREATE TABLE error_groups (
    fingerprint TEXT PRIMARY KEY, type TEXT NOT NULL, step TEXT, template TEXT NOT NULL, frame TEXT,
    total INTEGER NOT NULL, first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL
);
CREATE TABLE failures (
    run_id TEXT NOT NULL, ended_at_ms INTEGER NOT NULL, created_at_ms INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    workflow TEXT NOT NULL, message TEXT NOT NULL, version TEXT, queue TEXT, executor TEXT, namespace TEXT,
    settled TEXT, latest INTEGER NOT NULL,
    PRIMARY KEY (run_id, ended_at_ms)
);
CREATE INDEX failures_of_error ON failures (fingerprint, created_at_ms, run_id) WHERE latest = 1;
CREATE INDEX failures_by_error ON failures (fingerprint, ended_at_ms, version, workflow);
CREATE INDEX failures_ended ON failures (ended_at_ms, fingerprint, workflow);
