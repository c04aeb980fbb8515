"""Alerts on a real engine: one message for each incident, whoever sends it, and whatever is killed."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import Actor, create_blueprint
from dashboard.caretaker.alert_rules import AlertRule
from dashboard.caretaker.alerts import AlertSettings
from dashboard.caretaker.caretaker import Caretaker, CaretakerSettings
from dashboard.workflow.address import KeptAddress, keep_address
from dashboard.workflow.alerting import KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER, send, signature
from tests.actions.world import World
from tests.programs import Program
from tests.waiting import until

RULE = AlertRule(kind="dead_letter", window_s=3600)


class Receiver:
    """A real HTTP server that keeps what is posted to it, and answers what the test says."""

    def __init__(self) -> None:
        self.got: list[tuple[Mapping[str, str], dict[str, Any], bytes]] = []
        self.status, self.before = 200, b""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                receiver.got.append((dict(self.headers), json.loads(body), body))
                self.wfile.write(receiver.before)
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver, closed at the end."""
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def kill_a_run(world: World, run_id: str) -> None:
    """Have the engine give a run up, without a worker: its row says so."""
    world.start("deadly", run_id=run_id, queue="nobody")
    with world.ctx.engine.use() as client:
        engine = client._sys_db.engine
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"UPDATE workflow_status SET status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' WHERE workflow_uuid = '{run_id}'"
            )
    world.reaches(run_id, "dead")


def keeper(world: World, **settings: Any) -> Caretaker:
    chosen = AlertSettings(**{"rules": [RULE], "every_s": 0.0, **settings})
    return Caretaker(lambda: world.ctx, CaretakerSettings(alerts=chosen, patrol_interval_s=3600.0))


def client_of(world: World, **options: Any) -> FlaskClient:
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(world.url, caretaker=False, **options), url_prefix="/durable")
    return app.test_client()


def test_an_incident_sends_one_message_to_each_target_and_one_when_it_is_over(
    new_world: Callable[..., World], receiver: Receiver
) -> None:
    """Through apprise, to a signed webhook and to a function; with a link. It goes on without another message."""
    world = new_world()
    keep_address(world.ledger, KeptAddress("https://ops.example.com/durable", given=True))
    kill_a_run(world, "d1")
    called: list[Mapping[str, Any]] = []
    targets = [f"json://{receiver.place}/apprise", f"webhook+http://{receiver.place}/hook", called.append]
    care = keeper(world, targets=targets, secret="hush", clear_s=0.0, reopen_s=0.0)
    until(care.tick, what="the lease")
    until(lambda: len(called) == 1, what="the function to be called")
    for _ in range(3):
        care.tick()
    (apprised, _, _), (headers, posted, body) = receiver.got[0], receiver.got[1]
    assert apprised["Content-Type"].startswith("application/json")
    assert "https://ops.example.com/durable/alerts#" in receiver.got[0][1]["message"]
    assert posted == called[0]
    assert (posted["message"], posted["rule"], posted["subject"]) == ("opened", "dead_letter", "deadly")
    assert posted["summary"] == "1 run of deadly died: the engine gave up on them."
    assert headers[KEY_HEADER] == f"{posted['id']}:opened"
    assert headers[SIGNATURE_HEADER] == signature("hush", headers[TIME_HEADER], body)
    assert len(receiver.got) == 2
    with world.ctx.engine.use() as client:
        client.delete_workflow("d1")
    until(lambda: care.tick() and len(called) == 2, what="the end to be said")
    assert called[1]["message"] == "ended"
    found = client_of(world).get("/durable/api/alerts").get_json()
    assert (found["open"], [one["state"] for one in found["alerts"]]) == (0, ["ended"])
    assert found["targets"] == ["json", "webhook", "hook"]


