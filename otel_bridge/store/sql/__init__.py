"""Every statement over the engine's tables, for SQLite and Postgres alike."""
