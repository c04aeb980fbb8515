"""A run id as a segment of a path that nothing on the way reads as more than letters. Pure.

Proxies and clients resolve ``..``, join ``//`` and refuse control characters, escaped or not. Such an id is written as
``~x`` and its UTF-8 bytes in hex: ``a/../b`` is ``~x612f2e2e2f62``. Every route takes a run id in either form.
"""

from __future__ import annotations

import re

_HEX = re.compile("~x((?:[0-9a-fA-F]{2})+)")


def hex_segment(run_id: str) -> str:
    """Return a run id as ``~x`` and hex.

    >>> hex_segment("a/../b")
    '~x612f2e2e2f62'
    """
    return f"~x{run_id.encode(errors='surrogatepass').hex()}"


def looks_hex(run_id: str) -> bool:
    """Say whether an id, written as it is, would be read as another one's hex form."""
    return _HEX.fullmatch(run_id) is not None


def id_of_segment(segment: str) -> str:
    """Return the run id that a segment means: itself, unless it is the hex form of one.

    >>> id_of_segment("~x612f2e2e2f62"), id_of_segment("order-1"), id_of_segment("~xff")
    ('a/../b', 'order-1', '~xff')
    """
    found = _HEX.fullmatch(segment)
    try:
        run_id = bytes.fromhex(found[1]).decode() if found else segment
    except UnicodeDecodeError:
        return segment
    return segment if "\0" in run_id else run_id
