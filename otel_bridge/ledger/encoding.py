"""How the ledger writes its values down: compact and bounded. Pure.

Exported steps are kept as columns of differences (number, end, generation) under zlib: three to six bytes a
step, so that a run of thousands of steps stays one small row.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from itertools import accumulate, pairwise
from typing import Any

from otel_bridge.ledger.base import Executor, InFlightStep

MAX_IN_FLIGHT = 500
"""Steps in flight that one executor's row tells; ``in_flight_total`` has the true number."""

_VERSION = b"\x01"


def pack_steps(steps: Mapping[int, tuple[int, int]]) -> bytes:
    """Encode ``seq -> (finished_at_ms, generation)``; equal mappings give equal bytes."""
    if not steps:
        return b""
    seqs = sorted(steps)
    columns = array("q", [len(seqs)])
    columns.extend(_differences(seqs))
    columns.extend(_differences([steps[seq][0] for seq in seqs]))
    columns.extend(_differences([steps[seq][1] for seq in seqs]))
    return _VERSION + zlib.compress(_little_endian(columns).tobytes(), 1)


def unpack_steps(data: bytes) -> dict[int, tuple[int, int]]:
    """Undo ``pack_steps``.

    Raises:
        ValueError: not written by ``pack_steps``.
    """
    if not data:
        return {}
    if data[:1] != _VERSION:
        raise ValueError(f"Exported steps are in format {data[0]}, which this version does not know.")
    columns = array("q")
    try:
        columns.frombytes(zlib.decompress(data[1:]))
    except zlib.error as error:
        raise ValueError(f"Exported steps are damaged: {error}.") from error
    columns = _little_endian(columns)
    count = columns[0]
    seqs, ends, generations = (accumulate(columns[1 + part * count : 1 + (part + 1) * count]) for part in range(3))
    return {seq: (end, generation) for seq, end, generation in zip(seqs, ends, generations, strict=True)}


def _differences(values: list[int]) -> Iterable[int]:
    yield values[0]
    yield from (after - before for before, after in pairwise(values))


def _little_endian(columns: array[int]) -> array[int]:
    if sys.byteorder == "big":  # pragma: no cover: no such machine at hand
        columns.byteswap()
    return columns


def dump_executor(executor: Executor) -> str:
    """Encode an executor, its in-flight steps bounded, without its beat (a column of its own)."""
    kept = executor.in_flight[:MAX_IN_FLIGHT]
    bounded = replace(executor, in_flight=kept, in_flight_total=max(executor.in_flight_total, len(executor.in_flight)))
    data = asdict(bounded)
    del data["beat_at_ms"]
    return dump_json(data)


def load_executor(text: str, *, beat_at_ms: int) -> Executor:
    """Undo ``dump_executor``; fields of a newer version are ignored."""
    data = json.loads(text)
    known = {field.name for field in fields(Executor)}
    values: dict[str, Any] = {key: value for key, value in data.items() if key in known}
    step_fields = {field.name for field in fields(InFlightStep)}
    values["in_flight"] = tuple(
        InFlightStep(**{key: value for key, value in step.items() if key in step_fields})
        for step in data.get("in_flight", ())
    )
    values["queues"] = tuple(data.get("queues", ()))
    values["workflows"] = tuple(data.get("workflows", ()))
    return Executor(**values | {"beat_at_ms": beat_at_ms})


def dump_json(value: Any) -> str:
    """Encode a small JSON value; what JSON has no word for becomes its ``str``."""
    return json.dumps(value, separators=(",", ":"), default=str)


def trace_key(trace_id: str) -> bytes | None:
    """Return a trace id's 16 bytes, or None when it is not 32 hex digits."""
    try:
        key = bytes.fromhex(trace_id)
    except ValueError:
        return None
    return key if len(key) == 16 else None
