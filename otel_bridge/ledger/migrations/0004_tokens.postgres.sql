CREATE TABLE {schema}.tokens (
    id text PRIMARY KEY, name text NOT NULL, role text NOT NULL, scopes text NOT NULL, created_by text NOT NULL,
    created_at_ms bigint NOT NULL, expires_at_ms bigint, last_used_at_ms bigint, revoked_at_ms bigint,
    hash bytea NOT NULL UNIQUE
);
