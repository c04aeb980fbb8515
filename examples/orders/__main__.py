"""``python -m examples.orders``: serve the shop, run its workflows, place orders. Ctrl-C stops all three."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import sys
from pathlib import Path
from types import FrameType

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


def serve(options: argparse.Namespace) -> int:
    """Run until interrupted and return the process's exit code."""
    from dbos import DBOS
    from werkzeug.serving import make_server

    from examples.orders.app import create_app, database, launch_dbos
    from examples.orders.poison import bury_a_run
    from examples.orders.trickle import Trickle

    first_start = not any(options.db.glob("*.sqlite"))
    url = database(options.db)
    try:
        server = make_server("127.0.0.1", options.port, create_app(url), threaded=True)
    except SystemExit:
        print(f"Port {options.port} is taken. Choose another: --port 0 takes any that is free.", file=sys.stderr)
        return 2
    if first_start and not options.no_trickle:
        print("First start: letting one run die of its worker three times, to have a dead letter ...", flush=True)
        bury_a_run(url, f"import-{secrets.token_hex(4)}")
    launch_dbos(url)
    trickle = None if options.no_trickle else Trickle(options.trickle_s)
    if trickle:
        trickle.start()
    print(f"Orders:    http://127.0.0.1:{server.server_port}/", flush=True)
    print(f"Database:  {url}", flush=True)
    try:
        server.serve_forever()  # until interrupted
    finally:
        print("Stopping; runs that are under way go on at the next start.", flush=True)
        if trickle:
            trickle.stop()
        server.server_close()
        DBOS.destroy()
    return 0


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    code = serve(arguments())
    sys.stdout.flush()
    # A run that waits holds a thread of the engine's for as long as it waits; the next start recovers the run.
    os._exit(code)


if __name__ == "__main__":
    main()
