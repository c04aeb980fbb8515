"""Every entry point without any extra, as after ``pip install durable-dashboard``: a sentence, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TypedDict

import pytest

from otel_bridge.extras import EXTRAS, install_command
from tests.programs import ROOT

BLOCKED = sorted({module for _, modules in EXTRAS.values() for module in modules} - {"psycopg"})
"""DBOS itself brings psycopg, but not its pool."""
PROGRAM = """
import json, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = set(json.loads(sys.argv[1]))
sys.meta_path.insert(0, Refusing())

from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo
from dashboard import Durable
from dashboard.cli.main import durable
from otel_bridge.cli import otel_bridge

def reported(command, words, **options):
    result = CliRunner().invoke(command, words, **options)
    error = result.exception
    raised = None if error is None or isinstance(error, SystemExit) else repr(error)
    return {"words": words, "code": result.exit_code, "raised": raised, "says": result.output}

database = ["--system-database-url", "postgresql://ada:secret@127.0.0.1:1/none"]
done = {"durable": [reported(durable, ["--help"])], "otel-bridge": [reported(otel_bridge, ["--help"])], "flask": []}
for name in durable.list_commands(None):
    for rest in ([], ["--help"], ["run"], ["run", *database], database):
        done["durable"].append(reported(durable, [name, *rest]))
for name in otel_bridge.commands:
    for rest in ([], ["--help"], database):
        done["otel-bridge"].append(reported(otel_bridge, [name, *rest]))
app = Flask("shop")
app.config["DURABLE_SYSTEM_DATABASE_URL"] = "sqlite:///none.sqlite"
Durable(app)
for words in (["durable", "--help"], ["durable", "runs"], ["durable", "mcp"], ["routes"]):
    done["flask"].append(reported(app.cli, words, obj=ScriptInfo(create_app=lambda: app)))
answer = app.test_client().get("/durable/api/health", headers={"Host": "localhost"})
done["served"] = answer.status_code
print(json.dumps(done))
"""


class Told(TypedDict):
    """How one command ended, and what it printed."""

    words: list[str]
    code: int
    raised: str | None
    says: str


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Told]]:
    """Every command, tried in one process in which no module of an extra can be imported."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("DURABLE_", "DBOS_", "OTEL_"))}
    environ |= {"PYTHONPATH": str(ROOT), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    folder = tmp_path_factory.mktemp("bare")
    command = [sys.executable, "-c", PROGRAM, json.dumps(BLOCKED)]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Told]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("program", ["durable", "otel-bridge", "flask"])
def test_no_command_ends_in_a_traceback(bare: dict[str, list[Told]], program: str) -> None:
    """Not without arguments, not with ``--help``, not on a Postgres database whose driver is missing."""
    assert len(bare[program]) >= 4
    assert [reported for reported in bare[program] if reported["raised"] or "Traceback" in reported["says"]] == []


def test_what_cannot_be_done_names_the_extra_that_brings_it(bare: dict[str, list[Told]]) -> None:
    """One command that installs all that is needed; exit code 2."""
    said = {" ".join(reported["words"][:1]): reported for reported in bare["durable"] if len(reported["words"]) == 1}
    for name, extra in {"runs": "client", "doctor": "client", "mcp": "mcp", "demo": "demo"}.items():
        assert install_command(extra) in said[name]["says"]
        assert said[name]["code"] == 2
    on_postgres = [reported for reported in bare["otel-bridge"] if "--system-database-url" in reported["words"]]
    assert len(on_postgres) == 3
    assert all(install_command("postgres") in reported["says"] for reported in on_postgres)
    assert all(reported["code"] != 0 for reported in on_postgres)
    assert install_command("client") in bare["flask"][1]["says"]


def test_the_page_and_the_flask_extension_need_no_extra(bare: dict[str, object]) -> None:
    """``Durable(app)`` registers, and the blueprint answers: 503, for there is no database."""
    assert bare["served"] == 503


@pytest.mark.parametrize(
    ("extra", "module"), [("client", "dashboard.client"), ("asgi", "dashboard.asgi"), ("mcp", "dashboard.mcp.server")]
)
def test_an_import_of_ours_without_its_extra_says_what_to_install(extra: str, module: str) -> None:
    """For those who import rather than type: the error is an ``ImportError`` with the command in its words."""
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({EXTRAS[extra][1]!r}))\n"
        f"try:\n    import {module}\nexcept ImportError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert install_command(extra) in done.stdout
