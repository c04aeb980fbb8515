"""What ids tell: of page cursors, of runs to be started, of idempotency keys, of parents that are asked about."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from dashboard.actor import Actor
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.actions.memory import RecordingClient
from tests.http.test_policy import HIDDEN, MARK, by_team, may
from tests.story import mounted

API = "/durable/api"


class World:
    """Many newer runs of the other team, one old one of ours, and one that a run of theirs started."""

    def __init__(self) -> None:
        self.store = MemoryStateStore()
        at = self.store.now_ms() - 60_000
        self.store.put_run(make_run("a-old", created_at_ms=at, attributes={"team": "a"}))
        self.store.put_run(make_run("a-child", created_at_ms=at, attributes={"team": "a"}, parent_id=HIDDEN))
        for number in range(40):
            hidden = make_run(
                f"{MARK}-{number}", workflow="order", created_at_ms=at + 1 + number, attributes={"team": "b"}
            )
            self.store.put_run(hidden)
        self.engine: Any = RecordingClient(self.store)
        self.ledger = MemoryLedger()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Iterator[FlaskClient]:
    with _app(world) as app:
        yield app.test_client()


def _app(world: World) -> Any:
    return mounted(world.store, ledger=world.ledger, auth=by_team, may=may, client=lambda: world.engine)


def start(client: FlaskClient, team: str, key: str | None = None, **body: Any) -> Any:
    headers = {"X-Team": team, **({} if key is None else {"Idempotency-Key": key})}
    body = {"workflow": "order", "attributes": {"team": team}, "format": "portable", **body}
    return client.post(f"{API}/runs", json=body, headers=headers)


def cursor_of(response: Any) -> str:
    link = response.headers["Link"].partition(">")[0][1:]
    cursor: str = parse_qs(urlsplit(link).query)["cursor"][0]
    return cursor


def test_a_cursor_does_not_name_the_run_that_was_read_last(client: FlaskClient, world: World) -> None:
    """It is where reading stopped, which may be at a run that may not be seen. Another process continues from it."""
    page = client.get(f"{API}/runs?limit=1")
    assert page.get_json() == []
    cursor = cursor_of(page)
    padded = cursor.encode() + b"=" * (-len(cursor) % 4)
    assert MARK.encode() not in base64.urlsafe_b64decode(padded)
    with _app(world) as another:
        found, path = [], f"/runs?limit=2&cursor={cursor}"
        while path:
            page = another.test_client().get(API + path)
            found += [row["id"] for row in page.get_json()]
            path = f"/runs?limit=2&cursor={cursor_of(page)}" if "Link" in page.headers else ""
    assert sorted(found) == ["a-child", "a-old"]


@pytest.mark.parametrize("route", ["runs", "errors"])
@pytest.mark.parametrize("content", [b'[[1,"a"],null]', b'[1,"a"]', b""])
def test_a_cursor_of_ones_own_making_is_refused(client: FlaskClient, route: str, content: bytes) -> None:
    """It would ask where among runs that may not be seen another one stands."""
    cursor = base64.urlsafe_b64encode(content).decode().rstrip("=") or "x"
    assert client.get(f"{API}/{route}?cursor={cursor}").status_code == 400


def test_a_run_is_not_started_over_one_that_may_not_be_seen(client: FlaskClient, world: World) -> None:
    """The engine would take it for a repeat and change that run's row."""
    assert start(client, "a", runId=HIDDEN).status_code == 409
    assert world.engine.calls == []


@pytest.mark.parametrize("run_id", ["undo:a-old", "bulk:1", "dlq:a-old"])
def test_no_run_is_started_under_an_id_of_our_own_runs(client: FlaskClient, world: World, run_id: str) -> None:
    """The undo of a run could not be begun any more, once somebody who may only start has taken its id."""
    assert start(client, "a", runId=run_id).status_code == 400
    assert world.engine.calls == []


def test_an_idempotency_key_is_its_senders_own(client: FlaskClient, world: World) -> None:
    """Another team's same key is another run; a repeat of one's own is the same."""
    for team in ("b", "a", "a"):
        start(client, team, key="order-1")
    theirs, mine, again = [run_id for name, run_id, _ in world.engine.calls if name == "enqueue"]
    assert theirs != mine == again


@pytest.mark.parametrize("path", ["runs", "runs/facets", "runs/facets?exact=true"])
def test_asking_for_the_children_of_a_run_that_may_not_be_seen_finds_none(client: FlaskClient, path: str) -> None:
    """A child of one's own would tell that its parent is there, and which it is."""
    query = "&" if "?" in path else "?"
    found = client.get(f"{API}/{path}{query}parent={HIDDEN}").get_json()
    assert [one for one in found if one.get("count", 1)] == []
    assert found == client.get(f"{API}/{path}{query}parent=no-such-run").get_json()
    assert client.get(f"{API}/runs/a-child").get_json()["run"].get("parentId") is None


@pytest.mark.parametrize("scopes", ["retry_with_input", "", None, 7])
def test_scopes_that_are_no_set_are_refused(scopes: Any) -> None:
    """``retry`` is in the text "retry_with_input", and None would be no limit."""
    with pytest.raises(ValueError, match="not a set of scopes"):
        Actor("ci", "operator", scopes)


def test_scopes_may_be_given_as_any_collection() -> None:
    """As a claim of a token is, a list."""
    assert Actor("ci", "operator", ["retry"]).scopes == frozenset({"retry"})  # type: ignore[arg-type]
