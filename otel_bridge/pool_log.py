"""What psycopg's pools log, once per outage. Reads a clock; filters one logger.

A pool logs a line for each connection that broke and for each try to make one: dozens in a minute, for an outage that
the pool's user reports anyway. Pools of the host application, on the same logger, are let alone.

Source: psycopg_pool 3.2, ``pool.py``: the logger is ``psycopg.pool``; a message names its pool, or has a connection of
it among its arguments.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from psycopg_pool import ConnectionPool

SAME_OUTAGE_S = 60.0
"""A pool that complains again so soon is still in the outage that was logged."""


class OncePerOutage(logging.Filter):
    """Lets a pool's first complaint pass, and the next one only after it was quiet for a while.

    Attributes:
        pools: names of the pools that this is for.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.pools: set[str] = set()
        self._monotonic = monotonic
        self._complained_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is logged."""
        pool = self._pool_of(record)
        if pool is None or record.levelno < logging.WARNING:
            return True
        now, last = self._monotonic(), self._complained_at.get(pool, -float("inf"))
        self._complained_at[pool] = now
        return now - last >= SAME_OUTAGE_S

    def _pool_of(self, record: logging.LogRecord) -> str | None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        for argument in arguments:
            pool = getattr(argument, "_pool", None)
            name = pool.name if isinstance(pool, ConnectionPool) else argument
            if isinstance(name, str) and name in self.pools:
                return name
        return None


_FILTER = OncePerOutage()


def log_once_per_outage(pool_name: str) -> None:
    """Quieten the pools of this name. Idempotent."""
    _FILTER.pools.add(pool_name)
    logging.getLogger("psycopg.pool").addFilter(_FILTER)
