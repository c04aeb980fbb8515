"""Serve the shop, run its workflows, place orders, in one process. Opens a socket and a SQLite file; prints."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
from pathlib import Path

from dbos import DBOS
from werkzeug.serving import make_server

from dashboard.client import DurableClient
from dashboard.demo.app import create_app, database, launch_dbos
from dashboard.demo.poison import bury_a_run
from dashboard.demo.trickle import Trickle
from otel_bridge import DBOSInstrumentor, OTelBridge

PORT_TAKEN = 2


def run_shop(*, port: int, folder: Path, trickle_s: float | None) -> None:
    """Run until SIGINT or SIGTERM, then end the process.

    Args:
        port: 0 takes any free one.
        folder: of the database.
        trickle_s: seconds between two orders; None places none.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    code = _serve(port, folder, trickle_s, stopping)
    sys.stdout.flush()
    # A run that waits holds a thread of the engine's for as long as it waits; the next start recovers the run.
    os._exit(code)


def _serve(port: int, folder: Path, trickle_s: float | None, stopping: threading.Event) -> int:
    first_start = not any(folder.glob("*.sqlite"))
    url = database(folder)
    opened = threading.Event()
    try:
        server = make_server("127.0.0.1", port, create_app(url, opened), threaded=True)
    except SystemExit:
        print(f"Port {port} is taken. Choose another: --port 0 takes any that is free.", file=sys.stderr)
        return PORT_TAKEN
    address = f"http://127.0.0.1:{server.server_port}"
    _say(f"Orders:    {address}/\nDashboard: {address}/durable/\nDatabase:  {url}")
    threading.Thread(target=server.serve_forever, name="orders-http", daemon=True).start()

    if first_start and trickle_s is not None:
        _say("First start: one run crashes its worker until the engine dead-letters it.")
        bury_a_run(url, f"import-{secrets.token_hex(4)}", stopping)
    os.environ["DURABLE_PUBLIC_URL"] = f"{address}/durable"
    DBOSInstrumentor().instrument()
    launch_dbos(url)
    opened.set()
    bridge = OTelBridge(url, dashboard_url=f"{address}/durable", service_name="orders").start()
    client = DurableClient(f"{address}/durable")
    trickle = Trickle(client, trickle_s or 0.0)
    if trickle_s is not None:
        trickle.start()
    _say("Open for business. Ctrl-C closes.")
    stopping.wait()
    _say("Closing; unfinished runs continue at the next start.")
    trickle.stop()
    client.close()
    server.shutdown()
    server.server_close()
    bridge.stop()
    DBOS.destroy()
    DBOSInstrumentor().uninstrument()
    return 0


def _say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)
