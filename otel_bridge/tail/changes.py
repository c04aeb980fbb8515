"""Changed runs as lifecycle events, for live views. Reads the store and the ledger.

``ChangeTail`` compares what the scanner finds with what it saw before and says what happened, in memory. The bridge
compares with its ledger instead.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from otel_bridge.codec import Codec
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Cursor, InterruptedStep, Ledger
from otel_bridge.model.events import LifecycleEvent
from otel_bridge.model.runs import Run
from otel_bridge.model.status import RunStatus
from otel_bridge.model.steps import Step, StepStatus
from otel_bridge.model.values import ERROR_CAP_BYTES, StoredValue
from otel_bridge.runs.blocked import may_be_blocked_from_ms
from otel_bridge.runs.children import ChildRequeues
from otel_bridge.runs.in_hand import in_hand
from otel_bridge.runs.lifecycle import lived_meanwhile, message_of, run_events, step_events
from otel_bridge.runs.overlay import is_cut_off_but_open, may_be_cut_off, overlay_run, overlay_steps
from otel_bridge.runs.presence import Presence
from otel_bridge.runs.presence_reader import NOBODY, PresenceReader
from otel_bridge.runs.starts import with_starts
from otel_bridge.store.base import StateStore
from otel_bridge.tail.clock import ClockWatch
from otel_bridge.tail.scanner import REMEMBERED_RUNS, StoreScanner

log = logging.getLogger(__name__)

OVERLAP_MS = 5_000
"""What workers tell of interrupted steps is looked for so far back: it may be committed later than it is stamped."""
LAST_ROWS = 5_000
"""Of a run with more rows its last ones are followed: its other changes are not reported step by step."""


@dataclass(frozen=True, slots=True)
class RunChange:
    """A run that changed, as it is now, with its steps and what happened to it since the last poll."""

    run: Run
    steps: list[Step]
    events: list[LifecycleEvent]


@dataclass(slots=True)
class _Known:
    """A run as it was last reported (``run``), and as the store had it (``stored``).

    ``recorded_ms``: when the last of the steps that were reported was recorded, by the database's clock.
    """

    run: Run
    stored: Run
    steps: dict[int, StepStatus]
    recorded_ms: int


class ChangeTail:
    """Lifecycle events for live views: everything from ``since_ms`` on, once each, in order.

    Args:
        ledger: where executors report presence; None or an unavailable one means none do.
        codec: reads errors, and hides what nobody may see of them.
        since_ms: where to begin, by the store's clock; default now.
    """

    def __init__(
        self,
        store: StateStore,
        *,
        ledger: Ledger | None = None,
        codec: Codec | None = None,
        since_ms: int | None = None,
        presence_every_s: float = 1.0,
        open_every_s: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._ledger, self._monotonic = store, ledger, monotonic
        self._codec = codec or Codec()
        self._since_ms = store.now_ms() if since_ms is None else since_ms
        self._cursor = Cursor(steps_ms=self._since_ms, runs_ms=self._since_ms)
        self._clock = ClockWatch(monotonic=monotonic)
        self._open_every_s = open_every_s
        self._scanner = self._new_scanner()
        self._workers = PresenceReader(lambda: ledger, max_age_s=presence_every_s, monotonic=monotonic)
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._open: set[str] = set()
        self.presence: Presence = NOBODY
        self._reported: Presence = self.presence
        self._late: dict[str, int] = {}
        self._late_since_ms: int | None = None
        self._held: set[str] = set()

    def _new_scanner(self) -> StoreScanner:
        return StoreScanner(self._store, open_every_s=self._open_every_s, monotonic=self._monotonic)

    def poll(self, *, watch: Collection[str] = ()) -> list[RunChange]:
        """Return what changed since the last poll, oldest event first within a run.

        Raises:
            StoreUnavailableError: the store cannot be read now; poll again later, nothing is lost.
        """
        self._refresh_presence()
        try:
            self._settle()
            scan = self._scanner.scan(self._cursor, watch=watch)
            moved = self._moved_by_presence(scan.runs) | ((self._late.keys() | self._held) - scan.runs.keys())
            runs, held = self._out_of_hand({**self._store.get_runs(list(moved)), **scan.runs})
            partners = self._store.get_runs([run_id for run_id in _undo_partners(runs) if run_id not in runs])
            runs.update(partners)
            steps = self._store.get_steps_of(list(runs), errors=True, last_rows=LAST_ROWS) if runs else {}
            steps = self._with_requeued_children(runs, steps)
            undone = {run.undoes_id: run.finished_at_ms for run in runs.values() if run.undoes_id is not None}
            cut = self._interrupted([run.id for run in runs.values() if may_be_cut_off(run)])
            starts = self._starts(list(runs.values()))
            compared = [
                self._compare(run, steps.get(run.id, []), undone.get(run.id), cut.get(run.id, ()), starts.get(run.id))
                for run in runs.values()
            ]
        except BaseException:
            self._scanner = self._new_scanner()  # what the old one has seen was never reported
            raise
        for _, known in compared:
            self._remember(known)
        self._cursor, self._reported, self._late, self._held = scan.cursor, self.presence, {}, held
        changes = (change for change, _ in compared if change is not None)
        return in_order([change for change in changes if change.events or change.run.id not in partners])

    def _out_of_hand(self, runs: dict[str, Run]) -> tuple[dict[str, Run], set[str]]:
        """Return the runs less those that an action may be about to put back, and the latter's ids.

        What is cancelled when its action is over has ended; so it is read once more.
        """
        cancelled = (run for run in runs.values() if run.status == "cancelled")
        ended = [run.id for run in cancelled if self._stored_status(run.id) != run.status]
        held = in_hand(self._ledger, ended)
        again = self._store.get_runs([run_id for run_id in ended if run_id not in held]) if ended else {}
        return {run_id: again.get(run_id, run) for run_id, run in runs.items() if run_id not in held}, held

    def _stored_status(self, run_id: str) -> RunStatus | None:
        known = self._known.get(run_id)
        return None if known is None else known.stored.status

    def _settle(self) -> None:
        """Come back where the store's clock was set back: what it stamps from then on is new, not past."""
        self._cursor = self._clock.settle(self._cursor, now_ms=self._store.now_ms())
        self._since_ms = min(self._since_ms, self._cursor.runs_ms)

    def _refresh_presence(self) -> None:
        before, self.presence = self.presence, self._workers.read()
        if self._ledger is None or self.presence is before or self.presence is NOBODY:
            return
        try:
            if self._late_since_ms is not None:
                self._late |= self._ledger.interrupted_since(self._late_since_ms, limit=REMEMBERED_RUNS)
            self._late_since_ms = self.presence.now_ms - OVERLAP_MS
        except LedgerError:
            log.debug("Steps reported as interrupted cannot be read now; they are with the next presence.")

    def _with_requeued_children(self, runs: Mapping[str, Run], steps: dict[str, list[Step]]) -> dict[str, list[Step]]:
        """Return the steps, those that something happened to with when their children were last put on a queue."""
        changed = (step for run_id, found in steps.items() for step in self._changed(run_id, found))
        try:
            requeues = ChildRequeues(self._ledger, changed, just_now=True)
        except LedgerError:
            return steps
        return {run_id: requeues.over(found, since_ms=runs[run_id].created_at_ms) for run_id, found in steps.items()}

    def _changed(self, run_id: str, steps: Sequence[Step]) -> Iterator[Step]:
        before = self._known.get(run_id)
        if before is None:
            return iter(steps)
        return (step for step in steps if before.steps.get(step.seq) != step.status or _is_recorded_after(step, before))

    def _interrupted(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[InterruptedStep]]:
        """Return what workers reported of the interrupted steps of these runs, as far as it can be read."""
        try:
            return self._ledger.interrupted(run_ids) if self._ledger is not None and run_ids else {}
        except LedgerError:
            return {}

    def _starts(self, runs: Sequence[Run]) -> dict[str, int | None]:
        """Return when runs started whose rows forgot it: as the ledger tells, else as they were seen before."""
        forgotten = [run for run in runs if run.start_is_forgotten]
        known_now = with_starts(self._ledger, forgotten)
        found = {run.id: run.began_at_ms if run.started_at_ms is None else run.started_at_ms for run in known_now}
        for run in forgotten:
            known = self._known.get(run.id)
            if known is None or known.stored.created_at_ms != run.created_at_ms or known.stored.is_terminal:
                continue
            if known.stored.started_at_ms is not None:
                found[run.id] = known.stored.started_at_ms
            elif not known.stored.is_queued:  # it was executed without a start: it was on no queue
                found[run.id] = run.created_at_ms
        return found

    def _moved_by_presence(self, scanned: Collection[str]) -> set[str]:
        """Return other runs that look different because executors do: a step began, nobody is there any more."""
        before, now = self._reported, self.presence
        if now is before:
            return set()
        ids = {*before.executing_run_ids(), *now.executing_run_ids()}
        found = {run_id for run_id in ids if before.executing(run_id) != now.executing(run_id)}
        others = before.capabilities != now.capabilities
        for run_id in self._open:
            known = self._known[run_id]
            due = others or before.now_ms < may_be_blocked_from_ms(known.stored) <= now.now_ms
            # A run that nobody reports may have been dropped by its worker some heartbeats ago.
            due = due or (known.stored.executor is not None and not now.in_flight(run_id))
            if due and overlay_run(known.stored, now).blocked != known.run.blocked:
                found.add(run_id)
        return found.difference(scanned)

    def _compare(
        self,
        stored: Run,
        recorded: list[Step],
        undone_at_ms: int | None,
        cut: Sequence[InterruptedStep],
        started_at_ms: int | None,
    ) -> tuple[RunChange | None, _Known]:
        before = self._known.get(stored.id)
        then = before.run if before else None
        run = _lives_again(overlay_run(stored, self.presence), then)
        steps = overlay_steps(run, recorded, self.presence, cut)
        events = run_events(run, then, self._since_ms, ending=False)
        if stored.status != "pending":
            lived = then is not None and then.is_terminal and (not run.is_terminal or lived_meanwhile(run, then))
            events += step_events(
                run,
                steps,
                _reported(recorded, before) if lived else before.steps if before else None,
                self._since_ms,
                codec=self._codec,
                error_of=self._stored_error,
            )
            statuses = {step.seq: step.status for step in steps if not is_cut_off_but_open(step)}
        else:
            # The row was read before its steps were: what a worker did meanwhile is reported once the run has started.
            statuses = _reported(recorded, before)
        events += run_events(
            run,
            then,
            self._since_ms,
            ending=True,
            error=self._run_error,
            undone_at_ms=undone_at_ms,
            started_at_ms=started_at_ms,
        )
        recorded_ms = max((step.recorded_at_ms or 0 for step in recorded), default=0)
        if stored.status == "pending" and before is not None:
            recorded_ms = before.recorded_ms
        known = _Known(run, stored, statuses, recorded_ms)
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
        return message_of(self._stored_error(run.id), self._codec)

    def _stored_error(self, run_id: str) -> StoredValue | None:
        return self._store.get_payload(run_id, "error", cap_bytes=ERROR_CAP_BYTES)


