"""Print the trace of a run that went through everything, as a tree.

    python examples/print_trace.py                     tells a story of its own, on a database of its own
    python examples/print_trace.py --url URL --run ID  prints a run of yours

The story: a worker is killed in mid-run, the run is picked up again, sleeps, waits for an approval, fails, is retried
under the same id, completes; and is then forked from its second step. Real processes on a real database, exported
by the bridge over OTLP to a collector in memory.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from examples.fake_collector import FakeCollector, attributes, tree

RUN, FORK = "order-1042", "order-1042-again"


def work(url: str, command: str, directory: Path) -> None:
    """The application: one workflow, in a process of its own."""
    from dbos import DBOS, Queue, SetWorkflowID

    queues: Future[Queue] = Future()  # a recovered run begins while the application is still launching

    @DBOS.step(name="reserve_stock")
    def reserve_stock(item: str) -> str:
        return f"{item} reserved"

    @DBOS.step(name="pack")
    def pack(item: str) -> str:
        (directory / "packing").touch()
        while not (directory / "packed").exists():
            time.sleep(0.02)
        return f"{item} packed"

    @DBOS.step(name="charge_card")
    def charge_card(amount: int) -> str:
        if not (directory / "bank is back").exists():
            raise ConnectionError("the bank does not answer")
        return f"{amount} charged"

    @DBOS.workflow(name="print_label")
    def print_label(item: str) -> str:
        return reserve_stock(item)

    @DBOS.workflow(name="order")
    def order(item: str) -> str:
        reserve_stock(item)
        label = queues.result(30).enqueue(print_label, item)
        pack(item)
        DBOS.sleep(0.3)
        DBOS.recv("approval", timeout_seconds=60)
        label.get_result()
        return charge_card(42)

    DBOS(config={"name": "shop", "system_database_url": url, "application_version": "v1", "log_level": "CRITICAL"})
    DBOS.launch()
    queues.set_result(DBOS.register_queue("labels", polling_interval_sec=0.05))
    if command == "start":
        with SetWorkflowID(RUN):
            DBOS.start_workflow(order, "tea")
    while not (directory / "closing time").exists():
        time.sleep(0.05)
    DBOS.destroy()
    os._exit(0)


def story(url: str, directory: Path) -> None:
    """Put the run through it all."""
    from dbos import DBOSClient

    from otel_bridge.store import open_store

    def worker(command: str) -> subprocess.Popen[bytes]:
        arguments = [sys.executable, __file__, "--work", command, "--url", url, "--directory", str(directory)]
        return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def until(condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("The story got stuck.")
            time.sleep(0.05)

    first = worker("start")
    until((directory / "packing").exists)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (directory / "packed").touch()
    second = worker("go on")
    store, client = open_store(url), DBOSClient(system_database_url=url)

    def status(run_id: str) -> str:
        run = store.get_run(run_id)
        return run.status if run is not None else "missing"

    try:
        until(lambda: (run := store.get_run(RUN)) and run.waiting and run.waiting.on == "signal")
        client.send(RUN, "yes", "approval")
        until(lambda: status(RUN) == "failed")
        time.sleep(2.5)  # a person looks at it; the bridge exports the failure meanwhile
        (directory / "bank is back").touch()
        failed = max(step.seq for step in store.get_steps(RUN) if step.status == "failed")
        client.rewind_workflow(RUN, start_step=failed)
        until(lambda: status(RUN) == "completed")
        from dbos import SetWorkflowID

        with SetWorkflowID(FORK):
            client.fork_workflow(RUN, 4)
        client.send(FORK, "yes", "approval")
        until(lambda: status(FORK) == "completed")
    finally:
        (directory / "closing time").touch()
        second.wait(30)
        client.destroy()
        store.close()


def describe(span: Any) -> str:
    """Return one line about a span."""
    said = attributes(span)
    took_ms = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    words = [span.name, f"{took_ms:,.0f} ms"]
    if "durable.run.status" in said:
        words.append(said["durable.run.status"])
    if said.get("durable.run.recoveries"):
        words.append(f"recovered {said['durable.run.recoveries']}x")
    if said.get("durable.step.kind") not in (None, "local"):
        words.append(said["durable.step.kind"])
    if "durable.queue.wait_ms" in said:
        words.append(f"waited {said['durable.queue.wait_ms']} ms on {said['durable.queue.name']!r}")
    if span.status.code == span.status.STATUS_CODE_ERROR:
        words.append(f"ERROR {said['error.type']}: {span.status.message}")
    links = [attributes(link) for link in span.links]
    words += [f"-> {link['durable.link']} {link.get('durable.run.id', '')}".rstrip() for link in links]
    return "  ".join(words)


def print_traces(collector: FakeCollector, run_ids: list[str]) -> None:
    """Print the traces of these runs."""
    from otel_bridge.spans import ids

    for run_id in run_ids:
        trace_id = ids.trace_id(run_id)
        print(f"\ntrace {trace_id.hex()}  run {run_id}")
        for depth, span in tree(collector.trace(trace_id)):
            print("  " + "    " * depth + describe(span))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a system database; default a new one, with a story")
    parser.add_argument("--run", action="append", help="run id to print, with --url; may be repeated")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.url, arguments.work, arguments.directory)
        return 0
    from otel_bridge import OTelBridge
    from otel_bridge.ledger import MemoryLedger

    with FakeCollector() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
        if arguments.url:
            bridge = OTelBridge(
                arguments.url, ledger=MemoryLedger(), start_from="beginning", environ=environ, queue_spans=True
            )
            bridge.run_once()
            bridge.stop()
            print_traces(collector, arguments.run or [])
            return 0
        with tempfile.TemporaryDirectory(prefix="durable-story-") as name:
            path = Path(name) / "story.sqlite"
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.close()
            url = f"sqlite:///{path}"
            with OTelBridge(url, start_from="beginning", environ=environ, poll_interval_s=0.2):
                story(url, Path(name))
            print_traces(collector, [RUN, f"{RUN}-2", FORK])
    return 0


if __name__ == "__main__":
    sys.exit(main())
