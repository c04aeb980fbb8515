"""Runs that an action is at work on. Reads the ledger.

A move cancels its run before it puts it back, because the engine moves only what has ended: in between, the run is
cancelled in the store and has not ended. Each action holds a lease until its last write.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable

from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Ledger

log = logging.getLogger(__name__)

ACTION_LEASES = 64
"""Runs share them: to wait for another run's action now and then costs less than a row for each run."""


def action_lease(run_id: str) -> str:
    """Return the name of the lease that an action holds while it is at work on a run."""
    return f"action.{zlib.crc32(run_id.encode('utf-8', 'surrogatepass')) % ACTION_LEASES}"


def in_hand(ledger: Ledger | None, run_ids: Iterable[str]) -> set[str]:
    """Return those of the runs that an action may be at work on; none where nobody can tell.

    Whoever has read a run before asks reads it again where the answer is no: the action may have ended in between.
    """
    if ledger is None:
        return set()
    by_lease: dict[str, list[str]] = {}
    for run_id in run_ids:
        by_lease.setdefault(action_lease(run_id), []).append(run_id)
    try:
        held = [lease for lease in by_lease if ledger.lease_holder(lease) is not None]
    except LedgerError as error:
        log.debug("Nobody can tell which runs actions are at work on: %s", error)
        return set()
    return {run_id for lease in held for run_id in by_lease[lease]}
