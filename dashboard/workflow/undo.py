"""The workflow ``durable.undo``: undoes a run by its declared compensations, in reverse. Runs in a worker.

Its id is ``undo:<run_id>``, so there is one per run. Its steps:

1. ``durable.quiet``: waits until the run has ended and nothing of it is executing any more;
2. ``durable.plan``: what will be undone, in order; recorded, so a crash does not plan again;
3. ``compensate:<step>``, one per planned step: finished ones are never repeated (the engine's record), the one in
   flight at a crash is repeated under the same idempotency key; one that stays failed does not halt the rest;
4. ``durable.stuck``: fails when compensations are stuck, and with it the undo. A retry of the undo continues from here:
   it tries the stuck ones again and repeats nothing else.

A child run with compensations of its own is undone by an undo of its own, where the parent's order has it.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from dbos import DBOS, SetWorkflowID, StepInfo, WorkflowStatusString

from dashboard.workflow import compensation, engine
from dashboard.workflow.compensation import Compensation, given_by_name
from dashboard.workflow.copies import left_out, undone_elsewhere
from dashboard.workflow.family import cancel_family
from dashboard.workflow.names import (
    COMPENSATE_PREFIX,
    PLAN_STEP,
    QUIET_STEP,
    RETRY_STEP,
    STUCK_STEP,
    UNDO_WORKFLOW,
    undo_event_seq,
)
from otel_bridge.errors import BridgeError
from otel_bridge.ledger.base import Ledger
from otel_bridge.model.names import GET_RESULT, UNDO_PREFIX
from otel_bridge.model.status import ENGINE_OPEN
from otel_bridge.runs.overlay import ENGINE_PREFIX
from otel_bridge.runs.presence import Presence
from otel_bridge.runs.presence_reader import PresenceReader
from otel_bridge.runs.undo import steps_to_undo

DEFAULT_GRACE_S = 5.0
_POLL_S = 0.1


class UndoStuckError(RuntimeError):
    """Some compensations failed for good; the others are done."""

    def __init__(self, stuck: list[str], total: int) -> None:
        self.stuck, self.total = stuck, total
        super().__init__(
            f"{len(stuck)} of {total} compensations are stuck: {', '.join(stuck)}. The others are done. "
            "See their errors, fix the cause, then retry this undo: only the stuck ones run again."
        )

    def __reduce__(self) -> tuple[type[UndoStuckError], tuple[list[str], int]]:
        return type(self), (self.stuck, self.total)


@dataclass(frozen=True, slots=True)
class RunRecording:
    """What the engine holds of a run that is to be undone: its step rows and its undo publications, by number."""

    steps: Mapping[int, StepInfo]
    published: Mapping[int, Mapping[str, Any]]


def undo_run(run_id: str, options: dict[str, Any] | None = None) -> dict[str, Any]:
    """Undo a run. Registered as ``durable.undo``.

    Args:
        options: ``graceS``: how long to wait for a step that may still execute where no executor reports presence;
            ``cancel``: cancel the run first; ``unlessCompleted``: undo nothing when it completed all the same.

    Returns:
        ``{"undone": [...], "maybe": [...]}``: names of the steps.
    """
    chosen = options or {}
    recorded_before = engine.last_recorded_step()
    ended = DBOS.run_step({"name": QUIET_STEP}, _wait_until_quiet, run_id, chosen)
    if ended.get("completed") and chosen.get("unlessCompleted"):
        return {"undone": [], "maybe": [], "skipped": "The run completed before it could be cancelled."}
    plan: list[dict[str, Any]] = DBOS.run_step({"name": PLAN_STEP}, make_plan, run_id)
    source = _Source(run_id)
    remaining, again = plan, False
    while remaining:
        failed, last_failed = _compensate_all(run_id, remaining, source, again=again)
        if not failed:
            break
        stuck = [str(entry["step"]) for entry in failed]
        # A failure beyond what was recorded when this execution began is new: the undo stops and is shown as stuck.
        # A failure that is only replayed means that somebody retried the undo: it continues.
        DBOS.run_step({"name": STUCK_STEP}, _report_stuck, stuck, len(plan), last_failed > recorded_before)
        remaining, again = failed, True
    return {
        "undone": [entry["step"] for entry in plan],
        "maybe": [entry["step"] for entry in plan if entry["maybe"]],
    }


def _compensate_all(
    run_id: str, plan: list[dict[str, Any]], source: _Source, *, again: bool
) -> tuple[list[dict[str, Any]], int]:
    """Run the planned compensations; return the failed ones and the number of the last step that failed."""
    failed: list[dict[str, Any]] = []
    last_failed = 0
    for entry in plan:
        try:
            if entry.get("childRunId"):
                _undo_child(str(entry["childRunId"]), again=again)
            else:
                _compensate(run_id, entry, source)
        except Exception as error:  # noqa: BLE001 - a stuck compensation never halts the rest; its error is recorded
            DBOS.logger.warning(f"Compensation of {entry['step']!r} of run {run_id!r} is stuck: {error}")
            failed.append(entry)
            last_failed = engine.next_step_number("undo") - 1
    return failed, last_failed


def _undo_child(child_id: str, *, again: bool) -> None:
    undo_id = f"{UNDO_PREFIX}{child_id}"
    if again:
        DBOS.run_step({"name": RETRY_STEP}, _rewind_stuck, undo_id)
    with SetWorkflowID(undo_id):
        handle = DBOS.start_workflow(engine.registered_workflow(UNDO_WORKFLOW), child_id, {"cancel": True})
    handle.get_result()


def _rewind_stuck(undo_id: str) -> None:
    """Let a child's stuck undo continue where it stopped."""
    status = DBOS.get_workflow_status(undo_id)
    if status is not None and status.status == WorkflowStatusString.ERROR.value:
        steps = DBOS.list_workflow_steps(undo_id, load_output=False)
        stuck = [step["function_id"] for step in steps if step["function_name"] == STUCK_STEP]
        if stuck:
            DBOS.rewind_workflow(undo_id, start_step=stuck[-1])


