"""The routes that act, over HTTP: status codes, shapes, and what a public webhook gives away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_blueprint
from dashboard.actions import cancel, locks
from dashboard.actor import Actor
from dashboard.wire.ids import hex_segment
from dashboard.workflow.address import kept_address
from otel_bridge.ledger.sqlite import SqliteLedger
from otel_bridge.runs import presence_reader
from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.store.sql.statement import Statement
from tests.actions.world import World
from tests.waiting import until

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[FlaskClient]:
    """A process that only serves: it never launches DBOS."""
    blueprint = create_blueprint(world.url, auth=lambda request: Actor("ann", "operator"), caretaker=False)
    app = Flask(__name__)
    app.register_blueprint(blueprint, url_prefix="/ops")
    with app.test_client() as made:
        yield made
    blueprint.close()


def post(client: FlaskClient, path: str, body: Any = None, **options: Any) -> Any:
    """POST JSON."""
    return client.post(f"/ops/api/{path}", json=body if body is not None else {}, **options)


def test_actions_answer_with_the_run_row_and_its_id_again(client: FlaskClient, world: World) -> None:
    """As the contract has it."""
    world.touch("break-h1-a")
    world.start("steps", "h1-a", run_id="h1")
    world.reaches("h1", "failed")
    world.remove("break-h1-a")
    answer = post(client, "runs/h1/retry")
    assert answer.status_code == 200
    assert (answer.json["id"], answer.json["runId"], answer.json["workflow"]) == ("h1", "h1", "steps")
    assert answer.json["status"] in ("pending", "running", "completed")
    world.reaches("h1", "completed")
    refused = post(client, "runs/h1/retry")
    assert (refused.status_code, refused.mimetype) == (409, PROBLEM)
    assert "completed" in refused.json["detail"]
    assert post(client, "runs/nobody/retry").status_code == 404


@pytest.mark.parametrize("run_id", ["two\nlines", "a/../b", "by-id", "~x61"])
def test_a_run_is_acted_on_whatever_its_id(client: FlaskClient, world: World, run_id: str) -> None:
    """By its id in hex; the audit log and the waiting run know it by its own."""
    world.start("waits", run_id=run_id)
    world.waits(run_id, "breakpoint")
    path = f"runs/{hex_segment(run_id)}"
    assert post(client, f"{path}/continue").json["runId"] == run_id
    world.waits(run_id, "signal", "news")
    assert post(client, f"{path}/signals/news", {"good": True}).json["id"] == run_id
    world.waits(run_id, "update", "quantity")
    rejected = post(client, f"{path}/updates/quantity", "many")
    assert (rejected.status_code, rejected.json["accepted"]) == (422, False)
    assert post(client, f"{path}/cancel").json["id"] == run_id
    world.reaches(run_id, "cancelled")
    assert [entry["runId"] for entry in client.get("/ops/api/audit?limit=1").json] == [run_id]


def test_a_retry_asks_little_of_store_and_ledger(
    client: FlaskClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One click on a run that is shown: seven statements of the store and six transactions of the ledger.

    One statement is a look at the run's first step, without which a run that was put back shows a false queue time. A
    run that was on a queue of the application's takes one more: whether that queue is still there. The transactions
    are: who is alive, the lease, what is kept of the run's life, the lease given back, the audit log, and for the
    answer what people decided about the run and its error.
    """
    world.touch("break-h9-a")
    world.start("steps", "h9-a", run_id="h9")
    world.reaches("h9", "failed")
    world.remove("break-h9-a")
    assert client.get("/ops/api/runs?q=h9").json[0]["status"] == "failed"
    until(lambda: kept_address(world.ledger), what="the dashboard's address, which is kept once in the background")
    statements, transactions = [], []
    read, run = SqlStateStore.read, SqliteLedger._run

    def note_read(store: SqlStateStore, statement: Statement, *rest: Any) -> Any:
        statements.append(statement.name)
        return read(store, statement, *rest)

    def note_run(ledger: SqliteLedger, work: Any, *, write: bool) -> Any:
        transactions.append(f"{work.__qualname__}, write={write}")
        return run(ledger, work, write=write)

    with monkeypatch.context() as patch:
        patch.setattr(locks, "RENEW_S", 60.0)  # on a busy machine the lease would be renewed in between
        patch.setattr(presence_reader, "PRESENCE_FRESH_S", 60.0)  # and who is alive be read again
        patch.setattr(SqlStateStore, "read", note_read)
        patch.setattr(SqliteLedger, "_run", note_run)
        answer = post(client, "runs/h9/retry")
    assert answer.status_code == 200
    ours = [name for name in statements if name != "last_steps"]  # of a run that a worker has taken meanwhile
    assert len(ours) <= 7, statements
    again = answer.json["status"] not in ("pending", "running")  # it ended already, so how it did is read
    assert len(transactions) <= 6 + 3 * again, transactions
    world.reaches("h9", "completed")


