"""What one actor may see, where the host gave a policy: a store and services that hold nothing else.

``may(actor, "see", run)`` is asked here, in one place, below every route: a run that may not be seen is not there, for
lists, counts, search, details, payloads, links, topology and bulk actions alike. What a store can do and this class
does not name is not reachable at all, so that a new method is refused rather than unfiltered.

It costs what a policy in Python must: each row that is read is asked about. A list reads on, page by page, until its
page is full or ``MOST_LOOKS`` pages were read (the ``Link`` header then continues behind them); a count reads up to
``COUNTED`` runs, and says ``exact: false`` where there are more. What is looked at by a run's id costs one more read of
its row. Queues, workers and metrics of the fleet are of everybody.
"""

from __future__ import annotations

import copy
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from dashboard.actor import Actor
from dashboard.config import Policy
from dashboard.read import listing
from dashboard.read.services import Services
from dashboard.wire.runs import RunRow
from otel_bridge.model.fleet import QueueInfo, ScheduleInfo, StoreInfo
from otel_bridge.model.runs import (
    Activity,
    Backlog,
    Facet,
    Grid,
    OpenWait,
    Question,
    Run,
    RunPage,
    RunQuery,
    StartedRun,
)
from otel_bridge.model.status import ENDED_STATUSES, RUN_STATUSES, RunStatus
from otel_bridge.model.steps import RecordedOperation, Step, StepCounts, StepKey, StepPart
from otel_bridge.model.values import PayloadName, PublishedEvent, StoredValue, StreamEntry, UnreadMessage
from otel_bridge.runs.failures import FailureLog
from otel_bridge.store.base import DEFAULT_PAYLOAD_CAP_BYTES, StateStore

log = logging.getLogger(__name__)

SEE = "see"
"""The action that the policy is asked about before a run is shown at all."""
MOST_LOOKS = 20
COUNTED = 5_000
PAGE = 500


def bound(may: Policy | None, actor: Actor) -> Callable[[str, Run], bool]:
    """Return the policy for one actor, within its scopes.

    One that fails allows nothing: it is the host's, and it is logged.
    """

    def allows(action: str, run: Run) -> bool:
        if actor.scopes and action != SEE and action not in actor.scopes:
            return False
        if may is None:
            return True
        try:
            return bool(may(actor, action, run))
        except Exception:
            log.exception("The policy given as may= failed for %s of run %s; it is refused.", action, run.id)
            return False

    return allows


