"""OpenTelemetry bridge for durable workflows on DBOS: one trace per run, one span per step."""
