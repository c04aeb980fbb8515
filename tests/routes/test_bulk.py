"""Bulk over HTTP: previewed by error, applied to some of them, and what came of it, each count a filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.ledger.base import Bulk, BulkMember
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.failing import put_failed
from tests.story import mounted

OTHER: dict[str, Any] = {"message": "no such card", "kind": "CardError"}


@pytest.fixture
def store() -> MemoryStateStore:
    return MemoryStateStore()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def client(store: MemoryStateStore, ledger: MemoryLedger) -> Iterator[FlaskClient]:
    with mounted(store, ledger=ledger, caretaker=False) as app:
        yield app.test_client()


def get(client: FlaskClient, path: str, status: int = 200) -> Any:
    answer = client.get(f"/durable/api/{path}")
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_json()


def post(client: FlaskClient, path: str, body: Any = None, status: int = 200) -> Any:
    answer = client.post(f"/durable/api/{path}", json=body or {})
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_json()


def test_a_preview_of_a_retry_says_what_the_runs_died_of(client: FlaskClient, store: MemoryStateStore) -> None:
    """The most frequent first; runs that died of none that is known come last, without a fingerprint."""
    for number in range(3):
        put_failed(store, f"a{number}")
    put_failed(store, "b0", **OTHER)
    store.put_run(make_run("dead", status="dead"))
    seen = post(client, "bulk/retry?dryRun=true")
    assert [(group.get("type"), group["count"]) for group in seen["groups"]][1:] == [("CardError", 1), (None, 1)]
    assert seen["groups"][0]["count"] == 3
    assert "groups" not in post(client, "bulk/cancel?dryRun=true")


def member(run_id: str, outcome: Any, fingerprint: str | None = None) -> BulkMember:
    return BulkMember(
        bulk_id="bulk:b",
        run_id=run_id,
        created_at_ms=make_run(run_id).created_at_ms,
        outcome=outcome,
        detail="" if outcome == "applied" else "It stood otherwise.",
        fingerprint=fingerprint,
    )


def aftermath(client: FlaskClient, store: MemoryStateStore, ledger: MemoryLedger) -> None:
    """One run of each kind, after a bulk retry that a request did."""
    put_failed(store, "same")
    put_failed(store, "new", **OTHER)
    fingerprint = {row["id"]: row["error"]["fingerprint"] for row in get(client, "runs")}["same"]
    for name, status in (("good", "completed"), ("stopped", "cancelled"), ("open", "running"), ("left", "completed")):
        store.put_run(make_run(name, status=status))  # type: ignore[arg-type]
    ledger.begin_bulk(Bulk(bulk_id="bulk:b", action="retry", actor="ada", matched=6, skipped=2, filter={"queue": "q"}))
    ledger.put_bulk_members(
        [
            *(member(name, "applied", fingerprint) for name in ("same", "new", "good", "stopped", "open")),
            member("left", "changed"),
        ]
    )
    ledger.end_bulk("bulk:b")


PARTS = {
    "succeeded": {"good"},
    "same_error": {"same"},
    "new_error": {"new"},
    "cancelled": {"stopped"},
    "open": {"open"},
    "left_alone": {"left"},
    "applied": {"same", "new", "good", "stopped", "open"},
}


def test_what_came_of_a_bulk_is_counted_and_each_count_is_a_filter(
    client: FlaskClient, store: MemoryStateStore, ledger: MemoryLedger
) -> None:
    """Also of one that a request did: the ledger alone knows of it."""
    aftermath(client, store, ledger)
    told = get(client, "bulk/b")
    assert (told["bulkId"], told["status"], told["actor"], told["filter"]) == (
        "bulk:b",
        "completed",
        "ada",
        {"queue": "q"},
    )
    assert (told["matched"], told["skipped"], told["applied"], told["refused"]) == (6, 2, 5, 1)
    assert told["now"] == {"succeeded": 1, "sameError": 1, "newError": 1, "cancelled": 1, "open": 1, "exact": True}
    assert "now" not in get(client, "bulk/b?now=false")
    left = [result for result in told["results"] if result["outcome"] != "applied"]
    assert left == [{"runId": "left", "outcome": "changed", "detail": "It stood otherwise."}]
    for part, expected in PARTS.items():
        assert {row["id"] for row in get(client, f"runs?bulk=bulk:b&bulkPart={part}")} == expected, part
        counted = get(client, f"runs/facets?bulk=bulk:b&bulkPart={part}")
        assert sum(facet["count"] for facet in counted) == len(expected), part
    assert len(get(client, "runs?bulk=b")) == 6
    assert get(client, "runs?bulk=b&status=completed&bulkPart=applied")[0]["id"] == "good"
    assert get(client, "runs?bulk=none") == []


def test_a_part_without_its_bulk_is_refused(client: FlaskClient) -> None:
    """It would filter nothing."""
    assert get(client, "runs?bulkPart=succeeded", 400)["parameter"] == "bulkPart"
    assert get(client, "runs?bulk=b&bulkPart=lost", 400)["parameter"] == "bulkPart"


def test_a_small_bulk_has_a_page_too(client: FlaskClient, store: MemoryStateStore) -> None:
    """What a request did at once is kept, with who asked and what for; the audit log names it."""
    store.put_run(make_run("r", status="completed"))
    done = post(client, "bulk/cancel?workflow=nobody")
    told = get(client, f"bulk/{done['bulkId']}")
    assert (told["status"], told["action"], told["filter"]) == ("completed", "cancel", {"workflow": "nobody"})
    assert (told["matched"], told["results"]) == (0, [])
    assert done["results"] == []
    (entry,) = get(client, "audit")
    assert (entry["action"], entry["runId"]) == ("bulk.cancel", done["bulkId"])
    assert [one["bulkId"] for one in get(client, "bulk")] == [done["bulkId"]]


def test_bulks_are_listed_in_pages(client: FlaskClient) -> None:
    """Newest first; the last one seen leads on."""
    ids = [post(client, f"bulk/cancel?workflow=w{number}")["bulkId"] for number in range(3)]
    first = get(client, "bulk?limit=2")
    rest = get(client, f"bulk?before={first[-1]['bulkId']}")
    assert {one["bulkId"] for one in [*first, *rest]} == set(ids)
    assert len(first) == 2
    get(client, "bulk?before=bulk:none", 404)


def test_a_canary_of_a_cancel_is_refused(client: FlaskClient) -> None:
    """It shows nothing of how others will fare."""
    assert post(client, "bulk/cancel?workflow=w&canary=true", status=400)["parameter"] == "canary"


def test_only_the_errors_that_were_ticked_are_taken(client: FlaskClient, store: MemoryStateStore) -> None:
    """An empty fingerprint stands for those of no error that is known; nothing else is touched."""
    put_failed(store, "a")
    put_failed(store, "b", **OTHER)
    groups = post(client, "bulk/retry?dryRun=true")["groups"]
    none = post(client, "bulk/retry?status=failed", {"errors": ["nobody"]})
    assert (none["matched"], len(groups)) == (0, 2)


def test_a_bulk_is_there_without_a_ledger(
    client: FlaskClient, store: MemoryStateStore, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run of it tells what it recorded; how its runs stand since is left out."""
    store.put_run(make_run("bulk:x", workflow="durable.bulk", status="completed"))

    def gone(bulk_id: str) -> None:
        raise LedgerUnavailableError("in memory", "It is gone.")

    monkeypatch.setattr(ledger, "bulk", gone)
    told = get(client, "bulk/x")
    assert (told["status"], "now" in told, "actor" in told) == ("completed", False, False)
