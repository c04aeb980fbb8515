CREATE TABLE incidents (
    id TEXT NOT NULL PRIMARY KEY, rule TEXT NOT NULL, subject TEXT NOT NULL, kind TEXT NOT NULL, summary TEXT NOT NULL,
    link TEXT NOT NULL, opened_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL, ended_ms INTEGER, ended_by TEXT,
    snoozed_until_ms INTEGER, acknowledged_by TEXT, note TEXT NOT NULL DEFAULT '', reopened INTEGER NOT NULL DEFAULT 0,
    opened_sent_ms INTEGER, ended_sent_ms INTEGER, sent_by TEXT, tries INTEGER NOT NULL DEFAULT 0, problem TEXT
);
CREATE UNIQUE INDEX incidents_open ON incidents (rule, subject) WHERE ended_ms IS NULL;
CREATE INDEX incidents_opened ON incidents (opened_ms);
