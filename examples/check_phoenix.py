"""Send traces to a real OTLP backend, Arize Phoenix, and read the same trees back: HTTP and gRPC, gzip on and off.

    python -m venv /tmp/phoenix && /tmp/phoenix/bin/pip install arize-phoenix
    python examples/check_phoenix.py --python /tmp/phoenix/bin/python

Phoenix stays in an environment of its own, for it is large. It serves loopback only and is stopped at the end. The
traces are those of ``print_trace.py``: a run that crashed, slept, waited, failed, was retried and forked.
"""

from __future__ import annotations

import argparse
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
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import print_trace

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
Tree = dict[str, tuple[str, str | None, str]]


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
    """Return span id -> (name, parent's id, status) of OTLP spans as JSON."""
    codes = {0: "UNSET", 1: "OK", 2: "ERROR", "STATUS_CODE_ERROR": "ERROR", "STATUS_CODE_UNSET": "UNSET"}
    found = {}
    for span in spans:
        status = span.get("status", {}).get("code", 0)
        found[_hex(span["span_id"])] = (
            span["name"],
            _hex(span.get("parent_span_id") or ""),
            codes.get(status, "UNSET"),
        )
    return {key: (name, parent or None, status) for key, (name, parent, status) in found.items()}


def _hex(value: str) -> str:
    if len(value) in (0, 16):
        return value.lower()
    import base64

    return base64.b64decode(value).hex()


def sent_trees(url: str, environ: dict[str, str], namespace: str) -> dict[str, Tree]:
    """Export the whole database; return what was sent, by trace id."""
    from otel_bridge import OTelBridge
    from otel_bridge.ledger import MemoryLedger
    from otel_bridge.otlp import ResourceSettings, open_transport, settings_from_env

    settings = settings_from_env(environ)
    assert settings is not None
    transport = open_transport(settings, ResourceSettings(environ=environ))
    sent: dict[str, Tree] = {}

    class Recording:
        target = transport.target

        def send(self, spans: Any) -> Any:
            for span in spans:
                parent = span.parent_id.hex() if span.parent_id else None
                status = "ERROR" if span.error is not None else "UNSET"
                sent.setdefault(span.trace_id_hex, {})[span.span_id_hex] = (span.name, parent, status)
            return transport.send(spans)

        def close(self) -> None:
            transport.close()

    bridge = OTelBridge(
        url, exporter=Recording(), ledger=MemoryLedger(), start_from="beginning", namespace=namespace, environ={}
    )
    bridge.run_once()
    bridge.stop()
    return sent


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


def check(base: str, grpc_port: int, url: str) -> bool:
    good = True
    for protocol, endpoint in (("http/protobuf", base), ("grpc", f"http://127.0.0.1:{grpc_port}")):
        for compression in ("none", "gzip"):
            namespace = f"{protocol} {compression}"
            environ = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
            }
            sent = sent_trees(url, environ, namespace)
            same = sum(read_back(base, trace_id, len(tree)) == tree for trace_id, tree in sent.items())
            spans = sum(len(tree) for tree in sent.values())
            print(f"{protocol:<14} {compression:<5} {len(sent)} traces, {spans} spans sent; {same} read back the same")
            good = good and same == len(sent)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the interpreter that has arize-phoenix")
    arguments = parser.parse_args()
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
            print_trace.story(f"sqlite:///{path}", directory)
            wait_until_up(base, process)
            good = check(base, grpc_port, f"sqlite:///{path}")
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
