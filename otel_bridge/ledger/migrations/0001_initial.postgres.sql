CREATE TABLE {schema}.leases (
    name text PRIMARY KEY, owner text NOT NULL, token bigint NOT NULL,
    renewed_at_ms bigint NOT NULL, expires_at_ms bigint NOT NULL
);
CREATE TABLE {schema}.cursors (name text PRIMARY KEY, steps_ms bigint NOT NULL, runs_ms bigint NOT NULL);
CREATE TABLE {schema}.exported_runs (
    run_id text PRIMARY KEY, generation integer NOT NULL, ended smallint NOT NULL, steps bytea NOT NULL,
    first_queue text, first_started_at_ms bigint, created_at_ms bigint, ended_at_ms bigint, status text,
    workflow text, failed_seq bigint, failed_generation integer
) WITH (fillfactor = 70);
CREATE INDEX exported_open ON {schema}.exported_runs (coalesce(created_at_ms, 0), run_id) WHERE ended = 0;
CREATE INDEX exported_ended ON {schema}.exported_runs (ended_at_ms) WHERE ended = 1;
CREATE TABLE {schema}.queues (run_id text PRIMARY KEY, queue text NOT NULL, seen_at_ms bigint NOT NULL);
CREATE INDEX queues_seen ON {schema}.queues (seen_at_ms);
CREATE TABLE {schema}.counters (
    run_id text NOT NULL, what text NOT NULL, n bigint NOT NULL, seen_at_ms bigint NOT NULL,
    PRIMARY KEY (run_id, what)
);
CREATE INDEX counters_seen ON {schema}.counters (seen_at_ms);
CREATE TABLE {schema}.executors (
    instance_id text PRIMARY KEY, beat_at_ms bigint NOT NULL, data text NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE {schema}.traces (trace_id bytea PRIMARY KEY, run_id text NOT NULL, seen_at_ms bigint NOT NULL);
CREATE INDEX traces_seen ON {schema}.traces (seen_at_ms);
CREATE TABLE {schema}.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at_ms bigint NOT NULL, actor text NOT NULL,
    action text NOT NULL, run_id text, outcome text NOT NULL, detail text NOT NULL, params text NOT NULL
);
CREATE INDEX audit_run ON {schema}.audit (run_id, id);
CREATE TABLE {schema}.settings (key text PRIMARY KEY, value text NOT NULL);
