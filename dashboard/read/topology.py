"""Which workflows start which, through which queues, on which executors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from dashboard.read.services import Services
from dashboard.wire.fleet import (
    Topology,
    TopologyEdge,
    TopologyNode,
    TopologyRole,
)
from otel_bridge.model.runs import RunQuery

TOPOLOGY_RUNS = 500
NodeType = Literal["workflow", "queue", "executor"]
_ROLES: Mapping[NodeType, TopologyRole] = {"workflow": "workflow", "queue": "queue", "executor": "worker"}


def topology(services: Services) -> Topology:
    """Return which workflows start which, through which queues, on which executors, among the newest runs."""
    runs = services.runs.page(RunQuery(limit=TOPOLOGY_RUNS)).runs
    workflow_of = {run.id: run.workflow for run in runs}
    counts: dict[tuple[NodeType, str], Counter[str]] = {}
    edges: Counter[tuple[str, str]] = Counter()
    for run in runs:
        counts.setdefault(("workflow", run.workflow), Counter())[run.status] += 1
        through = f"workflow:{run.workflow}"
        if run.queue is not None:
            counts.setdefault(("queue", run.queue), Counter())[run.status] += 1
            edges[through, f"queue:{run.queue}"] += 1
            through = f"queue:{run.queue}"
        if run.executor:
            counts.setdefault(("executor", run.executor), Counter())[run.status] += 1
            edges[through, f"executor:{run.executor}"] += 1
        if run.parent_id in workflow_of:
            edges[f"workflow:{workflow_of[run.parent_id]}", f"workflow:{run.workflow}"] += 1
    return Topology(
        nodes=[
            TopologyNode(id=f"{kind}:{name}", type=kind, role=_ROLES[kind], label=name, counts=dict(by_status))
            for (kind, name), by_status in sorted(counts.items())
        ],
        edges=[TopologyEdge(source=a, target=b, count=count) for (a, b), count in sorted(edges.items())],
        sampled_runs=len(runs),
    )
