"""The conformance kit: recorded databases of real DBOS become the traces that are written down for them."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing
from typing import Any

import pytest
from dbos import run_dbos_database_migrations

from otel_bridge.store import open_store
from tests.conformance import kit
from tests.conformance.loading import load_postgres, load_sqlite

Spans = list[dict[str, Any]]


def attribute(span: dict[str, Any], key: str) -> Any:
    """Return an attribute's value; None where there is none."""
    for pair in span["attributes"]:
        if pair["key"] == key:
            (value,) = pair["value"].values()
            return value
    return None


@pytest.mark.parametrize("name", kit.SETTINGS)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_recordings_become_the_spans_that_are_written_down(
    database: str, name: str, request: pytest.FixtureRequest
) -> None:
    """Every id, time, attribute, event and link, from both databases, over both recordings."""
    url = request.getfixturevalue(f"{database}_url")
    run_dbos_database_migrations(url)
    load = load_sqlite if database == "sqlite" else load_postgres
    with closing(open_store(url)) as store:
        export = kit.Export(store, kit.SETTINGS[name])
        for recording, wanted in zip(kit.RECORDINGS, kit.expected(name), strict=True):
            rows = kit.read(recording)
            load(url, rows)
            assert export.of(rows) == wanted, recording


def test_ids_follow_from_run_ids_alone() -> None:
    """What the README says of ids, computed here from nothing but the specification."""

    def digest(*parts: object, size: int = 8) -> str:
        return hashlib.sha256("\0".join(["durable-v1", *map(str, parts)]).encode()).hexdigest()[: 2 * size]

    seen = Counter[str]()
    for span in [span for phase in kit.expected("link") for span in phase]:
        run_id, seq = attribute(span, "durable.run.id"), attribute(span, "durable.step.seq")
        generation = int(attribute(span, "durable.run.generation") or 0)
        assert span["traceId"] == digest("trace", "", run_id.removeprefix("undo:"), size=16)
        if seq is not None:
            wanted = digest("step", "", run_id, seq, generation)
        else:
            wanted = digest("retry", "", run_id, generation) if generation else digest("root", "", run_id)
        assert span["spanId"] == wanted
        seen[wanted] += 1
    assert max(seen.values()) == 1


@pytest.mark.parametrize("name", [name for name in kit.SETTINGS if name != "anchor"])
def test_every_trace_that_is_written_down_keeps_the_rules(name: str) -> None:
    """One root for each run that has ended, none for another; parents are there, and last as long as their children."""
    first, second = kit.expected(name)
    spans = {span["spanId"]: span for span in [*first, *second]}
    ended = {
        row["workflow_uuid"]
        for row in kit.read("2.sql")["workflow_status"]
        if row["status"] not in ("PENDING", "ENQUEUED", "DELAYED")
    }
    roots = Counter(
        attribute(span, "durable.run.id")
        for span in spans.values()
        if attribute(span, "durable.run.status") and not attribute(span, "durable.run.generation")
    )
    assert roots == dict.fromkeys(ended, 1)
    for span in spans.values():
        parent = spans.get(span.get("parentSpanId", ""))
        if attribute(span, "durable.run.id") in ended and "parentSpanId" in span:
            assert parent is not None, span
            assert parent["traceId"] == span["traceId"]
        if parent is not None and attribute(span, "durable.step.seq") is not None:
            assert int(parent["startTimeUnixNano"]) <= int(span["startTimeUnixNano"])
            assert int(span["endTimeUnixNano"]) <= int(parent["endTimeUnixNano"])
        for link in span.get("links", ()):
            if attribute(link, "durable.run.id") in ended:
                assert link["spanId"] in spans, link


def test_a_root_at_the_beginning_is_there_before_its_children_and_sent_once() -> None:
    """Every run has its root from first sight on, open ones too; each life that ended has one outcome under it."""
    spans: dict[str, dict[str, Any]] = {}
    outcomes = Counter[tuple[str, int]]()
    for phase in kit.expected("anchor"):
        spans |= {span["spanId"]: span for span in phase}
        for span in spans.values():
            assert "parentSpanId" not in span or spans[span["parentSpanId"]]["traceId"] == span["traceId"]
    assert len(spans) == sum(map(len, kit.expected("anchor")))
    whole = {span["spanId"]: span for phase in kit.expected("link") for span in phase}
    for span in spans.values():
        run_id, life = attribute(span, "durable.run.id"), int(attribute(span, "durable.run.generation") or 0)
        if span["name"] == "run":
            outcomes[run_id, life] += 1
            root = whole[span["parentSpanId"]]
            for key in ("startTimeUnixNano", "endTimeUnixNano", "attributes", "events", "status"):
                assert span.get(key) == root.get(key)
        elif attribute(span, "durable.step.seq") is None:
            assert span["startTimeUnixNano"] == span["endTimeUnixNano"]
            assert attribute(span, "durable.run.status") is None
        else:
            assert span == whole[span["spanId"]]
    assert set(outcomes.values()) == {1}
    assert {root["spanId"] for root in whole.values() if attribute(root, "durable.run.status")} == {
        span["parentSpanId"] for span in spans.values() if span["name"] == "run"
    }


@pytest.mark.parametrize(
    ("run_id", "names"),
    [
        ("crash-1", ["crash", "linger", "work", "work"]),
        ("crash-2", ["crash", "linger", "work", "work"]),
        ("dead-1", ["doomed", "work"]),
        ("retry-1", ["fails", "retry 1", "work", "work", "work", "work"]),
        ("attempts-1", ["flaky", "retried_step"]),
        ("asleep-1", ["work"]),
        ("suspended-1", ["DBOS.setEvent", "DBOS.sleep", "signal:approval", "suspended", "work"]),
        ("clock-1", ["clock_jumps", "work", "work", "work"]),
        ("family-1", ["family", "leaf", "middle"]),
        ("undone-1", ["book", "book", "saga", "work"]),
    ],
)
def test_what_happened_to_a_run_is_reported_once(run_id: str, names: list[str]) -> None:
    """A crash repeats no span and a replay adds none; each life of a retried run has its own; what sleeps is open."""
    spans = [span for phase in kit.expected("link") for span in phase]
    assert sorted(span["name"] for span in spans if attribute(span, "durable.run.id") == run_id) == names
