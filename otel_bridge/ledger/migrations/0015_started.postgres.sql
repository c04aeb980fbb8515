ALTER TABLE {schema}.exported_runs ADD COLUMN started_at_ms bigint;