def _compensate(run_id: str, entry: Mapping[str, Any], source: _Source) -> None:
    seq = int(entry["seq"])
    policy = entry["policy"]

    def compensate() -> Any:
        declared = compensation.registry.find(str(entry["undo"]))
        given = source.record.published[seq]
        row = source.record.steps.get(seq)
        args, kwargs = tuple(given["args"]), dict(given["kwargs"])
        result = declared.undo(
            Compensation(
                run_id=run_id,
                seq=seq,
                step=str(entry["step"]),
                args=args,
                kwargs=kwargs,
                output=row["output"] if row is not None else None,
                maybe=bool(entry["maybe"]),
                given=given_by_name(declared.step, args, kwargs),
            )
        )
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
        return result

    DBOS.run_step(
        {
            "name": f"{COMPENSATE_PREFIX}{entry['step']}",
            "retries_allowed": policy["maxAttempts"] > 1,
            "max_attempts": policy["maxAttempts"],
            "interval_seconds": policy["intervalS"],
            "backoff_rate": policy["backoffRate"],
        },
        compensate,
    )


async def _awaited(result: Any) -> Any:
    return await result


def _report_stuck(stuck: list[str], total: int, fresh: bool) -> dict[str, Any]:
    """Fail where compensations failed just now; continue if a retry of the undo brought us here again."""
    if fresh:
        raise UndoStuckError(stuck, total)
    return {"retrying": stuck}


# -- what is to be undone ----------------------------------------------------------------------------------


class _Source:
    """Reads a run's record once per execution of the undo, when first needed."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._record: RunRecording | None = None

    @property
    def record(self) -> RunRecording:
        if self._record is None:
            self._record = read_record(self._run_id)
        return self._record


def read_record(run_id: str) -> RunRecording:
    """Read what a run's steps were given and returned. Called inside steps only: it is not recorded itself."""
    published = {
        seq: value
        for key, value in DBOS.get_all_events(run_id).items()
        if (seq := undo_event_seq(key)) is not None and isinstance(value, Mapping) and "undo" in value
    }
    return RunRecording({step["function_id"]: step for step in DBOS.list_workflow_steps(run_id)}, published)


