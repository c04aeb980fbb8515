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

from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Cursor, Ledger
from otel_bridge.model.events import LifecycleEvent
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step, StepKey, StepStatus
from otel_bridge.openruns import OpenRuns
from otel_bridge.runs.lifecycle import message_of, run_events, step_events
from otel_bridge.runs.presence import Presence, may_be_blocked_from_ms, overlay_run, overlay_steps, presence
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
        self._open: OpenRuns | None = None
        if open_every_s is not None:
            self._open = OpenRuns(store, every_s=open_every_s, limit=open_limit, monotonic=monotonic)
        self._token: object | None = None
        self._resume: Cursor | None = None
        self._seen_steps: dict[StepKey, None] = {}
        self._seen_runs: OrderedDict[str, Run] = OrderedDict()

    def scan(self, cursor: Cursor, *, watch: Collection[str] = ()) -> Scan:
        """Return what changed since ``cursor``.

        Args:
            watch: runs to look at in any case, by id (those that somebody has open).
        """
        token = self._store.change_token()
        changed = token is None or token != self._token or self._resume is not None
        due = self._open.due(changed=changed) if self._open is not None else set()
        if not changed:
            runs: dict[str, Run] = {}
            self._read(due, runs)
            return Scan(runs, cursor, False)
        start = self._resume or Cursor(
            steps_ms=cursor.steps_ms - self._overlap_ms, runs_ms=cursor.runs_ms - self._overlap_ms
        )
        runs = {}
        runs_ms, more_runs = self._scan_runs(start.runs_ms, runs)
        stepped, steps_ms, more_steps = self._scan_steps(start.steps_ms)
        missing = [run_id for run_id in {*stepped, *watch, *due} if run_id not in runs]
        for run_id, run in self._store.get_runs(missing).items():
            if run_id in stepped:
                runs[run_id] = run
                self._remember(run)
            else:
                self._note_run(run, runs)
        self._read(self._related(runs), runs)
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

    def _read(self, run_ids: Collection[str], into: dict[str, Run]) -> None:
        """Note those of some runs that changed."""
        for run in self._store.get_runs(list(run_ids)).values() if run_ids else ():
            self._note_run(run, into)

    def _related(self, runs: dict[str, Run]) -> set[str]:
        """Return the runs that changed with these, though not in a row of their own: the child's parent that waited
        for it, the run that an undo undoes or a handler handles.
        """
        found: set[str] = set()
        for run in runs.values():
            parent = self._seen_runs.get(run.parent_id) if run.parent_id is not None else None
            waits = parent is not None and parent.waiting is not None and parent.waiting.on == "child"
            found.update(filter(None, (run.parent_id if waits else None, run.undoes_id, run.dead_run_id)))
        return found - runs.keys()

    def _scan_steps(self, since_ms: int) -> tuple[set[str], int, bool]:
        """Return runs with new step rows, the stamp reached, and whether more remain."""
        touched: set[str] = set()
        reached, read, limit, stuck = since_ms, 0, PAGE_ROWS, False
        while read < SCAN_ROWS or stuck:
            page = self._store.steps_recorded_since(reached, limit=limit)
            for key in page:
                if key not in self._seen_steps:
                    self._seen_steps[key] = None
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
        if self._open is not None:
            self._open.note(run)
        while len(self._seen_runs) > REMEMBERED_RUNS:
            forgotten, _ = self._seen_runs.popitem(last=False)
            if self._open is not None:
                self._open.forget(forgotten)

    def _forget(self, reached: Cursor) -> None:
        horizon_ms = reached.steps_ms - 2 * self._overlap_ms
        oldest = next(iter(self._seen_steps), None)
        if oldest is not None and oldest.recorded_at_ms < horizon_ms:
            self._seen_steps = {key: None for key in self._seen_steps if key.recorded_at_ms >= horizon_ms}


def changed_at_ms(run: Run, since_ms: int) -> int:
    """Return the first of a run's own stamps at or after ``since_ms``: where an index range found it."""
    stamps = (run.created_at_ms, run.started_at_ms, run.finished_at_ms)
    return next((stamp for stamp in stamps if stamp is not None and stamp >= since_ms), since_ms)


