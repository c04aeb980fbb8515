"""A run copied as a test: the file runs, passes with the code that made the run, and fails with changed code."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_blueprint
from otel_bridge.codec import redact_keys
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.databases import make_wal

ROOT = Path(__file__).resolve().parents[2]
MODULE = "tests.read.replay_app"
RUNS = (
    *("arithmetic", "values", "refused", "handled", "exhausted", "paying", "parent", "asking", "gathering"),
    *("open_ended", "cancelled", "till"),
)
CHANGES = {
    "renamed": "step 1 is make now and was add when it was recorded",
    "shorter": "Right contains one more item",
    "longer": "assert 'step 3, add' is None",
    "result": "assert 16 == 15",
}
"""What a later version of the code does, and what the test then says."""
CONFTEST = """
import shutil
import pytest
from dbos import run_dbos_database_migrations

@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    path = tmp_path_factory.mktemp("migrated") / "replay.sqlite"
    run_dbos_database_migrations(f"sqlite:///{path}")
    return path

@pytest.fixture
def tmp_path(tmp_path, migrated):
    shutil.copy(migrated, tmp_path)  # the engine's tables take a second to make
    return tmp_path
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a run of every kind, by a real application that has ended."""
    url = make_wal(tmp_path_factory.mktemp("replays") / "app.sqlite")
    done = subprocess.run(
        [sys.executable, "-c", f"import {MODULE} as app; app.main({url!r})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip().endswith("ready"), done.stderr[-3000:]
    return url


def client_of(store: Any, **options: Any) -> FlaskClient:
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(store, actions=False, **options), url_prefix="/durable")
    return app.test_client()


def copied(client: FlaskClient, run_id: str, **query: str) -> str:
    answer = client.get(f"/durable/api/runs/{run_id}/test", query_string=query)
    assert (answer.status_code, answer.mimetype) == (200, "text/x-python"), answer.text
    return answer.text


def run_tests(folder: Path) -> str:
    """Run every test of a folder in a process of its own; return what pytest printed."""
    (folder / "conftest.py").write_text(CONFTEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "--show-capture=no"]
    done = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(folder), str(folder)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_a_copied_run_passes_with_its_code_and_fails_with_another(url: str, tmp_path: Path) -> None:
    """Completed, failed, retried, cancelled, open; children, waits, sleeps, side by side; a method; every value.

    No step is executed. Another step, one less, one more or another result fails, and says so.
    """
    client = client_of(url)
    for run_id in RUNS:
        (tmp_path / f"test_{run_id}.py").write_text(copied(client, run_id, module=MODULE), encoding="utf-8")
    for change in CHANGES:
        text = copied(client, "arithmetic", module=MODULE)
        changed = f"import {MODULE} as app; app.CHANGED = {change!r}; args, kwargs = arguments()"
        assert "args, kwargs = arguments()" in text
        text = text.replace("args, kwargs = arguments()", changed).replace("def test_", f"def test_{change}_")
        (tmp_path / f"test_z_{change}.py").write_text(text, encoding="utf-8")
    printed = run_tests(tmp_path)
    assert f"{len(CHANGES)} failed, {len(RUNS)} passed" in printed, printed[-6000:]
    assert [said for said in CHANGES.values() if said not in printed] == [], printed[-6000:]


def test_what_is_hidden_or_unreadable_is_to_be_filled_in(url: str) -> None:
    """A comment says what; where no module is named, that too."""
    text = copied(client_of(url, redact=redact_keys(["colour"])), "values")
    assert "# FILL IN: the module that registers the workflow" in text
    assert "# FILL IN: this step: parts of it are hidden here" in text
    assert "Colour" not in text
    ast.parse(text)


def test_a_stored_text_cannot_leave_its_place() -> None:
    """Neither a name, a version, an id nor a payload begins a statement."""
    store = MemoryStateStore()
    evil = 'x\'"""\nimport os\r\u2028raise SystemExit #'
    store.put_run(make_run(evil, workflow=evil, workflow_version=evil, status="completed"))
    store.put_row("workflow_input", workflow_uuid=evil, inputs="[not json\nraise SystemExit")
    store.put_row(
        "operation_outputs", workflow_uuid=evil, function_id=1, function_name=evil, output='{"a":"\'\\nraise"}',
        error=None, child_workflow_id=evil,
    )  # fmt: skip
    answer = client_of(store, ledger=MemoryLedger()).get("/durable/api/runs/by-id", query_string={"id": evil})
    assert answer.status_code == 200
    hex_id = f"~x{evil.encode().hex()}"
    tree = ast.parse(copied(client_of(store, ledger=MemoryLedger()), hex_id))
    kinds = {type(one).__name__ for one in ast.walk(tree)}
    assert "Raise" not in kinds
    assert {alias.name for one in ast.walk(tree) if isinstance(one, ast.Import) for alias in one.names} == {
        "datetime", "decimal", "uuid",
    }  # fmt: skip
