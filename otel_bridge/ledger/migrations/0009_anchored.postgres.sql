ALTER TABLE {schema}.exported_runs ADD COLUMN anchored integer;
