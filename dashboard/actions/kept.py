"""What an action keeps of a run before it makes the engine forget it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.ledger.base import KeptAttempt, PastLife
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue

MOST_STEPS = 10_000
"""Of one attempt; its history shows a thousand."""


def attempt_of(run: Run, steps: Sequence[Step], error: StoredValue | None, *, at_ms: int) -> KeptAttempt:
    """Return how a run stands when an action puts it back, which began at ``at_ms``; of its steps the last ones.

    Those before them keep their rows: what an action takes back is at a run's end.
    """
    life = PastLife(run=run, generation=0, steps=tuple(steps[-MOST_STEPS:]), error=error)
    return KeptAttempt(at_ms=at_ms, life=life)
