"""Errors: failures by what they have in common, what they share, and what people decide about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.ledger import Ledger, open_ledger
from otel_bridge.ledger.tables.core import Session
from otel_bridge.model.names import UNDO_PREFIX
from otel_bridge.model.runs import RunQuery
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.failing import put_completed, put_failed
from tests.story import mounted

OTHER: dict[str, Any] = {"message": "no such card", "kind": "CardError"}


@pytest.fixture
def store() -> Iterator[MemoryStateStore]:
    made = MemoryStateStore()
    yield made
    made.close()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    opened: Ledger
    if request.param == "memory":
        opened = MemoryLedger()
    elif request.param == "sqlite":
        opened = open_ledger(tmp_path / "app.sqlite")
    else:
        opened = open_ledger(request.getfixturevalue("postgres_url"))
    yield opened
    opened.close()


@pytest.fixture
def client(store: MemoryStateStore, ledger: Ledger) -> Iterator[FlaskClient]:
    with mounted(store, ledger=ledger, caretaker=False) as app:
        yield app.test_client()


@pytest.fixture
def quick(store: MemoryStateStore) -> Iterator[FlaskClient]:
    """Over a ledger in memory, for what does not depend on where that is."""
    with mounted(store, ledger=MemoryLedger(), caretaker=False) as app:
        yield app.test_client()


def get(client: FlaskClient, path: str, status: int = 200) -> Any:
    answer = client.get(f"/durable/api/{path}")
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_json()


def post(client: FlaskClient, path: str, body: Any, status: int = 200) -> Any:
    answer = client.post(f"/durable/api/{path}", json=body, headers={"Origin": "http://localhost"})
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_json()


def facet(status: str, count: int) -> dict[str, Any]:
    return {"status": status, "count": count, "exact": True, "origin": None}


def fill(store: MemoryStateStore) -> None:
    """Six timeouts of one workflow, three card errors of two, and ten runs that completed."""
    now_ms = store.now_ms()
    for number in range(6):
        put_failed(
            store,
            f"t{number}",
            f"timeout after {number} s",
            at_ms=now_ms - 60_000 + number,
            workflow="order",
            workflow_version="v2",
            attributes={"customer": "acme" if number else "other", "n": number},
        )
    for number in range(3):
        put_failed(store, f"c{number}", **OTHER, at_ms=now_ms - 30_000, workflow="order" if number else "refund")
    for number in range(10):
        put_completed(
            store,
            f"g{number}",
            at_ms=now_ms - 50_000,
            workflow="order",
            workflow_version="v2" if number < 2 else "v1",
            attributes={"customer": "acme" if number < 1 else "other"},
        )


def test_failures_are_grouped_and_counted(store: MemoryStateStore, client: FlaskClient) -> None:
    """By type, step and message; the last seen first."""
    fill(store)
    found = get(client, "errors?buckets=4")
    cards, timeouts = found["groups"]
    assert "scannedTo" not in found
    assert found["failures"] == {"open": 9, "dealtWith": 0, "ignored": 0, "completed": 0, "undone": 0}
    assert {key: timeouts[key] for key in ("type", "step", "template", "count", "total", "state")} == {
        "type": "GatewayTimeout",
        "step": "charge",
        "template": "timeout after # s",
        "count": 6,
        "total": 6,
        "state": "open",
    }
    assert timeouts["versions"] == [{"value": "v2", "count": 6}]
    assert cards["workflows"] == [{"value": "order", "count": 2}, {"value": "refund", "count": 1}]
    assert timeouts["share"] == round(6 / 18, 4)
    assert cards["share"] == round(3 / 19, 4)
    assert timeouts["buckets"] == [0, 0, 0, 6]
    assert found["bucketMs"] * 4 >= 7 * 86_400_000


def test_rows_of_failed_runs_say_why(store: MemoryStateStore, client: FlaskClient) -> None:
    """In the list, among children, and whole in the run; none of a run that did not fail."""
    put_failed(store, "r", "timeout after 3 s\nand more")
    put_completed(store, "g")
    rows = {row["id"]: row for row in get(client, "runs")}
    error = rows["r"]["error"]
    assert error == {
        "type": "GatewayTimeout",
        "message": "timeout after 3 s",
        "step": "charge",
        "fingerprint": error["fingerprint"],
    }
    assert "error" not in rows["g"]
    run = get(client, "runs/r")["run"]
    assert run["error"] == {**error, "message": "timeout after 3 s\nand more"}
    assert "dealtWith" not in run


def test_a_group_is_a_filter_of_list_facets_and_bulk(store: MemoryStateStore, client: FlaskClient) -> None:
    """With any other filter beside it, and page by page."""
    fill(store)
    cards, timeouts = get(client, "errors")["groups"]
    own = f"error={timeouts['fingerprint']}"
    assert [row["id"] for row in get(client, f"runs?{own}")] == [f"t{number}" for number in reversed(range(6))]
    assert [row["id"] for row in get(client, f"runs?{own}&attr=n:gte:4")] == ["t5", "t4"]
    assert get(client, f"runs?{own}&status=completed") == []
    assert get(client, "runs?error=nothing") == []
    assert get(client, f"runs/facets?{own}") == [facet("failed", 6)]
    by_workflow = get(client, f"runs/facets?error={cards['fingerprint']}&by=workflow")
    assert [(facet["workflow"], facet["count"]) for facet in by_workflow] == [("order", 2), ("refund", 1)]
    seen: list[str] = []
    path = f"/durable/api/runs?{own}&limit=4"
    while path:
        answer = client.get(path)
        seen += [row["id"] for row in answer.get_json()]
        path = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]
    assert seen == [f"t{number}" for number in reversed(range(6))]
    preview = post(client, f"bulk/retry?{own}&dryRun=true", {})
    assert (preview["matched"], preview["byStatus"]) == (6, {"failed": 6})


def test_what_failures_share_comes_by_lift(store: MemoryStateStore, client: FlaskClient) -> None:
    """Against the runs of the same workflows that completed in the same time."""
    fill(store)
    fingerprint = get(client, "errors")["groups"][1]["fingerprint"]
    found = get(client, f"errors/{fingerprint}")
    assert (found["failures"], found["successes"]) == (6, 10)
    shared = {(one["what"], one.get("key"), one["value"]): one for one in found["shared"]}
    customer = shared["attribute", "customer", "acme"]
    assert (customer["count"], customer["share"], customer["otherShare"]) == (5, round(5 / 6, 4), 0.1)
    assert customer["lift"] == round(5 / 6 / 0.1, 2)
    version = shared["version", None, "v2"]
    assert (version["share"], version["otherShare"], version["lift"]) == (1.0, 0.2, 5.0)
    step = shared["step", None, "charge"]
    assert (step["share"], step["otherShare"]) == (1.0, 1.0)
    lifts = [one["lift"] for one in found["shared"] if "lift" in one]
    assert lifts == sorted(lifts, reverse=True)
    assert ("attribute", "n", 3) not in shared  # of one run each
    assert [row["id"] for row in found["runs"]] == ["t5", "t4", "t3", "t2", "t1"]
    get(client, "errors/nothing", 404)


def test_an_error_is_dealt_with_until_it_comes_back(store: MemoryStateStore, client: FlaskClient) -> None:
    """By whom, when, why; runs of it say so, and so does the audit log."""
    fill(store)
    cards, _ = get(client, "errors")["groups"]
    fingerprint = cards["fingerprint"]
    done = post(client, f"errors/{fingerprint}", {"state": "dealt_with", "note": "rolled back"})
    assert done["state"] == "dealt_with"
    decision = done["decision"]
    assert (decision["state"], decision["note"]) == ("dealt_with", "rolled back")
    dealt_with = get(client, "runs/c0")["run"]["dealtWith"]
    assert dealt_with == {
        "state": "dealt_with",
        "how": "error",
        "by": decision["by"],
        "at": decision["at"],
        "note": "rolled back",
    }
    found = get(client, "errors")
    assert found["failures"] == {"open": 6, "dealtWith": 3, "ignored": 0, "completed": 0, "undone": 0}
    assert [group["fingerprint"] for group in get(client, "errors?state=dealt_with")["groups"]] == [fingerprint]
    entry = get(client, "audit")[0]
    assert (entry["action"], entry["outcome"]) == ("error.dealt_with", "done")
    assert entry["params"] == {"error": fingerprint, "note": "rolled back"}
    put_failed(store, "again", **OTHER, at_ms=store.now_ms() + 1_000, workflow="order")
    get(client, "runs")
    (group,) = [
        one
        for one in get(client, "errors?since=2020-01-01&until=2100-01-01")["groups"]
        if one["fingerprint"] == fingerprint
    ]
    assert (group["state"], group["decision"]) == ("open", decision)
    assert "dealtWith" not in get(client, "runs/again")["run"]
    post(client, f"errors/{fingerprint}", {"state": "solved"}, 400)
    post(client, "errors/nothing", {"state": "ignored"}, 404)


def test_a_run_is_dealt_with_by_itself_or_by_somebody(store: MemoryStateStore, client: FlaskClient) -> None:
    """Its own decision counts more than its error's."""
    for run_id in ("person", "retried", "undone", "reopened", "left"):
        put_failed(store, run_id)
    (group,) = get(client, "errors")["groups"]
    put_completed(store, "retried")
    put_completed(store, f"{UNDO_PREFIX}undone")
    get(client, "runs")
    row = post(client, "runs/person/decision", {"state": "ignored", "note": "a test"})
    assert (row["dealtWith"]["state"], row["dealtWith"]["how"], row["dealtWith"]["note"]) == (
        "ignored",
        "person",
        "a test",
    )
    post(client, f"errors/{group['fingerprint']}", {"state": "dealt_with"})
    post(client, "runs/reopened/decision", {"state": "open"})
    rows = {row["id"]: row.get("dealtWith", {}).get("how") for row in get(client, "runs")}
    rows.pop(f"{UNDO_PREFIX}undone")
    assert rows == {
        "person": "person",
        "retried": "completed",
        "undone": "undone",
        "reopened": None,
        "left": "error",
    }
    assert get(client, "errors")["failures"] == {"open": 1, "dealtWith": 1, "ignored": 1, "completed": 1, "undone": 1}
    assert [entry["action"] for entry in get(client, "audit?run=person")] == ["run.ignored"]
    post(client, "runs/retried/decision", {"state": "dealt_with"}, 409)
    post(client, "runs/nothing/decision", {"state": "dealt_with"}, 404)


