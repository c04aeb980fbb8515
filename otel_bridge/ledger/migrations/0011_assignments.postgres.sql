CREATE TABLE {schema}.assignments (
    run_id text NOT NULL, seq integer NOT NULL, assignee text NOT NULL, actor text NOT NULL, at_ms bigint NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE INDEX assignments_made ON {schema}.assignments (at_ms);
