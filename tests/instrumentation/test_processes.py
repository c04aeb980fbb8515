"""Whichever process executes a step, before or after a crash or a fork, computes the same ids."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbos import DBOSClient

from otel_bridge.ledger import open_ledger
from tests.programs import ROOT
from tests.waiting import until

from .conftest import in_step

WORKER = Path(__file__).with_name("worker.py")

FORKER = """
import os, sys
from contextlib import closing
from dbos import DBOS
from otel_bridge.instrumentation import DBOSInstrumentor
from otel_bridge.ledger import open_ledger
from tests.programs import ROOT
from tests.waiting import until

def launch(name):
    DBOS(config={"name": "app", "system_database_url": sys.argv[1], "application_version": "v1", "executor_id": name})
    DBOS.launch()
    with closing(open_ledger(sys.argv[1])) as ledger:
        until(lambda: os.getpid() in {executor.pid for executor in ledger.executors()}, what="the first beat")

DBOSInstrumentor().instrument()
if sys.argv[2] == "fork then launch":
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    launch("parent" if child else "child")
    DBOS.destroy()
else:
    launch("parent")
    child = os.fork()
    if not child:
        sys.exit(0)
    os.waitpid(child, 0)
    print("executors", flush=True)
    sys.stdin.read()
    DBOS.destroy()
"""


@contextmanager
def worker(url: str, gate: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker process, launched."""
    command = [sys.executable, str(WORKER), url, str(gate)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def spans_until(process: subprocess.Popen[str], name: str) -> list[dict[str, str]]:
    """Return the worker's lines up to the one of that name."""
    assert process.stdout is not None
    lines: list[dict[str, str]] = []
    for line in process.stdout:
        if line.startswith("{"):
            lines.append(json.loads(line))
            if lines[-1]["name"] == name:
                return lines
    raise AssertionError(f"the worker ended without {name!r}: {lines}")


def test_a_step_that_a_crash_interrupted_has_the_same_ids_when_another_process_executes_it_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Enqueued by a client, begun by one worker, killed with -9, finished by the next: one trace, one step span."""
    gate = tmp_path / "gate"
    with worker(sqlite_url, gate) as process:
        spans_until(process, "launched")
        client = DBOSClient(system_database_url=sqlite_url)
        try:
            client.enqueue({"workflow_name": "job", "queue_name": "_dbos_internal_queue", "workflow_id": "job-1"})
            before = spans_until(process, "second")
            process.kill()
            process.wait()
            gate.touch()
            with worker(sqlite_url, gate) as next_process:
                after = spans_until(next_process, "second")
                assert client.retrieve_workflow("job-1").get_result() == next_process.pid
        finally:
            client.destroy()
    trace_id, second = in_step("job-1", 2)
    assert [(span["name"], span["parent"]) for span in before] == [
        ("first", in_step("job-1", 1)[1].hex()),
        ("second", second.hex()),
    ]
    assert {"name": "second", "trace": trace_id.hex(), "parent": second.hex()} in after
    assert "first" not in {span["name"] for span in after}


def test_a_worker_that_was_killed_is_seen_to_have_stopped_beating(sqlite_url: str, tmp_path: Path) -> None:
    """No goodbye: its row is there, not stopped, and ages."""
    with worker(sqlite_url, tmp_path / "gate") as process:
        spans_until(process, "launched")
        ledger = open_ledger(sqlite_url)
        try:
            (executor,) = until(ledger.executors)
            process.kill()
            process.wait()
            assert not executor.stopped
            assert executor.is_live(executor.beat_at_ms)
            assert not executor.is_live(executor.beat_at_ms + 10_000)
        finally:
            ledger.close()


def test_a_forked_worker_has_a_row_of_its_own(sqlite_url: str) -> None:
    """Instrumented before a fork, launched after it: parent and child each report and each say goodbye."""
    subprocess.run(
        [sys.executable, "-c", FORKER, sqlite_url, "fork then launch"],
        cwd=ROOT,
        check=True,
        timeout=60,
        capture_output=True,
    )
    ledger = open_ledger(sqlite_url)
    try:
        executors = ledger.executors()
        assert {executor.executor_id for executor in executors} == {"parent", "child"}
        assert len({executor.instance_id for executor in executors}) == 2
        assert all(executor.stopped for executor in executors)
    finally:
        ledger.close()


def test_a_child_that_a_worker_forks_does_not_say_goodbye_for_it(sqlite_url: str) -> None:
    """The child ends in the usual way, exit handlers and all; the parent still beats."""
    command = [sys.executable, "-c", FORKER, sqlite_url, "launch then fork"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert any("executors" in line for line in process.stdout)
        ledger = open_ledger(sqlite_url)
        try:
            (executor,) = until(ledger.executors)
            assert not executor.stopped
            first_beat_ms = executor.beat_at_ms
            until(lambda: ledger.executors()[0].beat_at_ms > first_beat_ms)
            process.communicate("", timeout=30)
            assert ledger.executors()[0].stopped
        finally:
            ledger.close()
