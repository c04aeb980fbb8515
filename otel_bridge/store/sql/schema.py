"""What the engine's tables look like in one database. Pure: adapters probe, this module remembers and writes SQL.

DBOS adds tables and columns from release to release, so every statement is built from what is really there:
a column that this database lacks is selected as NULL, a table that it lacks is not read.

Source: DBOS ``_migration.py`` (3.4.0 is version 125).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from otel_bridge.store.rows import LINKED, RUN_COLUMNS

Dialect = Literal["sqlite", "postgres"]

KNOWN_SCHEMA_VERSION = 125
"""The newest version of the engine's schema that was tested."""
SHARD_KEY = "shard_key"
"""Column of every table of the proprietary, sharded schema; by it the engine too tells one. Source: DBOS 3.4.0,
``_sys_db_postgres.py``, ``holds_sharded_schema``."""

MOST_ATTRIBUTE_CHARS = 65_536
"""Of one run's attributes, as they are read with its row."""
TOO_LONG = "attributesTooLong"
"""The attribute that stands for those of a run that has more, and says how long they are.

In characters, or in the bytes that Postgres keeps them in: to write a megabyte as text takes it 20 ms.
"""

REQUIRED_COLUMNS: Mapping[str, frozenset[str]] = {
    "workflow_status": frozenset({"workflow_uuid", "status", "name", "created_at", "updated_at"}),
    "operation_outputs": frozenset({"workflow_uuid", "function_id", "function_name"}),
}


@dataclass(frozen=True)
class Schema:
    """Tables, columns and indexes found in one database.

    Args:
        prefix: what stands before a table's name (``"dbos".`` on Postgres, nothing on SQLite).
        dialect: what the database speaks.
        version: number of the last migration, where the engine recorded one.
    """

    tables: Mapping[str, frozenset[str]]
    indexes: frozenset[str] = frozenset()
    version: int | None = None
    prefix: str = ""
    dialect: Dialect = "sqlite"
    _selects: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def has(self, table: str, column: str | None = None) -> bool:
        """True when the table, and the column if one is named, is there."""
        columns = self.tables.get(table)
        return columns is not None and (column is None or column in columns)

    def table(self, name: str) -> str:
        """Return the table's qualified name."""
        return f"{self.prefix}{name}"

    def column(self, table: str, column: str, *, alias: str | None = None, otherwise: str = "NULL") -> str:
        """Return the column to select, or ``otherwise`` where this database lacks it."""
        if not self.has(table, column):
            return otherwise
        return f"{alias}.{column}" if alias else column

    def missing(self) -> list[str]:
        """Return the tables and columns without which nothing can be read."""
        lacking = []
        for table, columns in REQUIRED_COLUMNS.items():
            if table not in self.tables:
                lacking.append(table)
                continue
            lacking.extend(f"{table}.{column}" for column in sorted(columns - self.tables[table]))
        return lacking

    def run_columns(self, alias: str = "w") -> str:
        """Return the select list of a ``RunRecord``."""
        cached = self._selects.get(alias)
        if cached is None:
            own = [self.column("workflow_status", name, alias=alias) for name in RUN_COLUMNS]
            own[RUN_COLUMNS.index("attributes")] = self.shown_attributes(alias)
            linked = [
                f"(SELECT u.status FROM {self.table('workflow_status')} u "
                f"WHERE u.workflow_uuid = '{prefix}' || {alias}.workflow_uuid)"
                for prefix in LINKED.values()
            ]
            cached = ", ".join([*own, *linked])
            self._selects[alias] = cached
        return cached

    def attributes(self, alias: str = "w") -> str:
        """Return a run's attributes as text: Postgres' driver would fail on numbers that Python's parser refuses."""
        column = self.column("workflow_status", "attributes", alias=alias)
        return f"CAST({column} AS text)" if self.dialect == "postgres" else column

    def shown_attributes(self, alias: str = "w") -> str:
        """Return a run's attributes as text, or, where they are very long, how long: a page holds those of many runs.

        Filters look at all of them, in the database.
        """
        text = self.attributes(alias)
        if not self.has("workflow_status", "attributes"):
            return text

        def shortened(size: str, most: int, otherwise: str) -> str:
            return f"CASE WHEN {size} > {most} THEN '{{\"{TOO_LONG}\": ' || {size} || '}}' ELSE {otherwise} END"

        if self.dialect == "sqlite":
            return shortened(f"length({text})", MOST_ATTRIBUTE_CHARS, text)
        # OFFSET 0 keeps each value from being worked out once for every place where it is named. An empty path gives
        # the value as it is, unpacked: of a column itself the size would be what it takes packed.
        small = (
            f"(SELECT {shortened('length(s.t)', MOST_ATTRIBUTE_CHARS, 's.t')} FROM (SELECT {text} AS t OFFSET 0) AS s)"
        )
        kept = f"(SELECT pg_column_size({alias}.attributes #> '{{}}') AS n OFFSET 0)"
        return f"(SELECT {shortened('k.n', 2 * MOST_ATTRIBUTE_CHARS, small)} FROM {kept} AS k)"

    def recorded_at(self, alias: str = "o") -> str:
        """Return the expression for when a step's row was written; older schemas only know when it completed."""
        if self.has("operation_outputs", "retention_timestamp"):
            return f"{alias}.retention_timestamp"
        return self.column("operation_outputs", "completed_at_epoch_ms", alias=alias)

    def warnings(self) -> tuple[str, ...]:
        """Return sentences for people about what this schema cannot tell or what is newer than we know."""
        found = []
        if self.version is not None and self.version > KNOWN_SCHEMA_VERSION:
            found.append(
                f"The engine's schema is version {self.version}; this release was tested up to "
                f"{KNOWN_SCHEMA_VERSION}. What is read still fits, but upgrade durable-dashboard when you can."
            )
        if self.has("workflow_status", SHARD_KEY):
            found.append(
                "This is a sharded system database (DBOS Transact Enterprise, which is proprietary): this release was "
                "never tried with one. It finds runs by their id alone, whatever their shard key. Look, and act by the "
                "application's own means."
            )
        if not self.has("operation_outputs", "started_at_epoch_ms"):
            found.append("This engine does not record when steps start; upgrade DBOS for a timeline of steps.")
        elif not self.has("operation_outputs", "retention_timestamp"):
            found.append(
                "This engine does not stamp step rows; new steps are found by their completion time instead, "
                "which follows the workers' clocks. Upgrade DBOS to 3.x for exact tailing."
            )
        return tuple(found)
