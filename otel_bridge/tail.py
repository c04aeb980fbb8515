"""Change tail: the state store, read over and over, as lifecycle events. Reads the store and the ledger.

``StoreScanner`` finds which runs may have changed since a cursor, by index ranges only. ``ChangeTail`` compares
what it finds with what it saw before and says what happened, in memory, for live views. The bridge compares with
its ledger instead.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from otel_bridge.codec import decode_error
from otel_bridge.errors import LedgerError
from otel_bridge.events import EventType, LifecycleEvent
from otel_bridge.ledger.base import Cursor, Ledger
from otel_bridge.models import Run, Step, StepStatus, StoredValue
from otel_bridge.presence import Presence, overlay_run, overlay_steps, presence
from otel_bridge.store.base import StateStore

PAGE_ROWS = 5_000
SCAN_ROWS = 20_000
REMEMBERED_RUNS = 20_000


@dataclass(frozen=True, slots=True)
class Scan:
    """Runs that may have changed. ``more`` says that the scan stopped at its bound: scan again at once."""

    runs: dict[str, Run]
    cursor: Cursor
    more: bool


class StoreScanner:
    """Finds changed runs since a cursor; one reader each, not shared between threads.

    Args:
        overlap_ms: how far behind the cursor to look again, for rows that were stamped before but committed after.
            At least 1500 on SQLite, whose stamps may be whole seconds.
        open_every_s: how often to look at open runs as such (their derived status moves with the clock); None: never.
    """

    def __init__(
        self,
        store: StateStore,
        *,
        overlap_ms: int = 3_000,
        open_every_s: float | None = None,
        open_limit: int = 500,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._overlap_ms = overlap_ms
        self._open_every_s = open_every_s
        self._open_limit = open_limit
        self._monotonic = monotonic
        self._next_open_at = monotonic()
        self._token: object | None = None
        self._resume: Cursor | None = None
        self._seen_steps: OrderedDict[tuple[str, int, int | None], int] = OrderedDict()
        self._seen_runs: OrderedDict[str, Run] = OrderedDict()

    def scan(self, cursor: Cursor, *, watch: Collection[str] = ()) -> Scan:
        """Return what changed since ``cursor``.

        Args:
            watch: runs to look at in any case, by id (those that somebody has open).
        """
        token = self._store.change_token()
        open_due = self._open_every_s is not None and self._monotonic() >= self._next_open_at
        if token is not None and token == self._token and self._resume is None and not open_due:
            return Scan({}, cursor, False)
        start = self._resume or Cursor(
            steps_ms=cursor.steps_ms - self._overlap_ms, runs_ms=cursor.runs_ms - self._overlap_ms
        )
        runs: dict[str, Run] = {}
        runs_ms, more_runs = self._scan_runs(start.runs_ms, runs)
        stepped, steps_ms, more_steps = self._scan_steps(start.steps_ms)
        if open_due:
            for run in self._store.open_runs(limit=self._open_limit):
                self._note_run(run, runs)
            self._next_open_at = self._monotonic() + (self._open_every_s or 0)
        missing = [run_id for run_id in {*stepped, *watch} if run_id not in runs]
        for run_id, run in self._store.get_runs(missing).items():
            if run_id in stepped:
                runs[run_id] = run
                self._remember(run)
            else:
                self._note_run(run, runs)
        more = more_runs or more_steps
        reached = Cursor(steps_ms=max(steps_ms, start.steps_ms), runs_ms=max(runs_ms, start.runs_ms))
        self._resume = reached if more else None
        self._token = token
        self._forget(reached)
        return Scan(
            runs,
            Cursor(steps_ms=max(cursor.steps_ms, steps_ms), runs_ms=max(cursor.runs_ms, runs_ms)),
            more,
        )

    def _scan_steps(self, since_ms: int) -> tuple[set[str], int, bool]:
        """Return runs with new step rows, the stamp reached, and whether more remain."""
        touched: set[str] = set()
        reached, read, limit, stuck = since_ms, 0, PAGE_ROWS, False
        while read < SCAN_ROWS or stuck:
            page = self._store.steps_recorded_since(reached, limit=limit)
            for key in page:
                seen = (key.run_id, key.seq, key.finished_at_ms)
                if seen not in self._seen_steps:
                    self._seen_steps[seen] = key.recorded_at_ms
                    touched.add(key.run_id)
            last_ms = page[-1].recorded_at_ms if page else reached
            if len(page) < limit:
                return touched, last_ms, False
            stuck = last_ms == reached
            limit = limit * 2 if stuck else PAGE_ROWS
            reached = last_ms
            read += len(page)
        return touched, reached, True

    def _scan_runs(self, since_ms: int, into: dict[str, Run]) -> tuple[int, bool]:
        """Note changed runs; return the stamp reached and whether more remain."""
        reached, read, limit, stuck = since_ms, 0, PAGE_ROWS, False
        while read < SCAN_ROWS or stuck:
            page = self._store.runs_changed_since(reached, limit=limit)
            last_ms = reached
            for run in page:
                self._note_run(run, into)
                last_ms = max(last_ms, changed_at_ms(run, reached))
            if len(page) < limit:
                return last_ms, False
            stuck = last_ms == reached
            limit = limit * 2 if stuck else PAGE_ROWS
            reached = last_ms
            read += len(page)
        return reached, True

    def _note_run(self, run: Run, into: dict[str, Run]) -> None:
        if self._seen_runs.get(run.id) != run:
            into[run.id] = run
        self._remember(run)

    def _remember(self, run: Run) -> None:
        self._seen_runs[run.id] = run
        self._seen_runs.move_to_end(run.id)
        while len(self._seen_runs) > REMEMBERED_RUNS:
            self._seen_runs.popitem(last=False)

    def _forget(self, reached: Cursor) -> None:
        horizon_ms = reached.steps_ms - 2 * self._overlap_ms
        while self._seen_steps:
            key, recorded_at_ms = next(iter(self._seen_steps.items()))
            if recorded_at_ms >= horizon_ms:
                break
            del self._seen_steps[key]


def changed_at_ms(run: Run, since_ms: int) -> int:
    """Return the first of a run's own stamps at or after ``since_ms``: where an index range found it."""
    stamps = (run.created_at_ms, run.started_at_ms, run.finished_at_ms)
    return min((stamp for stamp in stamps if stamp is not None and stamp >= since_ms), default=since_ms)


