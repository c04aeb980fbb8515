ALTER TABLE {schema}.leases ADD COLUMN acquired_at_ms bigint NOT NULL DEFAULT 0;
