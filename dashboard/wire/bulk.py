"""Wire models of bulk actions: what they take, would touch, did, and what came of it. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dashboard.wire.base import Body, Json, Query, Timestamp, Wire
from dashboard.wire.filters import MAX_REPEATS, RunFilter
from dashboard.wire.runs import RunRow
from otel_bridge.model.status import RunStatus

MOST_RUNS = 50_000
"""So many runs at most are touched by one bulk action."""


class BulkGroup(Wire):
    """How many of the runs died of an error last. Without a fingerprint: of none that is known."""

    fingerprint: str | None = None
    type: str | None = None
    step: str | None = None
    template: str | None = None
    count: int


class BulkAnswer(Wire):
    """A dry run's ``byStatus``, ``groups``, ``sample``, ``digest`` (the same for the same runs alone) and ``boundMs``;
    or what was done.

    ``results`` is there where it was done at once; else a worker does it: ``GET bulk/{bulkId}`` tells how far it is.
    """

    matched: int
    skipped: int | None = None
    by_status: dict[str, int] | None = None
    groups: list[BulkGroup] | None = None
    sample: list[RunRow] | None = None
    digest: str | None = None
    bound_ms: int | None = None
    applied: int | None = None
    bulk_id: str | None = None
    results: list[dict[str, Json]] | None = None


class BulkNow(Wire):
    """How the runs to which a bulk action was applied stand now: each count is the filter ``bulk`` with ``bulkPart``.

    ``sameError`` failed as before, ``newError`` otherwise. ``open`` have not ended. Not ``exact``: there are more.
    """

    succeeded: int = 0
    same_error: int = 0
    new_error: int = 0
    cancelled: int = 0
    open: int = 0
    exact: bool = True


class BulkStage(Wire):
    """Runs that are taken before a look at what became of those taken so far; the last stage has none."""

    runs: int
    state: Literal["waiting", "at_work", "watched", "good", "stopped"]


class BulkView(Wire):
    """A bulk action as it was asked for: by whom, when, over which filter (parameters of ``GET runs``)."""

    bulk_id: str
    action: str | None = None
    actor: str | None = None
    started_at: Timestamp | None = None
    matched: int | None = None
    skipped: int | None = None
    params: dict[str, Json] | None = None
    filter: dict[str, Json] | None = None


class BulkStatus(BulkView):
    """How far a bulk action is, and a result per run: applied, refused, changed (left alone) or gone.

    ``stopped`` says why it ended before the last run: what became of those that it took first.
    """

    status: RunStatus
    done: int
    applied: int
    refused: int
    stopped: str | None = None
    stages: list[BulkStage] | None = None
    now: BulkNow | None = None
    results: list[dict[str, Json]]


# -- what they take ----------------------------------------------------------------------------------------------


class BulkQuery(RunFilter):
    """The filter of the run list, and how to act on it."""

    dry_run: bool = Field(False, description="Only tell what would be touched.")
    compensate: bool = Field(False, description="cancel: undo too.")
    children: bool = Field(False, description="cancel: the runs that they started too.")
    to_queue: str | None = Field(None, description="retry: move the runs to this queue.")
    to_version: str | None = Field(None, description="move: to this version; left out, the newest live one.")
    canary: bool = Field(
        False,
        description="retry: 1, 5, then 25 % first; the rest once none of those failed again with the same error.",
    )
    all: bool = Field(False, description="Needed where no filter is given: every run of the store is meant.")


class BulkStatusQuery(Query):
    """Which results to send."""

    from_: int = Field(0, alias="from", ge=0, le=MOST_RUNS, description="Number of the first result wanted.")
    now: bool = Field(True, description="Count how its runs stand now: of 10,000 runs that takes a second.")


class BulksQuery(Query):
    """Which bulk actions."""

    limit: int = Field(50, ge=1, le=500)
    before: str | None = Field(None, max_length=200, description="The id of the last one seen.")


class BulkBody(Body):
    """What was previewed, so that nothing else is touched."""

    bound_ms: int | None = Field(None, ge=0, le=2**53, description="``boundMs`` of the dry run.")
    ids: list[str] | None = Field(None, max_length=MOST_RUNS)
    errors: list[str] | None = Field(
        None,
        max_length=MAX_REPEATS * 10,
        description="Only runs that died of one of these errors last; an empty one: of none that is known.",
    )
    bulk_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description="The same twice is one bulk.")
