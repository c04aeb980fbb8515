"""Errors of the API are problem+json with a sentence that helps: never a page, never a stack trace."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException

from dashboard import create_blueprint
from dashboard.blueprint import DashboardBlueprint
from dashboard.config import Settings
from dashboard.errors import Refused
from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read.services import Services
from otel_bridge.errors import LedgerUnavailableError, StoreUnavailableError
from otel_bridge.ledger import MemoryLedger
from otel_bridge.testing import MemoryStateStore
from tests.story import mounted

PROBLEM = "application/problem+json"
routes = RouteTable()


@routes.get("bug", summary="A bug", answers={200: None})
def bug(ctx: RequestContext) -> None:
    """Fail."""
    raise RuntimeError("secret of the server")


@routes.get("refused", summary="A refusal", answers={200: None})
def refused(ctx: RequestContext) -> None:
    """Refuse, with members of its own."""
    raise Refused("The run has ended.", runStatus="completed")


@routes.post("echo", summary="Echo", body=Any, body_required=True, answers={200: Any})
def echo(ctx: RequestContext, *, body: Any) -> Any:
    """Answer with the body."""
    return body


@routes.get("odd", summary="Odd numbers", answers={200: Any})
def odd(ctx: RequestContext) -> Any:
    """Answer with what JSON cannot hold."""
    return {"nan": float("nan"), "inf": [float("-inf"), 1.5], "lone": "\ud800"}


@pytest.fixture
def raw_client() -> FlaskClient:
    """A client of routes that misbehave."""
    services = Services(
        Settings(max_body_bytes=1000),
        open_store=lambda: MemoryStateStore(),
        open_ledger=lambda store: MemoryLedger(),
        open_actions=lambda services: None,  # type: ignore[arg-type, return-value]
    )
    app = Flask("host")
    app.register_blueprint(DashboardBlueprint(services, routes=routes.routes), url_prefix="/durable")
    return app.test_client()


def test_no_such_route_is_a_problem(client: FlaskClient) -> None:
    """404 in the API's own format, pointing at the document."""
    response = client.get("/durable/api/does/not/exist")
    assert response.status_code == 404
    assert response.mimetype == PROBLEM
    assert "openapi.json" in response.get_json()["detail"]
    assert client.get("/durable/api/").mimetype == PROBLEM
    assert client.get("/durable/api").mimetype == PROBLEM


def test_the_wrong_method_is_a_problem_that_says_which_are_right(client: FlaskClient) -> None:
    """405 with Allow."""
    response = client.delete("/durable/api/runs")
    assert response.status_code == 405
    assert response.mimetype == PROBLEM
    assert "GET" in response.headers["Allow"]


def test_a_bug_is_told_to_the_log_and_not_to_the_client(
    raw_client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """500 as a problem without the exception; the log has it."""
    response = raw_client.get("/durable/api/bug")
    assert response.status_code == 500
    assert response.mimetype == PROBLEM
    assert "secret" not in response.get_data(as_text=True)
    assert "Traceback" not in response.get_data(as_text=True)
    assert "secret of the server" in caplog.text


def test_a_refusal_carries_its_own_members(raw_client: FlaskClient) -> None:
    """What a client may act on is a member of the problem."""
    problem = raw_client.get("/durable/api/refused").get_json()
    assert problem == {
        "type": "about:blank",
        "title": "Refused",
        "status": 409,
        "detail": "The run has ended.",
        "runStatus": "completed",
    }


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"{", 400, "not JSON"),
        (b"[" * 400 + b"]" * 400, 400, "nested"),
        (b'"' + b"x" * 2000 + b'"', 413, "bytes"),
        (b"", 400, "body"),
        (b"\xff", 400, "not JSON"),
    ],
)
def test_a_body_that_is_wrong_is_refused_in_words(raw_client: FlaskClient, data: bytes, status: int, said: str) -> None:
    """Malformed, too deep, too large, absent, or not UTF-8."""
    response = raw_client.post("/durable/api/echo", data=data, content_type="application/json")
    assert response.status_code == status
    assert said in response.get_json()["detail"]


