ALTER TABLE exported_runs ADD COLUMN anchored INTEGER;
