"""Runs in, spans out, progress kept: one chunk at a time. Reads the store; reads and writes the ledger; delivers.

Nothing is acknowledged before the collector accepted it, and each chunk is acknowledged by itself, so memory stays
bounded whatever the backlog, and a bridge that dies repeats at most one chunk, byte by byte the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeAlias

from otel_bridge.bridge.interruptions import Interruptions
from otel_bridge.bridge.metrics import BridgeMetrics
from otel_bridge.bridge.model_calls import calls_of, with_model_calls
from otel_bridge.bridge.outbox import Outbox
from otel_bridge.bridge.related import Related
from otel_bridge.bridge.resumes import note_resumes, with_requeues
from otel_bridge.bridge.set_aside import SetAside, why_unreadable
from otel_bridge.errors import BridgeError
from otel_bridge.ledger.base import ExportedRun, Lease, Ledger, PastLife
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.otlp import Delivery
from otel_bridge.runs.children import ChildRequeues
from otel_bridge.runs.failures import FailureLog
from otel_bridge.runs.in_hand import in_hand
from otel_bridge.runs.undo import with_compensated
from otel_bridge.spans import Plan, SpanSettings, ids, plan_deleted, plan_past, plan_run
from otel_bridge.spans.lives import LOOK_AGAIN_MS
from otel_bridge.spans.model import SpanTimeError, check_times
from otel_bridge.store.base import StateStore

_logger = logging.getLogger("otel_bridge")

CHUNK_RUNS = 250
MOST_STEPS = 10_000
"""Steps held at once, unless one run has more; and of such a run, steps that are sent and acknowledged at once."""
Planned: TypeAlias = "tuple[Run | None, Plan]"


@dataclass(slots=True)
class Progress:
    """What one export did. ``again`` says which runs to look at once more, and when, by the store's clock."""

    runs: int = 0
    spans: int = 0
    ended: int = 0
    again: dict[str, int] = field(default_factory=dict)


