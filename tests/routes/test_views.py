"""Saved views of the run list: named filters that all share, or, under a policy, each person's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from dashboard.actor import Actor
from dashboard.wire.views import MOST_VIEWS
from otel_bridge.ledger.base import SavedView
from otel_bridge.testing import MemoryLedger, MemoryStateStore
from tests.story import mounted


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def client(ledger: MemoryLedger) -> Iterator[FlaskClient]:
    with mounted(MemoryStateStore(), ledger=ledger, caretaker=False) as app:
        yield app.test_client()


def get(client: FlaskClient, **options: Any) -> Any:
    answer = client.get("/durable/api/views", **options)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()


def post(client: FlaskClient, path: str, body: object = None, status: int = 200, **options: Any) -> Any:
    answer = client.post(f"/durable/api/{path}", json={} if body is None else body, **options)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_json()


LATE = {"name": " late ", "filter": {"status": ["failed"], "since": "24h", "attr": ["amount:gte:5"]}, "isDefault": True}


def test_a_view_is_saved_renamed_made_the_default_and_deleted(client: FlaskClient, ledger: MemoryLedger) -> None:
    """A moving window stays one, what the filter leaves open is not kept, and each change is in the audit log."""
    saved = post(client, "views", LATE, 201)
    assert saved["name"] == "late"
    assert saved["filter"] == {"status": ["failed"], "since": "24h", "attr": ["amount:gte:5"]}
    other = post(client, "views", {"name": "all"}, 201)
    assert get(client) == [other, saved]
    assert post(client, f"views/{other['id']}", {"isDefault": True})["isDefault"]
    assert [view["isDefault"] for view in get(client)] == [True, False]
    renamed = post(client, f"views/{saved['id']}", {"name": "old ones", "filter": {"queue": ""}})
    assert (renamed["name"], renamed["filter"]) == ("old ones", {"queue": ""})
    assert post(client, f"views/{saved['id']}/delete")["name"] == "old ones"
    assert [view["id"] for view in get(client)] == [other["id"]]
    audited = [
        (entry.action, entry.outcome, entry.params["name"])
        for entry in reversed(ledger.audit())
        if entry.params.get("name")
    ]
    assert audited == [
        ("view.save", "done", "late"),
        ("view.save", "done", "all"),
        ("view.change", "done", "old ones"),
        ("view.delete", "done", "old ones"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("views", {"name": "late"}, 409),
        ("views/other", {"name": "late"}, 409),
        ("views/none", {"name": "x"}, 404),
        ("views/none/delete", {}, 404),
        ("views", {"name": "  "}, 400),
        ("views", {"name": "a\u202eb"}, 400),
        ("views", {"name": "x" * 81}, 400),
        ("views", {"name": "x", "filter": {"status": ["odd"]}}, 400),
        ("views", {"name": "x", "filter": {"since": "soon"}}, 400),
        ("views", {"name": "x", "filter": {"limit": 5}}, 400),
        ("views", {"name": "x", "filter": {"attr": ["amount"]}}, 400),
    ],
)
def test_a_view_that_cannot_be_is_refused_in_words(
    client: FlaskClient, ledger: MemoryLedger, path: str, body: object, status: int
) -> None:
    """A name that is taken, one that nobody can read, a filter that the list does not know, a view that is gone."""
    for view_id, name in (("a", "late"), ("other", "other")):
        ledger.add_view(SavedView(view_id=view_id, name=name, actor="ada"))
    assert post(client, path, body, status)["detail"]
    assert [view["name"] for view in get(client)] == ["late", "other"]


def test_there_are_as_many_views_as_a_menu_can_hold(client: FlaskClient, ledger: MemoryLedger) -> None:
    """One more is refused, and says what to do."""
    for number in range(MOST_VIEWS):
        ledger.add_view(SavedView(view_id=f"v{number}", name=f"view {number}", actor="ada"))
    assert "Delete one" in post(client, "views", {"name": "one more"}, 409)["detail"]


def test_a_viewer_sees_views_and_changes_none() -> None:
    """They are shared: whoever may only look may not change what others look at."""
    ledger = MemoryLedger()
    ledger.add_view(SavedView(view_id="a", name="late", actor="ada"))
    with mounted(
        MemoryStateStore(), ledger=ledger, caretaker=False, auth=lambda request: Actor("eve", role="viewer")
    ) as app:
        client = app.test_client()
        assert [view["name"] for view in get(client)] == ["late"]
        for path in ("views", "views/a", "views/a/delete"):
            post(client, path, {"name": "mine"} if path == "views" else {}, 403)
    assert [view.name for view in ledger.views()] == ["late"]


def test_under_a_policy_a_view_is_its_makers_alone() -> None:
    """Its filter names what only some may know of: a customer, a queue. The same name may stand with each."""
    ledger = MemoryLedger()
    ledger.add_view(SavedView(view_id="shared", name="of before", actor="ada"))

    def actor(request: Any) -> Actor:
        return Actor(request.headers["Who"], role="operator")

    with mounted(MemoryStateStore(), ledger=ledger, caretaker=False, auth=actor, may=lambda *_: True) as app:
        client = app.test_client()
        ada: dict[str, Any] = {"headers": {"Who": "ada"}}
        bob: dict[str, Any] = {"headers": {"Who": "bob"}}
        mine = post(client, "views", {"name": "late", "filter": {"attr": ["customer:eq:4711"]}}, 201, **ada)
        assert get(client, **bob) == []
        post(client, "views", {"name": "late"}, 201, **bob)
        for path in (f"views/{mine['id']}", f"views/{mine['id']}/delete"):
            post(client, path, {}, 404, **bob)
        assert [view["id"] for view in get(client, **ada)] == [mine["id"]]