def _lives_again(run: Run, then: Run | None) -> Run:
    """Return a run that had ended as one that the engine put back: an action of ours is in the audit log."""
    if then is None or then.created_at_ms != run.created_at_ms:
        return run
    if then.is_terminal and (not run.is_terminal or lived_meanwhile(run, then)):
        return replace(run, requeued_at_ms=then.finished_at_ms or then.updated_at_ms, resumed_by_engine=True)
    if then.resumed_by_engine:
        return replace(run, requeued_at_ms=then.requeued_at_ms, resumed_by_engine=True)
    return run


def in_order(changes: Sequence[RunChange]) -> list[RunChange]:
    """Return the changes as they happened: an undo between the ``run.cancelling`` and the end of the run it undoes."""
    undos = {change.run.undoes_id: change for change in changes if change.run.undoes_id is not None}
    ordered: list[RunChange] = []
    for change in changes:
        undo = undos.get(change.run.id)
        if undo is None:
            if change.run.undoes_id is None or change.run.undoes_id not in {other.run.id for other in changes}:
                ordered.append(change)
            continue
        at = next((at for at, event in enumerate(change.events) if event.type == "run.cancelling"), None)
        ends = change.run.is_terminal and change.run.status != "cancelling"
        cut = len(change.events) if not ends else (at + 1 if at is not None else 0)
        if cut:
            as_of_then = replace(change.run, status="cancelling", waiting=None) if at is not None else change.run
            ordered.append(replace(change, run=as_of_then, events=change.events[:cut]))
        ordered.append(undo)
        if cut < len(change.events) or not change.events:
            ordered.append(replace(change, events=change.events[cut:]))
    return ordered


def _undo_partners(runs: Mapping[str, Run]) -> Iterator[str]:
    """Yield the undo of each run and the run of each undo: their events belong together."""
    for run in runs.values():
        if run.undoes_id is not None:
            yield run.undoes_id
        elif run.undo_id is not None:
            yield run.undo_id


def _reported(recorded: Sequence[Step], before: _Known | None) -> dict[int, StepStatus]:
    """Return which of the recorded steps have been reported; those of a run first seen are history.

    What was executed once more since has not, although it may have ended as it did before.
    """
    if before is None:
        return {step.seq: step.status for step in recorded}
    same = (step.seq for step in recorded if not _is_recorded_after(step, before))
    return {seq: before.steps[seq] for seq in same if seq in before.steps}


def _is_recorded_after(step: Step, before: _Known) -> bool:
    return (step.recorded_at_ms or 0) > before.recorded_ms
