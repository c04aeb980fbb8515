"""Wire models of what actions take and answer. Pure, and free of the engine: the client reads them too."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dashboard.wire.base import Body, Json, Query, Timestamp, Wire, at_most
from dashboard.wire.runs import RunRow

VIA_HEADER = "Durable-Via"
"""Says that a person acts by an agent, for the audit log. It proves nothing and allows nothing."""


class ActionAnswer(RunRow):
    """The run after the action, its id again, and what is worth knowing (``notes``)."""

    run_id: str
    notes: list[str] | None = None


class RedispatchAnswer(Wire):
    """Whether anything was done: a run that is pending needs nothing."""

    run_id: str
    status: str
    redispatched: bool


class DivergenceView(Wire):
    """The first step at which the other version does something else."""

    seq: int
    recorded: str
    expected: list[str]


class MoveAnswer(Wire):
    """What a move did, or with ``dryRun`` would do. ``matches``: a completed run of that version did the same.

    With ``compared`` 0 no run of that version has completed, so nothing is known.
    """

    run_id: str
    run: RunRow
    version: str
    moved: bool
    compared: int
    matches: bool
    divergence: DivergenceView | None = None
    notes: list[str] | None = None


class NewRun(Wire):
    """A run that was started."""

    run_id: str
    run: RunRow
    notes: list[str] | None = None


class UpdateAnswer(Wire):
    """The validators accepted the update, and the run receives it."""

    accepted: Literal[True] = True
    run: RunRow
    notes: list[str] | None = None


class UpdateRejected(Wire):
    """A validator rejected the update; the run is untouched."""

    accepted: Literal[False] = False
    reason: str


class WebhookAnswer(Wire):
    """The callback is delivered. Says nothing of the run."""

    delivered: Literal[True] = True


class CompensationView(Wire):
    """One compensation. ``maybe``: the step began and its end is unknown. ``status`` once the undo is at work."""

    seq: int
    step: str
    undo: str | None = None
    maybe: bool
    executing: bool = False
    child_run_id: str | None = None
    status: str | None = None
    attempts: int | None = None
    error: str | None = None
    input: Json = None
    output: Json = None


class UndoView(Wire):
    """What an undo would do (no ``undoId`` yet), or does and did; the first is undone first."""

    run_id: str
    undo_id: str | None = None
    status: str | None = None
    possible: bool
    compensations: list[CompensationView]
    total: int | None = Field(None, description="How many compensations there are, where not all have room here.")
    notes: list[str] | None = Field(None, description="Steps left out because another run's undo undoes them.")


class ScheduleAnswer(Wire):
    """A schedule after the action."""

    name: str
    active: bool


class PauseQueueBody(Body):
    """Why: kept with the pause, and in the audit log."""

    comment: str = Field("", max_length=2_000)


class QueueAnswer(Wire):
    """A queue after the action. ``notes`` say what is not as it was before the pause."""

    name: str
    paused: bool
    notes: list[str] | None = None


class AuditView(Wire):
    """Who did what to which run, when, with what outcome."""

    id: int
    at: Timestamp
    actor: str
    action: str
    run_id: str | None = None
    outcome: str
    detail: str
    params: dict[str, Json]


# -- what they take ----------------------------------------------------------------------------------------------


class RetryBody(Body):
    """Where to: ``queue`` moves the run; left out, it keeps its own."""

    queue: str | None = Field(None, min_length=1, max_length=200)


class CancelQuery(Query):
    """How to cancel."""

    compensate: bool = Field(False, description="Undo what the run did, by its declared compensations.")
    children: bool = Field(False, description="Cancel the runs that it started, and theirs, too.")


class RedispatchBody(Body):
    """``force``: the executor is known to be gone, although nobody reports presence."""

    force: bool = False


class MoveBody(Body):
    """Where to: left out, ``version`` is the newest live one. ``force`` moves although the recorded steps differ."""

    version: str | None = Field(None, min_length=1, max_length=500)
    dry_run: bool = False
    force: bool = False


class MoveQuery(Query):
    """As in the body, for callers who know ``dryRun`` from the bulk actions."""

    dry_run: bool = Field(False, description="Only tell what would be done.")


class InputBody(Body):
    """The corrected input: ``{"args": [...], "kwargs": {...}}`` as inputs are shown, a list, or named arguments."""

    input: Json = None


class ForkBody(Body):
    """The first step that the fork executes by itself."""

    from_seq: int = Field(ge=0, le=2**31 - 1)


class StartBody(Body):
    """A run to start. Without ``runId`` one is generated; the same id twice starts one run.

    ``format``: in which the input is written. Needed where neither a run of the application nor a live worker tells.
    """

    workflow: str = Field(min_length=1, max_length=500)
    input: Json = None
    run_id: str | None = Field(None, min_length=1, max_length=500)
    queue: str | None = Field(None, min_length=1, max_length=200)
    attributes: dict[str, Json] | None = None
    format: Literal["python", "portable"] | None = None


class AuditQuery(Query):
    """Entries of one run, or of all; ``before`` is the id of the last entry seen."""

    run: str | None = None
    actor: Annotated[str | None, Field(max_length=500, description="Exact name of who did it.")] = None
    action: Annotated[str | None, Field(max_length=200, description="Exact name, such as `retry`.")] = None
    outcome: Annotated[str | None, Field(max_length=200, description="`done`, `refused`, `failed` …")] = None
    before: int | None = Field(None, ge=0, le=2**53)
    limit: Annotated[int, Field(ge=1, description="At most 500."), at_most(500)] = 100
