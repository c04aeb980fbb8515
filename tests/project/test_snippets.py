"""Every snippet of the documents is run, or names the test that runs the same: ``<!-- shown by tests/… -->``.

Python blocks of a page are programs of their own, in one process, in a folder where ``app.sqlite`` is a real database;
shell lines of ours run against a shop that is served. What the reader's machine needs besides (pip, docker, a shell's
assignments) is not ours to run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from dashboard.client import DurableClient
from tests.cli.conftest import run_durable
from tests.client.conftest import base_url, client, shop
from tests.client.test_acting import wait_for
from tests.programs import ROOT

__all__ = ["base_url", "client", "shop"]

BLOCK = re.compile(r"(?:^<!-- shown by (?P<shown>\S+) -->\n\n?)?^```(?P<language>\w+)\n(?P<text>.*?)^```", re.M | re.S)
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "reference.md"),
    ROOT / "examples" / "deploy" / "README.md",
    ROOT / "examples" / "tracing" / "README.md",
    ROOT / "examples" / "typescript_client" / "README.md",
]
NOT_OURS = ("pip", "export", "mkdir", "eval", "python3", "otel-bridge")
"""A bridge waits for a collector: its lines are parsed by ``test_docs``, and run by ``tests/bridge``."""
PROGRAM = """
import asyncio, json, runpy, sys

def status_of(thing):
    import httpx
    from flask import Flask
    if isinstance(thing, Flask):
        return thing.test_client().get("/durable/api/health", headers={"Host": "localhost"}).status_code
    async def ask():
        transport = httpx.ASGITransport(thing, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/durable/api/health")).status_code
    return asyncio.run(ask())

for number, block in enumerate(json.load(sys.stdin)):
    given = {}
    if "app.wsgi_app = " in block:  # the rest of an application that the reader has
        from flask import Flask
        from dashboard import create_blueprint
        given["app"] = Flask("theirs")
        given["app"].register_blueprint(create_blueprint("sqlite:///app.sqlite"), url_prefix="/durable")
    space = {"__name__": f"block{number}", **given}
    exec(compile(block, f"block {number}", "exec"), space)
    for name in ("app", "application"):
        if name in space:
            # 401: the block's own auth hook knows nobody here.
            assert (status := status_of(space[name])) in (200, 401), (status, block)
    if "with_dashboard" in space:
        from werkzeug.test import Client
        both = space["with_dashboard"](lambda environ, start: (start("200 OK", []), [b"theirs"])[1], "sqlite:///app.sqlite")
        assert Client(both).get("/durable/api/health", headers={"Host": "localhost"}).status_code == 200
        assert Client(both).get("/elsewhere").text == "theirs"
    if "who" in space and "app" not in space:
        class Request:
            environ = {"asgi.scope": {"session": {"user": "ada"}}}
        assert space["who"](Request).name == "ada"
    print("ran", number, flush=True)
sys.stdout.flush()
__import__("os")._exit(0)
"""


@dataclass(frozen=True)
class Snippet:
    """A block of a page, and the test that it names, where it is not run here."""

    page: str
    language: str
    text: str
    shown: str | None


def snippets(path: Path) -> list[Snippet]:
    """Return the blocks of a page."""
    page = str(path.relative_to(ROOT))
    return [Snippet(page, m["language"], m["text"], m["shown"]) for m in BLOCK.finditer(path.read_text())]


EVERY = [snippet for path in PAGES for snippet in snippets(path)]
PYTHON = {
    page: [s for s in EVERY if s.page == page and s.language == "python" and s.shown is None]
    for page in {s.page for s in EVERY if s.language == "python" and s.shown is None} - {"README.md"}
}
"""Of each page; README's are run by ``test_docs``, which also launches what it launches."""
SHELL = [s for s in EVERY if s.language == "sh" and s.shown is None]


@pytest.mark.parametrize("page", sorted(PYTHON))
def test_the_python_of_a_page_runs(page: str, base_url: str, story_url: str, tmp_path: Path) -> None:
    """Each block is a program; an application that it makes serves its health, a client finds a server."""
    with closing(sqlite3.connect(story_url.removeprefix("sqlite:///"))) as story:
        with closing(sqlite3.connect(tmp_path / "app.sqlite")) as copied:
            story.backup(copied)
    blocks = [snippet.text.replace("http://127.0.0.1:8000/durable", base_url) for snippet in PYTHON[page]]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [
        sys.executable,
        "-c",
        "from examples.newer_sqlite import use_newer_sqlite\nuse_newer_sqlite()\n" + PROGRAM,
    ]
    done = subprocess.run(
        command, input=json.dumps(blocks), cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ran {len(blocks) - 1}" in done.stdout, done.stdout + done.stderr


@pytest.fixture(scope="module")
def order_42(base_url: str) -> str:
    """The run that the examples speak of: a refund whose bank does not answer."""
    with DurableClient(base_url) as client:
        client.start_run("refund_order", ["order-42", 12], run_id="order-42")
        wait_for(client, "order-42", "failed")
    return "order-42"


@pytest.mark.parametrize("snippet", SHELL, ids=lambda s: f"{s.page}: {s.text.split()[0]} {s.text.split()[1]}")
def test_the_commands_of_a_page_run(
    snippet: Snippet, base_url: str, story_url: str, order_42: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line of ours does something, or is refused in words: never a wrong command line, never a traceback."""
    monkeypatch.chdir(tmp_path)
    ran = 0
    for line in snippet.text.splitlines():
        words = [word for word in shlex.split(line.partition(" > ")[0], comments=True) if word != "&&"]
        if not words or words[0] in NOT_OURS:
            continue
        assert words[0] == "durable", f"{snippet.page}: {line!r} is neither run nor shown by a test that it names"
        words = [word.replace("sqlite:///app.sqlite", story_url).replace("$DURABLE_TOKEN", "token") for word in words]
        words = [word.replace("http://127.0.0.1:8000/durable", base_url) for word in words]
        says_where = {"--url", "mcp", "--system-database-url"} & {*words}
        done = run_durable(*words[1:], url=None if says_where else base_url, stdin="")
        assert done.code in (0, 1, 5), f"{line}: {done.code}, {done.err}"
        ran += 1
    assert ran or not re.search(r"^durable", snippet.text, re.M), snippet.text


def test_what_is_not_run_here_names_the_test_that_shows_it() -> None:
    """And that test is there."""
    named = [snippet for snippet in EVERY if snippet.shown is not None]
    assert [s for s in named if not (ROOT / str(s.shown)).is_file()] == []
    languages = {snippet.language for snippet in EVERY if snippet.shown is None}
    assert languages <= {"python", "sh", "json", "text"}, languages


def test_json_in_the_documents_is_json() -> None:
    """As an agent's configuration is."""
    for snippet in EVERY:
        if snippet.language == "json":
            json.loads(snippet.text)
