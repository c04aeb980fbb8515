"""Send traces to a real OTLP backend, Arize Phoenix, and read the same trees back: HTTP and gRPC, gzip on and off.

    python -m venv /tmp/phoenix && /tmp/phoenix/bin/pip install arize-phoenix
    python examples/check_phoenix.py --python /tmp/phoenix/bin/python

Phoenix stays in an environment of its own, for it is large. It serves loopback only and is stopped at the end. The
traces are those of ``print_trace.py`` (a run that crashed, slept, waited for a child and a signal, failed, was retried
and forked), exported as it happens, and a booking that was undone. Compared are ids, parents, names, times to the
microsecond, attributes, events and status. Phoenix keeps neither links nor span kinds: what went to it went at the same
time, in the same protocol and compression, to a collector in memory, which is asked for everything.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import print_trace  # type: ignore[import-not-found]

from examples.fake_collector import FakeCollector, attributes

SERVE = """
import runpy, sys
import grpc.aio
make = grpc.aio.server
def server(*args, **options):
    made = make(*args, **options)
    bind = made.add_insecure_port
    made.add_insecure_port = lambda address: bind("127.0.0.1:" + address.rsplit(":", 1)[1])
    return made
grpc.aio.server = server
sys.argv = ["phoenix", "serve"]
runpy.run_module("phoenix.server.main", run_name="__main__")
"""
Tree = dict[str, dict[str, Any]]
"""Span id -> everything there is to say of the span."""
BOOKING = "booking-7"
_UNDONE = {"booking", "durable.undo"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit("Phoenix did not start.")


def tree_of(spans: list[Any]) -> Tree:
    """Return OTLP spans as Phoenix gives them in JSON."""
    return {
        _hex(span["span_id"]): {
            "name": span["name"],
            "parent": _hex(span.get("parent_span_id") or "") or None,
            "times": [_us(span["start_time_unix_nano"]), _us(span["end_time_unix_nano"])],
            "status": (_CODES[span["status"].get("code", 0)], span["status"].get("message") or ""),
            "attributes": _plain(span.get("attributes") or ()),
            "events": [
                (event["name"], _us(event["time_unix_nano"]), _plain(event.get("attributes") or ()))
                for event in span.get("events") or ()
            ],
        }
        for span in spans
    }


_CODES = {0: "UNSET", 1: "OK", 2: "ERROR", "STATUS_CODE_ERROR": "ERROR", "STATUS_CODE_UNSET": "UNSET"}


def said(span: Any) -> dict[str, Any]:
    """Return a span of ours in the same words."""
    return {
        "name": span.name,
        "parent": span.parent_id.hex() if span.parent_id else None,
        "kind": int(span.kind),
        "times": (span.start_ns, span.end_ns),
        "status": ("UNSET", "") if span.error is None else ("ERROR", span.error),
        "attributes": _given(span.attributes),
        "events": [(event.name, event.time_ns, _given(event.attributes)) for event in span.events],
        "links": [(link.trace_id.hex(), link.span_id.hex(), _given(link.attributes)) for link in span.links],
    }


def as_phoenix_keeps_it(span: dict[str, Any]) -> dict[str, Any]:
    """Return what can be compared of a span of ours."""
    kept = {name: value for name, value in span.items() if name not in ("kind", "links")}
    events = [(name, _us(time_ns), given) for name, time_ns, given in span["events"]]
    return kept | {"times": [_us(time_ns) for time_ns in span["times"]], "events": events}


def received(span: Any) -> dict[str, Any]:
    """Return a span that the collector in memory took, in our words."""
    return {
        "name": span.name,
        "parent": span.parent_span_id.hex() or None,
        "kind": span.kind,
        "times": (span.start_time_unix_nano, span.end_time_unix_nano),
        "status": ("ERROR" if span.status.code == 2 else "UNSET", span.status.message),
        "attributes": attributes(span),
        "events": [(event.name, event.time_unix_nano, attributes(event)) for event in span.events],
        "links": [(link.trace_id.hex(), link.span_id.hex(), attributes(link)) for link in span.links],
    }


def _us(time_ns: Any) -> int:
    return round(int(time_ns) / 1000)


def _given(attributes: Any) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()}


def _plain(attributes: Any) -> dict[str, Any]:
    return {one["key"]: _value(one["value"]) for one in attributes}


def _value(value: dict[str, Any]) -> Any:
    ((kind, given),) = ((kind, given) for kind, given in value.items() if given is not None)
    if kind == "array_value":
        return [_value(one) for one in given.get("values") or ()]
    return int(given) if kind == "int_value" else given


def _hex(value: str) -> str:
    if len(value) in (0, 16, 32):
        return value.lower()
    return base64.b64decode(value).hex()


class Recording:
    """A transport that remembers what it sent, by trace id, and sends it to a collector in memory too."""

    def __init__(self, environ: dict[str, str]) -> None:
        from otel_bridge.otlp import ResourceSettings, open_transport, settings_from_env

        self.collector = FakeCollector()
        beside = (
            self.collector.grpc_url if environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc" else self.collector.http_url
        )
        self._transports = []
        for endpoint in (environ["OTEL_EXPORTER_OTLP_ENDPOINT"], beside):
            settings = settings_from_env({**environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
            assert settings is not None
            self._transports.append(open_transport(settings, ResourceSettings(environ=environ)))
        self.target = self._transports[0].target
        self.sent: dict[str, Tree] = {}

    def send(self, spans: Any) -> Any:
        spans = list(spans)
        for span in spans:
            self.sent.setdefault(span.trace_id_hex, {})[span.span_id_hex] = said(span)
        self._transports[1].send(spans)
        return self._transports[0].send(spans)

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        self.collector.close()


def read_back(base: str, trace_id: str, size: int) -> Tree:
    """Return a trace as Phoenix holds it, once it is whole."""
    deadline = time.monotonic() + 60
    found: Tree = {}
    while len(found) < size and time.monotonic() < deadline:
        answer = get(f"{base}/v1/projects/default/spans/otlpv1?trace_id={trace_id}&limit=1000")
        found = tree_of(answer["data"])
        if len(found) < size:
            time.sleep(0.5)
    return found


def take_bookings(url: str, directory: Path) -> None:
    """The application of the second story, in a process of its own."""
    from dbos import DBOS, SetWorkflowID

    from dashboard.workflow import Compensation, compensated_by, wait_for_signal

    def give_up_seat(undo: Compensation) -> str:
        return f"{undo.output} is free"

    @DBOS.step(name="book_seat")
    @compensated_by(give_up_seat)
    def book_seat(name: str) -> str:
        return f"seat of {name}"

    @DBOS.workflow(name="booking")
    def booking(name: str) -> None:
        book_seat(name)
        wait_for_signal("paid")

    DBOS(config={"name": "seats", "system_database_url": url, "application_version": "seats", "log_level": "CRITICAL"})
    DBOS.launch()
    with SetWorkflowID(BOOKING):
        DBOS.start_workflow(booking, "ada")
    while not (directory / "box office closes").exists():
        time.sleep(0.05)
    DBOS.destroy()
    os._exit(0)


def undo_a_booking(url: str, directory: Path) -> None:
    """Tell the second story."""
    from dashboard.actions import open_context
    from dashboard.actions.cancel import cancel
    from otel_bridge.ledger import MemoryLedger
    from otel_bridge.store import open_store

    store = open_store(url)
    ctx = open_context(store, MemoryLedger())
    process = subprocess.Popen([sys.executable, __file__, "--work", url, "--directory", str(directory)])

    def until(status: str) -> None:
        deadline = time.monotonic() + 60
        while (run := store.get_run(BOOKING)) is None or run.status != status:
            if time.monotonic() > deadline:
                raise SystemExit(f"The booking never became {status}.")
            time.sleep(0.05)

    try:
        until("suspended")
        cancel(ctx, BOOKING, actor="ada", compensate=True)
        until("cancelling")
        until("cancelled")
    finally:
        (directory / "box office closes").touch()
        process.wait(30)
        ctx.close()
        store.close()


def check(base: str, grpc_port: int, url: str, stories: Callable[[], None]) -> bool:
    """Export the stories as they happen, in four ways at once, and compare; True when all came back the same."""
    from otel_bridge import OTelBridge
    from otel_bridge.ledger import MemoryLedger

    ways: dict[tuple[str, str], tuple[Recording, OTelBridge]] = {}
    for protocol, endpoint in (("http/protobuf", base), ("grpc", f"http://127.0.0.1:{grpc_port}")):
        for compression in ("none", "gzip"):
            recording = Recording(
                {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                    "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                    "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
                }
            )
            bridge = OTelBridge(
                url,
                exporter=recording,
                ledger=MemoryLedger(),
                start_from="beginning",
                namespace=f"{protocol} {compression}",
                dashboard_url="https://ops.example.com/durable",
                queue_spans=True,
                environ={},
            )
            ways[protocol, compression] = recording, bridge.start()
    stories()
    good = True
    for (protocol, compression), (recording, bridge) in ways.items():
        _settle(recording)
        sent, same = recording.sent, 0
        for trace_id, tree in sent.items():
            beside = {span.span_id.hex(): received(span) for span in recording.collector.trace(bytes.fromhex(trace_id))}
            wanted = {span_id: as_phoenix_keeps_it(span) for span_id, span in tree.items()}
            found = read_back(base, trace_id, len(tree))
            same += found == wanted and beside == tree
            for span_id in tree.keys() | found.keys():
                _tell_difference(wanted.get(span_id), found.get(span_id))
                _tell_difference(tree.get(span_id), beside.get(span_id))
        spans = [span for tree in sent.values() for span in tree.values()]
        print(f"{protocol:<14} {compression:<5} {len(sent)} traces, {len(spans)} spans sent; {same} read back the same")
        good = good and same == len(sent) and _tells_everything(spans)
        bridge.stop()
    return good


def _settle(recording: Recording) -> None:
    """Wait until the undo, the last thing that happens, was sent."""
    deadline = time.monotonic() + 60
    while _UNDONE - {one["name"] for tree in list(recording.sent.values()) for one in list(tree.values())}:
        if time.monotonic() > deadline:
            raise SystemExit("The undo was never exported.")
        time.sleep(0.2)


def _tells_everything(spans: list[dict[str, Any]]) -> bool:
    """True when the traces hold what they were made to hold."""
    links = {link[2]["durable.link"] for span in spans for link in span["links"]}
    there = {
        "a retry": any(span["name"] == "retry 1" for span in spans),
        "a failed step": any(one["status"][0] == "ERROR" and "durable.step.seq" in one["attributes"] for one in spans),
        "an exception": any(event[0] == "exception" for span in spans for event in span["events"]),
        "a crash": any(event[0] == "durable.recovery" for span in spans for event in span["events"]),
        "an undone step": any(span["name"].startswith("compensate:") for span in spans),
        **{f"a link {kind}": kind in links for kind in (
            "child", "parent", "forked_from", "failed_step", "previous_life", "previous_execution", "compensates",
        )},
    }  # fmt: skip
    for what, found in there.items():
        if not found:
            print(f"  the traces lack {what}")
    return all(there.values())


def _tell_difference(ours: dict[str, Any] | None, theirs: dict[str, Any] | None) -> None:
    for name in ours or theirs or {}:
        mine, read = (None if one is None else one[name] for one in (ours, theirs))
        if mine != read:
            print(f"  {name}: sent {mine!r}, read back {read!r}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="the interpreter that has arize-phoenix")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        take_bookings(arguments.work, arguments.directory)
        return 0
    if not arguments.python:
        parser.error("--python is required")
    port, grpc_port = free_port(), free_port()
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="durable-phoenix-") as name:
        environ = {
            **os.environ,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(grpc_port),
            "PHOENIX_WORKING_DIR": name,
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        environ.pop("PYTHONPATH", None)
        log = Path(name) / "phoenix.log"
        with log.open("wb") as output:
            process = subprocess.Popen([arguments.python, "-c", SERVE], env=environ, stdout=output, stderr=output)
        try:
            directory = Path(name) / "story"
            directory.mkdir()
            path = directory / "story.sqlite"
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.close()
            url = f"sqlite:///{path}"

            def stories() -> None:
                print_trace.story(url, directory)
                undo_a_booking(url, directory)

            wait_until_up(base, process)
            good = check(base, grpc_port, url, stories)
        except BaseException:
            print(log.read_text(errors="replace")[-3000:])
            raise
        finally:
            process.terminate()
            process.wait(30)
    print("PASSED" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
