"""The sidecar's schema, as sqlite-utils migrations. Touches the database it is given.

A migration that was released is never changed; a change is a new migration at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlite_utils
from sqlite_utils.migrations import Migrations

from otel_bridge.errors import LedgerUnavailableError

MIGRATION_SET = "durable-ledger"


def _build() -> Migrations:
    migrations = Migrations(MIGRATION_SET)

    def add(name: str, statements: Sequence[str]) -> None:
        @migrations(name=name)
        def apply(db: sqlite_utils.Database) -> None:
            for statement in statements:
                db.execute(statement)

    for name, statements in MIGRATIONS.items():
        add(name, statements)
    return migrations


def migrate(db: sqlite_utils.Database, *, target: str) -> None:
    """Bring the schema up to date, once, whoever comes first.

    Raises:
        LedgerUnavailableError: a newer version of this package wrote the file.
    """
    migrations = _build()
    if _is_current(db, migrations, target):
        return
    db.conn.execute("BEGIN IMMEDIATE")
    try:
        if not _is_current(db, migrations, target):
            migrations.apply(db)
        db.conn.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


def _is_current(db: sqlite_utils.Database, migrations: Migrations, target: str) -> bool:
    applied = {migration.name for migration in migrations.applied(db)}
    if unknown := sorted(applied - MIGRATIONS.keys()):
        raise LedgerUnavailableError(
            target,
            f"The ledger {target!r} was written by a newer version of durable-dashboard "
            f"(it holds {', '.join(unknown)}). Upgrade this process, or move the file away to start a new one.",
        )
    return applied == MIGRATIONS.keys()


_INITIAL = (
    """CREATE TABLE leases (
        name TEXT PRIMARY KEY, owner TEXT NOT NULL, token INTEGER NOT NULL,
        renewed_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE TABLE cursors (name TEXT PRIMARY KEY, steps_ms INTEGER NOT NULL, runs_ms INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE exported_runs (
        run_id TEXT PRIMARY KEY, generation INTEGER NOT NULL, ended INTEGER NOT NULL, steps BLOB NOT NULL,
        first_queue TEXT, first_started_at_ms INTEGER, created_at_ms INTEGER, ended_at_ms INTEGER, status TEXT,
        workflow TEXT, failed_seq INTEGER, failed_generation INTEGER
    )""",
    "CREATE INDEX exported_open ON exported_runs (coalesce(created_at_ms, 0), run_id) WHERE ended = 0",
    "CREATE INDEX exported_ended ON exported_runs (ended_at_ms) WHERE ended = 1",
    "CREATE TABLE queues (run_id TEXT PRIMARY KEY, queue TEXT NOT NULL, seen_at_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX queues_seen ON queues (seen_at_ms)",
    """CREATE TABLE counters (
        run_id TEXT NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL, seen_at_ms INTEGER NOT NULL,
        PRIMARY KEY (run_id, what)
    ) WITHOUT ROWID""",
    "CREATE INDEX counters_seen ON counters (seen_at_ms)",
    "CREATE TABLE executors (instance_id TEXT PRIMARY KEY, beat_at_ms INTEGER NOT NULL, data TEXT NOT NULL)",
    "CREATE TABLE traces (trace_id BLOB PRIMARY KEY, run_id TEXT NOT NULL, seen_at_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX traces_seen ON traces (seen_at_ms)",
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
        run_id TEXT, outcome TEXT NOT NULL, detail TEXT NOT NULL, params TEXT NOT NULL
    )""",
    "CREATE INDEX audit_run ON audit (run_id, id)",
    "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)

_PAST_LIVES = (
    """CREATE TABLE past_lives (
        run_id TEXT NOT NULL, generation INTEGER NOT NULL, data BLOB NOT NULL, seen_at_ms INTEGER NOT NULL,
        PRIMARY KEY (run_id, generation)
    )""",
    "CREATE INDEX past_lives_seen ON past_lives (seen_at_ms)",
)

MIGRATIONS: Mapping[str, Sequence[str]] = {"0001_initial": _INITIAL, "0002_past_lives": _PAST_LIVES}
