CREATE TABLE {schema}.incidents (
    id text NOT NULL PRIMARY KEY, rule text NOT NULL, subject text NOT NULL, kind text NOT NULL, summary text NOT NULL,
    link text NOT NULL, opened_ms bigint NOT NULL, seen_ms bigint NOT NULL, ended_ms bigint, ended_by text,
    snoozed_until_ms bigint, acknowledged_by text, note text NOT NULL DEFAULT '', reopened integer NOT NULL DEFAULT 0,
    opened_sent_ms bigint, ended_sent_ms bigint, sent_by text, tries integer NOT NULL DEFAULT 0, problem text
);
CREATE UNIQUE INDEX incidents_open ON {schema}.incidents (rule, subject) WHERE ended_ms IS NULL;
CREATE INDEX incidents_opened ON {schema}.incidents (opened_ms);
