"""Runs and steps on the wire. Wire models are the one source of shapes, validation and OpenAPI. Pure.

JSON is camelCase, times are ISO 8601 UTC with milliseconds, durations end in ``Ms``. A field that is None is
left out of the answer; inside payloads (``Json``) nulls are kept. See ``wire.convert`` for what fills them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from dashboard.wire.attempts import AttemptLogView
from dashboard.wire.base import Json, Timestamp, Wire
from dashboard.wire.folds import FoldView
from otel_bridge.model.actions import Action
from otel_bridge.model.runs import BlockedCode, WaitingOn
from otel_bridge.model.status import RunStatus
from otel_bridge.model.steps import StepKind, StepStatus

# -- parts ----------------------------------------------------------------------------------------------------


class WaitingView(Wire):
    """What a suspended or pending run waits for."""

    on: WaitingOn
    name: str | None = None
    since: Timestamp
    until: Timestamp | None = None
    seq: int | None = None


class ErrorView(Wire):
    """An error as people read it. Of a run in a list, ``message`` is its first line.

    ``fingerprint`` is that of all failures of its kind, ``step`` the step whose error the run died of.
    """

    message: str
    type: str | None = None
    code: str | None = None
    stack: str | None = None
    step: str | None = None
    fingerprint: str | None = None


class DealtWithView(Wire):
    """Why a run's failure is of no concern any more.

    ``how``: a ``person`` said so of the run, or of its ``error``; it was retried and ``completed``, or ``undone``.
    """

    state: Literal["dealt_with", "ignored"]
    how: Literal["person", "error", "completed", "undone"]
    by: str | None = None
    at: Timestamp | None = None
    note: str | None = None


class Truncated(Wire):
    """Some payloads were cut. ``bytes`` is the whole size of the largest; ``fields`` names the cut ones."""

    bytes: int
    fields: list[str]


# -- runs -----------------------------------------------------------------------------------------------------


class BlockedView(Wire):
    """Why nobody runs a run: a code for programs, a reason with its values, and what to do."""

    code: BlockedCode
    reason: str
    remedy: str


class RunRow(Wire):
    """One run, as listed. ``allowed`` names what may be done to it now, each as the caller's role permits."""

    id: str
    workflow: str
    workflow_version: str | None = None
    status: RunStatus
    waiting: WaitingView | None = None
    blocked: BlockedView | None = None
    wake_at: Timestamp | None = None
    queue: str | None = None
    executor: str | None = None
    recovery_attempts: int
    tags: list[str]
    search_attributes: dict[str, Json]
    namespace: str | None = None
    parent_id: str | None = None
    forked_from: str | None = None
    schedule: str | None = None
    dead_letter_id: str | None = None
    dead_run_id: str | None = None
    undo_id: str | None = None
    undo_stuck: bool | None = Field(None, description="True where the undo ended without undoing all of it.")
    undoes_id: str | None = None
    created_at: Timestamp
    started_at: Timestamp | None = None
    updated_at: Timestamp
    finished_at: Timestamp | None = None
    deadline_at: Timestamp | None = Field(None, description="When the engine cancels the run, or cancelled it.")
    timed_out: bool | None = Field(None, description="True of a run that was cancelled because its deadline passed.")
    duration_ms: int | None = None
    queue_ms: int | None = None
    rounded_ms: int | None = Field(
        None, description="1000 where the run's own times are whole seconds: they may be so much too early."
    )
    trace_id: str
    error: ErrorView | None = None
    dealt_with: DealtWithView | None = None
    allowed: list[Action]
    unreadable: str | None = Field(None, description="Why a part of the run is left out: its row is damaged.")


class RunView(RunRow):
    """A run with its payloads, which may be cut (``truncated``)."""

    input: Json = None
    output: Json = None
    truncated: Truncated | None = None
    trace_url: str | None = None
    payload_formats: dict[str, str] | None = None
    payload_problems: dict[str, str] | None = None