class SeenStore:
    """A ``StateStore`` without the runs that may not be seen."""

    def __init__(self, store: StateStore, sees: Callable[[Run], bool]) -> None:
        self._store, self._sees = store, sees

    # -- what is of no run ------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """See ``StateStore``; likewise the others."""
        return self._store.url

    @property
    def engine_schema(self) -> str:
        return self._store.engine_schema

    def check(self) -> StoreInfo:
        return self._store.check()

    def now_ms(self) -> int:
        return self._store.now_ms()

    def queues(self, *, backlog: bool = True) -> list[QueueInfo]:
        return self._store.queues(backlog=backlog)

    def schedules(self) -> list[ScheduleInfo]:
        return self._store.schedules()

    def change_token(self) -> object | None:
        return self._store.change_token()

    def recent_mark(self, *, runs_since_ms: int, steps_since_ms: int) -> object | None:
        return self._store.recent_mark(runs_since_ms=runs_since_ms, steps_since_ms=steps_since_ms)

    def close(self) -> None:
        """The store is everybody's: nothing is closed."""

    # -- runs -------------------------------------------------------------------------------------------------------

    def sees(self, run: Run) -> bool:
        """Say whether a run may be seen. An undo is seen with the run that it undoes."""
        if run.undoes_id is not None:
            subject = self._store.get_run(run.undoes_id)
            return subject is not None and self._sees(subject)
        return self._sees(run)

    def visible(self, runs: Iterable[Run]) -> list[Run]:
        """Return those that may be seen."""
        return [run for run in runs if self.sees(run)]

    def list_runs(self, query: RunQuery) -> RunPage:
        found: list[Run] = []
        wanted, cursor = query.offset + query.limit, query.cursor
        deadline_s = time.monotonic() + listing.OFFSET_BUDGET_S
        for _ in range(MOST_LOOKS + query.offset // PAGE):
            # Never more than the page still takes: the cursor points behind what was read.
            limit = min(PAGE, wanted - len(found))
            page = self._store.list_runs(replace(query, offset=0, limit=limit, cursor=cursor))
            found += self.visible(page.runs)
            cursor = page.next_cursor
            if cursor is None or len(found) >= wanted or page.scanned_to_ms is not None:
                break
            if query.offset > PAGE and time.monotonic() > deadline_s:
                raise listing.not_reached(query.offset)
        return RunPage(found[query.offset :], cursor, page.scanned_to_ms)

    def _counted(self, query: RunQuery, most: int | None) -> tuple[list[Run], bool]:
        """Return the filter's visible runs among the newest, and whether these are all."""
        found: list[Run] = []
        looked_at = 0
        query = replace(query, offset=0, limit=PAGE, cursor=None)
        while True:
            page = self._store.list_runs(query)
            found += self.visible(page.runs)
            looked_at += len(page.runs)
            if page.next_cursor is None:
                return found, True
            if most is not None and (looked_at >= most or page.scanned_to_ms is not None):
                return found, False
            query = replace(query, cursor=page.next_cursor)

    def facets(self, query: RunQuery, *, by_workflow: bool = False, exact: bool = False) -> list[Facet]:
        runs, whole = self._counted(replace(query, statuses=frozenset()), None if exact else COUNTED)
        counts: Counter[tuple[RunStatus, str | None]] = Counter(
            (run.status, run.workflow if by_workflow else None) for run in runs
        )
        found = [Facet(status, count, workflow, whole) for (status, workflow), count in counts.items()]
        known = {facet.status for facet in found}
        unknown = [] if whole else [Facet(status, 0, None, False) for status in RUN_STATUSES if status not in known]
        return sorted([*found, *unknown], key=lambda facet: (RUN_STATUSES.index(facet.status), facet.workflow or ""))

    def activity(self, query: RunQuery, grid: Grid) -> Activity:
        found = Activity(grid)
        query = replace(query, statuses=ENDED_STATUSES, since_ms=grid.since_ms, until_ms=grid.until_ms)
        runs, whole = self._counted(query, COUNTED)
        for run in runs:
            found.add(grid.part_of(run.created_at_ms), run.status, 1)
        if not whole:
            found.exact_from_ms = runs[-1].created_at_ms + 1 if runs else grid.until_ms
        return found

    def backlog(self, query: RunQuery, *, old_ms: int, grid: Grid | None = None) -> list[Backlog]:
        if grid is not None:
            query = replace(query, since_ms=grid.since_ms, until_ms=grid.until_ms)
        runs, _ = self._counted(replace(query, statuses=frozenset({"pending"})), COUNTED)
        return [Backlog(replace(run, id=""), 1) for run in runs]

    def get_run(self, run_id: str) -> Run | None:
        run = self._store.get_run(run_id)
        return run if run is not None and self.sees(run) else None

    def get_runs(self, run_ids: Sequence[str]) -> dict[str, Run]:
        return {run_id: run for run_id, run in self._store.get_runs(run_ids).items() if self.sees(run)}

    def children(self, run_id: str, *, limit: int = 1000) -> list[Run]:
        return self.visible(self._store.children(run_id, limit=limit)) if self.get_run(run_id) else []

    def forks(self, run_id: str, *, limit: int = 1000) -> list[Run]:
        return self.visible(self._store.forks(run_id, limit=limit)) if self.get_run(run_id) else []

    def started_by(self, run_ids: Sequence[str]) -> Iterator[StartedRun]:
        found = self._store.started_by(list(self.get_runs(run_ids)))
        while some := list(islice(found, PAGE)):
            seen = self.get_runs([one.child_id for one in some])
            yield from (one for one in some if one.child_id in seen)

    def declaring_undo(self, run_ids: Sequence[str]) -> set[str]:
        return self._store.declaring_undo(list(self.get_runs(run_ids)))

    # -- of one run -------------------------------------------------------------------------------------------------

    def get_payload(
        self, run_id: str, name: PayloadName, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> StoredValue | None:
        return self._store.get_payload(run_id, name, cap_bytes=cap_bytes) if self.get_run(run_id) else None

    def get_steps(self, run_id: str, *, errors: bool = False) -> list[Step]:
        return self._store.get_steps(run_id, errors=errors) if self.get_run(run_id) else []

    def step_outputs(self, run_id: str, names: Sequence[str]) -> list[tuple[str, StoredValue]]:
        return self._store.step_outputs(run_id, names) if self.get_run(run_id) else []

    def get_steps_of(
        self,
        run_ids: Sequence[str],
        *,
        errors: bool = False,
        most_rows: int | None = None,
        least_one: bool = True,
        last_rows: int | None = None,
    ) -> dict[str, list[Step]]:
        seen = self.get_runs(run_ids)
        wanted = [run_id for run_id in run_ids if run_id in seen]
        return self._store.get_steps_of(
            wanted, errors=errors, most_rows=most_rows, least_one=least_one, last_rows=last_rows
        )

    def get_step_part(
        self, run_id: str, *, start: int | None = None, limit: int, whole_rows: int = 0, errors: bool = False
    ) -> StepPart:
        if not self.get_run(run_id):
            return StepPart([], is_whole=True)
        return self._store.get_step_part(run_id, start=start, limit=limit, whole_rows=whole_rows, errors=errors)

    def count_steps(self, run_id: str) -> StepCounts:
        return self._store.count_steps(run_id) if self.get_run(run_id) else StepCounts(0, 0)

    def last_step_number(self, run_id: str) -> int | None:
        return self._store.last_step_number(run_id) if self.get_run(run_id) else None

    def get_step_errors(self, run_id: str, seqs: Sequence[int]) -> dict[int, StoredValue]:
        return self._store.get_step_errors(run_id, seqs) if self.get_run(run_id) else {}

    def get_step(self, run_id: str, seq: int, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES) -> Step | None:
        return self._store.get_step(run_id, seq, cap_bytes=cap_bytes) if self.get_run(run_id) else None

    def recording(
        self, run_id: str, *, limit: int, cap_bytes: int = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> list[RecordedOperation]:
        if not self.get_run(run_id):
            return []
        return self._store.recording(run_id, limit=limit, cap_bytes=cap_bytes)

    def published_events(
        self, run_id: str, *, own: bool = False, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> list[PublishedEvent]:
        return self._store.published_events(run_id, own=own, cap_bytes=cap_bytes) if self.get_run(run_id) else []

    def published_event(
        self, run_id: str, key: str, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> PublishedEvent | None:
        return self._store.published_event(run_id, key, cap_bytes=cap_bytes) if self.get_run(run_id) else None

    def streams(self, run_id: str) -> dict[str, tuple[int, bool]]:
        return self._store.streams(run_id) if self.get_run(run_id) else {}

    def stream_entries(
        self,
        run_id: str,
        stream: str,
        *,
        after: int = -1,
        limit: int = 500,
        cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES,
    ) -> list[StreamEntry]:
        if not self.get_run(run_id):
            return []
        return self._store.stream_entries(run_id, stream, after=after, limit=limit, cap_bytes=cap_bytes)

    def unread_messages(self, run_id: str) -> list[UnreadMessage]:
        return self._store.unread_messages(run_id) if self.get_run(run_id) else []

    def open_waits(self, run_id: str) -> list[OpenWait]:
        return self._store.open_waits(run_id) if self.get_run(run_id) else []

    def questions(
        self, *, most_runs: int = 20_000, run_ids: Sequence[str] | None = None
    ) -> tuple[list[Question], bool]:
        found, whole = self._store.questions(most_runs=most_runs, run_ids=run_ids)
        seen = self.get_runs(list({one.run_id for one in found}))
        return [one for one in found if one.run_id in seen], whole

    # -- the tail ---------------------------------------------------------------------------------------------------

    def steps_recorded_since(self, since_ms: int, *, limit: int, after: StepKey | None = None) -> list[StepKey]:
        found = self._store.steps_recorded_since(since_ms, limit=limit, after=after)
        seen = self.get_runs(list({key.run_id for key in found}))
        return [key for key in found if key.run_id in seen]

    def runs_changed_since(self, since_ms: int, *, limit: int, after: str | None = None) -> list[Run]:
        return self.visible(self._store.runs_changed_since(since_ms, limit=limit, after=after))

    def inserted_late(
        self, mark: tuple[int, int] | None, *, before_ms: int
    ) -> tuple[list[str], tuple[int, int] | None]:
        found, reached = self._store.inserted_late(mark, before_ms=before_ms)
        return list(self.get_runs(found)), reached

    def open_marks(self, *, limit: int) -> dict[str, object]:
        found = self._store.open_marks(limit=limit)
        seen = self.get_runs(list(found))
        return {run_id: mark for run_id, mark in found.items() if run_id in seen}

    def open_runs(self, *, limit: int) -> list[Run]:
        return self.visible(self._store.open_runs(limit=limit))

    def iter_runs(
        self, *, since_ms: int | None = None, until_ms: int | None = None, after: tuple[int, str] | None = None
    ) -> Iterator[Run]:
        return (r for r in self._store.iter_runs(since_ms=since_ms, until_ms=until_ms, after=after) if self.sees(r))


class SeenServices(Services):
    """The services of a blueprint as one actor sees them, made for each request by ``seen_by``."""

    policy: Callable[[str, Run], bool]

    everything: Services

    @property
    def whole(self) -> Services:
        """What these are a part of."""
        return self.everything

    @property
    def failures(self) -> FailureLog:
        """Failures are recorded for everybody, no matter who looks."""
        return self.everything.failures

    def allows(self, action: str, run: Run) -> bool:
        """Say whether the policy lets this actor do this to this run; of an undo: to the run that it undoes."""
        if run.undoes_id is None:
            return self.policy(action, run)
        subject = self.everything.store.get_run(run.undoes_id)
        return subject is not None and self.policy(action, subject)

    def visible_ids(self, run_ids: Sequence[str]) -> set[str]:
        """Return those of the runs that are there and may be seen."""
        return set(self.store.get_runs(run_ids)) if run_ids else set()

    def row(self, run: Run, **options: Any) -> RunRow:
        """Return a run as listed, with what this actor may do to it."""
        return self.permitted(super().row(run, **options), run)

    def rows(self, runs: Sequence[Run], *, just_now: bool = False) -> list[RunRow]:
        """Return runs as listed, each with what this actor may do to it."""
        listed = super().rows(runs, just_now=just_now)
        return [self.permitted(row, run) for row, run in zip(listed, runs, strict=True)]

    def permitted(self, row: RunRow, run: Run) -> RunRow:
        """Return a row less the actions that the policy refuses."""
        return row.model_copy(update={"allowed": [action for action in row.allowed if self.allows(action, run)]})


def seen_by(services: Services, actor: Actor | None) -> Services:
    """Return the services as an actor sees them; the same where nothing limits it, or nobody was asked for a name.

    Args:
        actor: None on public routes: a webhook's token is its own proof, and public metrics are of everybody.
    """
    may = services.settings.may
    if actor is None or (may is None and not actor.scopes):
        return services
    allows = bound(may, actor)
    scoped = SeenServices.__new__(SeenServices)
    scoped.__dict__.update(copy.copy(services.__dict__))
    scoped.policy, scoped.everything = allows, services
    if may is None:
        scoped._open_store = lambda: services.store
    else:
        scoped._open_store = lambda: SeenStore(services.store, lambda run: allows(SEE, run))
    scoped._open_ledger = lambda _: services.ledger
    scoped._open_actions = lambda _: services.actions
    scoped._store = scoped._ledger = scoped._actions = None
    return scoped
