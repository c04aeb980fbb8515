CREATE TABLE {schema}.bulks (
    bulk_id text COLLATE "C" PRIMARY KEY, action text NOT NULL, actor text NOT NULL, at_ms bigint NOT NULL,
    matched bigint NOT NULL, skipped bigint NOT NULL, params text NOT NULL, filter text NOT NULL, ended_at_ms bigint
);
CREATE INDEX bulks_begun ON {schema}.bulks (at_ms, bulk_id);
CREATE TABLE {schema}.bulk_runs (
    bulk_id text COLLATE "C" NOT NULL, run_id text COLLATE "C" NOT NULL, created_at_ms bigint NOT NULL,
    outcome text NOT NULL, detail text NOT NULL, fingerprint text,
    PRIMARY KEY (bulk_id, run_id)
);
CREATE INDEX bulk_runs_listed ON {schema}.bulk_runs (bulk_id, created_at_ms, run_id);
CREATE INDEX bulk_runs_of_run ON {schema}.bulk_runs (run_id);