def test_cancel_and_undo_show_in_the_runs_own_timeline(client: FlaskClient, world: World) -> None:
    """And ``GET undo`` tells before, and after."""
    world.start("saga", "h2-a", run_id="h2")
    world.waits("h2", "signal")
    before = client.get("/ops/api/runs/h2/undo").json
    assert before["possible"] is True
    assert before["compensations"] == [
        {
            "seq": 1,
            "step": "book",
            "undo": "__main__.book",
            "maybe": False,
            "executing": False,
            "input": {"args": ["h2-a"], "kwargs": {"cents": 7}},
            "output": {"booked": "h2-a", "cents": 7},
        }
    ]
    answer = post(client, "runs/h2/cancel?compensate=true")
    assert answer.status_code == 200
    assert answer.json["undoId"] == "undo:h2"
    world.reaches("undo:h2", "completed")
    detail = client.get("/ops/api/runs/h2").json
    assert detail["run"]["status"] == "cancelled"
    undone = [step for step in detail["timeline"] if step["seq"] < 0]
    assert [(step["seq"], step["name"], step["compensates"]) for step in undone] == [(-1, "compensate:book", 1)]
    after = client.get("/ops/api/runs/h2/undo").json
    assert (after["undoId"], after["status"], after["possible"]) == ("undo:h2", "completed", False)
    assert [entry["status"] for entry in after["compensations"]] == ["completed"]


def test_continue_signal_and_update_release_each_their_wait(client: FlaskClient, world: World) -> None:
    """An update that a validator rejects is 422, with its reason."""
    world.start("waits", run_id="h3")
    world.waits("h3", "breakpoint")
    assert post(client, "runs/h3/updates/quantity", 1).status_code == 409
    assert post(client, "runs/h3/continue").status_code == 200
    world.waits("h3", "signal")
    assert post(client, "runs/h3/continue").status_code == 409
    assert post(client, "runs/h3/signals/news", {"n": 1}).status_code == 200
    world.waits("h3", "update")
    answer = post(client, "runs/h3/updates/quantity", 2, headers={"Idempotency-Key": "once"})
    assert (answer.status_code, answer.json["accepted"], answer.json["run"]["id"]) == (200, True, "h3")
    world.reaches("h3", "completed")
    assert post(client, "runs/h3/updates/quantity", 2, headers={"Idempotency-Key": "once"}).status_code == 200
    too_long = post(client, "runs/h3/updates/quantity", 2, headers={"Idempotency-Key": "k" * 300})
    assert too_long.status_code == 400


def test_a_rejected_update_is_422_with_its_reason(client: FlaskClient, world: World) -> None:
    """Over HTTP as in WIRE: ``{accepted: false, reason}``."""
    from dashboard.workflow import validator

    validator("waits_async", "quantity")(lambda value: "Too many." if value == 99 else True)
    world.start("waits_async", run_id="h4")
    world.waits("h4", "update")
    rejected = post(client, "runs/h4/updates/quantity", 99)
    assert (rejected.status_code, rejected.json) == (422, {"accepted": False, "reason": "Too many."})
    assert world.run("h4").status == "suspended"