class StepView(Wire):
    """A step of a timeline. A compensation has a negative ``seq`` (-1 is undone first) and ``compensates``."""

    run_id: str
    seq: int
    name: str
    kind: StepKind
    status: StepStatus
    step_id: str
    worker_group: str | None = None
    executor: str | None = None
    attempts: int
    enqueued_at: Timestamp | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    duration_ms: int | None = None
    queue_ms: int | None = None
    collect_ms: int | None = Field(
        None, description="How long after a remote step's end its run took the result; absent until it did."
    )
    child_run_id: str | None = None
    parallel_group: int | None = None
    housekeeping: bool
    wake_at: Timestamp | None = None
    waits_on: WaitingOn | None = None
    key: str | None = Field(None, description="Topic received, event key set, or stream written to.")
    compensates: int | None = None
    input: Json = None
    output: Json = None
    error: ErrorView | None = None
    truncated: Truncated | None = None
    payload_formats: dict[str, str] | None = None
    payload_problems: dict[str, str] | None = None
    span_id: str
    unreadable: str | None = Field(None, description="Why a part of the step is left out: its row is damaged.")
    attempt_log: AttemptLogView | None = Field(
        None, description="What its worker kept of each attempt; on the step's own route only."
    )


class Lineage(Wire):
    """Where a run came from and what became of it."""

    parent: RunRow | None = None
    forked_from: RunRow | None = None
    forks: list[RunRow]
    forks_cut: bool | None = Field(None, description="True where there are more forks than these.")
    dead_run: RunRow | None = None
    dead_letter: RunRow | None = None
    undo: RunRow | None = None
    undoes: RunRow | None = None


class AttemptStep(Wire):
    """A step of an earlier attempt."""

    seq: int
    name: str
    kind: StepKind
    status: StepStatus
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    duration_ms: int | None = None
    child_run_id: str | None = None
    housekeeping: bool
    error: ErrorView | None = None


class AttemptView(Wire):
    """One execution of a run, from when it was put on a queue; the last is the run as it is now.

    ``outcome`` is a run's status, ``lost`` where its worker was, or absent where nobody kept it or it continues.
    ``cause`` is what began the attempt (``start``, ``retry``, ``redispatch``, ``move``; ``resume``: the engine's
    own resume or rewind), ``by`` whoever did that. ``enqueuedAt`` is absent where nobody saw when the engine did so.
    """

    n: int
    enqueued_at: Timestamp | None = None
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    outcome: str | None = None
    executor: str | None = None
    cause: str
    by: str | None = None
    error: ErrorView | None = None
    steps: list[AttemptStep] | None = Field(
        None,
        description="What began in an earlier attempt, the steps among it that the engine forgot; absent in the last.",
    )
    steps_total: int | None = Field(None, description="How many `steps` there are, where not all are in the answer.")


class RunDetail(Wire):
    """A run, its steps by ``seq`` (compensations last), the runs it started (ids and rows), and its relatives."""

    run: RunView
    timeline: list[StepView]
    next_step: int | None = Field(
        None,
        description="The `seq` that the next part of a long timeline begins with; absent on the last part. "
        "A part holds as many steps as an answer has room for.",
    )
    folds: list[FoldView] | None = Field(None, description="With `fold=true`: which stretches are not shown whole.")
    steps_total: int = Field(description="How many steps the timeline has in all, compensations apart.")
    compensations_total: int | None = Field(
        None, description="How many compensations there are, where not all are in the answer."
    )
    children: list[str]
    children_total: int = Field(description="How many runs it started: of many not all are in the answer.")
    child_runs: list[RunRow]
    lineage: Lineage
    attempts: list[AttemptView] = Field(description="By `n`; of very many, the last ones.")


NoOrigin = Annotated[
    str | None, BeforeValidator(lambda _: ""), PlainSerializer(lambda _: None), WithJsonSchema({"type": "null"})
]
"""Written as null. A None would be left out of the answer, as every None is."""


class FacetView(Wire):
    """How many runs of the filter have this status (and workflow). Where ``exact`` is false: as many, or more.

    ``origin`` is always null, and there because other control planes count by it: no run of ours has one.
    """

    status: RunStatus
    workflow: str | None = None
    count: int
    exact: bool
    origin: NoOrigin = ""


class ActivityBucket(Wire):
    """How many runs were created from ``at`` on, before the next one, by status. Where not ``exact``: as many, or more.

    A status that none has is left out.
    """

    at: Timestamp
    counts: dict[RunStatus, int]
    exact: bool


class ActivityView(Wire):
    """Counts by time. All buckets but the last are ``bucketMs`` wide; runs created before ``until`` are counted."""

    since: Timestamp
    until: Timestamp
    bucket_ms: int
    buckets: list[ActivityBucket]
