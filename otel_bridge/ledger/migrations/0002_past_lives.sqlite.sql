CREATE TABLE past_lives (
    run_id TEXT NOT NULL, generation INTEGER NOT NULL, data BLOB NOT NULL, seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, generation)
);
CREATE INDEX past_lives_seen ON past_lives (seen_at_ms);