@pytest.mark.parametrize(
    ("body", "received"),
    [
        ({"json": {"paid": 1}}, {"paid": 1}),
        ({"data": {"paid": "1", "to": "you"}}, {"paid": "1", "to": "you"}),
        ({"data": "plain", "content_type": "text/plain"}, "plain"),
        ({"data": b"", "content_type": "application/json"}, None),
    ],
)
def test_a_webhook_takes_what_third_parties_send(
    client: FlaskClient, world: World, body: dict[str, Any], received: Any
) -> None:
    """JSON, a form, text, nothing."""
    run_id = f"h5-{abs(hash(str(body)))}"
    world.start("hooked", run_id=run_id)
    token = world.webhook_token(run_id)
    answer = client.post(f"/ops/api/webhooks/{token}", **body)
    assert (answer.status_code, answer.json) == (202, {"delivered": True})
    world.reaches(run_id, "completed")
    assert world.output(run_id) == received
    again = client.post(f"/ops/api/webhooks/{token}", **body)
    assert again.status_code == 409
    assert run_id not in again.text


def test_a_webhook_says_nothing_of_runs_to_strangers(client: FlaskClient, world: World) -> None:
    """A body of any size is nobody's where the token is not ours: it is not even read."""
    assert client.post("/ops/api/webhooks/forged", json={}).status_code == 404
    huge = client.post("/ops/api/webhooks/forged", data=b"x" * (1024 * 1024 + 1), content_type="text/plain")
    assert (huge.status_code, huge.mimetype) == (404, PROBLEM)
    world.start("hooked", run_id="h6")
    token = world.webhook_token("h6")
    huge = client.post(f"/ops/api/webhooks/{token}", data=b"x" * (1024 * 1024 + 1), content_type="text/plain")
    assert (huge.status_code, huge.mimetype) == (413, PROBLEM)
    assert client.post(f"/ops/api/webhooks/{token}", data="{", content_type="application/json").status_code == 400
    cancel.cancel(world.ctx, "h6", actor="ann")


def test_a_webhook_needs_no_auth_and_no_origin_and_the_rest_does(world: World) -> None:
    """A third party holds a token and nothing else."""
    blueprint = create_blueprint(world.url, auth=lambda request: None, caretaker=False)
    app = Flask(__name__)
    app.register_blueprint(blueprint, url_prefix="/durable")
    world.start("hooked", run_id="h7")
    token = world.webhook_token("h7")
    with app.test_client() as stranger:
        origin = {"Origin": "https://third.example"}
        assert stranger.post("/durable/api/runs/h7/cancel", json={}, headers=origin).status_code in (401, 403)
        assert stranger.post(f"/durable/api/webhooks/{token}", json=1, headers=origin).status_code == 202
    world.reaches("h7", "completed")
    blueprint.close()


def test_start_fork_and_retry_with_input_answer_201_with_the_new_run(client: FlaskClient, world: World) -> None:
    """Linked to the old one."""
    started = post(client, "runs", {"workflow": "steps", "input": ["h8-a"], "runId": "h8"})
    assert (started.status_code, started.json["runId"]) == (201, "h8")
    world.reaches("h8", "completed")
    fork = post(client, "runs/h8/fork", {"fromSeq": 1})
    assert (fork.status_code, fork.json["run"]["forkedFrom"]) == (201, "h8")
    again = post(client, "runs/h8/retry-with-input", {"input": ["h8-b"]})
    assert again.status_code == 201
    world.reaches(again.json["runId"], "completed")
    assert world.output(again.json["runId"]) == ["h8-b"]
    for path, body in (("runs/h8/fork", {"fromSeq": -1}), ("runs/h8/fork", {}), ("runs", {"workflow": ""})):
        assert post(client, path, body).status_code == 400


