"""Leases: who of many processes does a duty. One statement decides; a token fences off who lost it."""

from __future__ import annotations

import os
import secrets
import socket

from otel_bridge.errors import LeaseLostError
from otel_bridge.ledger.records import Lease
from otel_bridge.ledger.tables.core import Session, Tables

NOW = "SELECT {now}"
# One statement decides who holds the lease. The token grows when the owner changes. A renewal time that lies ahead
# means that the clock was set back: the lease would not expire for as long, so it counts as expired. So does an expiry
# beyond any time to live, such as a text, which is greater than every number to SQLite.
ACQUIRE = """
    INSERT INTO {t}leases AS l (name, owner, token, renewed_at_ms, expires_at_ms, acquired_at_ms)
    VALUES (:name, :owner, 1, {now}, {now} + :ttl_ms, {now})
    ON CONFLICT (name) DO UPDATE SET
        token = CASE WHEN l.owner = excluded.owner THEN l.token ELSE l.token + 1 END,
        acquired_at_ms = CASE WHEN l.owner = excluded.owner THEN l.acquired_at_ms ELSE excluded.acquired_at_ms END,
        owner = excluded.owner, renewed_at_ms = excluded.renewed_at_ms, expires_at_ms = excluded.expires_at_ms
    WHERE l.owner = excluded.owner OR l.expires_at_ms <= {now} OR l.renewed_at_ms > {now} + 5000
        OR l.expires_at_ms > {now} + 86400000
    RETURNING token, expires_at_ms, acquired_at_ms
"""
RELEASE = """
    UPDATE {t}leases SET owner = '', renewed_at_ms = 0, expires_at_ms = 0
    WHERE name = :name AND owner = :owner AND token = :token
"""
HOLDER = """
    SELECT owner, token, expires_at_ms, acquired_at_ms FROM {t}leases
    WHERE name = :name AND expires_at_ms > {now} AND expires_at_ms <= {now} + 86400000
"""
# On Postgres the row stays locked until the transaction ends, so nobody takes over in its middle.
IS_CURRENT = """
    SELECT 1 FROM {t}leases WHERE name = :name AND owner = :owner AND token = :token {for_update}
"""


def owner_name() -> str:
    """Return a name for this process as the owner of leases: host, process id and a random part.

    Made when it is needed, never kept across a fork: two processes of one name would share a lease.
    """
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def require(session: Session, lease: Lease) -> None:
    """Do nothing while ``lease`` is the current one; called in the transaction that it guards.

    Raises:
        LeaseLostError: another process took it over.
    """
    if not session.rows(IS_CURRENT, name=lease.name, owner=lease.owner, token=lease.token):
        raise LeaseLostError(lease.name, lease.owner)


class Leases(Tables):
    """Acquire, renew, release; who holds what."""

    def now_ms(self) -> int:
        """Return the clock that leases and heartbeats are compared by (the database's, where it has one)."""
        ((now_ms,),) = self._read(NOW)
        return int(now_ms)

    def acquire_lease(self, name: str, owner: str, *, ttl_s: float) -> Lease | None:
        """Take or renew the lease; None while another owner holds it. Renewal keeps the token.

        Args:
            owner: an ``owner_name()``; another one for each thread that is to be kept out.
        """
        rows = self._write(ACQUIRE, name=name, owner=owner, ttl_ms=round(ttl_s * 1000))
        return Lease(name, owner, *rows[0]) if rows else None

    def release_lease(self, lease: Lease) -> None:
        """Give the lease up, so that another takes over at once. A lease no longer ours is left alone."""
        self._write(RELEASE, name=lease.name, owner=lease.owner, token=lease.token)

    def lease_holder(self, name: str) -> Lease | None:
        """Return who holds the lease now, if anybody."""
        rows = self._read(HOLDER, name=name)
        return next(self._decoded("leases", rows, lambda row: Lease(name, *row)), None)
