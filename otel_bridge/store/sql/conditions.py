"""Run queries as SQL conditions, and page cursors. Pure: no clock, file, socket or database.

Statements are written with ``?`` for parameters; the Postgres adapter turns it into its own sign.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from otel_bridge.model.runs import AttributeFilter, RunQuery
from otel_bridge.store.sql.schema import Schema

Dialect = Literal["sqlite", "postgres"]

PARTIAL_INDEX_TERM = {
    "PENDING": "w.status = 'PENDING'",
    "ENQUEUED": "w.status = 'ENQUEUED' AND w.status IN ('ENQUEUED', 'PENDING')",
    "DELAYED": "w.status = 'DELAYED'",
    "SUCCESS": "w.status = 'SUCCESS'",
}
"""Conditions written so that SQLite sees that they imply the partial indexes' own."""
_FAILED_TERM = "w.status = '{}' AND w.status IN ('ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')"


def status_term(status: str) -> str:
    """Return the condition for one engine status, in the form that lets its partial index be used."""
    return PARTIAL_INDEX_TERM.get(status) or _FAILED_TERM.format(status)


@dataclass
class Where:
    """Conditions joined by AND, with their parameters."""

    terms: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)

    def add(self, term: str, *params: Any) -> Where:
        """Add one condition."""
        self.terms.append(term)
        self.params.extend(params)
        return self

    def copy(self) -> Where:
        """Return conditions that can be added to without changing these."""
        return Where(list(self.terms), list(self.params))

    def sql(self) -> str:
        """Return what stands behind WHERE."""
        return " AND ".join(self.terms) if self.terms else "1 = 1"


def in_list(column: str, values: Sequence[Any], dialect: Dialect) -> tuple[str, list[Any]]:
    """Return the condition that ``column`` is one of ``values``, and its parameters; an empty list matches nothing.

    On Postgres the list is one parameter, so that the statement stays the same whatever its length.
    """
    if dialect == "postgres":
        return f"{column} = ANY(?)", [list(values)]
    if not values:
        return "1 = 0", []
    return f"{column} IN ({', '.join('?' * len(values))})", list(values)


def row_filter(query: RunQuery, schema: Schema, dialect: Dialect, *, now_ms: int) -> Where:
    """Return the conditions on a run's own row: all of ``query`` but statuses, page, creation time and text."""
    where = Where()
    if query.workflow is not None:
        where.add("w.name = ?", query.workflow)
    for column, value in (
        ("queue_name", query.queue),
        ("executor_id", query.executor),
        ("application_version", query.version),
        ("parent_workflow_id", query.parent_id),
        ("application_name", query.namespace),
    ):
        if value is None:
            continue
        if schema.has("workflow_status", column):
            where.add(f"w.{column} = ?", value)
        else:
            where.add("1 = 0")
    if query.tags or query.attributes:
        if not schema.has("workflow_status", "attributes"):
            return where.add("1 = 0")
        for tag in query.tags:
            _add_tag(where, tag, dialect)
        for wanted in query.attributes:
            _add_attribute(where, wanted, dialect)
    if query.min_duration_ms is not None:
        started = schema.column("workflow_status", "started_at_epoch_ms", alias="w")
        done = schema.column("workflow_status", "completed_at", alias="w")
        where.add(
            "w.status NOT IN ('ENQUEUED', 'DELAYED') AND (CASE WHEN w.status = 'PENDING' THEN CAST(? AS BIGINT) "
            f"ELSE COALESCE({done}, w.updated_at) END) - COALESCE({started}, w.created_at) >= ?",
            now_ms,
            query.min_duration_ms,
        )
    return where


def _add_tag(where: Where, tag: str, dialect: Dialect) -> None:
    if dialect == "postgres":
        where.add("w.attributes @> CAST(? AS jsonb)", json.dumps({"tags": [tag]}))
    else:
        where.add(
            "(w.attributes IS NOT NULL AND json_valid(w.attributes) AND EXISTS "
            "(SELECT 1 FROM json_each(w.attributes, '$.tags') AS t WHERE t.type = 'text' AND t.value = ?))",
            tag,
        )


