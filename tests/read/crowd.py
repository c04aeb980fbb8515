"""Random runs, filters and executors, and three stores that hold the same rows: memory, SQLite and Postgres.

Values come from small pools of awkward ones, so that filters and runs meet often.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import psycopg
from hypothesis import strategies as st

from otel_bridge.ledger.base import BulkMember, BulkOutcome, ErrorSignature, Executor, Failure, InFlightStep
from otel_bridge.model.runs import BulkPart
from otel_bridge.model.status import RUN_STATUSES
from otel_bridge.runs.blocked import BLOCKED_AFTER_MS
from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.store.postgres import PostgresStateStore
from otel_bridge.store.sqlite import SqliteStateStore
from otel_bridge.testing import MemoryStateStore

NOW_MS = 1_700_000_000_000
TABLES = ("workflow_status", "operation_outputs", "workflow_events_history")

NAMES = ["", "order", "Order", "Ärger", "ärger", "a_b", "100%", "it's", "!", "a\\b", "durable.undo", "İ", "x" * 40]
IDS = ["a", "A", "a-1", "a_1", "ab", "ä", "~", "/lead", "x/stream", "a\nb", "undo:a", "undo:ab", "dlq:a", "%", "zz"]
JSON_VALUES = [
    "null", "true", "false", "0", "-0.0", "1", "10", "10.0", "1e1", "10.5", "-3", "0.1", "0.30000000000000004",
    "9007199254740993", "123456789012345678901234567890", "1e400", "-1e400", "1e-400", "5e-324", '""', '"10"', '"10.0"',
    '"1e1"', '"true"', '"null"', '"nan"', '"abc"', '"ABC"', '"ä"', '"\\ud83d\\ude00"', '" 10"', "[]", '["10"]', "[1]",
    '{"a": 1}',
]  # fmt: skip
WANTED_VALUES = [
    "", "10", "10.0", "1e1", "+10", " 10", "1_0", "0x10", ".1", "0.1", "0.30000000000000004", "-3", "0", "nan", "inf",
    "-inf", "1e400", "1e-400", "5e-324", "9007199254740992", "9007199254740993", "123456789012345678901234567890",
    "true", "True", "false", "null", "None", "abc", "ABC", "ä", "😀", "[]", '{"a": 1}', "gt:5", ":eq:x",
]  # fmt: skip
KEYS = ["k", "tags", "a b", 'q"uote', "ä", "$.k", "k:eq", "a.b"]
TAG_VALUES = [
    "null", "[]", '["vip"]', '["vip", "eu"]', '"vip"', '[["vip"]]', '{"a": "vip"}', '[1, null, "Vip"]',
    '["it\'s", "ä"]',
]  # fmt: skip
TAGS = ["vip", "eu", "Vip", "it's", "ä", "1", ""]
ENGINE_WORDS = ["PENDING", "ENQUEUED", "DELAYED", "SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
FINGERPRINTS = ["f1", "f2"]
QUEUES, EXECUTORS, VERSIONS, SPACES = ["q1", "q2", ""], ["e1", "e2", ""], ["v1", "v2", ""], ["shop", "other", ""]

Row = dict[str, Any]


@dataclass
class Crowd:
    """Rows by table, who reports presence, which error each run died of last, and what a bulk action did with it."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in TABLES})
    executors: list[Executor] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    members: list[BulkMember] = field(default_factory=list)


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    """Return one of the values, or None as often."""
    return st.one_of(st.none(), st.sampled_from(values))


attributes = st.one_of(
    st.none(),
    st.sampled_from(["null", "[1]", '"x"', '{"k": 1, "k": 2}', '{"k": 1, "k": "x"}']),
    st.builds(
        lambda values, tags: (
            "{" + ", ".join([*(f"{_quoted(key)}: {value}" for key, value in values.items()), *tags]) + "}"
        ),
        st.dictionaries(
            st.sampled_from([key for key in KEYS if key != "tags"]), st.sampled_from(JSON_VALUES), max_size=3
        ),
        st.lists(st.sampled_from(TAG_VALUES).map(lambda tags: f'"tags": {tags}'), max_size=1),
    ),
)


def _quoted(key: str) -> str:
    return '"' + key.replace('"', '\\"') + '"'


