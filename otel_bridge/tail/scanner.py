"""Which runs changed since a cursor, found by index ranges only. Reads the store."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from otel_bridge.ledger.base import Cursor
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import StepKey
from otel_bridge.store.base import StateStore
from otel_bridge.tail.open_runs import OpenRuns

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
