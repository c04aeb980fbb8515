"""A run's steps as a graph, laid out left to right. Pure, O(n log n): no clock, database or network.

Steps that do not overlap follow each other. Steps whose intervals overlap (``asyncio.gather``, children awaited
later) form a segment of parallel lanes that fork and join. Many like lanes, or many like steps in a row, are
stacked into one ``group`` node with counts, which a caller may ask to see expanded as a grid.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from dashboard.read.repeats import repeats
from dashboard.read.segments import begin_ms, end_ms, segments
from dashboard.wire.base import iso
from dashboard.wire.graph import Graph, GraphEdge, GraphNode
from otel_bridge.model.runs import Run
from otel_bridge.model.status import HELD_STATUSES
from otel_bridge.model.steps import Step, StepKind, StepStatus

NODE_WIDTH, NODE_HEIGHT = 220.0, 68.0
SMALL_WIDTH, SMALL_HEIGHT = 136.0, 32.0
CELL_WIDTH, CELL_HEIGHT = 148.0, 40.0
END_SIZE, JOIN_SIZE = 44.0, 10.0
GAP_X, GAP_Y, CELL_GAP, GROUP_PADDING = 56.0, 22.0, 8.0, 40.0

STACK_FROM = 9
"""This many like steps, parallel or in a row, become one group."""
MAX_LANES = 24
"""More lanes than this are stacked even when they are not alike."""
MAX_EXPANDED = 5_000
WORST_FIRST: tuple[StepStatus, ...] = ("failed", "dead", "interrupted", "running", "pending", "cancelled", "completed")
"""Which status of its steps a group shows."""

EdgeKind = Literal["next", "fan-out", "fan-in", "undo"]


@dataclass(slots=True)
class _Lane:
    steps: list[Step] = field(default_factory=list)
    source: Step | None = None
    """The step of the same segment after which the lane forked off; None: it begins with the segment."""


def _lanes(segment: Sequence[Step]) -> list[_Lane]:
    """Put a segment's steps into as few lanes as overlap allows; a step continues the lane that ended last."""
    lanes: list[_Lane] = []
    free: list[tuple[float, int]] = []
    ended: list[tuple[float, int, Step]] = []
    for step in segment:
        begin = begin_ms(step)
        at = bisect_right(free, (begin, len(lanes)))
        if at:
            number = free.pop(at - 1)[1]
        else:
            before = bisect_right(ended, begin, key=lambda entry: entry[0])
            lanes.append(_Lane(source=ended[before - 1][2] if before else None))
            number = len(lanes) - 1
        lanes[number].steps.append(step)
        insort(free, (end_ms(step), number))
        insort(ended, (end_ms(step), step.seq, step), key=lambda entry: entry[:2])
    return lanes


@dataclass(slots=True)
class _Box:
    """A node under construction. ``ids`` are the steps it stands for."""

    id: str
    steps: list[Step]
    width: float
    height: float
    type: Literal["start", "end", "step", "group", "join"] = "step"
    label: str = ""
    column: int = 0
    y: float = 0.0
    expanded: bool = False
    status: str = ""
    turns: int | None = None


def _step_box(step: Step) -> _Box:
    small = step.housekeeping
    return _Box(
        f"step:{step.seq}", [step], SMALL_WIDTH if small else NODE_WIDTH, SMALL_HEIGHT if small else NODE_HEIGHT
    )


def _group_box(steps: list[Step], label: str, expand: Collection[str]) -> _Box:
    box = _Box(f"group:{steps[0].seq}", steps, NODE_WIDTH, NODE_HEIGHT + 12, type="group", label=label)
    if (box.id in expand or "all" in expand) and len(steps) <= MAX_EXPANDED:
        rows, columns = _grid(len(steps))
        box.expanded = True
        box.width = columns * (CELL_WIDTH + CELL_GAP) + CELL_GAP
        box.height = rows * (CELL_HEIGHT + CELL_GAP) + CELL_GAP + GROUP_PADDING
    return box


def _grid(count: int) -> tuple[int, int]:
    """Return rows and columns of a grid about as wide as high on the screen."""
    rows = max(1, math.ceil(math.sqrt(count * CELL_WIDTH / CELL_HEIGHT / 2)))
    return rows, math.ceil(count / rows)


