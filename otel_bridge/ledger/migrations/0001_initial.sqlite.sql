CREATE TABLE leases (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, token INTEGER NOT NULL,
    renewed_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE cursors (name TEXT PRIMARY KEY, steps_ms INTEGER NOT NULL, runs_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE exported_runs (
    run_id TEXT PRIMARY KEY, generation INTEGER NOT NULL, ended INTEGER NOT NULL, steps BLOB NOT NULL,
    first_queue TEXT, first_started_at_ms INTEGER, created_at_ms INTEGER, ended_at_ms INTEGER, status TEXT,
    workflow TEXT, failed_seq INTEGER, failed_generation INTEGER
);
CREATE INDEX exported_open ON exported_runs (coalesce(created_at_ms, 0), run_id) WHERE ended = 0;
CREATE INDEX exported_ended ON exported_runs (ended_at_ms) WHERE ended = 1;
CREATE TABLE queues (run_id TEXT PRIMARY KEY, queue TEXT NOT NULL, seen_at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX queues_seen ON queues (seen_at_ms);
CREATE TABLE counters (
    run_id TEXT NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL, seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, what)
) WITHOUT ROWID;
CREATE INDEX counters_seen ON counters (seen_at_ms);
CREATE TABLE executors (instance_id TEXT PRIMARY KEY, beat_at_ms INTEGER NOT NULL, data TEXT NOT NULL);
CREATE TABLE traces (trace_id BLOB PRIMARY KEY, run_id TEXT NOT NULL, seen_at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX traces_seen ON traces (seen_at_ms);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    run_id TEXT, outcome TEXT NOT NULL, detail TEXT NOT NULL, params TEXT NOT NULL
);
CREATE INDEX audit_run ON audit (run_id, id);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