def test_whatever_an_error_says_can_be_recorded(store: MemoryStateStore, client: FlaskClient) -> None:
    """Postgres takes no NUL, and no text holds lone surrogates; neither hides the other failures."""
    put_failed(store, "odd", "a\x00b \ud800 c", kind="E\x00\udfff", step=None)
    put_failed(store, "long", "x" * 100_000, kind="T" * 10_000, step="s" * 5_000)
    put_failed(store, "plain")
    groups = get(client, "errors")["groups"]
    assert sorted(group["template"][:5] for group in groups) == ["a\ufffdb #", "timeo", "xxxxx"]
    for group in groups:
        assert len(get(client, f"runs?error={group['fingerprint']}")) == 1
        assert get(client, f"errors/{group['fingerprint']}")["failures"] == 1


def test_the_filter_survives_a_rewind(store: MemoryStateStore, quick: FlaskClient) -> None:
    """The engine deletes the error; the run is still one that died of it, whatever it does now."""
    put_failed(store, "r")
    fingerprint = get(quick, "runs")[0]["error"]["fingerprint"]
    store.put_run(make_run("r", status="pending", created_at_ms=store.now_ms() - 1_000))
    store.rows("DELETE FROM workflow_output")
    (row,) = get(quick, f"runs?error={fingerprint}")
    assert row["status"] == "pending"
    assert "error" not in row
    assert get(quick, f"runs/facets?error={fingerprint}") == [facet("pending", 1)]