def make_plan(run_id: str) -> list[dict[str, Any]]:
    """Return what undoing a run would do, in the order in which it would run.

    A step that failed is left out (it had no effect to undo) unless its declaration says otherwise; a step that began
    and has no record is undone as "maybe". What the undo of another run undoes, which shares the step by a fork, is
    left to that one.
    """
    record = read_record(run_id)
    declared = {seq: str(given["undo"]) for seq, given in record.published.items()}
    failed = {seq for seq in declared.keys() & record.steps.keys() if record.steps[seq]["error"] is not None}
    failed = {seq for seq in failed if (known := _declaration(declared[seq])) is None or not known.even_if_failed}
    children = {seq: child for seq, child in _children(record) if _has_compensations(child)}
    elsewhere = undone_elsewhere(run_id, {seq: record.steps[seq] for seq in declared.keys() & record.steps.keys()})
    for seq, undo_id in sorted(elsewhere.items()):
        DBOS.logger.info(f"Undo of run {run_id!r}: {left_out(record.steps[seq]['function_name'], seq, undo_id)}")
    entries = []
    for seq in steps_to_undo(declared, children, failed=failed, elsewhere=elsewhere):
        if (child := children.get(seq)) is not None:
            name = record.steps[seq]["function_name"]
            entries.append({"seq": seq, "step": name, "childRunId": child, "maybe": False})
        else:
            entries.append(_entry(record, seq, declared[seq]))
    return entries


def _entry(record: RunRecording, seq: int, undo: str) -> dict[str, Any]:
    row, known = record.steps.get(seq), _declaration(undo)
    policy = compensation.UndoPolicy() if known is None else known.policy
    return {
        "seq": seq,
        "step": row["function_name"] if row is not None else str(record.published[seq]["step"]),
        "undo": undo,
        "maybe": row is None,
        "policy": {
            "maxAttempts": policy.max_attempts,
            "intervalS": policy.interval_s,
            "backoffRate": policy.backoff_rate,
        },
    }


def _declaration(undo: str) -> compensation.DeclaredUndo | None:
    """Return what this process declares; None: planned all the same, the compensation will say what is missing."""
    try:
        return compensation.registry.find(undo)
    except compensation.UndeclaredUndoError:
        return None


def _children(record: RunRecording) -> Iterator[tuple[int, str]]:
    """Yield the steps that started a run, and its id; the undo of a child is none of them."""
    for seq, row in record.steps.items():
        child = row["child_workflow_id"]
        if child and row["function_name"] not in (GET_RESULT, UNDO_WORKFLOW):
            yield seq, child


def _has_compensations(run_id: str) -> bool:
    record = read_record(run_id)
    return bool(record.published) or any(_has_compensations(child) for _, child in _children(record))


# -- quiet -------------------------------------------------------------------------------------------------


def _wait_until_quiet(run_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return once the run has ended and no step of it can be executing any more.

    What executes is known of this process, and of every process that reports presence. Of others it is not: a step
    that began and has no record gets ``graceS`` seconds to end.
    """
    if options.get("cancel"):
        cancel_family(run_id)
    grace_s = float(options.get("graceS", DEFAULT_GRACE_S))
    grace_ends = time.monotonic() + grace_s
    with ExitStack() as opened:
        ledger = _ledger(opened)
        workers = PresenceReader(lambda: ledger, max_age_s=0)
        while True:
            status = DBOS.get_workflow_status(run_id)
            if status is None:
                return {"gone": True}
            if status.status in ENGINE_OPEN:
                grace_ends = time.monotonic() + grace_s
            elif not _executing(run_id, workers.read(), grace_ends=grace_ends):
                return {"quiet": True, "completed": status.status == WorkflowStatusString.SUCCESS.value}
            time.sleep(_POLL_S)


def _executing(run_id: str, seen: Presence, *, grace_ends: float) -> bool:
    if compensation.registry.in_flight(run_id):
        return True
    # A body that waits in a step of the engine's, such as DBOS.recv, or between steps has no effect to wait for: a
    # cancelled run may hang there for years.
    if any(step.seq is not None and not step.name.startswith(ENGINE_PREFIX) for _, step in seen.in_flight(run_id)):
        return True
    record = read_record(run_id)
    if not any(seq not in record.steps for seq in record.published):
        return False  # every compensated step that began has ended
    return time.monotonic() < grace_ends


def _ledger(opened: ExitStack) -> Ledger | None:
    try:
        return opened.enter_context(engine.ledger())
    except (BridgeError, OSError):
        return None
