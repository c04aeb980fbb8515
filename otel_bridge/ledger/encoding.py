"""How the ledger writes its values down: compact and bounded. Pure.

Exported steps are kept as columns (number, end, generation): nine bytes a step in short runs, where speed counts, and
differences under zlib in long ones, three to six bytes a step, so that thousands of steps stay one small row.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from otel_bridge.ledger.checking import checked
from otel_bridge.ledger.records import Executor, PastLife, UpdateValidator
from otel_bridge.model.steps import Step

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MAX_IN_FLIGHT = 500
"""Steps in flight that one executor's row names; ``in_flight_total`` has the true number."""
MAX_RUNS = 2_000
"""Runs that one executor's row names; ``runs_total`` has the true number."""
_MAX_NAMES = 2_000
_LIST_CHARS = 100_000
_SCHEMA_CHARS, _SCHEMAS_CHARS = 8_000, 64_000
# A row is written every few seconds and read by every dashboard: whatever a process holds, it stays below 600 kB.

_LONG, _SHORT = b"\x01", b"\x02"
_SHORT_STEPS = 64
_HEAD = struct.Struct("<cqB")


def pack_steps(steps: Mapping[int, tuple[int, int]]) -> bytes:
    """Encode ``seq -> (finished_at_ms, generation)``; equal mappings give equal bytes."""
    if not steps:
        return b""
    seqs = sorted(steps)
    if len(seqs) <= _SHORT_STEPS:
        try:
            return _pack_short(seqs, [steps[seq] for seq in seqs])
        except OverflowError:  # a number too large, or ends more than 24 days apart
            pass
    columns = array("q", [len(seqs)])
    columns.extend(_differences(seqs))
    columns.extend(_differences([steps[seq][0] for seq in seqs]))
    columns.extend(_differences([steps[seq][1] for seq in seqs]))
    return _LONG + zlib.compress(_little_endian(columns).tobytes(), 1)


def unpack_steps(data: bytes) -> dict[int, tuple[int, int]]:
    """Undo ``pack_steps``.

    Raises:
        ValueError: not written by ``pack_steps``.
    """
    if not data:
        return {}
    if data[:1] == _SHORT:
        return _unpack_short(data)
    if data[:1] != _LONG:
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


def _pack_short(seqs: list[int], ends: list[tuple[int, int]]) -> bytes:
    first, _ = ends[0]
    numbers = array("i", seqs)
    numbers.extend([end - first for end, _ in ends])
    generations = array("b", [generation for _, generation in ends])
    return _HEAD.pack(_SHORT, first, len(seqs)) + _little_endian(numbers).tobytes() + generations.tobytes()


def _unpack_short(data: bytes) -> dict[int, tuple[int, int]]:
    _, first, count = _HEAD.unpack_from(data)
    numbers, generations = array("i"), array("b")
    numbers.frombytes(data[_HEAD.size : _HEAD.size + 8 * count])
    generations.frombytes(data[_HEAD.size + 8 * count :])
    numbers = _little_endian(numbers)
    ends = [first + later for later in numbers[count:]]
    return dict(zip(numbers[:count], zip(ends, generations, strict=True), strict=True))


def _differences(values: list[int]) -> Iterable[int]:
    yield values[0]
    yield from (after - before for before, after in pairwise(values))


def _little_endian(columns: array[int]) -> array[int]:
    if sys.byteorder == "big":  # pragma: no cover: no such machine to test on
        columns.byteswap()
    return columns