@st.composite
def crowds(draw: st.DrawFn) -> Crowd:
    """Return up to twelve runs, their steps where they wait, and up to three executors."""
    crowd = Crowd()
    ids = draw(st.lists(st.sampled_from(IDS), unique=True, max_size=len(IDS)))
    for run_id in ids:
        word = draw(st.sampled_from(ENGINE_WORDS))
        created = NOW_MS - draw(st.sampled_from([0, 0, 1, 1_000, BLOCKED_AFTER_MS, BLOCKED_AFTER_MS + 1, 3_600_000]))
        ended = word in ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
        crowd.rows["workflow_status"].append(
            {
                "workflow_uuid": run_id,
                "status": word,
                "name": draw(st.one_of(st.none(), st.sampled_from(NAMES))),
                "created_at": created,
                "updated_at": created + draw(st.sampled_from([0, 999, 1_000, 5_000])),
                "started_at_epoch_ms": draw(maybe(created, created + 10)),
                "completed_at": draw(maybe(created + 20, created + 1_010)) if ended else None,
                "application_version": draw(maybe(*VERSIONS)),
                "queue_name": draw(maybe(*QUEUES)),
                "executor_id": draw(maybe(*EXECUTORS)),
                "parent_workflow_id": draw(maybe(*ids, "gone", "")),
                "application_name": draw(maybe(*SPACES)),
                "delay_until_epoch_ms": created + 60_000 if word == "DELAYED" else None,
                "attributes": draw(attributes),
                "recovery_attempts": draw(st.integers(0, 3)),
                "priority": 0,
            }
        )
        if draw(st.booleans()):
            crowd.failures.append(_failure(run_id, created, draw(st.sampled_from(FINGERPRINTS))))
        if draw(st.booleans()):
            outcome = draw(st.sampled_from(get_args(BulkOutcome)))
            before = draw(maybe(*FINGERPRINTS))
            crowd.members.append(
                BulkMember(bulk_id="bulk:b", run_id=run_id, created_at_ms=created, outcome=outcome, fingerprint=before)
            )
        if word == "PENDING":
            _draw_wait(draw, crowd, run_id, created, ids)
    crowd.executors = draw(st.lists(_executors(ids), max_size=3, unique_by=lambda executor: executor.instance_id))
    return crowd


def _failure(run_id: str, created: int, fingerprint: str) -> Failure:
    signature = ErrorSignature(fingerprint=fingerprint, type="KeyError")
    return Failure(
        run_id=run_id, ended_at_ms=created + 20, created_at_ms=created, signature=signature, workflow="order"
    )


def _draw_wait(draw: st.DrawFn, crowd: Crowd, run_id: str, created: int, ids: Sequence[str]) -> None:
    what = draw(st.sampled_from(["nothing", "sleep", "slept", "signal", "child"]))
    if what == "nothing":
        return
    step: Row = {
        "workflow_uuid": run_id,
        "function_id": 2 if what == "signal" else 1,
        "function_name": "charge" if what == "child" else "DBOS.sleep",
        "started_at_epoch_ms": created,
        "completed_at_epoch_ms": created,
        "retention_timestamp": created,
    }
    if what == "child":
        step["child_workflow_id"] = draw(st.sampled_from(ids))
    else:
        wake_ms = NOW_MS + 60_000 if what != "slept" else created
        step |= {"output": str(wake_ms / 1000), "completed_at_epoch_ms": created if what == "signal" else wake_ms}
    crowd.rows["operation_outputs"].append(step)


def _executors(ids: Sequence[str]) -> st.SearchStrategy[Executor]:
    steps = st.builds(
        InFlightStep,
        run_id=st.sampled_from(ids) if ids else st.just("none"),
        seq=st.sampled_from([None, 1, 3]),
        name=st.sampled_from(["charge", "DBOS.recv"]),
        started_at_ms=st.just(NOW_MS - 100),
    )
    return st.builds(
        Executor,
        instance_id=st.sampled_from(["i1", "i2", "i3"]),
        executor_id=st.sampled_from(["e1", "e2"]),
        beat_at_ms=st.sampled_from([NOW_MS, NOW_MS - 3_600_000]),
        started_at_ms=st.just(NOW_MS - 7_200_000),
        app_version=st.sampled_from([None, "v1", "v2"]),
        app_name=st.sampled_from([None, "shop"]),
        queues=st.sampled_from([(), ("q1",)]),
        workflows=st.sampled_from([(), ("order",), ("order", "Ärger")]),
        in_flight=st.lists(steps, max_size=2).map(tuple),
    )