def test_errors_are_paged(store: MemoryStateStore, quick: FlaskClient) -> None:
    """By the Link header, in the order of when they were last seen."""
    for number in range(7):
        put_failed(store, f"r{number}", kind=f"E{'ABCDEFG'[number]}", at_ms=store.now_ms() - 60_000 + number)
    seen: list[str] = []
    path = "/durable/api/errors?limit=3"
    while path:
        answer = quick.get(path)
        seen += [group["type"] for group in answer.get_json()["groups"]]
        path = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]
    assert seen == ["EG", "EF", "EE", "ED", "EC", "EB", "EA"]


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "cursor=W10=", "since=2026-01-02&until=2026-01-01", "buckets=0", "state=solved", "since=soon", "x=1"],
)
def test_malformed_questions_are_refused(query: str, quick: FlaskClient) -> None:
    """The parameter is named."""
    detail = get(quick, f"errors?{query}", 400)["detail"]
    assert query.partition("=")[0] in detail


def test_a_viewer_decides_nothing(store: MemoryStateStore) -> None:
    """Reading is for everybody who may look."""
    put_failed(store, "r")
    with mounted(store, ledger=MemoryLedger(), caretaker=False, auth=lambda request: "viewer") as app:
        client = app.test_client()
        (group,) = get(client, "errors")["groups"]
        post(client, f"errors/{group['fingerprint']}", {"state": "ignored"}, 403)
        post(client, "runs/r/decision", {"state": "ignored"}, 403)


