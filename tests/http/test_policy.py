"""``may``: runs that an actor may not see are not there; what it may not do is neither offered nor done.

Every route of the ``url_map`` is asked, so that one that is added tomorrow is tried too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from flask import Flask

from dashboard.actor import Actor
from dashboard.live.seen import view_of
from dashboard.live.subscription import Message, Subscription
from dashboard.read.seen import COUNTED, MOST_LOOKS, SeenStore, seen_by
from dashboard.wire.json import to_json
from otel_bridge.ledger import MemoryLedger
from otel_bridge.ledger.base import AuditEntry, BulkMember
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.spans import ids
from otel_bridge.store.base import StateStore
from otel_bridge.testing import MemoryStateStore, make_run, make_step
from tests.actions.memory import RecordingClient
from tests.http.test_bad_input import path_of, rules
from tests.story import mounted, served

MARK = "hidden-of-b"
"""In the id of each run of the other team, and in everything that belongs to it."""
HIDDEN = f"{MARK}-1"


def may(actor: Actor, action: str, run: Run) -> bool:
    """Teams see and do what is theirs; nobody forks."""
    return run.attributes.get("team") == actor.name and action != "fork"


def store_of_two_teams() -> MemoryStateStore:
    store = MemoryStateStore()
    at = store.now_ms() - 60_000
    for number in range(5):
        store.put_run(make_run(f"a-{number}", status="failed", created_at_ms=at, attributes={"team": "a"}))
        hidden = make_run(
            f"{MARK}-{number}",
            workflow=f"{MARK}-flow",
            status="failed",
            created_at_ms=at,
            attributes={"team": "b", "note": MARK},
            parent_id="a-1" if number == 2 else None,
            forked_from="a-1" if number == 3 else None,
        )
        store.put_run(hidden)
        store.put_step(make_step(f"{MARK}-{number}", 1, name=f"{MARK}-step", status="failed"))
        store.put_payload(f"{MARK}-{number}", "input", json.dumps({"positionalArgs": [MARK]}))
        store.put_payload(f"{MARK}-{number}", "error", json.dumps({"name": "E", "message": MARK}))
    store.put_event(HIDDEN, "stage", json.dumps(MARK))
    store.put_run(make_run(f"undo:{HIDDEN}", workflow="durable.undo", status="completed", created_at_ms=at))
    return store


@pytest.fixture
def ledger() -> MemoryLedger:
    made = MemoryLedger()
    for run_id, actor in ((HIDDEN, "b"), ("a-0", "a"), (None, "b"), (None, "a")):
        made.add_audit(
            AuditEntry(
                at_ms=1, actor=actor, action="retry", run_id=run_id, outcome="done", detail=f"by {actor}", params={}
            )
        )
    return made


@pytest.fixture
def teams(ledger: MemoryLedger) -> Iterator[Flask]:
    def auth(request: Any) -> Actor:
        return Actor(request.headers.get("X-Team", "a"), "operator")

    with mounted(store_of_two_teams(), ledger=ledger, auth=auth, may=may, webhook_secret="s" * 32) as app:
        yield app


def get(app: Flask, path: str, team: str = "a") -> Any:
    answer = app.test_client().get(f"/durable/api/{path}", headers={"X-Team": team})
    assert answer.status_code == 200, answer.get_data()
    return answer.get_json()


def test_no_route_shows_anything_of_a_run_that_may_not_be_seen(teams: Flask) -> None:
    """Nor does its answer tell such a run from one that does not exist."""
    client = teams.test_client()
    asked = 0
    for method, rule in rules(teams):
        if "/api/" not in rule.rule:
            continue
        body = {"fromSeq": 1, "input": 1, "ids": [HIDDEN], "workflow": "order"}
        for sent in ({}, {"fromSeq": 1}, {"input": 1}, {"ids": [HIDDEN]}, body):
            answers = {}
            for run_id in (HIDDEN, "no-such-run"):
                query = f"id={run_id}" if rule.rule.endswith("by-id") else "dryRun=true" if "bulk" in rule.rule else ""
                path = path_of(rule, run_id).replace(f"/waits/{run_id}/", "/waits/1/")  # a wait has a number
                response = client.open(f"{path}?{query}", method=method, json=sent if method == "POST" else None)
                answers[run_id] = response.status_code, response.get_data(as_text=True).replace(run_id, "RUN")
            assert MARK not in answers[HIDDEN][1], f"{method} {rule.rule}: {answers[HIDDEN]}"
            if "<path:run_id>" in rule.rule:
                assert answers[HIDDEN] == answers["no-such-run"], f"{method} {rule.rule}"
                assert answers[HIDDEN][0] in (400, 404), f"{method} {rule.rule}"
            asked += 1
    assert asked > 100


def test_an_offset_is_not_walked_to_for_minutes(teams: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row on the way is asked about; the store cannot skip them."""
    monkeypatch.setattr("dashboard.read.seen.PAGE", 2)
    assert [run["id"] for run in get(teams, "runs?offset=3&limit=1")] == ["a-1"]
    monkeypatch.setattr("dashboard.read.listing.OFFSET_BUDGET_S", 0.0)
    answer = teams.test_client().get("/durable/api/runs?offset=3&limit=2", headers={"X-Team": "a"})
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, "offset")


