"""Every statement of the ledger answers from an index, on SQLite and on Postgres: pages and ticks ask them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.ledger import Ledger, open_ledger, tables
from otel_bridge.ledger.base import UsageAxis
from otel_bridge.ledger.tables.core import Session

READS_A_WHOLE_TABLE = {
    "executors.EXECUTORS": "one row a worker process; the caretaker prunes",
    "executors.EXECUTORS_NOW": "the same",
    "executors.PRUNE": "the same",
    "tokens.ALL": "made by people, shown to people",
    "failures.PRUNE_GROUPS": "one row an error, looked through by the caretaker, not by a page",
}
AXES: tuple[UsageAxis, ...] = ("run", "workflow", "version", "day")


def declared() -> dict[str, str]:
    """Return every statement that the modules of ``ledger.tables`` declare, by name."""
    found: dict[str, str] = {}
    for info in pkgutil.iter_modules(tables.__path__):
        for name, value in vars(importlib.import_module(f"{tables.__name__}.{info.name}")).items():
            many = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, tuple) else None
            for key, text in ({None: value} if many is None else many).items():
                if isinstance(text, str) and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b", text) and "{t}" in text:
                    found[f"{info.name}.{name}" + ("" if key is None else f"[{key}]")] = text
    return found


def usage_statements(ledger: Ledger) -> dict[str, str]:
    """Return the statements that sum model calls, which are made for what is asked."""
    found: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "_read", lambda text, **_: found.setdefault(f"usage {len(found)}", text) and [])
        for axis in AXES:
            ledger.usage(since_ms=0, until_ms=1, by=[axis], limit=1)
        ledger.usage_of(["r"])
    return found


def explained(ledger: Ledger, text: str) -> list[str]:
    """Return what a statement reads without an index, by the database's own plan."""
    given: Mapping[str, Any] = dict.fromkeys(re.findall(r":(\w+)", text)) | {"ids": ["x"]}

    def on_sqlite(session: Session) -> list[str]:
        lines = [str(row[-1]) for row in session.rows(f"EXPLAIN QUERY PLAN {text}", **given)]
        return [line for line in lines if re.fullmatch(r"SCAN (?!CONSTANT|one\b|w\b)(\w+)( LEFT-JOIN)?", line)]

    def on_postgres(session: Session) -> list[str]:
        session.rows(
            "SET LOCAL enable_seqscan = off"
        )  # a table this small would be read whole though there is an index
        ((plan,),) = session.rows(f"EXPLAIN (FORMAT JSON) {text}", **given)
        return [node["Relation Name"] for node in nodes(plan[0]["Plan"]) if node["Node Type"] == "Seq Scan"]

    postgres = type(ledger).__name__ == "PostgresLedger"
    return ledger._run(on_postgres if postgres else on_sqlite, write=True)


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a plan's node and all below it."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger of each kind."""
    url = f"sqlite:///{tmp_path}/app.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    opened = open_ledger(url)
    yield opened
    opened.close()


def test_every_statement_answers_from_an_index(stored: Ledger) -> None:
    """But for tables that stay small: see ``READS_A_WHOLE_TABLE``, in which nothing stands that is not so."""
    statements = declared() | usage_statements(stored)
    assert len(statements) >= 90
    whole = {name: found for name, text in statements.items() if (found := explained(stored, text))}
    assert {name: found for name, found in whole.items() if name not in READS_A_WHOLE_TABLE} == {}
    assert READS_A_WHOLE_TABLE.keys() <= statements.keys()
