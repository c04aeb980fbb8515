"""How large an answer may be, and how much of a list it holds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import BaseModel

from dashboard.wire.base import Json
from dashboard.wire.json import to_json

ANSWER_BYTES = 280_000
"""Of one answer about a run: no run makes a larger one, whatever it holds. (What is around it has 20 kB more.)"""

M = TypeVar("M", bound=BaseModel)


def size_of(value: BaseModel | Json) -> int:
    """Return how many bytes a value takes as JSON."""
    return len(to_json(value).encode())


def within(
    models: Iterable[M], most_bytes: int, *, least: int = 0, extra: Callable[[M], int] = lambda model: 1
) -> list[M]:
    """Return as many of the first models as have room; the rest is not looked at.

    Args:
        least: so many at least, however large they are.
        extra: what else each takes: a comma, or more.

    Example:
        >>> from dashboard.wire.folds import FoldView
        >>> fold = FoldView(first=1, last=2, count=2, names=[], turns=2, by_status={}, kept=[])
        >>> len(within([fold] * 100, 1_000))
        11
    """
    found: list[M] = []
    for model in models:
        most_bytes -= size_of(model) + extra(model)
        if most_bytes < 0 and len(found) >= least:
            break
        found.append(model)
    return found