def test_lists_counts_and_searches_are_of_what_may_be_seen(teams: Flask) -> None:
    """Each team has its own, by the same questions."""
    assert {row["id"] for row in get(teams, "runs")} == {f"a-{number}" for number in range(5)}
    assert len(get(teams, "runs", "b")) == 6
    assert get(teams, f"runs?q={MARK}") == []
    assert get(teams, f"runs?workflow={MARK}-flow") == []
    assert {facet["status"]: facet["count"] for facet in get(teams, "runs/facets")} == {"failed": 5}
    assert get(teams, "topology")["nodes"] != get(teams, "topology", "b")["nodes"]
    assert get(teams, "runs", "c") == []


def test_a_page_is_filled_past_what_may_not_be_seen(teams: Flask) -> None:
    """Reading continues, and following ``Link`` finds every run once."""
    client, path, seen = teams.test_client(), "/durable/api/runs?limit=2", []
    while path:
        response = client.get(path, headers={"X-Team": "b"})
        seen += [row["id"] for row in response.get_json()]
        path = response.headers["Link"].split(">")[0][1:] if "Link" in response.headers else ""
    assert len(seen) == len(set(seen)) == 6


def test_a_trace_leads_only_to_a_run_that_may_be_seen(teams: Flask, ledger: MemoryLedger) -> None:
    """By the page and by the API; remembered or not."""

    trace = ids.trace_id(HIDDEN, namespace="").hex()
    for path in (f"/durable/trace/{trace}", f"/durable/api/trace/{trace}"):
        assert teams.test_client().get(path, headers={"X-Team": "a"}).status_code == 404
        assert teams.test_client().get(path, headers={"X-Team": "b"}).status_code == 302


def test_the_audit_log_tells_of_runs_that_may_be_seen_and_of_ones_own_deeds(teams: Flask) -> None:
    """What others did to no run, as a bulk action, may name what is theirs."""
    assert [(entry["actor"], entry.get("runId")) for entry in get(teams, "audit")] == [("a", None), ("a", "a-0")]


def test_errors_are_made_of_failures_that_may_be_seen(teams: Flask) -> None:
    """Counts, versions and messages of others' failures are theirs; a decision about an error is about everybody's."""
    mine, theirs = get(teams, "errors"), get(teams, "errors", "b")
    assert MARK not in json.dumps(mine)
    assert [group["step"] for group in theirs["groups"]] == [f"{MARK}-step"]
    assert theirs["failures"]["open"] == 5
    fingerprint = theirs["groups"][0]["fingerprint"]
    client, path = teams.test_client(), f"/durable/api/errors/{fingerprint}"
    assert client.get(path, headers={"X-Team": "a"}).status_code == 404
    assert client.get(path, headers={"X-Team": "b"}).get_json()["failures"] == 5
    assert client.post(path, json={"state": "ignored"}, headers={"X-Team": "a"}).status_code == 404
    assert client.post(path, json={"state": "ignored"}, headers={"X-Team": "b"}).status_code == 200


def test_what_may_not_be_done_is_not_offered_and_not_done(teams: Flask) -> None:
    """The page draws ``allowed``; whoever asks all the same is refused."""
    for row in (*get(teams, "runs"), get(teams, "runs/a-0")["run"]):
        assert "retry" in row["allowed"]
        assert "fork" not in row["allowed"]
    fork = teams.test_client().post("/durable/api/runs/a-0/fork", json={"fromSeq": 1}, headers={"X-Team": "a"})
    assert fork.status_code == 403
    assert "not allowed to fork" in fork.get_json()["detail"]


def test_a_run_is_started_only_where_it_would_be_ones_own(teams: Flask) -> None:
    """The policy is asked about the run that it would be: its workflow, queue and attributes."""
    body = {"workflow": "order", "input": 1, "attributes": {"team": "b"}}
    answer = teams.test_client().post("/durable/api/runs", json=body, headers={"X-Team": "a"})
    assert answer.status_code == 403


