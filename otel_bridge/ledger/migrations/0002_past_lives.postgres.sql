CREATE TABLE {schema}.past_lives (
    run_id text NOT NULL, generation integer NOT NULL, data bytea NOT NULL, seen_at_ms bigint NOT NULL,
    PRIMARY KEY (run_id, generation)
);
CREATE INDEX past_lives_seen ON {schema}.past_lives (seen_at_ms);
