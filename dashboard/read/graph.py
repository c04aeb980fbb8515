"""A run's steps as a graph, laid out left to right. Pure, O(n log n): no clock, database or network.

Steps that do not overlap follow each other. Steps whose intervals overlap (``asyncio.gather``, children awaited
later) form a segment of parallel lanes that fork and join. Many like lanes, or many like steps in a row, are
stacked into one ``group`` node with counts, which a caller may ask to see expanded as a grid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Literal

from dashboard.read.folds import BOUNDS, Bounds, folds_of
from dashboard.read.graph_boxes import (
    ALL,
    END_SIZE,
    GAP_X,
    GAP_Y,
    JOIN_SIZE,
    Box,
    Detail,
    Expand,
    fold_box,
    group_box,
    nodes_of,
    step_box,
)
from dashboard.read.graph_lanes import Lane, depths_of, lanes_of
from dashboard.read.outline import Outline
from dashboard.read.repeats import repeats
from dashboard.read.segments import end_ms, segments
from dashboard.wire.graph import Graph, GraphEdge, GraphNode
from otel_bridge.model.runs import Run
from otel_bridge.model.status import HELD_STATUSES
from otel_bridge.model.steps import Step, StepKind

STACK_FROM = 9
"""This many like steps, parallel or in a row, become one group."""
MAX_LANES = 24
"""More lanes than this are stacked even when they are not alike."""
DRAWN_STEPS = 2_000
"""A run of more is drawn as it is folded."""
EdgeKind = Literal["next", "fan-out", "fan-in", "undo"]


def _stacked(lanes: list[Lane], expand: Expand) -> tuple[list[list[Step]], list[Box]]:
    """Return the lanes that stay lanes, and a group for each bunch of like ones.

    Like ones that follow each other in a lane are in the bunch too: short children of a long fan-out reuse lanes.
    """
    alike = [lane for lane in lanes if len({(step.name, step.kind) for step in lane.steps}) == 1]
    names = Counter((step.name, step.kind) for lane in alike for step in lane.steps)
    uniform = {id(lane) for lane in alike}
    bunches: dict[tuple[str, StepKind], list[Step]] = {}
    kept: list[Lane] = []
    for lane in lanes:
        key = (lane.steps[0].name, lane.steps[0].kind)
        if id(lane) in uniform and names[key] >= STACK_FROM:
            bunches.setdefault(key, []).extend(lane.steps)
        else:
            kept.append(lane)
    for steps in bunches.values():
        steps.sort(key=lambda step: step.seq)
    groups = [group_box(steps, name, expand) for (name, _), steps in bunches.items()]
    if len(kept) > MAX_LANES:
        rest = sorted((step for lane in kept[MAX_LANES:] for step in lane.steps), key=lambda step: step.seq)
        groups.append(group_box(rest, "more steps", expand))
        kept = kept[:MAX_LANES]
    return [lane.steps for lane in kept], groups


def _chain(steps: Sequence[Step], expand: Expand) -> list[Box]:
    """Return boxes of steps in a row; many like ones in a row are one group, and so are a loop's turns."""
    boxes: list[Box] = []
    at = 0
    for repeat in repeats([(step.name, step.kind) for step in steps], least_items=STACK_FROM):
        boxes.extend(step_box(step) for step in steps[at : repeat.begin])
        names = [step.name for step in steps[repeat.begin : repeat.begin + repeat.period]]
        box = group_box(list(steps[repeat.begin : repeat.end]), " → ".join(names), expand)
        box.turns = repeat.turns if repeat.period > 1 else None
        boxes.append(box)
        at = repeat.end
    return [*boxes, *(step_box(step) for step in steps[at:])]


