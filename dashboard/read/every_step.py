"""All steps of a run, read in parts and held in little memory; and how many there are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from dashboard.read.outline import MOST_BYTES, Outline
from dashboard.read.services import Services
from otel_bridge.ledger.base import InterruptedStep
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step, StepPart
from otel_bridge.runs.overlay import interrupted_steps, overlay_steps
from otel_bridge.runs.presence import Presence
from otel_bridge.store.base import StateStore

PART_ROWS = 25_000
"""Step rows held at once, some 30 MB: each part of a run with children looks through all of its rows once, and makes
the children's steps of all rows that it needs; ten thousand children have twice as many rows."""

IN_FLIGHT_ROWS = 1_000
"""Looked at together to learn which steps in flight have no row yet."""
FOLDED_NEAR = 3
"""The numbers that a wait absorbs are no further from its own."""


def parts_of(store: StateStore, run_id: str, *, rows: int = PART_ROWS) -> Iterator[StepPart]:
    """Yield a run's steps in parts."""
    start: int | None = None
    while True:
        part = store.get_step_part(run_id, start=start, limit=rows)
        yield part
        if part.next_seq is None or (start is not None and part.next_seq <= start):
            return  # what is not a number is behind every number, however often it was read
        start = part.next_seq


def every_step(store: StateStore, run_id: str) -> Iterator[Step]:
    """Yield a run's steps by ``seq``, as ``get_steps`` returns them."""
    for part in parts_of(store, run_id):
        yield from part.steps


def outlined(
    store: StateStore,
    run: Run,
    *,
    seen: Presence,
    reported: Sequence[InterruptedStep] = (),
    most_bytes: int = MOST_BYTES,
    part_rows: int = PART_ROWS,
    overlaid: Callable[[list[Step]], list[Step]] = list,
) -> Outline:
    """Return a run's steps, those in flight and interrupted among them: ``overlay_steps`` of all, a part at a time.

    Args:
        seen: who executes what.
        reported: what workers reported of its interrupted steps.
        most_bytes: what the outline may take.
        part_rows: step rows held at once.
        overlaid: what is to be laid over the steps of each part.
    """
    outline, held = Outline(most_bytes=most_bytes), list[Step]()
    unrecorded = {step.seq: step for step in overlay_steps(run, [], seen, reported)}
    for part in parts_of(store, run.id, rows=part_rows):
        recorded = overlaid(part.steps)
        for step in recorded if unrecorded else ():
            for seq in (step.seq, *step.folded):
                unrecorded.pop(seq, None)
        steps = [*held, *recorded] if held else recorded
        # the last ones wait for the next part: it may tell that a step in flight stands among them
        settled = part.next_seq - FOLDED_NEAR if part.next_seq is not None else None
        end = bisect_left(steps, settled, key=lambda step: step.seq) if settled is not None else len(steps)
        now = [unrecorded.pop(seq) for seq in sorted(unrecorded) if settled is None or seq < settled]
        held = steps[end:]
        outline.extend(sorted([*steps[:end], *now], key=lambda step: step.seq) if now else steps[:end])
        if outline.next_seq is not None:
            break
    return outline


def counted(services: Services, run: Run, reported: Sequence[InterruptedStep]) -> int:
    """Return how many steps a run has, those in flight among them, counted by the database.

    Args:
        reported: what workers reported of its interrupted steps.
    """
    in_flight = overlay_steps(run, [], services.presence(), reported)
    return services.store.count_steps(run.id).total + len(_unrecorded(services.store, run.id, in_flight))


def interrupted_now(store: StateStore, run: Run, seen: Presence) -> list[Step]:
    """Return what of an open run is in flight now, as it will look if nothing is ever recorded of it."""
    return _unrecorded(store, run.id, interrupted_steps(run, [], seen))


def _unrecorded(store: StateStore, run_id: str, steps: Sequence[Step]) -> list[Step]:
    """Return those of some steps, by ``seq``, that no row tells of; only rows near them are looked at."""
    found: list[Step] = []
    rest = list(steps)
    while rest:
        first = rest[0].seq
        near = [step for step in rest if step.seq < first + IN_FLIGHT_ROWS]
        start, rows = max(0, first - FOLDED_NEAR), near[-1].seq - first + 2 * FOLDED_NEAR + 1
        part = store.get_step_part(run_id, start=start, limit=rows)
        known = {seq for step in part.steps for seq in (step.seq, *step.folded)}
        found += (step for step in near if step.seq not in known)
        rest = rest[len(near) :]
    return found
