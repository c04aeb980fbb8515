"""One run as a graph: itself, its undo, its opened children, its earlier attempts."""

from __future__ import annotations

from collections.abc import Collection

from dashboard.errors import NotFound
from dashboard.read.graph import build_graph
from dashboard.read.graph_attempts import with_attempts
from dashboard.read.graph_children import Child, with_children
from dashboard.read.run import history, load
from dashboard.read.services import Services
from dashboard.wire.graph import Graph


def run_graph(
    services: Services, run_id: str, *, expand: Collection[str] = (), children: Collection[str] = ()
) -> Graph:
    """Return a run as a graph, its undo behind it, its opened children and its earlier attempts below it.

    Args:
        expand: ids of group nodes to draw as a grid of their steps; ``all`` for every one.
        children: which of the runs below it to draw, up to four levels deep.

    Raises:
        NotFound: there is no such run.
    """
    loaded = load(services, run_id)
    graph = build_graph(loaded.run, loaded.steps, undo=[shown for _, shown in loaded.undo], expand=expand)
    if children:

        def read(child_id: str) -> Child | None:
            try:
                child = load(services, child_id)
            except NotFound:
                return None
            return child.run, child.steps

        graph = with_children(graph, loaded.steps, children, read=read, expand=expand)
    return with_attempts(graph, history(services, loaded)[:-1], expand=expand)
