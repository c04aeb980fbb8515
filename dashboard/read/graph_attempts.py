"""Earlier attempts of a run as lanes of its graph. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dashboard.read.graph import draw
from dashboard.read.graph_boxes import ALL, GAP_Y, Detail
from dashboard.wire.graph import Graph, GraphEdge, GraphNode
from otel_bridge.runs.attempts import Attempt

LANE_GAP = 3 * GAP_Y
UNKNOWN = "unknown"
"""Status of an attempt of which nobody kept how it ended."""


def with_attempts(
    graph: Graph,
    earlier: Sequence[Attempt],
    *,
    expand: Collection[str] = (),
    detail: Detail = ALL,
) -> Graph:
    """Return the graph of a run with its earlier attempts below it, the last one first.

    Args:
        graph: the run as it is now; its nodes stay where they are.
        earlier: the first one first, without the present one.
        expand: as for ``build_graph``; ids of these lanes' groups begin with ``attempt:<n>/``.
        detail: as for ``build_graph``.
    """
    nodes, edges = list(graph.nodes), list(graph.edges)
    width, bottom, following = graph.width, graph.height, "start"
    for attempt in reversed(earlier[-detail.attempts :]):
        prefix = f"attempt:{attempt.n}/"
        wanted = {id_.removeprefix(prefix) for id_ in expand if id_ == "all" or id_.startswith(prefix)}
        lane = draw(f"attempt {attempt.n}", attempt.steps, attempt.outcome or UNKNOWN, expand=wanted, detail=detail)
        top = bottom + LANE_GAP
        nodes += [in_lane(node, prefix, top=top, attempt=attempt.n) for node in lane.nodes]
        edges += [prefixed(edge, prefix) for edge in lane.edges]
        source = f"{prefix}end"
        edges.append(GraphEdge(id=f"{source}>{following}", source=source, target=following, kind="again"))
        width, bottom, following = max(width, lane.width), top + lane.height, f"{prefix}start"
    return Graph(nodes=nodes, edges=edges, width=width, height=bottom)


def in_lane(
    node: GraphNode, prefix: str, *, top: float, left: float = 0, attempt: int | None = None, of_run: str | None = None
) -> GraphNode:
    """Return a node moved into a lane, its ids under the lane's prefix."""
    group = None if node.group_id is None else prefix + node.group_id
    moved = {"id": prefix + node.id, "group_id": group, "x": node.x + left, "y": node.y + top}
    return node.model_copy(update={**moved, "attempt": attempt, "of_run": of_run})


def prefixed(edge: GraphEdge, prefix: str) -> GraphEdge:
    """Return an edge of a lane, its ids under the lane's prefix."""
    source, target = prefix + edge.source, prefix + edge.target
    return GraphEdge(id=f"{source}>{target}", source=source, target=target, kind=edge.kind)