def test_bulk_actions_touch_and_count_only_what_is_ones_own(teams: Flask) -> None:
    """Also where ids are given."""
    answer = teams.test_client().post("/durable/api/bulk/retry?dryRun=true", json={}, headers={"X-Team": "a"})
    assert (answer.get_json()["matched"], answer.get_json()["skipped"]) == (5, 0)
    answer = teams.test_client().post(
        "/durable/api/bulk/retry?all=true", json={"ids": [HIDDEN]}, headers={"X-Team": "a"}
    )
    assert answer.get_json()["matched"] == 0


def test_what_came_of_a_bulk_is_told_to_whoever_asked_for_it(teams: Flask) -> None:
    """Others' bulk actions are neither listed nor there, and a filter by one finds what may be seen."""
    client = teams.test_client()
    given = {"json": {"ids": []}, "headers": {"X-Team": "b"}}
    bulk_id = client.post("/durable/api/bulk/retry?all=true", **given).get_json()["bulkId"]
    ledger = teams.extensions["durable"].services.ledger
    ledger.put_bulk_members([BulkMember(bulk_id=bulk_id, run_id=HIDDEN, created_at_ms=1, outcome="applied")])
    answers = {}
    for team in ("a", "b"):
        told = client.get(f"/durable/api/bulk/{bulk_id}", headers={"X-Team": team})
        listed = client.get("/durable/api/bulk", headers={"X-Team": team}).get_json()
        found = client.get(f"/durable/api/runs?bulk={bulk_id}", headers={"X-Team": team}).get_json()
        answers[team] = (told.status_code, [one["bulkId"] for one in listed], [row["id"] for row in found])
    assert answers == {"a": (404, [], []), "b": (200, [bulk_id], [HIDDEN])}


def test_a_stream_tells_of_what_may_be_seen_with_what_may_be_done(teams: Flask) -> None:
    """Messages are made once for all viewers; each gets its own of them."""
    services = teams.extensions["durable"].services
    row = {"id": "x", "allowed": ["retry", "fork"]}

    def message(number: int, team: str) -> Message:
        run = make_run(f"run-{number}", status="failed", attributes={"team": team})
        return Message(number, "run.failed", to_json({"id": number, "run": row}), run, run.id, 0)

    view = view_of(seen_by(services, Actor("a", "operator")))
    subscription = Subscription(None, RunQuery(), 10, view)
    subscription.offer([message(1, "a"), message(2, "b"), message(3, "a")])
    taken = subscription.take(0)
    assert [reported.id for reported in taken] == [1, 3]
    assert json.loads(taken[0].json)["run"]["allowed"] == ["retry"]
    assert view_of(services) is None


def test_a_policy_that_fails_shows_and_allows_nothing(ledger: MemoryLedger, caplog: pytest.LogCaptureFixture) -> None:
    """It is the host's code; what it cannot answer is a no, and the log says so."""

    def broken(actor: Actor, action: str, run: Run) -> bool:
        raise KeyError("team")

    with mounted(store_of_two_teams(), ledger=ledger, auth=lambda request: "operator", may=broken) as app:
        assert get(app, "runs") == []
        assert app.test_client().get("/durable/api/runs/a-0").status_code == 404
    assert "The policy given as may= failed for see" in caplog.text


class Endless(MemoryStateStore):
    """A store that tells how many pages were read."""

    pages = 0

    def list_runs(self, query: RunQuery) -> Any:
        self.pages += 1
        page = super().list_runs(replace(query, cursor=None, limit=5))
        return replace(page, next_cursor="more")


def test_reading_on_for_a_page_or_a_count_is_bounded() -> None:
    """Somebody who may see nothing costs a bounded number of reads, and is told that there may be more."""
    store = Endless()
    for number in range(5):
        store.put_run(make_run(f"r{number}"))
    seen = SeenStore(store, lambda run: False)
    page = seen.list_runs(RunQuery(limit=50))
    assert (page.runs, page.next_cursor, store.pages) == ([], "more", MOST_LOOKS)
    store.pages = 0
    assert all(not facet.exact and facet.count == 0 for facet in seen.facets(RunQuery()))
    assert store.pages == COUNTED // 5


def test_the_store_of_an_actor_has_every_method_of_a_store_and_no_other_way_in() -> None:
    """A method that is added to ``StateStore`` is refused until somebody has said what an actor sees of it."""
    declared = {name for name in vars(StateStore) if not name.startswith("_")}
    assert declared - vars(SeenStore).keys() == set()
    assert not hasattr(SeenStore, "__getattr__")


# -- relatives, and what an action touches besides its own run -------------------------------------------------------


