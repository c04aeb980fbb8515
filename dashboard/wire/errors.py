"""Errors on the wire: failures of one kind, what they share, and what people decided. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dashboard.wire.base import Body, Json, Query, Timestamp, Wire
from dashboard.wire.filters import MAX_REPEATS, Text, Time
from dashboard.wire.runs import RunRow
from otel_bridge.model.runs import DecisionState

MAX_BUCKETS = 200
SharedAxis = Literal["version", "executor", "queue", "namespace", "step", "attribute"]


class WindowQuery(Query):
    """Of which time the failures are, and into how many parts it is divided."""

    since: Time | None = Field(None, description="Failed at or after; default seven days ago.")
    until: Time | None = Field(None, description="Failed before; default now.")
    buckets: int = Field(24, ge=1, le=MAX_BUCKETS, description="Equal parts of the window that are counted.")


class ErrorsQuery(WindowQuery):
    """Which errors."""

    workflow: Text | None = Field(None, description="Exact name of the workflow.")
    state: list[DecisionState] = Field(default_factory=list, max_length=MAX_REPEATS, description="Any of these.")
    limit: int = Field(100, ge=1, le=500)
    cursor: str | None = Field(None, max_length=8_000, description="From the Link header of the page before.")


class DecisionBody(Body):
    """What somebody decided about a run or an error, and why."""

    state: DecisionState
    note: str = Field("", max_length=2_000)


class DecisionView(Wire):
    """What somebody decided about an error last; a failure that comes after it is open again."""

    state: DecisionState
    by: str
    at: Timestamp
    note: str | None = None


class CountView(Wire):
    """How many failures have a value; no value: none is known of them."""

    value: str | None = None
    count: int


class ErrorGroupView(Wire):
    """Failures of one kind.

    ``count`` and ``buckets`` are of the window, ``total`` and the times of all time. ``share`` is that of the runs
    of these workflows created within the window; it is absent where those cannot be counted. ``frame`` is where it was
    raised, such as ``charge in shop/pay.py:12``: of the stored error, or as the worker of the last failure saw it.
    """

    fingerprint: str
    type: str
    step: str | None = None
    template: str
    frame: str | None = None
    count: int
    total: int
    first_seen_at: Timestamp
    last_seen_at: Timestamp
    versions: list[CountView]
    workflows: list[CountView]
    share: float | None = None
    buckets: list[int]
    state: DecisionState
    decision: DecisionView | None = None


class FailureCounts(Wire):
    """Runs whose last failure is of the window, by what became of it.

    ``completed`` were retried and completed, ``undone`` undone: they are dealt with by themselves.
    """

    open: int = 0
    dealt_with: int = 0
    ignored: int = 0
    completed: int = 0
    undone: int = 0


class ErrorsView(Wire):
    """The errors of a window, the last seen first.

    ``scannedTo`` is there while older failures are still being recorded: ask again for more.
    """

    since: Timestamp
    until: Timestamp
    bucket_ms: int
    failures: FailureCounts
    scanned_to: Timestamp | None = None
    groups: list[ErrorGroupView]


class SharedView(Wire):
    """A value that failures of an error have, and how much more often than runs that completed.

    ``lift`` is ``share`` by ``otherShare``; absent where no run that completed has the value.
    """

    what: SharedAxis
    key: str | None = None
    value: Json = None
    count: int
    share: float
    other_share: float
    lift: float | None = None


class ErrorDetail(Wire):
    """An error, what its failures share, and the newest runs of it.

    ``failures`` and ``successes`` are how many runs were compared: the newest of the window, of the same workflows.
    """

    group: ErrorGroupView
    shared: list[SharedView]
    failures: int
    successes: int
    runs: list[RunRow]