def test_bulk_over_http_previews_applies_and_reports(client: FlaskClient, world: World) -> None:
    """The dry run's ``boundMs`` binds the real one."""
    world.touch("break-h9")
    for number in range(2):
        world.start("steps", "h9", run_id=f"h9-{number}")
        world.reaches(f"h9-{number}", "failed")
    world.remove("break-h9")
    dry = post(client, "bulk/retry?q=h9-&dryRun=true")
    assert (dry.status_code, dry.json["matched"], dry.json["byStatus"]) == (200, 2, {"failed": 2})
    assert {row["id"] for row in dry.json["sample"]} == {"h9-0", "h9-1"}
    done = post(client, "bulk/retry?q=h9-", {"boundMs": dry.json["boundMs"], "bulkId": "mine"})
    assert (done.status_code, done.json["matched"], done.json["bulkId"]) == (202, 2, "bulk:mine")
    world.reaches("bulk:mine", "completed")
    status = client.get("/ops/api/bulk/bulk:mine").json
    assert (status["status"], status["applied"]) == ("completed", 2)
    for number in range(2):
        world.reaches(f"h9-{number}", "completed")
    assert post(client, "bulk/retry?origin=x").json["matched"] == 0
    assert post(client, "bulk/delete").status_code in (404, 405)
    assert client.get("/ops/api/bulk/none").status_code == 404


def test_redispatch_says_whether_it_did_anything(client: FlaskClient, world: World) -> None:
    """A pending run needs nothing; one at work is refused."""
    world.start("unheard-of", run_id="h10")
    answer = post(client, "runs/h10/redispatch")
    assert answer.json == {"runId": "h10", "status": "pending", "redispatched": False}
    cancel.cancel(world.ctx, "h10", actor="ann")
    assert post(client, "runs/h10/redispatch").status_code == 409


def test_the_audit_log_tells_who_did_what_with_what_outcome(client: FlaskClient, world: World) -> None:
    """Newest first, refusals included, and pageable."""
    world.start("plain", run_id="h11")
    world.reaches("h11", "completed")
    post(client, "runs/h11/cancel")
    entries = client.get("/ops/api/audit?run=h11").json
    assert [(e["actor"], e["action"], e["runId"], e["outcome"]) for e in entries] == [
        ("ann", "cancel", "h11", "refused")
    ]
    assert "completed already" in entries[0]["detail"]
    assert client.get(f"/ops/api/audit?run=h11&before={entries[0]['id']}").json == []
    assert client.get("/ops/api/audit?limit=0").status_code == 400


def test_schedules_over_http(client: FlaskClient, world: World) -> None:
    """Pause and resume answer with the state; an unknown one is not found."""
    with world.ctx.engine.use() as engine:
        engine.create_schedule(
            schedule_name="hourly", workflow_name="scheduled", schedule="0 3 1 1 *", application_name="actions-tests"
        )
    assert post(client, "schedules/hourly/pause").json == {"name": "hourly", "active": False}
    assert post(client, "schedules/hourly/resume").json == {"name": "hourly", "active": True}
    fired = post(client, "schedules/hourly/trigger")
    assert fired.status_code == 201
    world.reaches(fired.json["runId"], "completed")
    assert post(client, "schedules/yearly/pause").status_code == 404


def test_a_read_only_dashboard_refuses_to_act(world: World) -> None:
    """``actions=False``."""
    blueprint = create_blueprint(world.url, actions=False, auth=lambda request: Actor("ann", "operator"))
    app = Flask(__name__)
    app.register_blueprint(blueprint, url_prefix="/durable")
    with app.test_client() as reader:
        assert reader.get("/durable/api/runs").status_code == 200
        refused = reader.post("/durable/api/runs/x/retry", json={})
        assert (refused.status_code, refused.mimetype) == (403, PROBLEM)
    blueprint.close()


def test_the_caretaker_starts_with_the_first_request_and_ends_with_the_blueprint(world: World) -> None:
    """Not at registration: a server that forks afterwards would leave it behind."""
    blueprint = create_blueprint(world.url, auth=lambda request: "viewer")
    app = Flask(__name__)
    app.register_blueprint(blueprint, url_prefix="/durable")
    assert world.ledger.lease_holder("caretaker") is None
    with app.test_client() as reader:
        reader.get("/durable/api/health")
    until(lambda: world.ledger.lease_holder("caretaker"), what="the caretaker")
    blueprint.close()
    assert world.ledger.lease_holder("caretaker") is None
