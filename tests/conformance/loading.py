"""Puts a recording into a system database that DBOS has made, in place of what was there."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.conformance.kit import Rows

_ORDER = ("workflow_status",)
"""Tables that others refer to come first."""


def _tables(rows: Rows) -> list[str]:
    own = {name for name in rows if name != "dbos_migrations" and rows[name]}
    return [*(name for name in _ORDER if name in own), *sorted(own - set(_ORDER))]


def load_sqlite(url: str, rows: Rows) -> None:
    """Replace the rows of a SQLite file."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
        for table in reversed(_tables(rows)):
            database.execute(f'DELETE FROM "{table}"')
        for table in _tables(rows):
            columns = list(rows[table][0])
            names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
            values = [tuple(row[name] for name in columns) for row in rows[table]]
            database.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', values)


def load_postgres(url: str, rows: Rows) -> None:
    """Replace the rows of a Postgres database; SQLite's 0 and 1, and JSON in text, become what the columns are."""
    import psycopg

    with psycopg.connect(url) as database:
        for table in reversed(_tables(rows)):
            database.execute(f'DELETE FROM dbos."{table}"'.encode())
        for table in _tables(rows):
            types: dict[str, str] = dict(
                database.execute(
                    "SELECT column_name, data_type FROM information_schema.columns "
                    "WHERE table_schema = 'dbos' AND table_name = %s",
                    (table,),
                ).fetchall()
            )
            columns = [name for name in rows[table][0] if name in types]
            names = ", ".join(f'"{name}"' for name in columns)
            marks = ", ".join(f"%s::text::{types[name]}" if types[name] != "ARRAY" else "%s" for name in columns)
            statement = f'INSERT INTO dbos."{table}" ({names}) VALUES ({marks})'
            for row in rows[table]:
                database.execute(statement.encode(), [row[name] for name in columns])
