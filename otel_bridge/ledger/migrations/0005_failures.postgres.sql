CREATE TABLE {schema}.error_groups (
    fingerprint text PRIMARY KEY, type text NOT NULL, step text, template text NOT NULL, frame text,
    total bigint NOT NULL, first_seen_ms bigint NOT NULL, last_seen_ms bigint NOT NULL
) WITH (fillfactor = 70);
CREATE TABLE {schema}.failures (
    run_id text COLLATE "C" NOT NULL, ended_at_ms bigint NOT NULL, created_at_ms bigint NOT NULL,
    fingerprint text NOT NULL, workflow text NOT NULL, message text NOT NULL, version text, queue text, executor text,
    namespace text, settled text, latest smallint NOT NULL,
    PRIMARY KEY (run_id, ended_at_ms)
);
CREATE INDEX failures_of_error ON {schema}.failures (fingerprint, created_at_ms, run_id) WHERE latest = 1;
CREATE INDEX failures_by_error ON {schema}.failures (fingerprint, ended_at_ms, version, workflow);
CREATE INDEX failures_ended ON {schema}.failures (ended_at_ms, fingerprint, workflow);