class _Builder:
    """Places boxes column by column and joins them."""

    def __init__(self, label: str, expand: Collection[str], detail: Detail) -> None:
        self.detail, self.expand = detail, Expand(expand, detail.cells)
        start = Box("start", [], END_SIZE, END_SIZE, type="start", label=label, status="completed")
        self.boxes: list[Box] = [start]
        self.edges: list[GraphEdge] = []
        self.exits: list[Box] = [start]
        self.column = 0

    def edge(self, source: Box, target: Box, kind: EdgeKind) -> None:
        self.edges.append(GraphEdge(id=f"{source.id}>{target.id}", source=source.id, target=target.id, kind=kind))

    def enter(self, entries: Sequence[Box], kind: EdgeKind | None = None) -> None:
        """Join what came before to what begins now."""
        default: EdgeKind = "fan-out" if len(entries) > 1 else "fan-in" if len(self.exits) > 1 else "next"
        for source in self.exits:
            for target in entries:
                self.edge(source, target, kind or default)

    def place(self, rows: Sequence[Sequence[Box]]) -> None:
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

    def all(self, steps: Sequence[Step]) -> None:
        """Append steps as they ran: in a row, or side by side where they overlap."""
        row: list[Step] = []
        for segment in segments(steps):
            if len(segment) == 1:
                row.append(segment[0])
                continue
            self.sequence(row)
            row = []
            self.parallel(segment)
        self.sequence(row)

    def folded(self, outline: Outline, bounds: Bounds, kind: EdgeKind | None = None) -> None:
        """Append steps as their timeline is folded: those that it shows as they ran, and each stretch as one group."""
        at = 0
        for fold in folds_of(outline, bounds):
            self._between(outline[at : fold.begin], kind)
            box = fold_box(outline, fold, self.expand)
            self.place([[box]])
            self.enter([box], kind)
            self.exits = [box]
            at = fold.end
        self._between(outline[at:], kind)

    def _between(self, steps: Sequence[Step], kind: EdgeKind | None) -> None:
        if kind is None:
            self.all(steps)
        else:
            self.sequence(steps, kind)

    def sequence(self, steps: Sequence[Step], kind: EdgeKind | None = None) -> None:
        """Append steps that follow each other."""
        for box in _chain(steps, self.expand):
            self.place([[box]])
            self.enter([box], kind)
            self.exits = [box]

    def parallel(self, segment: Sequence[Step]) -> None:
        """Append a segment whose steps overlap."""
        lanes = lanes_of(segment)
        sources = {lane.steps[0].seq: lane.source for lane in lanes}
        chains, groups = _stacked(lanes, self.expand)
        # A column is a moment, not a number in a lane: what began after the same steps had ended stands side by side.
        depth = depths_of(segment)
        rows = [[step_box(step) for step in chain] for chain in chains]
        for row in rows:
            for box in row:
                box.column = depth[box.steps[0].seq]
        by_seq = {box.steps[0].seq: box for row in rows for box in row}
        # A line to a step within a group leads to the group: the step has no box of its own.
        by_seq.update({step.seq: group for group in groups for step in group.steps})
        for group in groups:
            group.column = min(depth[step.seq] for step in group.steps)
        all_rows = sorted([*rows, *([group] for group in groups)], key=lambda boxes: boxes[0].steps[0].seq)
        forks: list[tuple[Box, Box]] = []
        entries: list[Box] = []
        for first, *_ in all_rows:
            source = sources.get(first.steps[0].seq)
            if source is None or by_seq[source.seq] is first:
                entries.append(first)
            else:
                forks.append((by_seq[source.seq], first))
        if len(self.exits) > 1 and len(entries) > 1:  # a line for each pair would be a net: they meet in a dot
            dot = Box(f"join:{self.column + 1}", [], JOIN_SIZE, JOIN_SIZE, type="join", status="completed")
            self.place([[dot]])
            self.enter([dot])
            self.exits = [dot]
        self.enter(entries)
        self.place(all_rows)
        for boxes in all_rows:
            for source_box, target in pairwise(boxes):
                self.edge(source_box, target, "next")
        for source_box, target in forks:
            self.edge(source_box, target, "fan-out")
        forked = {id(source_box) for source_box, _ in forks}
        # What follows the segment follows every lane that did not part into others, which carry on in its stead.
        ends = [boxes[-1] for boxes in all_rows]
        self.exits = [end for end in ends if id(end) not in forked] or ends[-1:]

    def finish(self, status: str, undo: Sequence[Step]) -> Graph:
        """Append the end, and the undo behind it; give every box its place."""
        end = Box("end", [], END_SIZE, END_SIZE, type="end", label=status, status=status)
        self.place([[end]])
        self.enter([end])
        self.exits = [end]
        if self.detail.bounds is None:
            self.sequence(undo, "undo")
        else:
            self.folded(Outline.of(undo), self.detail.bounds, "undo")
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
            nodes.extend(nodes_of(box, left, box.y - top, seqs=self.detail.seqs))
        height = max(box.y + box.height for box in self.boxes) - top
        return Graph(nodes=nodes, edges=self.edges, width=x - GAP_X, height=height)


def _next_node(run: Run, steps: Iterable[Step]) -> Step | None:
    """Return what an open run does now, where no step says so; of a lost worker's run, what it was doing."""
    kind: StepKind = "local"
    waiting = run.waiting
    if run.status not in HELD_STATUSES or (waiting is not None and waiting.on == "queue"):
        return None
    last_seq, last_ms = 0, None
    for step in steps:
        if step.is_open:
            return None
        last_seq = max(last_seq, step.seq)
        last_ms = max(int(end_ms(step)), last_ms or 0)
    if waiting is not None:
        kind = {"sleep": "sleep", "child": "remote"}.get(waiting.on, "signal")  # type: ignore[assignment]
    doing = "interrupted" if run.status == "blocked" else "now running"
    ended_ms = run.updated_at_ms if last_ms is None else last_ms
    return Step(
        run_id=run.id,
        seq=last_seq + 1,
        name=doing if waiting is None else waiting.name or waiting.on,
        kind=kind,
        status="running",
        started_at_ms=waiting.since_ms if waiting else ended_ms,
        wake_at_ms=waiting.until_ms if waiting else None,
        waits_on=waiting.on if waiting else None,
    )


def build_graph(
    run: Run,
    steps: Sequence[Step],
    *,
    undo: Sequence[Step] = (),
    expand: Collection[str] = (),
    detail: Detail = ALL,
) -> Graph:
    """Return a run as placed nodes and edges.

    Args:
        steps: the run's steps, those in flight among them.
        undo: its compensations, first undone first.
        expand: ids of group nodes to draw as a grid of their steps; ``all`` for every one.
        detail: how much of it is drawn.
    """
    following = _next_node(run, steps)
    last = [] if following is None else [following]
    return draw(run.workflow, steps, run.status, last=last, undo=undo, expand=expand, detail=detail)


def draw(
    label: str,
    steps: Sequence[Step],
    status: str,
    *,
    last: Sequence[Step] = (),
    undo: Sequence[Step] = (),
    expand: Collection[str] = (),
    detail: Detail = ALL,
) -> Graph:
    """Return steps as placed nodes and edges, between a start with this label and an end with this status."""
    builder = _Builder(label, expand, detail)
    if detail.bounds is None and len(steps) <= DRAWN_STEPS:
        builder.all([*steps, *last])
    else:
        outline = Outline.of(steps)
        builder.folded(outline, detail.bounds or BOUNDS)
        builder.all(last)
    return builder.finish(status, undo)
