"""What an action keeps of a run before it makes the engine forget it. Reads a clock."""

from __future__ import annotations

import time
from collections.abc import Sequence

from otel_bridge.ledger.base import KeptAttempt, PastLife
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue


def attempt_of(run: Run, steps: Sequence[Step], error: StoredValue | None) -> KeptAttempt:
    """Return how a run stands now, to be kept."""
    life = PastLife(run=run, generation=0, steps=tuple(steps), error=error)
    return KeptAttempt(at_ms=int(time.time() * 1000), life=life)
