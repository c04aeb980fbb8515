"""The boxes of a graph: steps, and groups that stand for many, as grids where they are expanded. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from dashboard.read.folds import Bounds, Fold
from dashboard.read.outline import Outline
from dashboard.wire.base import iso
from dashboard.wire.folds import FoldView
from dashboard.wire.graph import GraphNode
from otel_bridge.model.steps import Step, StepStatus

NODE_WIDTH, NODE_HEIGHT = 220.0, 68.0
SMALL_WIDTH, SMALL_HEIGHT = 136.0, 32.0
CELL_WIDTH, CELL_HEIGHT = 148.0, 40.0
END_SIZE, JOIN_SIZE = 44.0, 10.0
GAP_X, GAP_Y, CELL_GAP, GROUP_PADDING = 56.0, 22.0, 8.0, 40.0

WORST_FIRST: tuple[StepStatus, ...] = ("failed", "dead", "interrupted", "running", "pending", "cancelled", "completed")
"""Which status of its steps a group shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much of a run is drawn.

    Args:
        bounds: draw it as its timeline is folded, with so much step by step; None: every step, or group of like ones.
        cells: steps of all expanded groups together, the first ones.
        seqs: groups of more do not name their steps.
        attempts: earlier attempts, the last ones.
    """

    bounds: Bounds | None = None
    cells: int = 900
    seqs: int = 1_000
    attempts: int = 20


ALL = Detail()


@dataclass(slots=True)
class Box:
    """A node under construction. ``ids`` are the steps it stands for."""

    id: str
    steps: list[Step]
    width: float
    height: float
    type: Literal["start", "end", "step", "group", "join"] = "step"
    label: str = ""
    column: int = 0
    y: float = 0.0
    cells: int = 0
    """So many of the steps are drawn in it."""
    status: str = ""
    turns: int | None = None
    count: int = 0
    """How many steps a group stands for."""
    fold: FoldView | None = None
    """The stretch that a group stands for, where ``steps`` are only some of it."""


def step_box(step: Step) -> Box:
    small = step.housekeeping
    return Box(f"step:{step.seq}", [step], SMALL_WIDTH if small else NODE_WIDTH, SMALL_HEIGHT if small else NODE_HEIGHT)


class Expand:
    """Which groups are drawn as a grid of their steps, while there is room for more."""

    def __init__(self, wanted: Collection[str], cells: int) -> None:
        self._wanted, self._all, self._left = wanted, "all" in wanted, cells

    def take(self, id_: str, steps: int) -> int:
        """Return how many steps of a group are drawn; 0: it is not expanded."""
        cells = min(steps, self._left) if self._all or id_ in self._wanted else 0
        self._left -= cells
        return cells


def group_box(steps: list[Step], label: str, expand: Expand) -> Box:
    box = Box(f"group:{steps[0].seq}", steps, NODE_WIDTH, NODE_HEIGHT + 12, type="group", label=label)
    box.count = len(steps)
    _as_grid(box, expand.take(box.id, box.count))
    return box


def fold_box(outline: Outline, fold: Fold, expand: Expand) -> Box:
    view = fold.view
    label = " → ".join(view.names) or "more steps"
    box = Box(f"group:{view.first}", [outline[fold.begin]], NODE_WIDTH, NODE_HEIGHT + 12, type="group", label=label)
    box.count, box.fold = view.count, view
    box.turns = view.turns if len(view.names) > 1 else None
    cells = expand.take(box.id, view.count)
    if cells:
        shown = (step for step in outline.at(range(fold.begin, fold.end)) if not step.housekeeping)
        box.steps = list(islice(shown, cells)) or box.steps
        _as_grid(box, len(box.steps))
    return box


def _as_grid(box: Box, cells: int) -> None:
    if cells:
        rows, columns = _grid(cells)
        box.cells = cells
        box.width = columns * (CELL_WIDTH + CELL_GAP) + CELL_GAP
        box.height = rows * (CELL_HEIGHT + CELL_GAP) + CELL_GAP + GROUP_PADDING


def _grid(count: int) -> tuple[int, int]:
    """Return rows and columns of a grid about as wide as high on the screen."""
    rows = max(1, math.ceil(math.sqrt(count * CELL_WIDTH / CELL_HEIGHT / 2)))
    return rows, math.ceil(count / rows)


def nodes_of(box: Box, x: float, y: float, *, seqs: int) -> list[GraphNode]:
    place: dict[str, Any] = {"id": box.id, "x": x, "y": y, "width": box.width, "height": box.height, "type": box.type}
    if box.type == "step":
        return [_step_node(box.steps[0], place)]
    if box.type != "group":
        return [GraphNode(label=box.label, status=box.status, **place)]
    counts: Counter[str] = Counter(box.fold.by_status if box.fold else (step.status for step in box.steps))
    worst = next(status for status in WORST_FIRST if counts[status])
    shown = box.steps[: box.cells]
    first = box.steps[0]
    group = GraphNode(
        label=box.label,
        status=worst,
        kind=first.kind,
        worker_group=first.worker_group,
        count=box.count,
        turns=box.turns,
        by_status=dict(counts),
        seqs=[step.seq for step in box.steps] if box.fold is None and box.count <= seqs else None,
        first_seq=box.steps[0].seq if box.fold is None else box.fold.first,
        last_seq=box.steps[-1].seq if box.fold is None else box.fold.last,
        expanded=box.cells > 0,
        cells=box.cells if 0 < box.cells < box.count else None,
        **place,
    )
    rows, _ = _grid(len(shown))
    cells = [
        _step_node(
            step,
            {
                "id": f"step:{step.seq}",
                "type": "step",
                "x": x + CELL_GAP + (index // rows) * (CELL_WIDTH + CELL_GAP),
                "y": y + GROUP_PADDING + (index % rows) * (CELL_HEIGHT + CELL_GAP),
                "width": CELL_WIDTH,
                "height": CELL_HEIGHT,
                "group_id": box.id,
            },
        )
        for index, step in enumerate(shown)
    ]
    return [group, *cells]


def _step_node(step: Step, place: dict[str, Any]) -> GraphNode:
    return GraphNode(
        label=step.name.removeprefix(f"{step.waits_on}:"),
        seq=step.seq,
        kind=step.kind,
        status=step.status,
        worker_group=step.worker_group,
        child_run_id=step.child_run_id,
        duration_ms=step.duration_ms,
        queue_ms=step.queue_ms,
        started_at=iso(step.started_at_ms),
        wake_at=iso(step.wake_at_ms),
        waits_on=step.waits_on,
        housekeeping=step.housekeeping,
        compensates=step.compensates,
        **place,
    )