def test_a_body_in_chunks_is_bounded_too(raw_client: FlaskClient) -> None:
    """Without a Content-Length the limit still holds."""
    response = raw_client.post(
        "/durable/api/echo",
        input_stream=io.BytesIO(b'"' + b"x" * 5000 + b'"'),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert response.status_code == 413


def test_answers_are_strict_json_whatever_they_hold(raw_client: FlaskClient) -> None:
    """NaN and infinities become null, lone surrogates are escaped: every JSON parser can read it."""
    text = raw_client.get("/durable/api/odd").get_data(as_text=True)
    assert text == '{"nan":null,"inf":[null,1.5],"lone":"\\ud800"}'


def test_a_database_that_is_not_there_yet_is_reported_and_then_served(tmp_path: Path, story_url: str) -> None:
    """The blueprint registers before the engine made its file; the next request after that finds it."""
    path = tmp_path / "later.sqlite"
    with mounted(f"sqlite:///{path}") as app:
        client = app.test_client()
        for route in ("runs", "health", "metrics", "runs/x", "workers"):
            response = client.get(f"/durable/api/{route}")
            assert response.status_code == 503, route
            assert response.mimetype == PROBLEM
            assert "later.sqlite" in response.get_json()["detail"]
        assert client.get("/durable/").status_code in (200, 503)
        assert not path.exists(), "looking must not create the file"
        source = sqlite3.connect(story_url.removeprefix("sqlite:///"))
        target = sqlite3.connect(path)
        source.backup(target)
        source.close()
        target.close()
        assert len(client.get("/durable/api/runs").get_json()) > 15


def test_a_file_that_is_not_a_system_database_is_reported(tmp_path: Path) -> None:
    """Named, with what it is not."""
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE things (id)")
    connection.close()
    with mounted(str(path)) as app:
        response = app.test_client().get("/durable/api/runs")
        assert response.status_code == 503
        assert "other.sqlite" in response.get_json()["detail"]


def test_a_store_that_fails_is_503_with_its_reason(
    story_app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Locked, unreachable or timed out: the client learns which, and that it is not its fault; the log, once."""
    store = story_app.extensions["durable"].services.store

    def locked(*args: Any, **kwargs: Any) -> Any:
        raise StoreUnavailableError("x", "The database is locked.")

    monkeypatch.setattr(store, "list_runs", locked)
    response = story_app.test_client().get("/durable/api/runs")
    assert response.status_code == 503
    assert response.get_json()["detail"] == "The database is locked."
    story_app.test_client().get("/durable/api/runs")
    assert caplog.messages == ["Requests are refused: The database is locked."]


def test_without_its_ledger_the_dashboard_still_reads(story_url: str) -> None:
    """Presence, generations and remembered traces are missing; health says so; runs are served."""

    class Broken(MemoryLedger):
        def executors(self, *args: Any) -> Any:
            raise LedgerUnavailableError("x", "The ledger's disk is full.")

        executors_now = exported = run_of_trace = executors  # type: ignore[assignment]

    with mounted(story_url, ledger=Broken()) as app:
        client = app.test_client()
        assert client.get("/durable/api/runs/simple-1").status_code == 200
        assert "disk is full" in client.get("/durable/api/executors").get_json()["detail"]
        trace = client.get("/durable/api/runs/simple-1").get_json()["run"]["traceId"]
        assert client.get(f"/durable/api/trace/{trace}").status_code == 302
        health = client.get("/durable/api/health").get_json()
        assert health["status"] == "degraded"
        assert "disk is full" in health["problems"][0]


def test_a_trace_link_that_cannot_work_is_refused_at_once() -> None:
    """A setting that is wrong fails where it is made, not when somebody clicks."""
    for setting in ("jaeger", "tempo:", "https://trace.example.com/"):
        with pytest.raises(ValueError, match="trace_url"):
            create_blueprint("sqlite:///x.sqlite", trace_url=setting)


def test_a_database_that_is_not_there_yet_is_called_so(tmp_path: Path) -> None:
    """Neither missing nor empty is a failure of the dashboard: the application has not been launched yet."""
    empty = tmp_path / "empty.sqlite"
    sqlite3.connect(empty).close()
    for url in (f"sqlite:///{tmp_path / 'nowhere.sqlite'}", f"sqlite:///{empty}"):
        with mounted(url) as app:
            found = app.test_client().get("/durable/api/runs")
        assert (found.status_code, found.json["title"], found.json["code"]) == (503, "No database yet", "no_database")


def test_the_hosts_error_handlers_change_no_answer_of_the_api() -> None:
    """Why the API's views answer for their errors themselves: of a blueprint's handlers Flask asks the host's first.

    A handler of the host for 413 outranks one of the blueprint for every ``Exception``.
    """
    with mounted(MemoryStateStore(), ledger=MemoryLedger(), max_body_bytes=10) as app:

        @app.errorhandler(HTTPException)
        @app.errorhandler(404)
        @app.errorhandler(405)
        @app.errorhandler(413)
        def page(error: HTTPException) -> tuple[str, int]:
            return "<h1>The host's page</h1>", 418

        client = app.test_client()
        answers = [
            client.get("/durable/api/nowhere"),
            client.delete("/durable/api/runs"),
            client.post("/durable/api/runs", json={"workflow": "w" * 100}),
        ]
        assert [(answer.status_code, answer.mimetype) for answer in answers] == [
            (404, "application/problem+json"),
            (405, "application/problem+json"),
            (413, "application/problem+json"),
        ]
        assert client.get("/elsewhere").status_code == 418


def test_flask_asks_no_blueprint_about_a_path_that_no_rule_matches() -> None:
    """Why a rule of ours takes every path below ``api/``: else the host's page would answer there."""
    blueprint, asked = Blueprint("b", __name__), []
    blueprint.add_url_rule("/runs", "runs", lambda: "runs")

    @blueprint.errorhandler(404)
    @blueprint.errorhandler(405)
    def problem(error: HTTPException) -> tuple[str, int]:
        asked.append(error.code)
        return "a problem", 418

    app = Flask("host")
    app.register_blueprint(blueprint, url_prefix="/durable")
    client = app.test_client()
    assert [client.get("/durable/nowhere").status_code, client.delete("/durable/runs").status_code] == [404, 405]
    assert asked == []
