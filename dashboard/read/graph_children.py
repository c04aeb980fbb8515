"""Opened children of a run as lanes of its graph, each below the step that started it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from dashboard.read.graph import build_graph
from dashboard.read.graph_attempts import LANE_GAP, in_lane, prefixed
from dashboard.read.graph_boxes import ALL, Detail
from dashboard.wire.graph import Graph, GraphEdge, GraphNode
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step

MAX_LEVELS = 4
"""Children of children of children of children."""
MAX_CHILDREN = 20
"""So many are drawn at once: each is read like a run's own graph."""

Child = tuple[Run, Sequence[Step]]


def with_children(
    graph: Graph,
    steps: Sequence[Step],
    opened: Collection[str],
    *,
    read: Callable[[str], Child | None],
    expand: Collection[str] = (),
    detail: Detail = ALL,
) -> Graph:
    """Return a run's graph with its opened children below it, up to ``MAX_LEVELS`` deep.

    Args:
        graph: the run itself; its nodes stay where they are.
        steps: the run's steps.
        opened: ids of runs to draw where a step of what is drawn started them; other ids are ignored.
        read: a child by its id; None if there is none that the caller may see.
        expand: as for ``build_graph``; ids of these lanes' groups begin with ``child:<run id>/``.
        detail: as for ``build_graph``.
    """
    lanes = _Lanes(graph, frozenset(opened), read, expand, detail)
    lanes.below(graph.nodes, steps, level=1)
    return lanes.graph()


class _Lanes:
    def __init__(
        self,
        graph: Graph,
        opened: frozenset[str],
        read: Callable[[str], Child | None],
        expand: Collection[str],
        detail: Detail,
    ) -> None:
        self._opened, self._read, self._expand, self._detail = opened, read, expand, detail
        self._nodes, self._edges = list(graph.nodes), list(graph.edges)
        self._width, self._bottom = graph.width, graph.height
        self._drawn: set[str] = set()

    def below(self, nodes: Sequence[GraphNode], steps: Sequence[Step], *, level: int) -> None:
        """Draw what these nodes started, each followed by its own children."""
        by_seq = _nodes_by_seq(nodes)
        for step in steps:
            child_id = step.child_run_id
            if child_id not in self._opened or child_id in self._drawn or len(self._drawn) >= MAX_CHILDREN:
                continue
            node, child = by_seq.get(step.seq) or _group_of(step.seq, nodes), self._read(child_id)
            if node is None or child is None:
                continue
            self._drawn.add(child_id)
            lane = self._lane(node, child)
            if level < MAX_LEVELS:
                self.below(lane, child[1], level=level + 1)

    def _lane(self, source: GraphNode, child: Child) -> list[GraphNode]:
        run, steps = child
        prefix = f"child:{run.id}/"
        wanted = {id_.removeprefix(prefix) for id_ in self._expand if id_ == "all" or id_.startswith(prefix)}
        drawn = build_graph(run, steps, expand=wanted, detail=self._detail)
        top = self._bottom + LANE_GAP
        lane = [in_lane(node, prefix, top=top, left=source.x, of_run=run.id) for node in drawn.nodes]
        start = f"{prefix}start"
        self._nodes += lane
        self._edges += [prefixed(edge, prefix) for edge in drawn.edges]
        self._edges.append(GraphEdge(id=f"{source.id}>{start}", source=source.id, target=start, kind="child"))
        self._width = max(self._width, source.x + drawn.width)
        self._bottom = top + drawn.height
        return lane

    def graph(self) -> Graph:
        """Return all that was drawn."""
        return Graph(nodes=self._nodes, edges=self._edges, width=self._width, height=self._bottom)


def _group_of(seq: int, nodes: Sequence[GraphNode]) -> GraphNode | None:
    """Return the group of many steps among which this one is, where it does not name each."""
    return next(
        (
            node
            for node in nodes
            if node.first_seq is not None and node.last_seq is not None and node.first_seq <= seq <= node.last_seq
        ),
        None,
    )


def _nodes_by_seq(nodes: Sequence[GraphNode]) -> dict[int, GraphNode]:
    """Return the node of each step, which is its group's where it is stacked."""
    found = {seq: node for node in nodes for seq in node.seqs or ()}
    return found | {node.seq: node for node in nodes if node.seq is not None and node.compensates is None}
