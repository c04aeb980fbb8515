CREATE TABLE assignments (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, assignee TEXT NOT NULL, actor TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE INDEX assignments_made ON assignments (at_ms);