@dataclass(frozen=True, slots=True)
class RunChange:
    """A run that changed, as it is now, with its steps and what happened to it since the last poll."""

    run: Run
    steps: list[Step]
    events: list[LifecycleEvent]


@dataclass(slots=True)
class _Known:
    run: Run
    steps: dict[int, StepStatus]


class ChangeTail:
    """Lifecycle events for live views: everything from ``since_ms`` on, once each, in order.

    Args:
        ledger: where executors report presence; None or an unavailable one means none do.
        since_ms: where to begin, by the store's clock; default now.
    """

    def __init__(
        self,
        store: StateStore,
        *,
        ledger: Ledger | None = None,
        since_ms: int | None = None,
        presence_every_s: float = 1.0,
        open_every_s: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._ledger, self._monotonic = store, ledger, monotonic
        self._since_ms = store.now_ms() if since_ms is None else since_ms
        self._cursor = Cursor(steps_ms=self._since_ms, runs_ms=self._since_ms)
        self._scanner = StoreScanner(store, open_every_s=open_every_s, monotonic=monotonic)
        self._presence_every_s = presence_every_s
        self._next_presence_at = monotonic()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self.presence: Presence = presence((), self._since_ms)

    def poll(self, *, watch: Collection[str] = ()) -> list[RunChange]:
        """Return what changed since the last poll, oldest event first within a run.

        Raises:
            StoreUnavailableError: the store cannot be read now; poll again later, nothing is lost.
        """
        executing_before = set(self.presence.executing_run_ids())
        self._refresh_presence()
        executing = executing_before | set(self.presence.executing_run_ids())
        scan = self._scanner.scan(self._cursor, watch=watch)
        self._cursor = scan.cursor
        runs = dict(scan.runs)
        runs.update(self._store.get_runs([run_id for run_id in executing if run_id not in runs]))
        if not runs:
            return []
        steps = self._store.get_steps_of(list(runs), errors=True)
        changes = [self._compare(run, steps.get(run.id, [])) for run in runs.values()]
        return [change for change in changes if change is not None]

    def _refresh_presence(self) -> None:
        if self._ledger is None or self._monotonic() < self._next_presence_at:
            return
        self._next_presence_at = self._monotonic() + self._presence_every_s
        try:
            self.presence = presence(self._ledger.executors(), self._ledger.now_ms())
        except LedgerError:
            self.presence = presence((), self._since_ms)

    def _compare(self, run: Run, steps: list[Step]) -> RunChange | None:
        run = overlay_run(run, self.presence)
        steps = overlay_steps(run, steps, self.presence)
        before = self._known.get(run.id)
        events = [
            *_run_events(run, before.run if before else None, self._since_ms, ending=False),
            *_step_events(run, steps, before.steps if before else None, self._since_ms),
            *_run_events(run, before.run if before else None, self._since_ms, ending=True, error=self._run_error),
        ]
        statuses = {step.seq: step.status for step in steps}
        self._known[run.id] = _Known(run, statuses)
        self._known.move_to_end(run.id)
        while len(self._known) > REMEMBERED_RUNS:
            self._known.popitem(last=False)
        if not events and before is not None and before.run == run and before.steps == statuses:
            return None
        return RunChange(run, steps, events)

    def _run_error(self, run: Run) -> str | None:
        return _message(self._store.get_payload(run.id, "error"))


def _message(value: StoredValue | None) -> str | None:
    return decode_error(value).message if value is not None else None


_ENDINGS: dict[str, EventType] = {
    "completed": "run.completed",
    "failed": "run.failed",
    "cancelling": "run.cancelling",
    "cancelled": "run.cancelled",
    "dead": "run.dead",
}
_WAITING = frozenset({"pending", "blocked"})


def _run_events(
    run: Run,
    before: Run | None,
    since_ms: int,
    *,
    ending: bool,
    error: Callable[[Run], str | None] | None = None,
) -> list[LifecycleEvent]:
    """Return a run's own events: those that precede its steps', or (``ending``) those that follow them."""

    def event(kind: EventType, at_ms: int, **more: object) -> LifecycleEvent:
        queue_ms = run.started_at_ms - run.created_at_ms if run.started_at_ms is not None else None
        duration_ms = run.finished_at_ms - run.created_at_ms if run.finished_at_ms is not None else None
        return LifecycleEvent(
            type=kind,
            run_id=run.id,
            workflow=run.workflow,
            at_ms=at_ms,
            queue_ms=max(0, queue_ms) if kind == "run.started" and queue_ms is not None else None,
            duration_ms=max(0, duration_ms) if ending and duration_ms is not None and run.is_terminal else None,
            error=error(run) if error is not None and kind == "run.failed" else None,
            name=run.waiting.name if kind == "run.suspended" and run.waiting else None,
        )

    was = before.status if before is not None else None
    is_new = before is None and run.created_at_ms >= since_ms - 1_000
    revived = before is not None and before.is_terminal and not run.is_terminal
    if not ending:
        events = []
        if is_new or (revived and run.status != "cancelling"):
            events.append(event("run.pending", run.created_at_ms if is_new else run.updated_at_ms))
        left_queue = was in _WAITING or is_new or revived
        ran = run.status not in _WAITING and not (run.status in ("cancelled", "dead") and run.started_at_ms is None)
        if left_queue and ran and run.status != "cancelling":
            events.append(event("run.started", run.started_at_ms or run.created_at_ms))
        same_wait = before is not None and run.waiting == before.waiting
        if was == "suspended" and not run.is_terminal and not same_wait:
            events.append(event("run.resumed", run.updated_at_ms))
        return events
    if run.status == "suspended":
        if before is None or was != "suspended" or run.waiting != before.waiting:
            since = run.waiting.since_ms if run.waiting else run.updated_at_ms
            return [event("run.suspended", since)] if before is not None or since >= since_ms - 1_000 else []
        return []
    if run.status in _ENDINGS and run.status != was:
        at_ms = run.finished_at_ms or run.updated_at_ms
        if before is not None or at_ms >= since_ms - 1_000:
            return [event(_ENDINGS[run.status], at_ms)]
    return []


def _step_events(
    run: Run, steps: list[Step], before: dict[int, StepStatus] | None, since_ms: int
) -> list[LifecycleEvent]:
    events: list[LifecycleEvent] = []
    for step in steps:
        was = before.get(step.seq) if before is not None else None
        if step.status == was or step.status == "pending":
            continue
        if before is None and (step.recorded_at_ms or step.finished_at_ms or step.started_at_ms or 0) < since_ms:
            continue
        kind: EventType = (
            "step.started"
            if step.status == "running"
            else "step.failed"
            if step.status == "failed"
            else "step.completed"
        )
        started_ms = step.started_at_ms
        ended_ms = step.finished_at_ms if kind != "step.started" else None
        at_ms = started_ms if kind == "step.started" else ended_ms
        events.append(
            LifecycleEvent(
                type=kind,
                run_id=run.id,
                workflow=run.workflow,
                at_ms=at_ms if at_ms is not None else run.updated_at_ms,
                seq=step.seq,
                name=step.name,
                kind=step.kind,
                duration_ms=max(0, ended_ms - started_ms) if ended_ms is not None and started_ms is not None else None,
                error=_message(step.error) if kind == "step.failed" else None,
            )
        )
    return sorted(events, key=lambda event: event.at_ms)