def test_a_target_that_is_down_is_tried_again_and_no_other_gets_it_twice(
    new_world: Callable[..., World], receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """The trouble is shown without the address, and nothing is lost."""
    world = new_world()
    kill_a_run(world, "d1")
    called: list[Mapping[str, Any]] = []
    receiver.status = 500
    secret = f"webhook+http://{receiver.place}/s3cr3t"
    care = keeper(world, targets=[called.append, secret])
    http = client_of(world)

    def shown() -> dict[str, Any]:
        care.tick()
        alerts = http.get("/durable/api/alerts").get_json()["alerts"]
        return dict(alerts[0]) if alerts else {}

    until(lambda: "HTTP 500" in shown().get("problem", ""), what="the trouble to be shown")
    assert "s3cr3t" not in str(shown()) + caplog.text
    receiver.status = 200
    until(lambda: shown().get("sentBy") == "caretaker", what="the message to be sent")
    assert len(called) == 1
    assert shown().get("problem") is None


def test_a_message_is_sent_by_a_durable_run_where_a_worker_declares_the_sender(
    new_world: Callable[..., World], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is retried until the target takes it; its input holds no address; a second caretaker hands out nothing."""
    world = new_world()
    receiver.status = 503
    monkeypatch.setenv("DURABLE_ALERTS", json.dumps({"targets": [f"webhook+http://{receiver.place}/s3cr3t"]}))
    world.worker("--present")
    kill_a_run(world, "d1")
    care = keeper(world, targets=[lambda alert: pytest.fail("the caretaker sent it itself")])
    until(care.tick, what="the lease")
    until(lambda: receiver.got, what="a first try")
    receiver.status = 200
    incident = world.ledger.incidents(since_ms=0)[0]
    run = world.reaches(f"alert:{incident.id}:opened", "completed")
    assert incident.sent_by == run.id
    stored = world.store.get_payload(run.id, "input", cap_bytes=None)
    assert stored is not None
    assert "s3cr3t" not in stored.text
    care._release()
    other = keeper(world)
    until(other.tick, what="the lease")
    assert {headers[KEY_HEADER] for headers, _, _ in receiver.got} == {f"{incident.id}:opened"}
    assert len(world.ledger.incidents(since_ms=0)) == 1


def test_a_caretaker_that_is_killed_and_its_follower_send_one_message(
    new_world: Callable[..., World], receiver: Receiver
) -> None:
    """kill -9 after the message; the next process looks again and again, and sends nothing."""
    world = new_world()
    kill_a_run(world, "d1")
    given = {"targets": [f"webhook+http://{receiver.place}/"], "rules": [{"kind": "dead_letter", "window_s": 3600}]}
    environ = {**os.environ, "DURABLE_ALERTS": json.dumps({**given, "every_s": 0.05})}

    def looked_at() -> int:
        value = world.ledger.get_value("alerts")
        return int(value["at"]) if isinstance(value, dict) else 0

    for _ in range(2):
        before = looked_at()
        program = Program("-m", "tests.caretaker.alert_app", world.url, environ=environ)
        try:
            until(lambda before=before: looked_at() > before and receiver.got, what="a look")  # type: ignore[misc]
            until(lambda: world.ledger.incidents(since_ms=0)[0].sent_by == "caretaker", what="it to be noted")
            seen = looked_at()
            until(lambda seen=seen: looked_at() > seen + 200, what="more looks")  # type: ignore[misc]
        finally:
            program.kill()
    assert len(receiver.got) == 1


def test_people_snooze_resolve_and_test_and_it_is_kept_who_did(new_world: Callable[..., World]) -> None:
    """Operators alone; the metric counts what is open; a token for other actions decides nothing."""
    world = new_world()
    kill_a_run(world, "d1")
    care = keeper(world)
    until(care.tick, what="the lease")
    who = {"ada": Actor("ada", "operator"), "eve": Actor("eve", "viewer")}
    who["bot"] = Actor("bot", "operator", frozenset({"retry"}))
    http = client_of(world, auth=lambda request: who[request.headers["X-Who"]])

    def ask(method: str, path: str, name: str = "ada", **options: Any) -> Any:
        return http.open(f"/durable/api/{path}", method=method, headers={"X-Who": name}, **options)

    alert = ask("GET", "alerts", "eve").get_json()["alerts"][0]
    assert alert["link"] == "/?status=dead&workflow=deadly"
    assert 'durable_alerts_open{rule="dead_letter"} 1.0' in ask("GET", "metrics").text
    for name in ("eve", "bot"):
        for act in (f"alerts/{alert['id']}/snooze", f"alerts/{alert['id']}/resolve", "alerts/test"):
            assert ask("POST", act, name).status_code == 403
    snoozed = ask("POST", f"alerts/{alert['id']}/snooze", json={"minutes": 5, "note": "on it"}).get_json()
    assert (snoozed["state"], snoozed["acknowledgedBy"], snoozed["note"]) == ("snoozed", "ada", "on it")
    resolved = ask("POST", f"alerts/{alert['id']}/resolve", json={"note": "rolled back"}).get_json()
    assert (resolved["state"], resolved["endedBy"]) == ("ended", "ada")
    assert ask("POST", f"alerts/{alert['id']}/resolve").status_code == 409
    assert ask("POST", "alerts/none/resolve").status_code == 404
    care.tick()  # it is still found, and stays resolved
    assert ask("GET", "alerts").get_json()["open"] == 0
    assert ask("POST", "alerts/test").get_json()["rule"] == "test"
    assert ask("POST", "alerts/test").status_code == 409
    assert {"snooze-alert", "resolve-alert", "test-alerts"} <= {one["action"] for one in ask("GET", "audit").get_json()}


def test_under_a_policy_no_incident_counts_what_may_not_be_seen(new_world: Callable[..., World]) -> None:
    """Counts of a workflow's runs are of everybody's: they are left out."""
    world = new_world()
    kill_a_run(world, "d1")
    until(keeper(world).tick, what="the lease")
    http = client_of(world, auth=lambda request: Actor("eve", "operator"), may=lambda actor, action, run: True)
    assert http.get("/durable/api/alerts").get_json()["alerts"] == []
    hidden = world.ledger.incidents(since_ms=0)[0].id
    assert http.post(f"/durable/api/alerts/{hidden}/resolve").status_code == 404


def test_settings_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``DURABLE_ALERTS`` names it, so that addresses stand in no command line."""
    path = tmp_path / "alerts.json"
    path.write_text(json.dumps({"rules": [{"kind": "queue_age", "only": "mail", "over": 5}], "every_s": 3}))
    monkeypatch.setenv("DURABLE_ALERTS", str(path))
    found = AlertSettings.from_environment()
    assert found is not None
    assert (found.every_s, found.rules[0].threshold, found.rules[0].only) == (3, 5, "mail")


def test_what_a_webhook_says_before_its_answer_is_no_refusal(receiver: Receiver) -> None:
    """Taken for one, "103 Early Hints" had the message sent again for as long as the incident was open."""
    receiver.before = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    send(f"webhook+http://{receiver.place}/hook", {"id": "1", "message": "opened"})
    assert len(receiver.got) == 1