def _stacked(lanes: list[_Lane], expand: Collection[str]) -> tuple[list[list[Step]], list[_Box]]:
    """Return the lanes that stay lanes, and a group for each bunch of like ones.

    Like ones that follow each other in a lane are in the bunch too: short children of a long fan-out reuse lanes.
    """
    alike = [lane for lane in lanes if len({(step.name, step.kind) for step in lane.steps}) == 1]
    names = Counter((step.name, step.kind) for lane in alike for step in lane.steps)
    uniform = {id(lane) for lane in alike}
    bunches: dict[tuple[str, StepKind], list[Step]] = {}
    kept: list[_Lane] = []
    for lane in lanes:
        key = (lane.steps[0].name, lane.steps[0].kind)
        if id(lane) in uniform and names[key] >= STACK_FROM:
            bunches.setdefault(key, []).extend(lane.steps)
        else:
            kept.append(lane)
    for steps in bunches.values():
        steps.sort(key=lambda step: step.seq)
    groups = [_group_box(steps, name, expand) for (name, _), steps in bunches.items()]
    if len(kept) > MAX_LANES:
        rest = sorted((step for lane in kept[MAX_LANES:] for step in lane.steps), key=lambda step: step.seq)
        groups.append(_group_box(rest, "more steps", expand))
        kept = kept[:MAX_LANES]
    return [lane.steps for lane in kept], groups


def _chain(steps: Sequence[Step], expand: Collection[str]) -> list[_Box]:
    """Return boxes of steps in a row; many like ones in a row are one group, and so are a loop's turns."""
    boxes: list[_Box] = []
    at = 0
    for repeat in repeats([(step.name, step.kind) for step in steps], least_items=STACK_FROM):
        boxes.extend(_step_box(step) for step in steps[at : repeat.begin])
        names = [step.name for step in steps[repeat.begin : repeat.begin + repeat.period]]
        box = _group_box(list(steps[repeat.begin : repeat.end]), " → ".join(names), expand)
        box.turns = repeat.turns if repeat.period > 1 else None
        boxes.append(box)
        at = repeat.end
    return [*boxes, *(_step_box(step) for step in steps[at:])]


class _Builder:
    """Places boxes column by column and joins them."""

    def __init__(self, label: str, expand: Collection[str]) -> None:
        self.expand = expand
        start = _Box("start", [], END_SIZE, END_SIZE, type="start", label=label, status="completed")
        self.boxes: list[_Box] = [start]
        self.edges: list[GraphEdge] = []
        self.exits: list[_Box] = [start]
        self.column = 0

    def edge(self, source: _Box, target: _Box, kind: EdgeKind) -> None:
        self.edges.append(GraphEdge(id=f"{source.id}>{target.id}", source=source.id, target=target.id, kind=kind))

    def enter(self, entries: Sequence[_Box], kind: EdgeKind | None = None) -> None:
        """Join what came before to what begins now."""
        default: EdgeKind = "fan-out" if len(entries) > 1 else "fan-in" if len(self.exits) > 1 else "next"
        for source in self.exits:
            for target in entries:
                self.edge(source, target, kind or default)

    def place(self, rows: Sequence[Sequence[_Box]]) -> None:
        """Stack rows around the middle line; each row's boxes get columns from the current one on."""
        total = sum(max(box.height for box in row) for row in rows) + GAP_Y * (len(rows) - 1)
        top = -total / 2
        last = self.column
        for row in rows:
            height = max(box.height for box in row)
            for box in row:
                box.column += self.column + 1
                box.y = top + (height - box.height) / 2
                last = max(last, box.column)
                self.boxes.append(box)
            top += height + GAP_Y
        self.column = last

    def sequence(self, steps: Sequence[Step], kind: EdgeKind | None = None) -> None:
        """Append steps that follow each other."""
        for box in _chain(steps, self.expand):
            self.place([[box]])
            self.enter([box], kind)
            self.exits = [box]

    def parallel(self, segment: Sequence[Step]) -> None:
        """Append a segment whose steps overlap."""
        lanes = _lanes(segment)
        sources = {lane.steps[0].seq: lane.source for lane in lanes}
        chains, groups = _stacked(lanes, self.expand)
        depth = _depths(segment)
        rows = [[_step_box(step) for step in chain] for chain in chains]
        for row in rows:
            for box in row:
                box.column = depth[box.steps[0].seq]
        by_seq = {box.steps[0].seq: box for row in rows for box in row}
        by_seq.update({step.seq: group for group in groups for step in group.steps})
        for group in groups:
            group.column = min(depth[step.seq] for step in group.steps)
        all_rows = sorted([*rows, *([group] for group in groups)], key=lambda row: row[0].steps[0].seq)
        forks: list[tuple[_Box, _Box]] = []
        entries: list[_Box] = []
        for row in all_rows:
            source = sources.get(row[0].steps[0].seq)
            if source is None or by_seq[source.seq] is row[0]:
                entries.append(row[0])
            else:
                forks.append((by_seq[source.seq], row[0]))
        if len(self.exits) > 1 and len(entries) > 1:
            dot = _Box(f"join:{self.column + 1}", [], JOIN_SIZE, JOIN_SIZE, type="join", status="completed")
            self.place([[dot]])
            self.enter([dot])
            self.exits = [dot]
        self.enter(entries)
        self.place(all_rows)
        for row in all_rows:
            for source_box, target in pairwise(row):
                self.edge(source_box, target, "next")
        for source_box, target in forks:
            self.edge(source_box, target, "fan-out")
        forked = {id(source_box) for source_box, _ in forks}
        self.exits = [row[-1] for row in all_rows if id(row[-1]) not in forked] or [all_rows[-1][-1]]

    def finish(self, status: str, undo: Sequence[Step]) -> Graph:
        """Append the end, and the undo behind it; give every box its place."""
        end = _Box("end", [], END_SIZE, END_SIZE, type="end", label=status, status=status)
        self.place([[end]])
        self.enter([end])
        self.exits = [end]
        self.sequence(undo, "undo")
        return self._graph()

    def _graph(self) -> Graph:
        widths: dict[int, float] = {}
        for box in self.boxes:
            widths[box.column] = max(widths.get(box.column, 0.0), box.width)
        lefts: dict[int, float] = {}
        x = 0.0
        for column in sorted(widths):
            lefts[column] = x
            x += widths[column] + GAP_X
        self.boxes[0].y = -END_SIZE / 2
        top = min(box.y for box in self.boxes)
        nodes: list[GraphNode] = []
        for box in self.boxes:
            left = lefts[box.column] + (widths[box.column] - box.width) / 2
            nodes.extend(_nodes(box, left, box.y - top))
        height = max(box.y + box.height for box in self.boxes) - top
        return Graph(nodes=nodes, edges=self.edges, width=x - GAP_X, height=height)


