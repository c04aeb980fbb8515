"""The inbox: what waits for a person, answered with a comment and a payload, assigned, over real runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from dashboard.actions import messages
from dashboard.errors import Refused, Unprocessable
from otel_bridge.codec.redaction import redact_keys
from tests.actions.world import World
from tests.story import mounted
from tests.waiting import until


@pytest.fixture
def client(world: World) -> Iterator[FlaskClient]:
    with mounted(world.url, caretaker=False) as app:
        yield app.test_client()


def get(client: FlaskClient, path: str) -> Any:
    answer = client.get(f"/durable/api/{path}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()


def post(client: FlaskClient, path: str, body: Any = None, status: int = 200) -> Any:
    answer = client.post(f"/durable/api/{path}", json={} if body is None else body)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_json()


def entries(client: FlaskClient, run_id: str) -> list[dict[str, Any]]:
    """What of the inbox is this run's."""
    return [entry for entry in get(client, "inbox?limit=200")["entries"] if entry["run"]["id"] == run_id]


def asks(client: FlaskClient, run_id: str, name: str) -> dict[str, Any]:
    """Wait until a run asks for something, and nothing else."""
    (entry,) = until(
        lambda: entries(client, run_id),
        lambda found: [one["name"] for one in found] == [name],
        what=f"{run_id}: {name}",
    )
    return entry


def test_a_question_is_answered_in_place_with_a_comment_and_a_payload(world: World, client: FlaskClient) -> None:
    """The workflow is handed both; the audit log keeps both; then the next question comes, and none for a program."""
    world.start("approval", run_id="i1")
    entry = asks(client, "i1", "refund")
    assert (entry["on"], entry["ask"], entry["run"]["workflow"]) == ("breakpoint", "Refund 100 EUR?", "approval")
    assert entry["schema"]["properties"] == {"approved": {"title": "Approved", "type": "boolean"}}
    refused = post(client, "runs/i1/continue", {"payload": {"approved": "perhaps"}}, 422)
    assert "approved" in refused["detail"]
    answer = {"comment": "Checked the order.", "payload": {"approved": True}, "seq": entry["seq"]}
    post(client, "runs/i1/continue", answer)
    following = asks(client, "i1", "amount")
    assert (following["on"], following["ask"], following["schema"]) == ("update", "How much?", {"type": "integer"})
    post(client, "runs/i1/updates/amount", 7)
    world.waits("i1", "signal", "go")
    assert entries(client, "i1") == []
    post(client, "runs/i1/signals/go", "on")
    world.reaches("i1", "completed")
    assert world.output("i1") == ["local", "Checked the order.", True, 7, "on"]
    kept = [
        entry for entry in world.ledger.audit(run_id="i1") if entry.action == "continue" and entry.outcome == "done"
    ]
    assert [(one.params["comment"], one.params["payload"]) for one in kept] == [
        ("Checked the order.", {"approved": True})
    ]


def test_a_question_is_assigned_and_unassigned(world: World, client: FlaskClient) -> None:
    """Who is to answer is shown, looked for, and in the audit log; one that was answered cannot be assigned."""
    world.start("approval", run_id="i2")
    seq = asks(client, "i2", "refund")["seq"]
    given = post(client, f"runs/i2/waits/{seq}/assign", {"assignee": "bob"})
    assert (given["assignee"], given["assignedBy"]) == ("bob", "local")
    assert [one["run"]["id"] for one in get(client, "inbox?assignee=bob")["entries"]] == ["i2"]
    assert "i2" not in {one["run"]["id"] for one in get(client, "inbox?assignee=")["entries"]}
    assert "assignee" not in post(client, f"runs/i2/waits/{seq}/assign")
    assert get(client, "inbox?assignee=bob") == {"count": 0, "exact": True, "entries": []}
    assert world.ledger.audit(run_id="i2")[0].action == "assign"
    post(client, f"runs/i2/waits/{seq + 1}/assign", {"assignee": "bob"}, 409)
    post(client, "runs/nobody/waits/1/assign", {"assignee": "bob"}, 404)


def test_the_count_alone_is_cheap_and_the_oldest_come_first(world: World, client: FlaskClient) -> None:
    """What the badge in the navigation asks for."""
    for number in range(2):
        world.start("approval", run_id=f"i3-{number}")
        asks(client, f"i3-{number}", "refund")
    counted = get(client, "inbox?limit=0")
    assert (counted["count"] >= 2, counted["exact"], counted["entries"]) == (True, True, [])
    metrics = client.get("/durable/api/metrics").get_data(as_text=True)
    assert f"\ndurable_inbox {counted['count']:.1f}\n" in metrics
    assert "\ndurable_inbox_oldest_seconds 0.0\n" not in metrics
    shown = get(client, "inbox?limit=200")["entries"]
    assert [one["since"] for one in shown] == sorted(one["since"] for one in shown)


def test_the_breakpoint_that_is_meant_is_the_one_that_is_released(world: World) -> None:
    """An answer to a question that was answered meanwhile is refused, whatever the run waits for by then."""
    world.start("approval", run_id="i4")
    world.waits("i4", "breakpoint", "refund")
    waiting = world.run("i4").waiting
    assert waiting is not None
    assert waiting.seq is not None
    with pytest.raises(Refused, match=f"not paused at breakpoint {waiting.seq + 5}"):
        messages.continue_run(world.ctx, "i4", actor="ann", seq=waiting.seq + 5)
    with pytest.raises(Unprocessable):
        messages.continue_run(world.ctx, "i4", actor="ann", seq=waiting.seq)
    messages.continue_run(world.ctx, "i4", actor="ann", seq=waiting.seq, payload={"approved": False})
    world.waits("i4", "update", "amount")


def test_a_payload_is_kept_redacted_and_a_large_one_by_its_size(world: World) -> None:
    """The audit log is read by more people than the run."""
    world.start("approval", run_id="i5")
    world.waits("i5", "breakpoint", "refund")
    with mounted(world.url, caretaker=False, redact=redact_keys(["pin"])) as app:
        client = app.test_client()
        post(client, "runs/i5/continue", {"payload": {"approved": True, "pin": "1234"}})
        world.waits("i5", "update", "amount")
    (kept,) = [entry for entry in world.ledger.audit(run_id="i5") if entry.action == "continue"]
    assert "1234" not in str(kept.params)
    assert kept.params["payload"]["approved"] is True
