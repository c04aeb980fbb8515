CREATE TABLE tokens (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, scopes TEXT NOT NULL, created_by TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL, expires_at_ms INTEGER, last_used_at_ms INTEGER, revoked_at_ms INTEGER,
    hash BLOB NOT NULL UNIQUE
);
