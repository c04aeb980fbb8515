"""Run queries as SQL conditions, and page cursors. Pure: no clock, file, socket or database.

Statements are written with ``?`` for parameters; the Postgres adapter turns it into its own sign.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from otel_bridge.model.matching import folded, number_of
from otel_bridge.model.runs import AttributeFilter, RunQuery
from otel_bridge.model.status import ENGINE_FAILED, ENGINE_IN_FLIGHT, STATUSES
from otel_bridge.store.sql.schema import Dialect, Schema


def sql_list(words: Sequence[str]) -> str:
    """Return the engine's words as they stand behind ``IN``. In the statement's text, not as parameters: only so do
    both databases see that a condition implies that of a partial index.

    >>> sql_list(("ENQUEUED", "PENDING"))
    "('ENQUEUED', 'PENDING')"
    """
    return f"({', '.join(map(repr, words))})"


PARTIAL_INDEX_TERM = {
    "PENDING": "w.status = 'PENDING'",
    "ENQUEUED": f"w.status = 'ENQUEUED' AND w.status IN {sql_list(ENGINE_IN_FLIGHT)}",
    "DELAYED": "w.status = 'DELAYED'",
    "SUCCESS": "w.status = 'SUCCESS'",
}
"""Conditions written so that SQLite sees that they imply the partial indexes' own."""
_FAILED_TERM = f"w.status = '{{}}' AND w.status IN {sql_list(ENGINE_FAILED)}"


def status_term(status: str) -> str:
    """Return the condition for one engine status, in the form that lets its partial index be used."""
    return PARTIAL_INDEX_TERM.get(status) or _FAILED_TERM.format(status)


@dataclass
class Where:
    """Conditions joined by AND, with their parameters."""

    terms: list[str] = field(default_factory=list)
    params: list[object] = field(default_factory=list)

    def add(self, term: str, *params: object) -> Where:
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


def in_list(column: str, values: Sequence[object], dialect: Dialect) -> tuple[str, list[object]]:
    """Return the condition that ``column`` is one of ``values``, and its parameters; an empty list matches nothing.

    On Postgres the list is one parameter, so that the statement stays the same whatever its length.
    """
    if dialect == "postgres":
        return f"{column} = ANY(?)", [list(values)]
    if not values:
        return "1 = 0", []
    return f"{column} IN ({', '.join('?' * len(values))})", list(values)


EXACT_COLUMNS = (
    ("workflow", "name"),
    ("run_id", "workflow_uuid"),
    ("queue", "queue_name"),
    ("executor", "executor_id"),
    ("version", "application_version"),
    ("parent_id", "parent_workflow_id"),
    ("namespace", "application_name"),
)
"""Filters that compare one column with one text."""


def row_filter(query: RunQuery, schema: Schema, dialect: Dialect, *, now_ms: int) -> Where:
    """Return the conditions on a run's own row: all of ``query`` but statuses, page, creation time and text.

    They mean what ``model.matching`` says.
    """
    where = Where()
    if query.error is not None or query.bulk is not None:
        where.add("1 = 0")  # the engine's tables know neither: ``RunReader`` asks the ledger
    for name, column in EXACT_COLUMNS:
        value = getattr(query, name)
        if value is not None:
            _add_exact(where, column, value, known=schema.has("workflow_status", column))
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
            f"w.status NOT IN {sql_list(STATUSES['pending'].engine)} "
            "AND (CASE WHEN w.status = 'PENDING' THEN CAST(? AS BIGINT) "
            f"ELSE COALESCE({done}, w.updated_at) END) - COALESCE({started}, w.created_at) >= ?",
            now_ms,
            query.min_duration_ms,
        )
    return where


def _add_exact(where: Where, column: str, value: str, *, known: bool) -> None:
    """Compare a column with a text; an empty one finds the rows that have none."""
    if value and known:
        where.add(f"w.{column} = ?", value)
    elif value:
        where.add("1 = 0")
    elif known:
        where.add(f"(w.{column} IS NULL OR w.{column} = '')")


def _add_tag(where: Where, tag: str, dialect: Dialect) -> None:
    if dialect == "postgres":
        where.add("w.attributes @> CAST(? AS jsonb)", json.dumps({"tags": [tag]}))
        return
    # CASE, not AND: a planner may evaluate the sides of AND in any order, and json_each fails on what is not JSON
    where.add(
        "CASE WHEN json_valid(w.attributes) AND json_type(w.attributes, '$.tags') = 'array' THEN EXISTS "
        "(SELECT 1 FROM json_each(w.attributes, '$.tags') AS t WHERE t.type = 'text' AND t.value = ?) ELSE 0 END",
        tag,
    )


ATTRIBUTES_INDEX = "idx_workflow_status_attributes"
"""DBOS's GIN index, on Postgres only."""

_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_ROUNDS_TO_INFINITY = "179769313486231580793728971405303e276"
_ROUNDS_TO_ZERO = "2.4703282292062328e-324"
"""Where 64-bit floating point ends: 2**1024 - 2**970 and 2**-1075, to more digits than a number of JSON has."""


