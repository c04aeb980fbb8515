"""Steps that are not shown one by one. Pure."""

from __future__ import annotations

from pydantic import Field

from dashboard.wire.base import Timestamp, Wire
from otel_bridge.model.steps import StepStatus


class FoldView(Wire):
    """A stretch of a timeline of which only some steps are in the answer: a loop's turns, or simply many steps.

    The stretch is ``first`` to ``last``, by ``seq``; ``count`` steps without the engine's own. What failed, what is
    under way and the slowest turn are in the timeline all the same (``kept``).
    """

    first: int
    last: int
    count: int
    names: list[str] = Field(description="What each turn of the loop did, in order; empty: the steps are not a loop.")
    turns: int
    min_ms: int | None = Field(None, description="Of the turns that ended; with `medianMs` and `maxMs`.")
    median_ms: int | None = None
    max_ms: int | None = None
    slowest: int | None = Field(None, description="`seq` of the first step of the slowest turn.")
    by_status: dict[StepStatus, int]
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    kept: list[int]
