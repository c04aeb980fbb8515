CREATE TABLE {schema}.step_attempts (
    run_id text COLLATE "C" NOT NULL, seq bigint NOT NULL, started_at_ms bigint NOT NULL, attempt integer NOT NULL,
    failed integer NOT NULL, data bytea NOT NULL, seen_at_ms bigint NOT NULL,
    PRIMARY KEY (run_id, seq, started_at_ms, attempt)
);
CREATE INDEX step_attempts_run ON {schema}.step_attempts (run_id, started_at_ms);
CREATE INDEX step_attempts_seen ON {schema}.step_attempts (seen_at_ms);
CREATE TABLE {schema}.watched (run_id text COLLATE "C" NOT NULL PRIMARY KEY, until_ms bigint NOT NULL);
CREATE INDEX watched_until ON {schema}.watched (until_ms);