class ReadOnly(MemoryLedger):
    """A ledger that a viewer's role may read."""

    def _run(self, work: Callable[[Session], Any], *, write: bool) -> Any:
        if write and self.refuses:
            raise LedgerUnavailableError("ledger", "permission denied")
        return super()._run(work, write=write)

    refuses = False


def test_where_the_ledger_may_only_be_read_errors_are_shown_all_the_same(store: MemoryStateStore) -> None:
    """A bridge records them; those that it has not yet are read from the store."""
    ledger = ReadOnly()
    put_failed(store, "recorded")
    with mounted(store, ledger=ledger, caretaker=False) as app:
        client = app.test_client()
        (row,) = get(client, "runs")
        ledger.refuses = True
        put_failed(store, "new")
        assert {one["error"]["fingerprint"] for one in get(client, "runs")} == {row["error"]["fingerprint"]}
        (group,) = get(client, "errors")["groups"]
        assert group["count"] == 1
        assert get(client, f"errors/{group['fingerprint']}")["failures"] == 1


def test_a_ledger_that_cannot_be_used_hides_errors_and_not_runs(
    store: MemoryStateStore,
) -> None:
    """The list is shown without them; the errors say why they are not."""
    put_failed(store, "r")
    ledger = open_ledger("/nowhere/at/all/app.sqlite")
    with mounted(store, ledger=ledger, caretaker=False) as app:
        client = app.test_client()
        (row,) = get(client, "runs")
        assert "error" not in row
        assert "cannot be used" in get(client, "errors", 503)["detail"]
        assert "cannot be used" in get(client, "runs?error=x", 503)["detail"]


def test_runs_of_a_long_window_are_counted_once_a_minute(
    store: MemoryStateStore, quick: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window up to now is another at each request; what is counted for the shares is the same, so it is kept."""
    put_failed(store, "f1")
    asked: list[RunQuery] = []
    count = store.facets
    now_ms = (store.now_ms() // 60_000 + 1) * 60_000 + 5_000  # after the failure, whatever the second is

    def facets(query: RunQuery, **options: Any) -> Any:
        asked.append(query)
        return count(query, **options)

    monkeypatch.setattr(store, "facets", facets)
    for later_ms in (0, 700, 40_000):
        monkeypatch.setattr(store, "now_ms", lambda at_ms=now_ms + later_ms: at_ms)
        get(quick, "errors")
    assert len(set(asked)) == 1
    assert all(query.since_ms is not None and query.since_ms % 60_000 == 0 for query in asked)
    asked.clear()
    get(quick, f"errors?since={now_ms - 600_001}&until={now_ms + 600_001}")
    (short,) = asked
    assert (short.since_ms, short.until_ms) == (now_ms - 600_001, now_ms + 600_001)
