"""What stands for hidden values in an input that is sent back: it must not become the input. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dashboard.errors import Unprocessable
from otel_bridge.codec import REDACTED, WHOLE, WITHHELD, Codec
from otel_bridge.model.values import StoredValue

_MARKS = (REDACTED, WITHHELD)


def refuse_placeholders(given: object, stored: StoredValue | None, *, codec: Codec) -> None:
    """Refuse an input in which what redaction put there still stands where a real value belongs.

    A text of the original itself is always accepted, whatever it says, and so is everything where nothing is redacted.

    Args:
        stored: the input that ``given`` was made from; what its redaction shows instead of it is a placeholder too,
            for ``redact`` may be any callable.

    Raises:
        Unprocessable: ``given`` holds a placeholder; the text names where.
    """
    if codec.redact is None:
        return
    real: set[str] = set()
    shown: set[str] = set()
    if stored is not None:
        limits = replace(WHOLE, exact=True)
        real = {text for _, text in _texts(replace(codec, redact=None).decode_input(stored, limits=limits).json)}
        shown = {text for _, text in _texts(codec.decode_input(stored, limits=limits).json)}
    for path, text in _texts(given):
        if text not in real and (text in shown or any(mark in text for mark in _MARKS)):
            raise Unprocessable(
                f"The input still holds {text[:80]!r} at {path[:200]}, which stands for a value that is hidden here. "
                "Write the real value in its place."
            )


def _texts(value: object) -> Iterator[tuple[str, str]]:
    """Yield each text within JSON, with the path to it, in no stated order; deep nesting costs no stack."""
    todo: list[tuple[str, Any]] = [("input", value)]
    while todo:
        path, found = todo.pop()
        if isinstance(found, str):
            yield path, found
        elif isinstance(found, dict):
            todo.extend((f"{path}.{key}", member) for key, member in found.items())
        elif isinstance(found, (list, tuple)):
            todo.extend((f"{path}[{at}]", item) for at, item in enumerate(found))
