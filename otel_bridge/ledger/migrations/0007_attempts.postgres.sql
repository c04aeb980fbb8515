CREATE TABLE {schema}.attempts (
    run_id text COLLATE "C" NOT NULL, at_ms bigint NOT NULL, data bytea NOT NULL, seen_at_ms bigint NOT NULL,
    PRIMARY KEY (run_id, at_ms)
);
CREATE INDEX attempts_seen ON {schema}.attempts (seen_at_ms);