def dump_executor(executor: Executor) -> str:
    """Encode an executor, its lists bounded, without its beat (a column of its own)."""
    in_flight = executor.in_flight[:MAX_IN_FLIGHT]
    data = {name: getattr(executor, name) for name in Executor.__slots__}
    del data["beat_at_ms"]
    data |= {
        "in_flight": [asdict(step) for step in in_flight],
        "in_flight_total": max(executor.in_flight_total, len(executor.in_flight)),
        "workflows": _within(executor.workflows[:_MAX_NAMES]),
        "queues": _within(executor.queues[:_MAX_NAMES]),
        "busy": dict(executor.busy),
        "validators": _bounded_schemas(executor.validators),
    }
    if executor.runs is not None:
        newest = _within(executor.runs[: -MAX_RUNS - 1 : -1])
        data |= {"runs": newest[::-1], "runs_total": max(executor.runs_total, len(executor.runs))}
    return to_json(data)


def _within(names: tuple[str, ...]) -> list[str]:
    """Return as many of the names, from the first one on, as fit a row."""
    lengths = accumulate(map(len, names))
    return [name for name, length in zip(names, lengths, strict=True) if length <= _LIST_CHARS]


def _bounded_schemas(validators: Iterable[UpdateValidator]) -> list[dict[str, Any]]:
    left, found = _SCHEMAS_CHARS, []
    for validator in validators:
        size = len(to_json(validator.schema)) + len(validator.workflow) + len(validator.name)
        fits = size <= min(left, _SCHEMA_CHARS)
        left -= size if fits else 0
        found.append(asdict(validator if fits else replace(validator, schema=None)))
    return found[:_MAX_NAMES]


def load_executor(text: str, *, beat_at_ms: int) -> Executor:
    """Undo ``dump_executor``; fields of a newer version are ignored.

    Raises:
        ValueError, TypeError: it was not written by ``dump_executor``.
    """
    executor = _executors().validate_python(json.loads(text) | {"beat_at_ms": beat_at_ms})
    for part in (*executor.in_flight, *executor.validators):
        checked(part)
    return executor


@cache
def _executors() -> TypeAdapter[Executor]:
    from pydantic import TypeAdapter

    return TypeAdapter(Executor)


def dump_life(life: PastLife) -> bytes:
    """Encode a past life, less the outputs of its steps."""
    data = _lives().dump_python(replace(life, steps=()), exclude_defaults=True)
    data.pop("steps", None)  # they stand at the end
    packer, packed = zlib.compressobj(1), bytearray()

    def write(text: str) -> None:
        # Not pydantic's own writer: it refuses lone surrogates, which Python's strings may hold.
        packed.extend(packer.compress(text.encode("utf-8", "surrogatepass")))

    # Step by step, for a life may have very many; by name, where pydantic would write a step as a bare list: a later
    # version may have other fields.
    write(to_json({**data, "steps": []})[: -len("]}")])
    for place, step in enumerate(life.steps):
        write(("," if place else "") + to_json(_step_fields(step)))
    write("]}")
    return bytes(packed + packer.flush())


def load_life(data: bytes) -> PastLife:
    """Undo ``dump_life``; fields of a newer version are ignored."""
    life = json.loads(zlib.decompress(data).decode("utf-8", "surrogatepass"))
    steps = [{name: value for name, value in step.items() if name in Step._fields} for step in life["steps"]]
    return _lives().validate_python(life | {"steps": steps})


def _step_fields(step: Step) -> dict[str, Any]:
    kept = {name: value for name, value in step._asdict().items() if value is not None and name != "output"}
    return kept | ({"error": asdict(step.error)} if step.error is not None else {})


@cache
def _lives() -> TypeAdapter[PastLife]:
    # Imported when first needed: a worker that meets no kept life is spared it.
    from pydantic import TypeAdapter

    return TypeAdapter(PastLife)


def to_json(value: object) -> str:
    """Encode a small JSON value; what JSON has no word for becomes its ``str``."""
    return json.dumps(value, separators=(",", ":"), default=str)


def trace_key(trace_id: str) -> bytes | None:
    """Return a trace id's 16 bytes, or None when it is not 32 hex digits."""
    try:
        key = bytes.fromhex(trace_id)
    except ValueError:
        return None
    return key if len(key) == 16 else None
