"""What a fault happens in: a database, a collector, an application, bridges. Starts processes; ends only those.

Spans owed are counted from the engine's rows by SQL of our own, so that what the bridge cannot read is still owed.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import sqlite3
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from examples.fake_collector import FakeCollector, SpanKey
from otel_bridge.spans import ids
from tests.chaos.table import Row, Vitals
from tests.programs import Program
from tests.waiting import until

PREFIX = "app"
"""Runs whose ids begin so are the application's, and their spans are owed."""
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
SETTLE_S = 60.0
_PASSED = re.compile(r"^passed (\d+) of (\d+)$", re.MULTILINE)


def vitals(pid: int) -> Vitals:
    """Return what a process holds, from ``/proc``."""
    status = dict(re.findall(r"^(\w+):\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return Vitals(int(status["Threads"]), descriptors, int(status["VmRSS"]) // 1024)


def peak_mb(pid: int) -> int:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^VmHWM:\s+(\d+)", status, re.MULTILINE)[0]) // 1024


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def read(url: str) -> bytes:
    """Return what a URL answers."""
    with urllib.request.urlopen(url, timeout=120) as answer:
        return bytes(answer.read())


@dataclass
class Scene:
    """One fault's world.

    Args:
        url: of the engine's system database; made by the application's first launch.
        seed: for whatever the fault does at random.
    """

    url: str
    directory: Path
    collector: FakeCollector
    seed: int
    row_so_far: Row = field(default_factory=Row)
    processes: list[Program] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    # -- processes --------------------------------------------------------------------------------------------------

    def spawn(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        clock: str | Path | None = None,
        limits: str = "",
    ) -> Program:
        """Start ``python ARGUMENTS``.

        Args:
            clock: as libfaketime writes it: ``+1h``, ``-3m``; or a file that holds it, and may change.
            limits: what a shell does first, such as ``ulimit -n 64``.
        """
        faketime: dict[str, str] = {}
        if clock is not None:
            faketime = {"LD_PRELOAD": FAKETIME, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            if isinstance(clock, Path):
                faketime |= {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
            else:
                faketime["FAKETIME"] = clock
        given = {**os.environ, **faketime, **(environ or {})}
        if limits:
            limited = ("-c", f'{limits} && exec "$@"', "sh", sys.executable, *arguments)
            self.processes.append(Program(*limited, environ=given, executable="sh"))
        else:
            self.processes.append(Program(*arguments, environ=given))
        return self.processes[-1]

    def work(self, count: int, name: str = "", *options: str, clock: str | None = None, url: str | None = None) -> None:
        """Let the application run ``count`` workflows, and note how many passed."""
        application = self.start_work(count, name, *options, clock=clock, url=url)
        application.wait(180)
        self.note_work(application, count)

    def start_work(
        self, count: int, name: str = "", *options: str, clock: str | None = None, url: str | None = None
    ) -> Program:
        """Start what ``work`` waits for; ``note_work`` notes its outcome."""
        return self.spawn(
            "-m", "tests.chaos.app", url or self.url, f"{PREFIX}{name}", str(count), *options, clock=clock
        )

    def note_work(self, application: Program, count: int) -> None:
        """Note how many of an application's workflows passed."""
        outcome = _PASSED.search(application.text)
        row = self.row_so_far
        row.asked = (row.asked or 0) + count
        row.passed = (row.passed or 0) + (int(outcome[1]) if outcome else 0)
        if outcome is None:
            row.wrong.append(
                f"the application ended with {application.process.returncode}: {application.text[-300:]!r}"
            )

    def bridge(
        self,
        *options: str,
        url: str | None = None,
        endpoint: str | None = None,
        environ: Mapping[str, str] | None = None,
        clock: str | Path | None = None,
        limits: str = "",
    ) -> Program:
        """Start ``otel-bridge export``, from the beginning."""
        database = ("--system-database-url", url or self.url)
        return self.spawn(
            "-m", "otel_bridge.cli", "export", *database, "--start-from", "beginning", *options,
            environ={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint or self.collector.http_url, **(environ or {})},
            clock=clock,
            limits=limits,
        )  # fmt: skip

    def dashboard(self, url: str | None = None, *, clock: Path | None = None, limits: str = "") -> tuple[Program, str]:
        """Start a host application with the dashboard; return it and the dashboard's address."""
        port = free_port()
        host = self.spawn("-m", "tests.chaos.host", url or self.url, str(port), clock=clock, limits=limits)
        until(lambda: "serving" in host.text, what="the host application")
        return host, f"http://127.0.0.1:{port}/durable"

    def doctor(
        self, *options: str, endpoint: str | None = None, environ: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Return the exit code and the words of ``otel-bridge doctor``."""
        doctor = self.spawn(
            "-m", "otel_bridge.cli", "doctor", "--system-database-url", self.url, *options,
            environ={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint or self.collector.http_url, **(environ or {})},
        )  # fmt: skip
        return doctor.wait(60), doctor.text

    def close(self) -> None:
        """End every process of this scene."""
        for process in self.processes:
            process.kill()

    # -- the database -----------------------------------------------------------------------------------------------

    def sql(self, statement: str, *values: object, schema: str = "dbos") -> list[tuple[Any, ...]]:
        """Run one statement (``?`` for parameters) on the engine's tables, and commit."""
        if self.url.startswith("postgresql"):
            import psycopg

            with psycopg.connect(self.url, options=f"-c search_path={schema} -c statement_timeout=0") as postgres:
                cursor = postgres.execute(statement.replace("%", "%%").replace("?", "%s").encode(), values)
                return cursor.fetchall() if cursor.description else []
        with contextlib.closing(self._connect()) as sqlite, sqlite:
            return sqlite.execute(statement, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=30)

    def clone(self, source: str, run_id: str, **columns: object) -> None:
        """Copy a run under another id, with other values in some columns; ``step__NAME``: of its steps.

        The copy's spans are owed only where its id begins like the application's. One transaction: the copied stamps
        are old, so rows that came after the bridge had read their run would be later than any engine's.
        """
        with contextlib.closing(self._connect()) as sqlite, sqlite:
            for table, key in (("workflow_status", ""), ("workflow_input", ""), ("workflow_output", ""),
                               ("operation_outputs", "step__")):  # fmt: skip
                names = [row[0] for row in sqlite.execute(f"SELECT name FROM pragma_table_info('{table}')")]
                given = {name: value for name, value in columns.items() if name.startswith("step__") == bool(key)}
                new = {
                    name.removeprefix(key): value for name, value in given.items() if name.removeprefix(key) in names
                }
                new["workflow_uuid"] = run_id
                select = ", ".join("?" if name in new else name for name in names)
                sqlite.execute(
                    f"INSERT INTO {table} ({', '.join(names)}) SELECT {select} FROM {table} WHERE workflow_uuid = ?",
                    [*(new[name] for name in names if name in new), source],
                )

    def owed(self, *, schema: str = "dbos") -> dict[SpanKey, str]:
        """Return the spans that must arrive: a root for each of the application's ended runs, and all of its steps."""
        ended = "status IN ('SUCCESS', 'ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')"
        like = f"workflow_uuid LIKE '{PREFIX}%'"
        runs = self.sql(f"SELECT workflow_uuid FROM workflow_status WHERE {ended} AND {like}", schema=schema)
        steps = self.sql(f"SELECT workflow_uuid, function_id FROM operation_outputs WHERE {like}", schema=schema)
        roots = {(ids.trace_id(run), ids.root_span_id(run)): f"root of {run}" for (run,) in runs}
        return roots | {(ids.trace_id(run), ids.step_span_id(run, seq)): f"step {seq} of {run}" for run, seq in steps}

    def missing(self) -> dict[SpanKey, str]:
        """Return the spans owed that have not arrived."""
        seen = self.collector.seen
        return {key: what for key, what in self.owed().items() if key not in seen}

    def settle(self, timeout_s: float = SETTLE_S) -> None:
        """Wait until everything owed has arrived, or for no longer; what is missing then is lost."""
        with contextlib.suppress(AssertionError):
            until(self.missing, lambda missing: not missing, timeout_s=timeout_s, every_s=0.2)

    # -- the outcome ------------------------------------------------------------------------------------------------

    def row(self, note: str = "") -> Row:
        """Return the outcome as far as the scene knows it."""
        row, owed = self.row_so_far, self.owed()
        row.owed = len(owed)
        row.received = len(owed) - len(self.missing())
        row.doubled = sum(copies - 1 for copies in self.collector.copies.values())
        row.differing = sum(len(contents) > 1 for contents in self.collector.contents.values())
        row.note = note or row.note
        return row

    def must(self, condition: object, what: str) -> None:
        """Note what must not have happened, and go on."""
        if not condition:
            self.row_so_far.wrong.append(what)


@contextlib.contextmanager
def scene(url: str, directory: Path, seed: int) -> Iterator[Scene]:
    """A scene with a collector that accepts everything; its processes are ended, its files stay with pytest."""
    with FakeCollector() as collector:
        made = Scene(url, directory, collector, seed)
        try:
            yield made
        finally:
            made.close()


def copy_template(template: Path, directory: Path) -> str:
    """Copy a SQLite system database; return its URL."""
    shutil.copy(template, directory / "app.sqlite")
    return f"sqlite:///{directory / 'app.sqlite'}"


__all__: Sequence[str] = ["Scene", "copy_template", "free_port", "peak_mb", "read", "scene", "vitals"]
