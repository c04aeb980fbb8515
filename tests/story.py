"""A database that a real DBOS application filled, a worker process to command, and a threaded server."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from dashboard import create_blueprint
from tests.databases import make_wal
from tests.programs import ROOT, Program


def commanded_worker(url: str) -> Program:
    """Start a DBOS process that obeys commands: see ``engine_app``."""
    worker = Program("-m", "tests.engine_app", url, "serve", commanded=True)
    worker.wait_for("ready", whole=True)
    return worker


@pytest.fixture(scope="session")
def story_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a database with runs of every kind, written by a real DBOS application that has ended."""
    url = make_wal(tmp_path_factory.mktemp("story") / "app.sqlite")
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine_app", url, "story"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip().endswith("ready"), done.stderr[-3000:]
    return url


@pytest.fixture(scope="module")
def worker_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a database that a live worker process uses."""
    return make_wal(tmp_path_factory.mktemp("live") / "app.sqlite")


@pytest.fixture(scope="module")
def worker(worker_url: str) -> Iterator[Program]:
    """A live worker process on ``worker_url``."""
    process = commanded_worker(worker_url)
    yield process
    process.kill()


@contextmanager
def mounted(store: Any, *, prefix: str | None = "/durable", **options: Any) -> Iterator[Flask]:
    """A Flask app with the dashboard in it; its streams and connections are closed at the end."""
    app = Flask("host")
    blueprint = create_blueprint(store, **{"caretaker": False, **options})
    app.register_blueprint(blueprint, url_prefix=prefix)
    app.extensions["durable"] = blueprint
    try:
        yield app
    finally:
        blueprint.close()


@contextmanager
def served(app: Flask) -> Iterator[int]:
    """Serve an app with threads on a free port; yield the port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


@pytest.fixture(scope="session")
def story_app(story_url: str) -> Iterator[Flask]:
    """The dashboard over the story."""
    with mounted(story_url, trace_url="jaeger:https://jaeger.test") as app:
        yield app


@pytest.fixture
def client(story_app: Flask) -> FlaskClient:
    """A client of the dashboard over the story."""
    return story_app.test_client()


@pytest.fixture
def api(client: FlaskClient) -> Callable[..., Any]:
    """GET below ``/durable/api``; return the JSON of a success."""

    def get(path: str, **options: Any) -> Any:
        response = client.get(f"/durable/api/{path}", **options)
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.get_json()

    return get