def _depths(segment: Sequence[Step]) -> dict[int, int]:
    """Return each step's column within its segment: one more than the deepest step that ended before it began."""
    depths: dict[int, int] = {}
    by_end = sorted(segment, key=end_ms)
    done, deepest = 0, -1
    for step in segment:
        begin = begin_ms(step)
        while done < len(by_end) and end_ms(by_end[done]) <= begin and by_end[done].seq in depths:
            deepest = max(deepest, depths[by_end[done].seq])
            done += 1
        depths[step.seq] = deepest + 1
    return depths


def _nodes(box: _Box, x: float, y: float) -> list[GraphNode]:
    place: dict[str, Any] = {"id": box.id, "x": x, "y": y, "width": box.width, "height": box.height, "type": box.type}
    if box.type == "step":
        return [_step_node(box.steps[0], place)]
    if box.type != "group":
        return [GraphNode(label=box.label, status=box.status, **place)]
    counts: Counter[str] = Counter(step.status for step in box.steps)
    worst = next(status for status in WORST_FIRST if counts[status])
    first = box.steps[0]
    group = GraphNode(
        label=box.label,
        status=worst,
        kind=first.kind,
        worker_group=first.worker_group,
        count=len(box.steps),
        turns=box.turns,
        by_status=dict(counts),
        seqs=[step.seq for step in box.steps],
        expanded=box.expanded,
        **place,
    )
    if not box.expanded:
        return [group]
    rows, _ = _grid(len(box.steps))
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
        for index, step in enumerate(box.steps)
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


def _next_node(run: Run, steps: Sequence[Step]) -> Step | None:
    """Return what an open run does now, where no step says so; of a lost worker's run, what it was doing."""
    kind: StepKind = "local"
    waiting = run.waiting
    idle = run.status not in HELD_STATUSES or (waiting is not None and waiting.on == "queue")
    if idle or any(step.is_open for step in steps):
        return None
    if waiting is not None:
        kind = {"sleep": "sleep", "child": "remote"}.get(waiting.on, "signal")  # type: ignore[assignment]
    doing = "interrupted" if run.status == "blocked" else "now running"
    since = waiting.since_ms if waiting else max((int(end_ms(step)) for step in steps), default=run.updated_at_ms)
    return Step(
        run_id=run.id,
        seq=max((step.seq for step in steps), default=0) + 1,
        name=doing if waiting is None else waiting.name or waiting.on,
        kind=kind,
        status="running",
        started_at_ms=since,
        wake_at_ms=waiting.until_ms if waiting else None,
        waits_on=waiting.on if waiting else None,
    )


def build_graph(run: Run, steps: Sequence[Step], *, undo: Sequence[Step] = (), expand: Collection[str] = ()) -> Graph:
    """Return a run as placed nodes and edges.

    Args:
        steps: the run's steps, those in flight among them.
        undo: its compensations, first undone first.
        expand: ids of group nodes to draw as a grid of their steps; ``all`` for every one.
    """
    following = _next_node(run, steps)
    drawn = [*steps, following] if following is not None else list(steps)
    return draw(run.workflow, drawn, run.status, undo=undo, expand=expand)


def draw(
    label: str, steps: Sequence[Step], status: str, *, undo: Sequence[Step] = (), expand: Collection[str] = ()
) -> Graph:
    """Return steps as placed nodes and edges, between a start with this label and an end with this status."""
    builder = _Builder(label, expand)
    row: list[Step] = []
    for segment in segments(steps):
        if len(segment) == 1:
            row.append(segment[0])
            continue
        builder.sequence(row)
        row = []
        builder.parallel(segment)
    builder.sequence(row)
    return builder.finish(status, undo)
