"""Which runs changed since a cursor, found by index ranges only. Reads the store.

Rows may be stamped ahead of the store's clock: a clock was set back, or somebody wrote nonsense. They are found like
all others, and the cursor never passes the clock because of them: what is stamped correctly afterwards is found too.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from otel_bridge.ledger.base import Cursor
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import StepKey
from otel_bridge.store.base import StateStore
from otel_bridge.tail.clock import TOLERANCE_MS
from otel_bridge.tail.open_runs import OpenRuns

PAGE_ROWS = 5_000
SCAN_ROWS = 20_000
"""Step rows that one scan reads: of each no more than its run and number is kept."""
SCAN_RUNS = 5_000
"""Runs that one scan reads: the caller handles them before more are read."""
REMEMBERED_RUNS = REMEMBERED_STEPS = 20_000
AHEAD_SHARE = 0.05
"""Of the time, how much is spent on reading more than a page of rows that are stamped ahead of the clock."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Runs that may have changed.

    Args:
        cursor: how far the scan got; never ahead of the store's clock.
        more: the scan stopped at its bound: scan again at once.
        ahead_ms: how far ahead of the store's clock the newest stamp is; 0 when none is.
    """

    runs: dict[str, Run]
    cursor: Cursor
    more: bool
    ahead_ms: int = 0


@dataclass(slots=True)
class _Reach:
    """How far one range was read: the newest stamp and the last row, and where reading must stop."""

    stamp_ms: int
    horizon_ms: int = 0
    more: bool = False
    step: StepKey | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Recent:
    """What a scan from these stamps on would read, as one value."""

    runs_ms: int
    steps_ms: int
    mark: object


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
        self._overlap_ms, self._monotonic = overlap_ms, monotonic
        self._ahead_at, self._forget_at = -float("inf"), REMEMBERED_STEPS
        self._open: OpenRuns | None = None
        if open_every_s is not None:
            self._open = OpenRuns(store, every_s=open_every_s, limit=open_limit, monotonic=monotonic)
        self._token: object | None = None
        self._quiet = False
        self._recent: _Recent | None = None
        self._inserted: tuple[int, int] | None = None
        self._resume: tuple[_Reach, _Reach] | None = None
        self._seen_steps: dict[StepKey, None] = {}
        self._seen_runs: OrderedDict[str, Run] = OrderedDict()

    def scan(self, cursor: Cursor, *, watch: Collection[str] = ()) -> Scan:
        """Return what changed since ``cursor``.

        Args:
            watch: runs to look at in any case, by id (those that somebody has open).
        """
        # Read before any row: what is committed while rows are read has another token, so the next scan looks again.
        token = self._store.change_token()
        changed = token is None or token != self._token or self._resume is not None
        due = self._open.due(changed=changed) if self._open is not None else set()
        if not changed:
            return self._unchanged(cursor, due)
        now_ms = self._store.now_ms()
        run_reach, step_reach = self._begin(cursor, now_ms)
        recent = self._recent_mark(run_reach, step_reach)
        if recent is not None and recent == self._recent:
            self._token = token
            return self._unchanged(cursor, {*due, *watch})
        runs: dict[str, Run] = {}
        began = self._monotonic()
        self._scan_runs(run_reach, runs)
        stepped = self._scan_steps(step_reach)
        late, self._inserted = self._store.inserted_late(
            self._inserted, before_ms=max(cursor.steps_ms, cursor.runs_ms) - self._overlap_ms
        )
        stepped.update(late)
        self._pace(began, run_reach, step_reach)
        # Watched and due runs are read whether or not they have a new stamp: a resume or a rewind leaves none.
        missing = [run_id for run_id in {*stepped, *watch, *due} if run_id not in runs]
        for run_id, run in self._store.get_runs(missing).items():
            if run_id in stepped:
                runs[run_id] = run
                self._remember(run)
            else:
                self._note_run(run, runs)
        self._read(self._related(runs), runs)
        more = run_reach.more or step_reach.more
        reached = Cursor(steps_ms=step_reach.stamp_ms, runs_ms=run_reach.stamp_ms)
        self._resume = (run_reach, step_reach) if more else None
        self._token, self._recent, self._quiet = token, recent, not runs and not more
        self._forget(min(step_reach.stamp_ms, now_ms))
        furthest = Cursor(steps_ms=max(cursor.steps_ms, reached.steps_ms), runs_ms=max(cursor.runs_ms, reached.runs_ms))
        ahead_ms = max(reached.steps_ms, reached.runs_ms) - now_ms
        return Scan(runs, _no_later(furthest, now_ms), more, ahead_ms if ahead_ms > TOLERANCE_MS else 0)

    def _unchanged(self, cursor: Cursor, run_ids: Collection[str]) -> Scan:
        runs: dict[str, Run] = {}
        self._read(run_ids, runs)
        return Scan(runs, cursor, False)

    def _recent_mark(self, run_reach: _Reach, step_reach: _Reach) -> _Recent | None:
        """Return a mark of all that a scan would read, once a scan found nothing although somebody had committed.

        Taken before the rows are read: what is committed between is in the next mark.
        """
        if not self._quiet or self._resume is not None:
            return None
        runs_ms, steps_ms, last = run_reach.stamp_ms, step_reach.stamp_ms, self._recent
        if last is not None and last.runs_ms <= runs_ms and last.steps_ms <= steps_ms:
            # What lies further back is included: of rows ahead of the clock the cursor follows the clock.
            runs_ms, steps_ms = last.runs_ms, last.steps_ms
        mark = self._store.recent_mark(runs_since_ms=runs_ms, steps_since_ms=steps_ms)
        return None if mark is None else _Recent(runs_ms, steps_ms, mark)

    def _begin(self, cursor: Cursor, now_ms: int) -> tuple[_Reach, _Reach]:
        """Return where to read runs and steps from: where the last scan stopped, or a little behind the cursor."""
        horizon_ms = now_ms + TOLERANCE_MS
        if self._resume is not None:
            run_reach, step_reach = self._resume
            return (
                replace(run_reach, horizon_ms=horizon_ms, more=False),
                replace(step_reach, horizon_ms=horizon_ms, more=False),
            )
        start = _no_later(cursor, now_ms, less_ms=self._overlap_ms)
        return _Reach(start.runs_ms, horizon_ms), _Reach(start.steps_ms, horizon_ms)

    def _pace(self, began: float, *reaches: _Reach) -> None:
        """Read beyond the first page of what is ahead of the clock only now and then: it stays ahead for a while."""
        now = self._monotonic()
        if any(reach.stamp_ms > reach.horizon_ms for reach in reaches) and not any(reach.more for reach in reaches):
            self._ahead_at = max(self._ahead_at, now + (now - began) / AHEAD_SHARE)

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

    def _scan_steps(self, reach: _Reach) -> set[str]:
        """Return runs with new step rows."""
        touched: set[str] = set()
        read, limit = 0, PAGE_ROWS
        while read < SCAN_ROWS or limit > PAGE_ROWS:
            page = self._store.steps_recorded_since(reach.stamp_ms, limit=limit, after=reach.step)
            for key in page:
                if key not in self._seen_steps:
                    self._seen_steps[key] = None
                    touched.add(key.run_id)
            before = reach.step
            if page:
                reach.step, reach.stamp_ms = page[-1], page[-1].recorded_at_ms
            if len(page) < limit or self._far_enough(reach):
                return touched
            limit = limit * 2 if reach.step == before else PAGE_ROWS
            read += len(page)
        reach.more = True
        return touched

    def _scan_runs(self, reach: _Reach, into: dict[str, Run]) -> None:
        """Note changed runs.

        A page begins after the last run of the one before, also within one millisecond: very many runs may share it.
        An id that is not text is behind every id, however often it was read: the pages grow until they are past it.
        """
        read, limit = 0, PAGE_ROWS
        while read < SCAN_RUNS or limit > PAGE_ROWS:
            page = self._store.runs_changed_since(reach.stamp_ms, limit=limit, after=reach.run_id)
            for run in page:
                self._note_run(run, into)
            before = (reach.stamp_ms, reach.run_id)
            if page:
                reach.stamp_ms, reach.run_id = changed_at_ms(page[-1], reach.stamp_ms), page[-1].id
            if len(page) < limit or self._far_enough(reach):
                return
            limit = limit * 2 if (reach.stamp_ms, reach.run_id) == before else PAGE_ROWS
            read += len(page)
        reach.more = True

    def _far_enough(self, reach: _Reach) -> bool:
        """True once everything up to the clock was read, and it is not yet time to read on."""
        return reach.stamp_ms > reach.horizon_ms and self._monotonic() < self._ahead_at

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

    def _forget(self, now_ms: int) -> None:
        """Forget steps that no scan will read again, and all but the nearest of very many that are ahead of the clock.

        Done rarely, for it looks at all of them; a step that is forgotten too soon is compared once more, not repeated.
        """
        if len(self._seen_steps) < self._forget_at:
            return
        since_ms, ahead_ms = now_ms - 2 * self._overlap_ms, now_ms + TOLERANCE_MS
        kept = [key for key in self._seen_steps if since_ms <= key.recorded_at_ms <= ahead_ms]
        ahead = sorted((key for key in self._seen_steps if key.recorded_at_ms > ahead_ms), key=_recorded_at_ms)
        self._seen_steps = dict.fromkeys([*kept, *ahead[:REMEMBERED_STEPS]])
        self._forget_at = max(REMEMBERED_STEPS, 2 * len(self._seen_steps))


def _recorded_at_ms(key: StepKey) -> int:
    return key.recorded_at_ms


def _no_later(cursor: Cursor, now_ms: int, *, less_ms: int = 0) -> Cursor:
    """Return the cursor, no later than now, and ``less_ms`` before."""
    return Cursor(steps_ms=min(cursor.steps_ms, now_ms) - less_ms, runs_ms=min(cursor.runs_ms, now_ms) - less_ms)


def changed_at_ms(run: Run, since_ms: int) -> int:
    """Return the first of a run's own stamps at or after ``since_ms``: where an index range found it."""
    stamps = (run.created_at_ms, run.started_at_ms, run.finished_at_ms)
    return next((stamp for stamp in stamps if stamp is not None and stamp >= since_ms), since_ms)
