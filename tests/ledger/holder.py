"""A process that takes a lease and keeps it until it is killed. Prints a line when it holds it.

``python -m tests.ledger.holder URL OWNER TTL_S``; with ``race`` as a fourth argument it writes to the export cursor
while it holds, counting up from what it finds, and prints each token and value that was accepted.
"""

from __future__ import annotations

import sys
import time

from otel_bridge.errors import LeaseLostError
from otel_bridge.ledger import open_ledger
from otel_bridge.ledger.base import Cursor


def main(url: str, owner: str, ttl_s: float, *, race: bool) -> None:
    """Hold, or race, for ever."""
    ledger = open_ledger(url)
    print("ready", flush=True)
    while True:
        lease = ledger.acquire_lease("export", owner, ttl_s=ttl_s)
        if lease is None:
            time.sleep(ttl_s / 20)
            continue
        if not race:
            print("held", lease.token, flush=True)
            time.sleep(ttl_s / 3)
            continue
        try:
            cursor = ledger.cursor() or Cursor(steps_ms=0, runs_ms=0)
            ledger.record_export(lease, cursor=Cursor(steps_ms=cursor.steps_ms + 1, runs_ms=lease.token), runs=[])
        except LeaseLostError:
            continue
        print(lease.token, cursor.steps_ms + 1, flush=True)
        time.sleep(0.002)
        if (cursor.steps_ms + 1) % 5 == 0:
            ledger.release_lease(lease)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), race="race" in sys.argv[4:])
