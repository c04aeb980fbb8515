"""Forks while other threads are in the middle of a transaction: SQLite keeps its locks in the memory of a process."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path

import pytest

from otel_bridge.ledger import SqliteLedger
from otel_bridge.store.sqlite import SqliteStateStore

FORKS = 12

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


def test_children_forked_amid_reads_and_writes_can_read_and_write(migrated: Path, tmp_path: Path) -> None:
    """Such a child took the file for locked by itself, and waited for ever for a thread that it does not have."""
    ledger = SqliteLedger(tmp_path / "app.durable.sqlite", busy_timeout_s=5.0)
    store = SqliteStateStore(migrated)
    ledger.bump_count("run", "parent")
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            ledger.bump_count("run", "parent")

    def read() -> None:
        while not ended.is_set():
            store.rows("SELECT count(*) FROM sqlite_master")
            store.change_token()

    threads = [threading.Thread(target=work, daemon=True) for work in (write, write, read, read)]
    for thread in threads:
        thread.start()
    outcomes = []
    for _ in range(FORKS):
        child = os.fork()
        if not child:
            signal.alarm(60)  # a child that waits for ever fails the test, and does not outlive it
            with contextlib.suppress(BaseException):
                ledger.bump_count("run", "children")
                store.rows("SELECT count(*) FROM sqlite_master")
                store.change_token()
                os._exit(0)
            os._exit(1)
        outcomes.append(os.waitpid(child, 0)[1])
    ended.set()
    for thread in threads:
        thread.join()
    assert outcomes == [0] * FORKS
    assert ledger.count("run", "children") == FORKS
    store.close()
    ledger.close()


def test_a_fork_does_not_wait_for_ever_for_a_thread_that_hangs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes place all the same, and says so."""
    ledger = SqliteLedger(tmp_path / "app.durable.sqlite")
    began, release = threading.Event(), threading.Event()

    def hang(session: object) -> None:
        began.set()
        release.wait(30)

    thread = threading.Thread(target=lambda: ledger._run(hang, write=False), daemon=True)
    thread.start()
    began.wait(30)
    child = os.fork()
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    release.set()
    thread.join()
    assert "could not be made ready for a fork" in caplog.text
    assert ledger.bump_count("run", "uses") == 1
    ledger.close()
