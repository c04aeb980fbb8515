"""Control plane for durable workflows on DBOS, as a Flask blueprint."""
