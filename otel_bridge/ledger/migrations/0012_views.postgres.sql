CREATE TABLE {schema}.views (
    view_id text PRIMARY KEY, owner text NOT NULL, name text NOT NULL, filter text NOT NULL,
    is_default boolean NOT NULL, actor text NOT NULL, at_ms bigint NOT NULL
);
CREATE UNIQUE INDEX views_named ON {schema}.views (owner, name);