def family(children: dict[str, str], *, status: str = "suspended") -> MemoryStateStore:
    """``a-top`` with children (id -> team), each of which is in the status, and a step of the parent for each."""
    store = MemoryStateStore()
    at = store.now_ms() - 60_000
    top = "failed" if status == "failed" else "suspended"
    store.put_run(make_run("a-top", status=top, created_at_ms=at, attributes={"team": "a"}))  # type: ignore[arg-type]
    for seq, (child, team) in enumerate(children.items(), start=1):
        run = make_run(child, status=status, created_at_ms=at, attributes={"team": team}, parent_id="a-top")  # type: ignore[arg-type]
        store.put_run(run)
        step = make_step("a-top", seq, name="child", kind="remote", status="failed", child_run_id=child)
        store.put_step(step._replace(started_at_ms=at + seq, finished_at_ms=at + seq + 1))
        store.put_step(make_step(child, 1, status="failed"))
    return store


def by_team(request: Any) -> Actor:
    return Actor(request.headers.get("X-Team", "a"), "operator")


def test_no_answer_names_a_relative_that_may_not_be_seen() -> None:
    """Its parent, its children and their steps, in rows, timelines, graphs, undo previews, snapshots and messages."""
    store = family({MARK: "b", "a-child": "a"}, status="completed")
    store.put_run(make_run("a-orphan", attributes={"team": "a"}, parent_id=MARK, forked_from=MARK))
    ledger = MemoryLedger()
    params = {"parent": MARK, "queue": "q"}
    ledger.add_audit(
        AuditEntry(at_ms=1, actor="b", action="retry", run_id="a-orphan", outcome="done", detail="", params=params)
    )
    with mounted(store, ledger=ledger, auth=by_team, may=may) as app:
        for path in (
            "runs",
            "runs/a-top",
            "runs/a-top/graph",
            "runs/a-top/undo",
            "runs/a-top/steps/1",
            "runs/a-orphan",
        ):
            assert MARK not in json.dumps(get(app, path)), path
        assert get(app, "runs/a-top")["timeline"][1]["childRunId"] == "a-child"
        assert get(app, "runs/a-orphan")["run"]["allowed"]
        assert get(app, "audit")[0]["params"] == {"queue": "q"}
        with (
            served(app) as port,
            httpx.stream(
                "GET",
                f"http://127.0.0.1:{port}/durable/api/runs/a-top/stream",
                headers={"Accept": "text/event-stream"},
            ) as stream,
        ):
            snapshot = next(line for line in stream.iter_lines() if line.startswith("data:"))
        assert "a-child" in snapshot
        assert MARK not in snapshot
        row = {"id": "a-orphan", "parentId": MARK, "allowed": ["retry"]}
        step = {"runId": "a-top", "childRunId": MARK, "output": {"parentId": "a text of the application"}}
        run = make_run("a-orphan", attributes={"team": "a"})
        view = view_of(seen_by(app.extensions["durable"].services, Actor("a", "operator")))
        assert view is not None
        reported = view(Message(1, "changed", to_json({"run": row, "step": step}), run, run.id, 0))
        assert reported is not None
        assert MARK not in reported.json
        assert "a text of the application" in reported.json


@pytest.mark.parametrize(
    ("path", "status", "refused"),
    [
        ("runs/a-top/cancel?children=true", "suspended", "2 other runs"),
        ("runs/a-top/cancel?compensate=true", "suspended", "2 other runs"),
        ("runs/a-top/retry", "failed", "another run"),
    ],
)
def test_an_action_that_reaches_runs_that_may_not_be_touched_touches_none(path: str, status: str, refused: str) -> None:
    """It is refused whole, and says how many, not which."""
    store = family({f"{MARK}-1": "b", "a-child": "a", f"{MARK}-2": "b"}, status=status)
    engine = RecordingClient(store)
    with mounted(store, ledger=MemoryLedger(), auth=by_team, may=may, client=lambda: engine) as app:
        answer = app.test_client().post(f"/durable/api/{path}", json={}, headers={"X-Team": "a"})
        assert answer.status_code == 403, answer.get_json()
        assert refused in answer.get_json()["detail"]
        assert MARK not in answer.get_data(as_text=True)
        assert MARK not in json.dumps(get(app, "audit"))
    assert engine.calls == []


def test_the_undo_of_ones_own_run_is_ones_own_to_retry() -> None:
    """The policy is asked about the run that it undoes: an undo has no attributes of its own."""
    store = MemoryStateStore()
    store.put_run(make_run("a-run", status="cancelled", attributes={"team": "a"}))
    store.put_run(make_run("undo:a-run", workflow="durable.undo", status="failed"))
    with mounted(store, ledger=MemoryLedger(), auth=by_team, may=may) as app:
        assert "retry" in get(app, "runs/undo:a-run")["run"]["allowed"]
        assert get(app, "runs?workflow=durable.undo", "b") == []
