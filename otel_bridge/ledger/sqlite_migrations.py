"""Brings a sidecar's schema up to date, as sqlite-utils migrations. Touches the database it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlite_utils
from sqlite_utils.migrations import Migrations

from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.ledger.migrations import scripts

MIGRATION_SET = "durable-ledger"
"""Their name in the table that sqlite-utils keeps."""


def migrate(db: sqlite_utils.Database, *, target: str) -> None:
    """Bring the schema up to date, once; the first process to come does it.

    Raises:
        LedgerUnavailableError: a newer version of this package wrote the file.
    """
    available = scripts("sqlite")
    migrations = _build(available)
    if _is_current(db, migrations, available, target):
        return
    db.conn.execute("BEGIN IMMEDIATE")
    try:
        if not _is_current(db, migrations, available, target):
            migrations.apply(db)
        db.conn.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


def _build(available: Mapping[str, str]) -> Migrations:
    migrations = Migrations(MIGRATION_SET)

    def add(name: str, script: str) -> None:
        @migrations(name=name)
        def apply(db: sqlite_utils.Database) -> None:
            for statement in _statements(script):
                db.execute(statement)

    for name, script in available.items():
        add(name, script)
    return migrations


def _statements(script: str) -> Iterator[str]:
    # Not executescript(): it commits first, and the migrations are one transaction.
    return (statement for statement in script.split(";\n") if statement.strip())


def _is_current(db: sqlite_utils.Database, migrations: Migrations, available: Mapping[str, str], target: str) -> bool:
    applied = {migration.name for migration in migrations.applied(db)}
    if unknown := sorted(applied - available.keys()):
        raise LedgerUnavailableError(
            target,
            f"The ledger {target!r} was written by a newer version of durable-dashboard "
            f"(it holds {', '.join(unknown)}). Upgrade this process, or move the file away to start a new one.",
        )
    return applied == available.keys()
