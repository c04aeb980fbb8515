CREATE TABLE bulks (
    bulk_id TEXT PRIMARY KEY, action TEXT NOT NULL, actor TEXT NOT NULL, at_ms INTEGER NOT NULL,
    matched INTEGER NOT NULL, skipped INTEGER NOT NULL, params TEXT NOT NULL, filter TEXT NOT NULL, ended_at_ms INTEGER
);
CREATE INDEX bulks_begun ON bulks (at_ms, bulk_id);
CREATE TABLE bulk_runs (
    bulk_id TEXT NOT NULL, run_id TEXT NOT NULL, created_at_ms INTEGER NOT NULL, outcome TEXT NOT NULL,
    detail TEXT NOT NULL, fingerprint TEXT,
    PRIMARY KEY (bulk_id, run_id)
);
CREATE INDEX bulk_runs_listed ON bulk_runs (bulk_id, created_at_ms, run_id);
CREATE INDEX bulk_runs_of_run ON bulk_runs (run_id);