@st.composite
def filters(draw: st.DrawFn) -> dict[str, list[str]]:
    """Return query parameters of the run list's filter, as a client gives them: two or three at once."""
    attr = st.builds(
        lambda key, op, value: f"{key}:{op}:{value}",
        st.sampled_from(KEYS),
        st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]),
        st.sampled_from(WANTED_VALUES),
    )
    times = [NOW_MS - 3_600_000, NOW_MS - 1_000, NOW_MS - 1, NOW_MS, NOW_MS + 1]
    one: dict[str, st.SearchStrategy[list[str]]] = {
        "status": st.lists(st.sampled_from(RUN_STATUSES), min_size=1, max_size=3),
        "workflow": _one_of(NAMES),
        "q": _one_of([*IDS, *NAMES, "R", "ORD", "rder", "undo:", "er"]),
        "queue": _one_of([*QUEUES, "none"]),
        "executor": _one_of([*EXECUTORS, "none"]),
        "version": _one_of([*VERSIONS, "none"]),
        "tag": st.lists(st.sampled_from(TAGS), min_size=1, max_size=2),
        "attr": st.lists(attr, min_size=1, max_size=2),
        "since": _one_of([str(time) for time in times]),
        "until": _one_of([str(time) for time in times]),
        "parent": _one_of([*IDS, "gone", ""]),
        "namespace": _one_of([*SPACES, "none"]),
        "minDurationMs": _one_of(["0", "1", "10", "999", "1000", "1010", "60000", str(2**53)]),
        "error": _one_of([*FINGERPRINTS, "none", ""]),
        "origin": _one_of(["web"]),
    }
    names = draw(st.lists(st.sampled_from(sorted(one)), unique=True, max_size=3))
    found = {name: draw(one[name]) for name in names}
    if draw(st.booleans()):
        found["bulk"] = draw(_one_of(["b", "bulk:b", "none"]))
        if draw(st.booleans()):
            found["bulkPart"] = draw(_one_of(get_args(BulkPart)))
    return found


def _one_of(values: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.sampled_from(values).map(lambda value: [value])


# -- stores -------------------------------------------------------------------------------------------------------


class FrozenPostgres(PostgresStateStore):
    """Postgres at one moment."""

    def now_ms(self) -> int:
        return NOW_MS


class Stores:
    """The stores, refilled for each crowd: real tables, of which the memory store's are a copy."""

    def __init__(self, sqlite: Path, postgres_url: str) -> None:
        self._file = sqlite3.connect(sqlite, isolation_level=None)
        self._server = psycopg.connect(postgres_url, autocommit=True)
        self.memory = MemoryStateStore(clock=lambda: NOW_MS)
        self.all: dict[str, SqlStateStore] = {
            "memory": self.memory,
            "sqlite": SqliteStateStore(sqlite, clock=lambda: NOW_MS),
            "postgres": FrozenPostgres(postgres_url),
        }

    def fill(self, crowd: Crowd) -> None:
        """Replace whatever is in the stores by the crowd."""
        with self._server.pipeline():
            for table in TABLES:
                self.memory.rows(f"DELETE FROM {table}")
                self._file.execute(f"DELETE FROM {table}")
                self._server.execute(f"DELETE FROM dbos.{table}".encode())
                for row in crowd.rows[table]:
                    names, values = ", ".join(row), list(row.values())
                    self.memory.put_row(table, **row)
                    signs = ", ".join("?" * len(row))
                    self._file.execute(f"INSERT INTO {table} ({names}) VALUES ({signs})", values)
                    signs = ", ".join("%s::text::jsonb" if name == "attributes" else "%s" for name in row)
                    self._server.execute(f"INSERT INTO dbos.{table} ({names}) VALUES ({signs})".encode(), values)

    def close(self) -> None:
        """Close the stores and what fills them."""
        for store in self.all.values():
            store.close()
        self._file.close()
        self._server.close()


def opened(sqlite: Path, postgres_url: str) -> Iterator[Stores]:
    """Yield the stores, and close them."""
    stores = Stores(sqlite, postgres_url)
    yield stores
    stores.close()
