"""``python -m examples.orders``: serve the shop, run its workflows, place orders. Ctrl-C stops all three."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import sys
import threading
from pathlib import Path

from examples.newer_sqlite import use_newer_sqlite

use_newer_sqlite()


def arguments() -> argparse.Namespace:
    """Return the command line, parsed."""
    parser = argparse.ArgumentParser(prog="python -m examples.orders", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free one (default: 8000)")
    parser.add_argument("--db", type=Path, default=Path(".demo"), help="folder of the database (default: .demo)")
    parser.add_argument("--trickle-s", type=float, default=4.0, help="seconds between orders (default: 4)")
    parser.add_argument("--no-trickle", action="store_true", help="place no orders")
    return parser.parse_args()


def serve(options: argparse.Namespace, stopping: threading.Event) -> int:
    """Run until ``stopping`` and return the process's exit code."""
    from dbos import DBOS
    from werkzeug.serving import make_server

    from dashboard.client import DurableClient
    from examples.orders.app import create_app, database, launch_dbos
    from examples.orders.poison import bury_a_run
    from examples.orders.trickle import Trickle
    from otel_bridge import DBOSInstrumentor, OTelBridge

    first_start = not any(options.db.glob("*.sqlite"))
    url = database(options.db)
    opened = threading.Event()
    try:
        server = make_server("127.0.0.1", options.port, create_app(url, opened), threaded=True)
    except SystemExit:
        print(f"Port {options.port} is taken. Choose another: --port 0 takes any that is free.", file=sys.stderr)
        return 2
    address = f"http://127.0.0.1:{server.server_port}"
    say(f"Orders:    {address}/\nDashboard: {address}/durable/\nDatabase:  {url}")
    threading.Thread(target=server.serve_forever, name="orders-http", daemon=True).start()

    if first_start and not options.no_trickle:
        say("First start: one run dies of its worker until the engine gives it up, to have a dead letter.")
        bury_a_run(url, f"import-{secrets.token_hex(4)}", stopping)
    os.environ["DURABLE_PUBLIC_URL"] = f"{address}/durable"
    DBOSInstrumentor().instrument()
    launch_dbos(url)
    opened.set()
    bridge = OTelBridge(url, dashboard_url=f"{address}/durable", service_name="orders").start()
    client = DurableClient(f"{address}/durable")
    trickle = Trickle(client, options.trickle_s)
    if not options.no_trickle:
        trickle.start()
    say("Open for business. Ctrl-C closes.")
    stopping.wait()
    say("Closing; runs that are under way go on at the next start.")
    trickle.stop()
    client.close()
    server.shutdown()
    server.server_close()
    bridge.stop()
    DBOS.destroy()
    DBOSInstrumentor().uninstrument()
    return 0


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    code = serve(arguments(), stopping)
    sys.stdout.flush()
    # A run that waits holds a thread of the engine's for as long as it waits; the next start recovers the run.
    os._exit(code)


if __name__ == "__main__":
    main()
