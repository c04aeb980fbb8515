CREATE TABLE {schema}.interrupted (
    run_id text COLLATE "C" NOT NULL, seq bigint NOT NULL, started_at_ms bigint NOT NULL, ended_at_ms bigint NOT NULL,
    name text NOT NULL, attempt integer NOT NULL, executor text, seen_at_ms bigint NOT NULL,
    PRIMARY KEY (run_id, seq, started_at_ms)
);
CREATE INDEX interrupted_seen ON {schema}.interrupted (seen_at_ms);