def _add_attribute(where: Where, wanted: AttributeFilter, dialect: Dialect) -> None:
    """Compare a number with a number and text with text; what is neither, or not there, never matches."""
    operator, number = _OPERATORS[wanted.op], number_of(wanted.value)
    if dialect == "postgres":
        _add_jsonb_attribute(where, wanted, operator, number)
        return
    # json_each and not a JSON path, for a key may hold any character; the last of equal keys counts, as in any parser
    numeric = "CAST(a.value AS REAL) " + operator + " CAST(? AS REAL)" if number is not None else "? = 'ne'"
    where.add(
        "CASE WHEN json_valid(w.attributes) THEN (SELECT CASE "
        f"WHEN a.type IN ('integer', 'real') THEN {numeric} "
        f"WHEN a.type = 'text' THEN a.value {operator} ? "
        f"WHEN a.type IN ('true', 'false') THEN a.type {operator} ? ELSE 0 END "
        "FROM json_each(w.attributes) AS a WHERE a.key = ? ORDER BY a.id DESC LIMIT 1) ELSE 0 END",
        repr(number) if number is not None else wanted.op,
        wanted.value,
        wanted.value,
        wanted.key,
    )


def _add_jsonb_attribute(where: Where, wanted: AttributeFilter, operator: str, number: float | None) -> None:
    value = "(w.attributes ->> CAST(? AS text))"
    keys = [wanted.key]
    if number is None:
        numeric = "CAST(? AS text) = 'ne'"
        numeric_params: list[str] = [wanted.op]
    else:
        # a numeric beyond what 64-bit floating point holds cannot be cast to it: that is an error, not infinity
        digits = f"CAST({value} AS numeric)"
        numeric = (
            f"CASE WHEN abs({digits}) >= {_ROUNDS_TO_INFINITY} THEN sign({digits}) * CAST('Infinity' AS float8) "
            f"WHEN abs({digits}) <= {_ROUNDS_TO_ZERO} THEN 0 ELSE CAST({digits} AS float8) END {operator} "
            "CAST(? AS float8)"
        )
        numeric_params = [*keys * 4, repr(number)]
    text = f'{value} COLLATE "C" {operator} ?'
    where.add(
        f"CASE jsonb_typeof(w.attributes -> CAST(? AS text)) WHEN 'number' THEN {numeric} "
        f"WHEN 'string' THEN {text} WHEN 'boolean' THEN {text} ELSE false END",
        wanted.key,
        *numeric_params,
        *(wanted.key, wanted.value) * 2,
    )


_EXACT_INTEGERS = 2**53


def attributes_term(query: RunQuery, schema: Schema) -> Where | None:
    """Return what Postgres' index on attributes can find of the query, or None; less exact than ``row_filter``."""
    wanted = [item for item in query.attributes if item.op == "eq"]
    if ATTRIBUTES_INDEX not in schema.indexes:
        return None
    where = Where(["w.attributes IS NOT NULL"])
    for tag in query.tags:
        where.add("w.attributes @> CAST(? AS jsonb)", json.dumps({"tags": [tag]}))
    for item in wanted:
        values: list[object] = [item.value]
        number = number_of(item.value)
        if number is not None and abs(number) > _EXACT_INTEGERS:
            continue  # unequal numbers of the index may be equal in floating point
        if number is not None:
            values.append(int(number) if number == int(number) else number)
        if item.value in ("true", "false"):
            values.append(item.value == "true")
        forms = [json.dumps({item.key: value}) for value in values]
        where.add("(" + " OR ".join(["w.attributes @> CAST(? AS jsonb)"] * len(forms)) + ")", *forms)
    return where if where.params else None


NAMED_TERM: Mapping[Dialect, str] = {
    "sqlite": "instr(lower(w.name), ?) > 0",
    "postgres": 'strpos(lower(w.name COLLATE "C"), ?) > 0',
}
"""The condition that the workflow's name holds a text, ``folded``. Both fold A to Z alone: SQLite knows no more."""


def prefix_range(prefix: str, dialect: Dialect) -> tuple[str, list[object]]:
    """Return the condition for ids that begin with ``prefix``, within a range of the primary key's index.

    On SQLite the range holds all of them. On Postgres the index follows the database's collation, in which ids that
    begin alike need not lie together: the range holds what nearly always is all, and the few others are found by
    readers of every run (``prefix_term``).
    """
    term, params = prefix_term(prefix, dialect)
    if dialect == "postgres":
        upper = "GREATEST(CAST(? AS text), CAST(? AS text))"
        bounds = [prefix, prefix + "z" * 40, prefix + "\U0010ffff"]
        return f"(w.workflow_uuid >= ? AND w.workflow_uuid <= {upper} AND {term})", [*bounds, *params]
    return f"(w.workflow_uuid >= ? AND w.workflow_uuid < ? AND {term})", [prefix, prefix + "\U0010ffff", *params]


def prefix_term(prefix: str, dialect: Dialect) -> tuple[str, list[object]]:
    """Return the condition that an id begins with ``prefix``."""
    if dialect == "postgres":
        return "starts_with(w.workflow_uuid, ?)", [prefix]
    return "substr(w.workflow_uuid, 1, ?) = ?", [len(prefix), prefix]


def text_term(text: str, dialect: Dialect) -> tuple[str, list[object]]:
    """Return the condition that the id begins with a text or the workflow's name holds it."""
    term, params = prefix_term(text, dialect)
    return f"({term} OR {NAMED_TERM[dialect]})", [*params, folded(text)]
