"""A run as nodes and edges. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dashboard.wire.base import Timestamp, Wire
from otel_bridge.model.runs import WaitingOn
from otel_bridge.model.steps import StepKind


class GraphNode(Wire):
    """A box of the graph, placed by the server (pixels from the top left corner; time grows with ``x``).

    ``join`` is a dot where branches meet. A ``group`` stands for ``count`` like steps from ``firstSeq`` to ``lastSeq``,
    and names them as ``seqs``, unless they are very many. Expanded (``?expand=<id>``) it is a frame, and its steps are
    nodes in it that have its id as ``groupId``, or the first ``cells`` of them.

    A run that is too long to be drawn step by step is drawn as its timeline is folded.

    Below the run as it is now each earlier attempt is a lane of its own, the last one first. Its nodes carry
    ``attempt``, and their ids begin with ``attempt:<n>/``. So is each child asked for (``?child=<run id>``): its nodes
    carry ``ofRun``, and their ids begin with ``child:<run id>/``.
    """

    id: str
    type: Literal["start", "end", "step", "group", "join"]
    label: str
    x: float
    y: float
    width: float
    height: float
    seq: int | None = None
    kind: StepKind | None = None
    status: str
    worker_group: str | None = None
    child_run_id: str | None = None
    duration_ms: int | None = None
    queue_ms: int | None = None
    started_at: Timestamp | None = None
    wake_at: Timestamp | None = None
    waits_on: WaitingOn | None = None
    housekeeping: bool = False
    compensates: int | None = None
    parallel_group: int | None = None
    count: int | None = None
    turns: int | None = Field(None, description="Of a group that is a loop of several steps: how often it went round.")
    by_status: dict[str, int] | None = None
    seqs: list[int] | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    expanded: bool | None = None
    cells: int | None = Field(None, description="Of an expanded group: how many steps are drawn, where not all are.")
    group_id: str | None = None
    attempt: int | None = Field(
        None, description="Which earlier attempt the node belongs to; absent: to the run as it is now."
    )
    of_run: str | None = Field(None, description="Which opened child the node belongs to; absent: to the run itself.")


class GraphEdge(Wire):
    """An arrow: ``source`` happened before ``target``.

    ``again`` leads from an attempt to the one that followed it, ``child`` from a step to the child that it started.
    """

    id: str
    source: str
    target: str
    kind: Literal["next", "fan-out", "fan-in", "undo", "again", "child"] = "next"


class Graph(Wire):
    """A run as nodes and edges, laid out left to right; ``width`` and ``height`` bound it.

    ``truncated`` where a run has more steps than are drawn (over half a million): these are the first ones.
    """

    nodes: list[GraphNode]
    edges: list[GraphEdge]
    width: float
    height: float
    truncated: bool | None = None
