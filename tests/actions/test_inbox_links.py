"""Signed links to questions, for chat and mail: they say which wait is meant, and allow nothing."""

from __future__ import annotations

import time
from typing import Any

from dashboard.actor import Actor
from dashboard.workflow.tokens import WebhookToken, seal, seal_question
from dashboard.workflow.webhooks import webhook_secret
from tests.actions.test_inbox import asks, client, get, post
from tests.actions.world import World
from tests.story import mounted

__all__ = ["client"]


def test_a_link_leads_to_its_question_until_that_is_answered(world: World, client: Any) -> None:
    """Its address is the page's own; making it is in the audit log; afterwards it says that the wait is over."""
    world.start("approval", run_id="l1")
    entry = asks(client, "l1", "refund")
    made = post(client, f"runs/l1/waits/{entry['seq']}/link", {"expiresInS": 3600})
    assert made["url"] == f"http://localhost/durable/inbox/{made['token']}"
    assert "l1" not in made["token"]
    asked = get(client, f"inbox/{made['token']}")
    assert asked["run"]["id"] == "l1"
    assert {**asked, "run": None} == {**entry, "run": None}  # of the run it may say more by now: who is alive
    assert client.get(f"/durable/inbox/{made['token']}").status_code == 200
    assert [one.action for one in world.ledger.audit(run_id="l1")] == ["link"]
    post(client, "runs/l1/continue", {"payload": {"approved": True}, "seq": entry["seq"]})
    asks(client, "l1", "amount")
    answer = client.get(f"/durable/api/inbox/{made['token']}")
    assert (answer.status_code, "any more" in answer.json["detail"]) == (409, True)


def test_a_run_says_what_each_of_its_waits_takes(world: World, client: Any) -> None:
    """Also one that no person is asked about, so that whoever answers sees the fields and not raw JSON."""
    world.start("approval", run_id="l0")
    entry = asks(client, "l0", "refund")
    (wait,) = get(client, "runs/l0/waits")
    assert wait == {name: entry[name] for name in ("seq", "on", "name", "ask", "schema")}
    post(client, "runs/l0/continue", {"payload": {"approved": True}})
    asks(client, "l0", "amount")
    assert [(one["on"], one["name"]) for one in get(client, "runs/l0/waits")] == [("update", "amount")]
    assert client.get("/durable/api/runs/nobody/waits").status_code == 404


def test_a_link_that_is_forged_expired_or_answered_opens_nothing(world: World, client: Any) -> None:
    """Nor does the token of a webhook, or a link that was sealed under another secret."""
    world.start("approval", run_id="l2")
    seq = asks(client, "l2", "refund")["seq"]
    secret = webhook_secret(world.ledger)
    later_ms = int(time.time() * 1000) + 60_000
    good = seal_question(WebhookToken("l2", "refund", seq, later_ms), secret)
    assert client.get(f"/durable/api/inbox/{good}").status_code == 200
    for token, status in (
        ("x", 404),
        (good[:-6] + "AAAAAA", 404),
        (seal_question(WebhookToken("l2", "refund", seq, later_ms), "another"), 404),
        (seal(WebhookToken("l2", "refund", seq, later_ms), secret), 404),
        (seal_question(WebhookToken("l2", "refund", seq, 1), secret), 404),
        (seal_question(WebhookToken("l2", "other", seq, later_ms), secret), 409),
        (seal_question(WebhookToken("nobody", "refund", seq, later_ms), secret), 404),
    ):
        answer = client.get(f"/durable/api/inbox/{token}")
        assert (answer.status_code, bool(answer.json["detail"])) == (status, True), token
    post(client, f"runs/l2/waits/{seq + 1}/link", {}, 409)
    post(client, f"runs/l2/waits/{seq}/link", {"expiresInS": 1}, 400)


def test_a_link_allows_nobody_what_they_may_not(world: World) -> None:
    """A viewer reads the question and cannot answer; whom the policy hides the run from finds nothing."""

    def actor(request: Any) -> Actor:
        name = request.headers["Who"]
        return Actor(name, role="viewer" if name == "eve" else "operator")

    def may(actor: Actor, action: str, run: Any) -> bool:
        return actor.name != "mallory" and not (actor.name == "bob" and action == "continue")

    with mounted(world.url, caretaker=False, auth=actor, may=may) as app:
        client = app.test_client()

        def ask(who: str, path: str, body: object = None) -> Any:
            headers = {"Who": who}
            if body is None:
                return client.get(f"/durable/api/{path}", headers=headers)
            return client.post(f"/durable/api/{path}", json=body, headers=headers)

        world.start("approval", run_id="l3")
        world.waits("l3", "breakpoint", "refund")
        seq = world.run("l3").waiting.seq  # type: ignore[union-attr]
        token = ask("ada", f"runs/l3/waits/{seq}/link", {}).json["token"]
        answer = {"payload": {"approved": True}, "seq": seq}
        for who, seen, answered in (("eve", 200, 403), ("bob", 200, 403), ("mallory", 404, 404)):
            assert ask(who, f"inbox/{token}").status_code == seen, who
            assert ask(who, "runs/l3/continue", answer).status_code == answered, who
        assert ask("eve", f"runs/l3/waits/{seq}/link", {}).status_code == 403
        assert ask("mallory", f"runs/l3/waits/{seq}/link", {}).status_code == 404
