"""The recorded steps of a run that is about to live again, whatever their number: packed, errors apart."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import overload

from dashboard.read.every_step import parts_of
from dashboard.read.outline import Outline
from otel_bridge.model.steps import Step
from otel_bridge.model.values import StoredValue
from otel_bridge.store.base import StateStore

ERRORS_BYTES = 16 * 1024 * 1024
"""Held of the errors of one run's steps. The last ones are: a run dies of one of these, or of none."""
ERRORS_AT_ONCE = 50


class RecordedSteps(Sequence[Step]):
    """Steps by ``seq`` as ``get_steps`` returns them with their errors: unpacked, and given theirs, as they are read.

    Example:
        >>> from otel_bridge.testing import MemoryStateStore, make_step
        >>> store = MemoryStateStore()
        >>> store.put_step(make_step("r", 1))
        >>> [step.seq for step in Recorded.read(store, "r")]
        [1]
    """

    def __init__(self, steps: Outline, errors: Mapping[int, StoredValue]) -> None:
        self._steps, self._errors = steps, errors

    @classmethod
    def read(cls, store: StateStore, run_id: str) -> RecordedSteps:
        """Read a run's steps a part at a time, and the errors of those that have one, the last first."""
        steps = Outline(most_bytes=sys.maxsize)  # what decides about a run is all of it
        for part in parts_of(store, run_id):
            steps.extend(part.steps)
        numbers = [step.error_seq for step in steps if step.has_error]
        errors: dict[int, StoredValue] = {}
        left = ERRORS_BYTES
        while numbers and left > 0:
            found = store.get_step_errors(run_id, numbers[-ERRORS_AT_ONCE:])
            del numbers[-ERRORS_AT_ONCE:]
            errors |= found
            left -= sum(len(error.text) for error in found.values())
        return cls(steps, errors)

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Step: ...

    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...

    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        found = self._steps[index]
        return self._with_error(found) if isinstance(found, Step) else list(map(self._with_error, found))

    def __iter__(self) -> Iterator[Step]:
        return map(self._with_error, self._steps)

    def _with_error(self, step: Step) -> Step:
        error = self._errors.get(step.error_seq) if step.has_error else None
        return step if error is None else step._replace(error=error)
