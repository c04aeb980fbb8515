"""Bridges that stand by: each leaves its name in the ledger, so that the doctor can say who waits for whom."""

from __future__ import annotations

from otel_bridge.ledger.base import Ledger

KEY = "bridge.standby"
EVERY_S = 20.0
"""How often a bridge that stands by says so."""
FRESH_MS = 60_000


def standing_by(ledger: Ledger) -> list[str]:
    """Return the names of the bridges that stand by, as the ledger has heard lately."""
    now_ms = ledger.now_ms()
    return sorted(owner for owner, at_ms in _heard(ledger).items() if now_ms - at_ms <= FRESH_MS)


def note_standby(ledger: Ledger, owner: str, *, stands_by: bool) -> None:
    """Leave word that a bridge stands by, or that it does no longer; names that fell silent are dropped.

    Two that write at once may lose one of the names until it is said again.
    """
    now_ms = ledger.now_ms()
    heard = {name: at_ms for name, at_ms in _heard(ledger).items() if now_ms - at_ms <= FRESH_MS and name != owner}
    if stands_by:
        heard[owner] = now_ms
    ledger.put_value(KEY, heard)


def _heard(ledger: Ledger) -> dict[str, int]:
    heard = ledger.get_value(KEY)
    if not isinstance(heard, dict):
        return {}
    return {name: at_ms for name, at_ms in heard.items() if isinstance(at_ms, int)}
