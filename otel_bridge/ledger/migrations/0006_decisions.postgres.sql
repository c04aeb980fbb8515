CREATE TABLE {schema}.dispositions (
    kind text NOT NULL, subject text NOT NULL, state text NOT NULL, actor text NOT NULL, at_ms bigint NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (kind, subject)
);
