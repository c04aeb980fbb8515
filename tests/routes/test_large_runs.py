"""No answer about a run is larger than 300 kB, whatever the run holds; only the routes of one value give it whole."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from otel_bridge.ledger.base import AuditEntry
from otel_bridge.model.values import StoredValue
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step
from tests.story import mounted

MOST_BYTES = 300_000
MANY, VALUES = 3_000, 300
T = time.time_ns() // 1_000_000 - 86_400_000
ROUTES = (
    "", "?fold=true&children=200", "?q=s", "?q=nothing+holds+this", "?from=1500", "/graph", "/graph?expand=all",
    "/timing", "/compare?with=other", "/undo", "/events", "/streams", "/streams/out?limit=1000", "/steps/7", "/usage",
    "/report",
)  # fmt: skip
LISTS = ("runs?limit=500", "runs?parent=wide&limit=500", "audit?limit=500", "errors", "inbox", "topology", "activity")
IDS = ("distinct", "looped", "wide", "errors", "own", "published", "again")


def fill(store: MemoryStateStore, ledger: MemoryLedger) -> None:
    """Runs that hold very much of one thing each."""
    long = json.dumps("é\\u0001" + "x" * 20_000)
    error = json.dumps({"name": "E", "message": "m" * 100_000, "stack": "\\u0001" * 70_000})
    for run_id in (*IDS, "other"):
        store.put_run(make_run(run_id, status="failed", created_at_ms=T, attributes={"note": "n" * 100}))
        store.put_payload(run_id, "input", long)
        store.put_payload(run_id, "error", error)
    for seq in range(1, MANY + 1):
        at = T + 20 * seq
        store.put_step(make_step("distinct", seq, name=f"step-{seq}", started_at_ms=at))
        store.put_step(make_step("looped", seq, name=f"s{seq % 3}", started_at_ms=at))
        store.put_step(make_step("own", seq, name="DBOS.now", started_at_ms=at, housekeeping=True))
        child = f"child-{seq:05}"
        step = make_step(
            "wide", seq, name="pack", kind="remote", child_run_id=child, enqueued_at_ms=at, started_at_ms=at
        )
        store.put_step(step)
        store.put_run(make_run(child, status="completed", parent_id="wide", created_at_ms=at, queue="q"))
    for seq in range(1, 61):
        value = StoredValue(error, "portable_json", len(error))
        store.put_step(make_step("errors", seq, name=f"e{seq}", status="failed", error=value, started_at_ms=T + seq))
    for number in range(VALUES):
        store.put_event("published", f"key-{number:03}", long)
    for offset in range(VALUES):
        written = {"key": "out", "value": long, "offset": offset, "function_id": 1, "serialization": "portable_json"}
        store.put_row("streams", workflow_uuid="published", **written)
    for n in range(200):
        again = AuditEntry(at_ms=T + 1_000 * (n + 1), actor="ann", action="retry", run_id="again", outcome="done")
        ledger.add_audit(again)
        for seq in range(20):
            store.put_step(make_step("again", 20 * n + seq + 1, name="try", started_at_ms=T + 1_000 * n + seq))


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    store, ledger = MemoryStateStore(), MemoryLedger()
    fill(store, ledger)
    with mounted(store, ledger=ledger) as app:
        yield app.test_client()


@pytest.mark.parametrize("run_id", IDS)
def test_no_answer_about_a_run_is_larger_than_it_may_be(client: FlaskClient, run_id: str) -> None:
    """By bytes, whatever makes it large: steps, children, loops, values, errors, attempts."""
    sizes = {}
    for route in ROUTES:
        answer = client.get(f"/durable/api/runs/{run_id}{route}")
        assert answer.status_code == 200 or (run_id, route) == ("published", "/steps/7"), (route, answer.text[:300])
        sizes[route] = len(answer.data)
    assert {route: size for route, size in sizes.items() if size > MOST_BYTES} == {}


@pytest.mark.parametrize("route", LISTS)
def test_no_list_is_larger_than_it_may_be(client: FlaskClient, route: str) -> None:
    """With runs like these in it."""
    answer = client.get(f"/durable/api/{route}")
    assert (answer.status_code, len(answer.data) <= MOST_BYTES) == (200, True)


def test_the_parts_of_any_run_are_all_of_it(client: FlaskClient) -> None:
    """What an answer has no room for comes with the next one."""
    for run_id, count in (("distinct", MANY), ("errors", 60)):
        seqs: list[int] = []
        following: int | None = 1
        while following is not None:
            part = client.get(f"/durable/api/runs/{run_id}?from={following}&children=1").json or {}
            assert part["stepsTotal"] == count
            seqs += [step["seq"] for step in part["timeline"]]
            following = part.get("nextStep")
        assert seqs == list(range(1, count + 1))
    offsets: list[int] = []
    while entries := client.get(f"/durable/api/runs/published/streams/out?after={len(offsets) - 1}&limit=1000").json:
        offsets += [entry["offset"] for entry in entries]
    assert offsets == list(range(VALUES))


def test_a_page_of_long_rows_is_shorter_and_the_pages_hold_each_run_once() -> None:
    """By bytes: what a page has no room for, the next one begins with; a filter still looks at all attributes."""
    store = MemoryStateStore()
    for number in range(60):
        attributes = {"note": "n" * 50_000, "customer": f"c{number % 2}", "kilo": "k" * 1_000}
        store.put_run(make_run(f"r{number:02}", status="completed", created_at_ms=T + number, attributes=attributes))
    store.put_run(make_run("mega", status="completed", created_at_ms=T, attributes={"note": "n" * 1_000_000, "a": "b"}))
    with mounted(store) as app:
        client, path, ids, sizes = app.test_client(), "/durable/api/runs?limit=50", list[str](), list[int]()
        while path:
            answer = client.get(path)
            ids += [row["id"] for row in answer.json or ()]
            sizes.append(len(answer.data))
            link = answer.headers.get("Link", "")
            path = link[1 : link.index(">")] if link else ""
        found = client.get("/durable/api/runs?attr=a:eq:b").json or []
    assert ids == [*(f"r{number:02}" for number in range(59, -1, -1)), "mega"]
    assert max(sizes) <= 1_000_100
    assert [row["searchAttributes"] for row in found] == [{"attributesTooLong": 1_000_022}]
