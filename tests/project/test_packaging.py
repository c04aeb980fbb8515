"""The wheel holds what a user needs and nothing else; building and installing it needs no Node."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import httpx
import pytest

from tests.programs import ROOT, running


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built here by the build backend, on a PATH that has no Node."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environ = {**os.environ, "PATH": str(Path(sys.executable).parent)}
    built = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_carries_the_page_and_its_types(wheel: zipfile.ZipFile) -> None:
    """The built bundle, ``py.typed`` of both packages, and the licence."""
    names = wheel.namelist()
    assert "dashboard/static/index.html" in names
    assert any(name.startswith("dashboard/static/") and name.endswith(".js") for name in names)
    assert {"dashboard/py.typed", "otel_bridge/py.typed"} <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert "dashboard/static/THIRD-PARTY-LICENSES.txt" in names


def test_the_wheel_carries_no_sources_of_the_page_and_no_tests(wheel: zipfile.ZipFile) -> None:
    """Only the two import packages; of the page only its bundle."""
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"otel_bridge", "dashboard"}
    unwanted = ("frontend", "node_modules", ".tsx", "package.json", "__pycache__")
    assert [name for name in wheel.namelist() if any(part in name for part in unwanted)] == []


def test_the_whole_bundle_is_in_version_control(wheel: zipfile.ZipFile) -> None:
    """What the wheel serves is what is committed, so that a clone without Node is complete."""
    tracked = subprocess.run(["git", "ls-files", "dashboard/static"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode != 0:
        assert not (ROOT / ".git").exists()
        return
    served = {name for name in wheel.namelist() if name.startswith("dashboard/static/")}
    assert served == set(tracked.stdout.split())


def test_commands_and_entry_points_lead_somewhere(wheel: zipfile.ZipFile) -> None:
    """Both commands and the instrumentor's entry point can be loaded."""
    from importlib.metadata import EntryPoint

    (path,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    group, loaded = "", set()
    for line in wheel.read(path).decode().splitlines():
        if line.startswith("["):
            group = line.strip("[]")
        elif line:
            name, _, value = line.partition(" = ")
            assert callable(EntryPoint(name, value, group).load())
            loaded.add(name)
    assert loaded == {"durable", "durable-dashboard", "otel-bridge", "dbos"}


def test_the_demo_runs_from_the_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """``durable demo`` in an environment that has the wheel and no clone, started somewhere else."""
    venv.create(tmp_path / "venv", with_pip=False)
    (site,) = (tmp_path / "venv").glob("lib/*/site-packages")
    wheel.extractall(site)
    (site / "needed.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python = tmp_path / "venv" / "bin" / "python"
    command = ("-m", "dashboard", "demo", "--port", "0", "--no-trickle")
    with running(*command, environ=environ, cwd=tmp_path, executable=python) as program:
        page = program.wait_for("Dashboard:").split()[1]
        program.wait_for("Open for business")
        assert "durable-config" in httpx.get(page).text
        asked = "import dashboard.demo as d; print(d.__file__)"
        place = subprocess.run([python, "-c", asked], cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert place.stdout.startswith(str(site))
        assert program.stop() == 0


def test_every_import_is_a_declared_dependency(wheel: zipfile.ZipFile) -> None:
    """No module works only because something else happens to bring it."""
    (path,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    required = Parser().parsestr(wheel.read(path).decode()).get_all("Requires-Dist") or []
    names = {requirement.split(";")[0].split("[")[0].split(">")[0].strip().lower() for requirement in required}
    used = "dbos flask flask-sock simple-websocket cryptography pydantic sqlite-utils httpx httpx-sse psycopg click"
    used += " opentelemetry-sdk opentelemetry-proto opentelemetry-exporter-otlp opentelemetry-instrumentation"
    assert set(used.split()) <= names
