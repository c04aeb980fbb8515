"""Imports go downward only, and workers load no web framework."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.programs import ROOT


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    return set(answer.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import dashboard.workflow", {"flask", "flask_sock", "werkzeug", "httpx"}),
        ("import otel_bridge", {"flask", "dbos", "psycopg", "sqlite_utils"}),
        ("from otel_bridge import DBOSInstrumentor", {"flask", "httpx", "dashboard"}),
        ("from otel_bridge import OTelBridge", {"flask", "dbos", "dashboard"}),
        (
            "import dashboard.client, dashboard.cli.runs, dashboard.cli.actions",
            {"flask", "dbos", "sqlalchemy", "sqlite_utils"},
        ),
        ("from dashboard import create_blueprint", {"httpx"}),
    ],
)
def test_a_process_loads_only_what_it_needs(statement: str, absent: set[str]) -> None:
    """What a worker, a bridge, a client and an API process import by importing us."""
    assert loaded_by(statement) & absent == set()


def test_modules_are_short() -> None:
    """At most 400 lines: longer ones are two things."""
    long = {
        str(path.relative_to(ROOT)): count
        for package in ("otel_bridge", "dashboard", "examples")
        for path in (ROOT / package).rglob("*.*")
        if path.suffix in (".py", ".ts", ".tsx") and not path.name.endswith(".d.ts")  # which are made
        if "node_modules" not in path.parts and (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_the_files_that_contributing_names_exist() -> None:
    """The table "I want to" leads somewhere, and covers at least twenty wishes."""
    table = (ROOT / "CONTRIBUTING.md").read_text().split("## I want to")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    paths = [path for row in rows for path in re.findall(r"`([^`]+)`", row)]
    assert len(rows) >= 20
    assert [path for path in paths if not (ROOT / path).exists()] == []
