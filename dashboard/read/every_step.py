"""All steps of a run, read in parts, in little more memory than the steps themselves; and how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dashboard.read.services import Services
from otel_bridge.ledger.base import InterruptedStep
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.runs.overlay import overlay_steps
from otel_bridge.store.base import StateStore

PART_ROWS = 20_000
"""Step rows held at once: each part of a run with children looks through all of its rows once."""

IN_FLIGHT_ROWS = 1_000
"""Looked at to learn which steps in flight have no row yet."""


def every_step(store: StateStore, run_id: str, *, errors: bool = False) -> Iterator[Step]:
    """Yield a run's steps by ``seq``, as ``get_steps`` returns them."""
    start: int | None = None
    while True:
        part = store.get_step_part(run_id, start=start, limit=PART_ROWS, errors=errors)
        yield from part.steps
        if part.next_seq is None:
            return
        start = part.next_seq


def counted(services: Services, run: Run, reported: Sequence[InterruptedStep]) -> int:
    """Return how many steps a run has, those in flight among them, counted by the database.

    Args:
        reported: what workers reported of its interrupted steps.
    """
    total = services.store.count_steps(run.id).total
    in_flight = overlay_steps(run, [], services.presence(), reported)
    if in_flight:
        near = services.store.get_step_part(run.id, start=in_flight[0].seq, limit=IN_FLIGHT_ROWS)
        known = {seq for step in near.steps for seq in (step.seq, *step.folded)}
        total += sum(step.seq not in known for step in in_flight)
    return total
