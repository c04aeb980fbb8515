"""The dashboard's public address, which it keeps in the ledger and workers read. Reads and writes the ledger given."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from otel_bridge.ledger.base import Ledger

PUBLIC_URL_KEY = "public_url"


@dataclass(frozen=True, slots=True)
class KeptAddress:
    """An address as the ledger keeps it: ``given`` by the setting ``public_url``, or learnt from a request."""

    url: str
    given: bool


def kept_address(ledger: Ledger) -> KeptAddress | None:
    """Return the address that the ledger keeps."""
    value = ledger.get_value(PUBLIC_URL_KEY)
    return KeptAddress(str(value["url"]), bool(value["given"])) if isinstance(value, dict) else None


def keep_address(ledger: Ledger, address: KeptAddress) -> None:
    """Write the address."""
    ledger.put_value(PUBLIC_URL_KEY, {"url": address.url, "given": address.given})


def better(kept: KeptAddress | None, seen: KeptAddress) -> bool:
    """Say whether what was seen now replaces what is kept. Pure.

    A given address does. A learnt one stays, so that URLs do not change with who looked last, unless it is of the
    server's own machine, which nobody else reaches.

    Example:
        >>> better(Kept("http://127.0.0.1/d", False), Kept("https://ops.example.com/d", False))
        True
    """
    if kept is None or kept == seen:
        return kept is None
    if seen.given or kept.given:
        return seen.given
    return _is_local(kept.url) and not _is_local(seen.url)


def _is_local(url: str) -> bool:
    name = (urlsplit(url).hostname or "").lower()
    return name in ("localhost", "127.0.0.1", "::1") or name.endswith(".localhost")
