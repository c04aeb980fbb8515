"""One run as a graph: itself, its undo, its opened children, its earlier attempts."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from dashboard.errors import NotFound
from dashboard.read.folds import FOLD_BOUNDS
from dashboard.read.graph import build_graph
from dashboard.read.graph_attempts import with_attempts
from dashboard.read.graph_boxes import ALL, Detail
from dashboard.read.graph_children import Child, with_children
from dashboard.read.loading import history, load
from dashboard.read.services import Services
from dashboard.wire.graph import Graph
from dashboard.wire.sizes import ANSWER_BYTES, size_of

MOST_NODES = 2_000
"""More are larger than an answer may be, and need not be measured."""
DETAILS = (
    ALL,
    *(Detail(bounds=bounds, cells=800 // n, seqs=1, attempts=20 // n) for n, bounds in enumerate(FOLD_BOUNDS, 1)),
)
"""How a run is drawn, the most first: as far as there is room for it."""


def run_graph(
    services: Services, run_id: str, *, expand: Collection[str] = (), children: Collection[str] = ()
) -> Graph:
    """Return a run as a graph, its undo after it, its opened children and its earlier attempts below it.

    Args:
        expand: ids of group nodes to draw as a grid of their steps; ``all`` for every one.
        children: which of the runs below it to draw, up to four levels deep.

    Raises:
        NotFound: there is no such run.
    """
    loaded = load(services, run_id)
    earlier, undo = history(services, loaded)[:-1], [shown for _, shown in loaded.undo]

    whole = [loaded.is_whole]

    @cache
    def read(child_id: str) -> Child | None:
        try:
            child = load(services, child_id)
        except NotFound:
            return None
        whole.append(child.is_whole)
        return child.run, child.steps

    for detail in DETAILS:
        graph = build_graph(loaded.run, loaded.steps, undo=undo, expand=expand, detail=detail)
        if children:
            graph = with_children(graph, loaded.steps, children, read=read, expand=expand, detail=detail)
        graph = with_attempts(graph, earlier, expand=expand, detail=detail)
        if len(graph.nodes) <= MOST_NODES and size_of(graph) <= ANSWER_BYTES:
            break
    return graph if all(whole) else graph.model_copy(update={"truncated": True})
