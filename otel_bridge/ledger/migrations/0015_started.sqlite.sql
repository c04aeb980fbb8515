ALTER TABLE exported_runs ADD COLUMN started_at_ms INTEGER;