@dataclass(frozen=True, slots=True)
class RunChange:
    """A run that changed, as it is now, with its steps and what happened to it since the last poll."""

    run: Run
    steps: list[Step]
    events: list[LifecycleEvent]


@dataclass(slots=True)
class _Known:
    """A run as it was last told (``run``), and as the store had it (``stored``)."""

    run: Run
    stored: Run
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
        self._open_every_s = open_every_s
        self._scanner = self._new_scanner()
        self._presence_every_s = presence_every_s
        self._next_presence_at = monotonic()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._open: set[str] = set()
        self.presence: Presence = presence((), self._since_ms)
        self._told: Presence = self.presence

    def _new_scanner(self) -> StoreScanner:
        return StoreScanner(self._store, open_every_s=self._open_every_s, monotonic=self._monotonic)

    def poll(self, *, watch: Collection[str] = ()) -> list[RunChange]:
        """Return what changed since the last poll, oldest event first within a run.

        Raises:
            StoreUnavailableError: the store cannot be read now; poll again later, nothing is lost.
        """
        self._refresh_presence()
        try:
            scan = self._scanner.scan(self._cursor, watch=watch)
            runs = {**self._store.get_runs(list(self._moved_by_presence(scan.runs))), **scan.runs}
            steps = self._store.get_steps_of(list(runs), errors=True) if runs else {}
            compared = [self._compare(run, steps.get(run.id, [])) for run in runs.values()]
        except BaseException:
            self._scanner = self._new_scanner()  # what the old one has seen was never told
            raise
        for _, known in compared:
            self._remember(known)
        self._cursor, self._told = scan.cursor, self.presence
        return [change for change, _ in compared if change is not None]

    def _refresh_presence(self) -> None:
        if self._ledger is None or self._monotonic() < self._next_presence_at:
            return
        self._next_presence_at = self._monotonic() + self._presence_every_s
        try:
            self.presence = presence(self._ledger.executors(), self._ledger.now_ms())
        except LedgerError:
            self.presence = presence((), self._since_ms)

    def _moved_by_presence(self, scanned: Collection[str]) -> set[str]:
        """Return other runs that look different because executors do: a step began, nobody is there any more."""
        before, now = self._told, self.presence
        if now is before:
            return set()
        ids = {*before.executing_run_ids(), *now.executing_run_ids()}
        found = {run_id for run_id in ids if before.executing(run_id) != now.executing(run_id)}
        others = before.staff != now.staff
        for run_id in self._open:
            known = self._known[run_id]
            due = others or before.now_ms < may_be_blocked_from_ms(known.stored) <= now.now_ms
            if due and overlay_run(known.stored, now).status != known.run.status:
                found.add(run_id)
        return found.difference(scanned)

    def _compare(self, stored: Run, steps: list[Step]) -> tuple[RunChange | None, _Known]:
        run = overlay_run(stored, self.presence)
        steps = overlay_steps(run, steps, self.presence)
        before = self._known.get(run.id)
        events = [
            *run_events(run, before.run if before else None, self._since_ms, ending=False),
            *step_events(run, steps, before.steps if before else None, self._since_ms),
            *run_events(run, before.run if before else None, self._since_ms, ending=True, error=self._run_error),
        ]
        known = _Known(run, stored, {step.seq: step.status for step in steps})
        same = not events and before is not None and before.run == run and before.steps == known.steps
        return None if same else RunChange(run, steps, events), known

    def _remember(self, known: _Known) -> None:
        run_id = known.run.id
        self._known[run_id] = known
        self._known.move_to_end(run_id)
        (self._open.discard if known.stored.is_terminal else self._open.add)(run_id)
        while len(self._known) > REMEMBERED_RUNS:
            self._open.discard(self._known.popitem(last=False)[0])

    def _run_error(self, run: Run) -> str | None:
        return message_of(self._store.get_payload(run.id, "error"))
