CREATE TABLE views (
    view_id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, filter TEXT NOT NULL,
    is_default INTEGER NOT NULL, actor TEXT NOT NULL, at_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX views_named ON views (owner, name);
