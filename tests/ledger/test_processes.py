"""Several processes on one ledger: one holds the lease, and a killed one loses it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otel_bridge.errors import LeaseLostError
from otel_bridge.ledger import open_ledger
from otel_bridge.ledger.base import Cursor
from tests.programs import Program
from tests.waiting import until

TTL_S = 1.0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store's URL whose ledger several processes can share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/app.sqlite"
    return str(request.getfixturevalue("postgres_url"))


Start = Callable[..., Program]


@pytest.fixture
def start(url: str) -> Iterator[Start]:
    """Start a process of ``holder``; all of them are ended afterwards."""
    started: list[Program] = []

    def begin(owner: str, *options: str) -> Program:
        started.append(Program("-m", "tests.ledger.holder", url, owner, str(TTL_S), *options))
        started[-1].wait_for("ready")
        return started[-1]

    yield begin
    for holder in started:
        holder.kill()


def test_a_killed_holder_loses_the_lease_when_its_time_is_up(start: Start) -> None:
    """kill -9 says no goodbye; the next one takes over within the lease's time, and is told apart by its token."""
    first = start("first")
    first.wait_for("held 1")
    second = start("second")
    killed = time.monotonic()
    first.kill()
    second.wait_for("held 2")
    assert time.monotonic() - killed < TTL_S + 4


def test_a_paused_holder_that_comes_back_is_refused(start: Start, url: str) -> None:
    """A process that slept through its lease cannot write with the old token."""
    ledger = open_ledger(url)
    stale = ledger.acquire_lease("export", "sleeper", ttl_s=0.2)
    assert stale is not None
    other = start("other")
    other.wait_for("held 2")
    with pytest.raises(LeaseLostError):
        ledger.record_export(stale, cursor=Cursor(steps_ms=1, runs_ms=1), runs=[])
    assert ledger.cursor() is None
    ledger.close()


def test_racing_processes_never_overwrite_each_other(start: Start, url: str) -> None:
    """Four processes pass a lease round, one of them is killed: no write is lost and none is made twice."""
    ledger = open_ledger(url)

    def written() -> int:
        cursor = ledger.cursor()
        return 0 if cursor is None else cursor.steps_ms

    racers = [start(f"racer-{number}", "race") for number in range(4)]
    until(lambda: written() >= 40)
    racers[0].kill()
    after = written()
    until(lambda: written() >= after + 40)
    for racer in racers[1:]:
        racer.kill()
    lines = [line.split() for racer in racers for line in racer.lines if line != "ready"]
    writes = sorted(((int(token), int(value)) for token, value in lines), key=lambda write: write[1])
    values = [value for _, value in writes]
    tokens = [token for token, _ in writes]
    assert len(set(values)) == len(values)  # each number was written by one process only
    assert tokens == sorted(tokens)  # an older token never wrote after a newer one
    assert 0 <= written() - len(values) <= 4  # the killed may not have reported their last
    ledger.close()


def test_first_users_that_start_at_once_make_one_ledger(url: str) -> None:
    """Creating and migrating happens once, however many begin together."""
    script = (
        "import sys; from otel_bridge.ledger import open_ledger\n"
        "ledger = open_ledger(sys.argv[1]); print(ledger.bump_count('run', 'starts')); ledger.close()"
    )
    command = [sys.executable, "-c", script, url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    answers = [process.communicate(timeout=60) for process in processes]
    assert sorted(out.strip() for out, _ in answers) == [str(n) for n in range(1, 7)], answers


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_opens_a_connection_of_its_own(url: str) -> None:
    """A preloading server forks after the first use; parent and child both go on."""
    ledger = open_ledger(url)
    ledger.bump_count("run", "uses")
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if ledger.bump_count("run", "uses") == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert ledger.bump_count("run", "uses") == 3
    ledger.close()