ATTRIBUTES_INDEX = "idx_workflow_status_attributes"
"""DBOS's GIN index, on Postgres only."""

_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def number_of(text: str) -> float | None:
    """Return the number a filter's value reads as, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None


def _add_attribute(where: Where, wanted: AttributeFilter, dialect: Dialect) -> None:
    """Compare a number with a number, else text with text; a run without the attribute never matches."""
    operator, number = _OPERATORS[wanted.op], number_of(wanted.value)
    if dialect == "postgres":
        as_text = f'(w.attributes ->> CAST(? AS text)) COLLATE "C" {operator} ?'
        if number is None:
            where.add(f"(w.attributes IS NOT NULL AND {as_text})", wanted.key, wanted.value)
            return
        where.add(
            "(w.attributes IS NOT NULL AND CASE WHEN jsonb_typeof(w.attributes -> CAST(? AS text)) = 'number' "
            f"THEN (w.attributes ->> CAST(? AS text))::numeric {operator} CAST(? AS numeric) ELSE {as_text} END)",
            wanted.key,
            wanted.key,
            repr(number),
            wanted.key,
            wanted.value,
        )
        return
    # json_each and not a JSON path: a key may hold any character
    value_text = "CASE a.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(a.value AS TEXT) END"
    exists = "(w.attributes IS NOT NULL AND json_valid(w.attributes) AND EXISTS (SELECT 1 FROM json_each(w.attributes)"
    if number is None:
        where.add(
            f"{exists} AS a WHERE a.key = ? AND a.type <> 'null' AND {value_text} {operator} ?))",
            wanted.key,
            wanted.value,
        )
        return
    where.add(
        f"{exists} AS a WHERE a.key = ? AND a.type <> 'null' AND CASE WHEN a.type IN ('integer', 'real') "
        f"THEN a.value {operator} ? ELSE {value_text} {operator} ? END))",
        wanted.key,
        number,
        wanted.value,
    )


def attributes_term(query: RunQuery, schema: Schema) -> Where | None:
    """Return what Postgres' index on attributes can find of the query, or None; less exact than ``row_filter``."""
    wanted = [item for item in query.attributes if item.op == "eq"]
    if ATTRIBUTES_INDEX not in schema.indexes or not (query.tags or wanted):
        return None
    where = Where(["w.attributes IS NOT NULL"])
    for tag in query.tags:
        where.add("w.attributes @> CAST(? AS jsonb)", json.dumps({"tags": [tag]}))
    for item in wanted:
        values: list[Any] = [item.value]
        number = number_of(item.value)
        if number is not None:
            values.append(int(number) if number == int(number) else number)
        if item.value in ("true", "false"):
            values.append(item.value == "true")
        forms = [json.dumps({item.key: value}) for value in values]
        where.add("(" + " OR ".join(["w.attributes @> CAST(? AS jsonb)"] * len(forms)) + ")", *forms)
    return where


def like_pattern(text: str) -> str:
    """Return a LIKE pattern for ``text`` anywhere, its own wildcards taken literally (escape sign ``!``)."""
    escaped = text.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"


def prefix_range(prefix: str, dialect: Dialect) -> tuple[str, list[Any]]:
    """Return the condition for ids that begin with ``prefix``: a range of the primary key's index, and the check."""
    if dialect == "postgres":
        # the index follows the database's collation: "z" sorts behind every ASCII id in each of them
        term = "(w.workflow_uuid >= ? AND w.workflow_uuid <= ? AND starts_with(w.workflow_uuid, ?))"
        return term, [prefix, prefix + "z" * 40, prefix]
    return (
        "(w.workflow_uuid >= ? AND w.workflow_uuid < ? AND substr(w.workflow_uuid, 1, ?) = ?)",
        [prefix, prefix + "\U0010ffff", len(prefix), prefix],
    )