class RunExporter:
    """Exports what is due of given runs.

    Args:
        delivery: None plans only, and writes nothing: a dry run.
        check: called before anything is written; raises when the lease is lost.
    """

    def __init__(
        self,
        store: StateStore,
        ledger: Ledger,
        delivery: Delivery | None,
        settings: SpanSettings,
        *,
        metrics: BridgeMetrics | None = None,
        check: Callable[[], None] | None = None,
        chunk_runs: int = CHUNK_RUNS,
    ) -> None:
        self._store, self._ledger, self._delivery, self._settings = store, ledger, delivery, settings
        self._metrics, self._check, self._chunk_runs = metrics, check, chunk_runs
        self.set_aside = SetAside()
        self._failures = FailureLog(store, ledger, codec=settings.codec)

    def export(
        self, lease: Lease | None, run_ids: Collection[str], *, known: Mapping[str, Run] | None = None
    ) -> Progress:
        """Export runs by id; ``known`` spares reading those again. Runs that are gone are closed.

        Raises:
            StoreUnavailableError, LedgerUnavailableError, LeaseLostError, DeliveryStoppedError: what was not
                acknowledged is due again.
        """
        progress = Progress()
        wanted = dict.fromkeys(related for run_id in run_ids for related in _with_original(run_id))
        for chunk in chunks(wanted, self._chunk_runs):
            self._export_all_but_broken(lease, chunk, known or {}, progress)
        return progress

    def _note_failures(self, ended: Sequence[Run]) -> None:
        """Record failures for the errors page; what goes wrong there stops no trace."""
        if self._delivery is None:
            return
        try:
            self._failures.note(ended)
        except BridgeError:
            raise  # the store or the ledger cannot be used now: nothing can be exported either
        except Exception:
            _logger.exception("Failures of %d runs cannot be recorded.", len(ended))

    def _export_all_but_broken(
        self, lease: Lease | None, chunk: Sequence[str], known: Mapping[str, Run], progress: Progress
    ) -> None:
        """Export a chunk, in halves where something of it cannot be read or exported, until the one run is found."""
        try:
            self._export_runs(lease, chunk, known, progress)
        except BridgeError:
            raise  # of the store, the ledger, the lease or the collector: no run is to blame
        except Exception as error:  # noqa: BLE001 - whatever one run makes fail must not hold up the others
            if len(chunk) == 1:
                self.set_aside.add(chunk[0], _reason(error), error=error)
                return
            middle = len(chunk) // 2
            for half in (chunk[:middle], chunk[middle:]):
                self._export_all_but_broken(lease, half, known, progress)

    def _export_runs(
        self, lease: Lease | None, chunk: Sequence[str], known: Mapping[str, Run], progress: Progress
    ) -> None:
        runs = {run_id: known[run_id] for run_id in chunk if run_id in known}
        runs.update(self._store.get_runs([run_id for run_id in chunk if run_id not in runs]))
        self._note_failures([run for run in runs.values() if run.is_terminal and not run.unreadable])
        while chunk:
            # Runs are read before their steps: a run that was seen to have ended has all of its steps.
            present = [run_id for run_id in chunk if run_id in runs]
            steps = self._store.get_steps_of(present, errors=True, most_rows=MOST_STEPS)
            requeues = ChildRequeues(self._ledger, (step for found in steps.values() for step in found), just_now=True)
            steps = {one: requeues.over(found, since_ms=runs[one].created_at_ms) for one, found in steps.items()}
            self._export_chunk(lease, [one for one in chunk if one in steps or one not in runs], runs, steps, progress)
            chunk = [run_id for run_id in present if run_id not in steps]

    def _export_chunk(
        self,
        lease: Lease | None,
        chunk: Sequence[str],
        runs: Mapping[str, Run],
        steps: Mapping[str, Sequence[Step]],
        progress: Progress,
    ) -> None:
        # Kept lives are read after runs and steps: a run that was seen to live again has its earlier lives.
        past = self._ledger.past_lives(chunk)
        before = self._ledger.exported(chunk)
        runs = with_requeues(self._ledger, runs, before)
        cut = Interruptions(self._ledger, runs, past)
        related = Related(self._store, self._ledger, self._settings, runs, before)
        now_ms = self._store.now_ms()
        plans: list[Planned] = []
        lived: list[Planned] = []
        lives: list[tuple[Run, ExportedRun | None, ExportedRun]] = []
        for run_id in chunk:
            run, record = runs.get(run_id), before.get(run_id)
            for life in past.get(run_id, ()):
                past_plan = self._plan_past(cut.of_life(life), record, related)
                lived.append((life.run, past_plan))
                lives.append((life.run, record, past_plan.record))
                record = past_plan.record
            if run is not None:
                plan = self._plan(run, cut.of(run, steps[run_id]), record, related, now_ms)
            else:
                plan = plan_deleted(record, settings=self._settings) if record is not None else None
                self.set_aside.discard(run_id)
            if plan is not None:
                plans.append((run, plan))
                if run is not None:
                    lives.append((run, record, plan.record))
                if plan.again_at_ms is not None:
                    progress.again[run_id] = plan.again_at_ms
                elif cut.goes_on(run_id):
                    progress.again[run_id] = now_ms + LOOK_AGAIN_MS
        if lease is not None and self._delivery is not None:
            note_resumes(self._ledger, lives)
        sent = self._send(lease, lived, plans, progress)
        while sent := [(run, plan) for run, plan in sent if run is not None and plan.more]:
            # Each part is acknowledged by itself, so the spans of a long run are never held together.
            rest = [
                (run, self._plan(run, cut.of(run, steps[run.id]), plan.record, related, now_ms)) for run, plan in sent
            ]
            sent = self._send(lease, (), [(run, plan) for run, plan in rest if plan is not None], progress)
        if past and self._delivery is not None and lease is not None:
            self._ledger.forget_lives({run_id: lives[-1].generation for run_id, lives in past.items()})

    def _plan_past(self, life: PastLife, before: ExportedRun | None, related: Related) -> Plan:
        relatives = related.of_past(life.run, life.steps, life.error)
        if life.run.undoes_id is not None:
            life = replace(life, steps=tuple(with_compensated(self._store, life.run.id, life.steps)))
        try:
            plan = plan_past(life, before, settings=self._settings, relatives=relatives)
            check_times(plan.spans)
            return plan
        except BridgeError:
            raise
        except Exception as error:  # noqa: BLE001 - as for a run of the present
            self.set_aside.add(life.run.id, _reason(error), error=error)
            record = before or ExportedRun(run_id=life.run.id)
            return Plan(spans=(), record=replace(record, generation=life.generation, ended=True), changed=True)

    def _plan(
        self, run: Run, steps: Sequence[Step], before: ExportedRun | None, related: Related, now_ms: int
    ) -> Plan | None:
        unreadable = why_unreadable(run, steps)
        if unreadable is not None:
            self.set_aside.add(run.id, unreadable)
            return None
        if run.undoes_id is not None:
            steps = with_compensated(self._store, run.id, steps)
        try:
            plan = plan_run(
                run,
                steps,
                before,
                settings=self._settings,
                now_ms=now_ms,
                relatives=related.of(run, before, steps),
                most_due=MOST_STEPS,
            )
            if self._settings.gen_ai:
                plan = with_model_calls(plan, self._store, self._settings.reader())
            check_times(plan.spans)
        except BridgeError:
            raise
        except Exception as error:  # noqa: BLE001 - rows that nobody should have written raise whatever they like
            self.set_aside.add(run.id, _reason(error), error=None if isinstance(error, SpanTimeError) else error)
            return None
        self.set_aside.discard(run.id)
        return plan

    def _send(
        self, lease: Lease | None, lived: Sequence[Planned], plans: Sequence[Planned], progress: Progress
    ) -> Sequence[Planned]:
        """Deliver plans and record them; return those of ``plans`` that were delivered."""
        outbox = None
        if self._delivery is not None and lease is not None:
            outbox, plans = self._keep_what_may_change(lease, lived, plans, progress)
        present, plans = plans, [*lived, *plans]
        spans = sum(len(plan.spans) for _, plan in plans)
        progress.runs += sum(not plan.more for _, plan in plans)
        progress.spans += spans
        progress.ended += sum(plan.ended for _, plan in plans)
        if self._delivery is None or lease is None:
            return present
        if self._settings.gen_ai:
            self._ledger.add_model_calls(
                [call for run, plan in plans if run is not None for call in calls_of(run, plan)]
            )
        if spans:
            self._delivery.deliver(span for _, plan in plans for span in plan.spans)
        if self._check is not None:
            self._check()
        traces = {plan.trace_id: plan.record.run_id for _, plan in plans if plan.trace_id is not None}
        if traces:
            self._ledger.add_traces(traces)
        changed = [plan.record for _, plan in plans if plan.changed]
        if changed:
            self._ledger.record_export(lease, cursor=None, runs=changed)
        if outbox is not None:
            outbox.clear()
        if self._metrics is not None:
            for run, plan in plans:
                if run is not None and (plan.spans or plan.ended):
                    self._metrics.record_plan(run, plan)
        return present

    def _keep_what_may_change(
        self, lease: Lease, lived: Sequence[Planned], plans: Sequence[Planned], progress: Progress
    ) -> tuple[Outbox | None, Sequence[Planned]]:
        """Write down spans whose rows the engine may delete before they are acknowledged; return what is to be sent.

        Workers take what is written down for exported. So a run that was retried before that, and after its rows were
        read, is left for the next time: its worker may have asked in between. So is one that an action may be moving.
        """
        kept = [(run, plan) for run, plan in plans if plan.spans and (run is None or run.status != "completed")]
        if not kept and not lived:
            return None, plans
        if self._check is not None:
            self._check()
        outbox = Outbox(self._ledger, lease)
        _put(outbox, [*lived, *kept])
        moved = in_hand(self._ledger, [run.id for run, _ in kept if run is not None and run.status == "cancelled"])
        now = self._store.get_runs([run.id for run, _ in kept if run is not None])
        moved |= {run.id for run, _ in kept if run is not None and _lives_again(run, now.get(run.id))}
        if moved:
            progress.again.update(dict.fromkeys(moved, self._store.now_ms()))
            _put(outbox, [*lived, *(one for one in kept if one[0] is None or one[0].id not in moved)])
            plans = [(run, plan) for run, plan in plans if run is None or run.id not in moved]
        return outbox, plans

    def resend(self, lease: Lease) -> int:
        """Send again, exactly as it was, what a bridge had on its way when it ended; return how many spans.

        Raises:
            LedgerUnavailableError, LeaseLostError, DeliveryStoppedError: it is still on its way.
        """
        outbox = Outbox(self._ledger, lease)
        pending = outbox.pending() if self._delivery is not None else None
        if pending is None or self._delivery is None:
            return 0
        spans, records = pending
        self._delivery.deliver(spans)
        if self._check is not None:
            self._check()
        self._ledger.record_export(lease, cursor=None, runs=records)
        outbox.clear()
        return len(spans)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, SpanTimeError) else f"{type(error).__name__}: {error}"


def _put(outbox: Outbox, kept: Sequence[Planned]) -> None:
    outbox.put([span for _, plan in kept for span in plan.spans], [plan.record for _, plan in kept])


def _lives_again(read: Run, now: Run | None) -> bool:
    """True when a run that was read has begun another life since, or may have."""
    if now is None:
        return False
    if read.is_terminal:
        seen, seen_now = ((run.status, run.updated_at_ms, run.finished_at_ms) for run in (read, now))
        return seen != seen_now
    return not now.is_terminal and read.started_at_ms is not None and now.started_at_ms != read.started_at_ms


def _with_original(run_id: str) -> list[str]:
    """Return the run, and the run that it undoes: the one's root waits for the other."""
    original = ids.traced_run_id(run_id)
    return [run_id] if original == run_id else [run_id, original]


def chunks(items: Collection[str] | Iterator[str], size: int) -> Iterator[list[str]]:
    """Yield lists of at most ``size`` items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
