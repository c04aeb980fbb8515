"""What psycopg's pools log, for debugging only. Filters one logger.

A pool logs a line for each connection that broke and for each try to make one: dozens in a minute, for an outage that
the pool's user reports anyway, once and with a remedy. Pools of the host application are let alone.

Source: psycopg_pool 3.2, ``pool.py``: the logger is ``psycopg.pool``; a message names its pool, or has a connection of
it among its arguments, which knows its pool only while it is lent out.
"""

from __future__ import annotations

import logging
from typing import Any

import psycopg

_logger = logging.getLogger("psycopg.pool")


class PooledConnection(psycopg.Connection[Any]):
    """A connection of a pool of ours."""


class LeftToUser(logging.Filter):
    """Makes complaints of pools debug lines.

    Attributes:
        pools: names of the pools that this is for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pools: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is logged."""
        if record.levelno < logging.WARNING or not self._is_of_ours(record):
            return True
        record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
        return _logger.isEnabledFor(logging.DEBUG)

    def _is_of_ours(self, record: logging.LogRecord) -> bool:
        arguments = record.args if isinstance(record.args, tuple) else ()
        return any(
            isinstance(argument, PooledConnection) or (isinstance(argument, str) and argument in self.pools)
            for argument in arguments
        )


_FILTER = LeftToUser()


def leave_to_user(pool_name: str) -> None:
    """Quieten the pools of this name, whose users report what they meet. Idempotent."""
    _FILTER.pools.add(pool_name)
    _logger.addFilter(_FILTER)
