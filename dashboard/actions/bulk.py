"""Bulk: one action over every run of a filter.

A dry run first; then at once when few, else as ``bulk:<id>`` in a worker.

What it touches is bound when it is asked for: runs of the filter that were created before, in a status that allows the
action, and that have not ended anew since. So nothing outside the preview is touched, and nothing is done twice.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from dbos import EnqueueOptions, WorkflowSerializationFormat

from dashboard.actions import cancel as cancelling
from dashboard.actions import retry as retrying
from dashboard.actions.context import Desk
from dashboard.actions.engine_client import EngineClient
from dashboard.errors import NotFound, Problem, Unprocessable
from dashboard.read.listing import RunReader
from dashboard.workflow.names import BULK_WORKFLOW, WORK_QUEUE
from dashboard.workflow.validators import ValidatorRegistry
from otel_bridge.codec import decode
from otel_bridge.ledger import open_ledger
from otel_bridge.model.names import BULK_PREFIX
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.runs.allowed import allowed_actions
from otel_bridge.runs.presence import Presence, overlay_run
from otel_bridge.store import open_store

BulkAction = Literal["retry", "cancel"]
INLINE_MAX = 25
"""So many are done in the request itself."""
RUNS_MAX = 50_000
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """What a bulk action would touch. ``skipped`` matched the filter, but their state does not allow the action."""

    ids: list[str]
    by_status: dict[str, int]
    sample: list[Run]
    skipped: int
    bound_ms: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done: in the request (``results``), or handed to the run ``bulk_id``."""

    matched: int
    applied: int
    bulk_id: str | None
    results: list[dict[str, Any]]


def preview(desk: Desk, action: BulkAction, query: RunQuery, *, bound_ms: int | None = None) -> Preview:
    """Return what the action would touch now.

    Args:
        bound_ms: only runs created up to then; default now.

    Raises:
        Unprocessable: more than ``RUNS_MAX`` runs match.
    """
    bound = desk.store.now_ms() + 1 if bound_ms is None else bound_ms
    runs, skipped = _matching(desk, action, query, bound)
    return Preview(
        ids=[run.id for run in runs],
        by_status=dict(Counter(run.status for run in runs)),
        sample=runs[:SAMPLE],
        skipped=skipped,
        bound_ms=bound,
    )


def _matching(desk: Desk, action: BulkAction, query: RunQuery, bound_ms: int) -> tuple[list[Run], int]:
    until = bound_ms if query.until_ms is None else min(bound_ms, query.until_ms)
    seen = desk.presence()
    runs: list[Run] = []
    skipped = 0
    for run in RunReader(desk.store, lambda: seen).every(replace(query, until_ms=until)):
        if not _touchable(action, run, seen, bound_ms):
            skipped += 1
            continue
        runs.append(run)
        if len(runs) > RUNS_MAX:
            raise Unprocessable(f"More than {RUNS_MAX} runs match. Narrow the filter, for instance by time.")
    return runs, skipped


def _touchable(action: BulkAction, run: Run, seen: Presence, bound_ms: int) -> bool:
    if run.id.startswith(BULK_PREFIX) or action not in allowed_actions(run, seen):
        return False
    return run.finished_at_ms is None or run.finished_at_ms <= bound_ms


def apply(
    desk: Desk,
    action: BulkAction,
    query: RunQuery,
    *,
    actor: str,
    params: Mapping[str, Any] | None = None,
    bound_ms: int | None = None,
    ids: Sequence[str] | None = None,
    bulk_id: str | None = None,
) -> Applied:
    """Apply the action.

    Args:
        params: of the action: ``queue``; ``compensate``, ``children``.
        bound_ms: from the preview, so that nothing newer is touched.
        ids: only these of the filter's runs: those previewed.
        bulk_id: of the caller's choice; the same twice is one bulk.
    """
    chosen = dict(params or {})
    with desk.audited(actor, f"bulk.{action}", bulk_id, **chosen):
        seen = preview(desk, action, query, bound_ms=bound_ms)
        chosen_ids = None if ids is None else frozenset(ids)
        wanted = [run_id for run_id in seen.ids if chosen_ids is None or run_id in chosen_ids]
        request = {
            "action": action,
            "params": chosen,
            "query": _query_to_json(query),
            "ids": wanted,
            "boundMs": seen.bound_ms,
            "actor": actor,
        }
        if len(wanted) <= INLINE_MAX and bulk_id is None:
            results = apply_ids(desk, request, wanted)
            done = sum(1 for result in results if result["outcome"] == "applied")
            return Applied(len(wanted), done, None, results)
        return Applied(len(wanted), 0, _enqueue(desk, request, bulk_id), [])


def _enqueue(desk: Desk, request: dict[str, Any], bulk_id: str | None) -> str:
    run_id = bulk_id if bulk_id is not None else f"{BULK_PREFIX}{uuid.uuid4().hex}"
    if not run_id.startswith(BULK_PREFIX):
        run_id = f"{BULK_PREFIX}{run_id}"
    options: EnqueueOptions = {
        "workflow_name": BULK_WORKFLOW,
        "queue_name": WORK_QUEUE,
        "workflow_id": run_id,
        "serialization_type": WorkflowSerializationFormat.PORTABLE,
    }
    able = desk.capable(BULK_WORKFLOW, None, desk.presence())
    if able and able[0].app_version is not None:
        options["app_version"] = able[0].app_version
    with desk.engine.use() as client:
        client.enqueue(options, request)
    return run_id


def status(desk: Desk, bulk_id: str) -> dict[str, Any]:
    """Return a bulk run's progress and a result per run.

    Raises:
        NotFound: there is no such bulk action.
    """
    run_id = bulk_id if bulk_id.startswith(BULK_PREFIX) else f"{BULK_PREFIX}{bulk_id}"
    run = desk.store.get_run(run_id)
    if run is None:
        raise NotFound(f"There is no bulk action {bulk_id[:200]!r}.")
    matched: int | None = None
    results: list[dict[str, Any]] = []
    for step in desk.store.get_steps(run_id):
        if step.name not in ("durable.bulk_plan", "durable.bulk_apply") or step.status != "completed":
            continue
        whole = desk.store.get_step(run_id, step.seq, cap_bytes=None)
        value = decode(whole.output).json if whole is not None and whole.output is not None else None
        if not isinstance(value, list):
            continue
        if step.name == "durable.bulk_plan":
            matched = len(value)
        else:
            results += [entry for entry in value if isinstance(entry, dict)]
    counts = Counter(str(result.get("outcome")) for result in results)
    return {
        "bulkId": run_id,
        "status": run.status,
        "matched": matched,
        "done": len(results),
        "applied": counts.get("applied", 0),
        "refused": len(results) - counts.get("applied", 0),
        "results": results,
    }


# -- in the worker -----------------------------------------------------------------------------------------


def plan_ids(url: str, request: Mapping[str, Any]) -> list[str]:
    """Return the runs that the bulk will touch: those that the request froze."""
    return [str(run_id) for run_id in request["ids"]]


def apply_chunk(url: str, request: Mapping[str, Any], ids: Sequence[str], bulk_id: str) -> list[dict[str, Any]]:
    """Apply the action to some runs; return an outcome per run. Called again after a crash, it repeats nothing."""
    store = open_store(url)
    ledger = open_ledger(url)
    engine = EngineClient(store)
    try:
        desk = Desk(store=store, ledger=ledger, engine=engine, validators=ValidatorRegistry())
        return apply_ids(desk, request, ids, bulk_id=bulk_id)
    finally:
        engine.close()
        ledger.close()
        store.close()


def apply_ids(
    desk: Desk, request: Mapping[str, Any], ids: Sequence[str], *, bulk_id: str | None = None
) -> list[dict[str, Any]]:
    """Apply the request's action to each of ``ids`` that still stands as it was previewed."""
    action: BulkAction = request["action"]
    seen = desk.presence()
    runs = {run_id: overlay_run(run, seen) for run_id, run in desk.store.get_runs(ids).items()}
    return [_apply_one(desk, action, request, run_id, runs.get(run_id), seen, bulk_id) for run_id in ids]


def _apply_one(
    desk: Desk,
    action: BulkAction,
    request: Mapping[str, Any],
    run_id: str,
    run: Run | None,
    seen: Presence,
    bulk_id: str | None,
) -> dict[str, Any]:
    if run is None:
        return {"runId": run_id, "outcome": "gone", "detail": "The run was deleted meanwhile."}
    marker = f"bulk.{bulk_id}"
    tried_before = bulk_id is not None and desk.ledger.count(run_id, marker) > 0
    if not _touchable(action, run, seen, int(request["boundMs"])):
        if tried_before:  # a crash came between the action and its record: it was this bulk that moved the run
            return {"runId": run_id, "outcome": "applied"}
        return {"runId": run_id, "outcome": "changed", "detail": f"The run is {run.status} now; it was left alone."}
    if bulk_id is not None and not tried_before:
        desk.ledger.bump_count(run_id, marker)
    params = request.get("params") or {}
    actor = str(request["actor"])
    try:
        if action == "retry":
            retrying.retry(desk, run_id, actor=actor, queue=params.get("queue"))
        else:
            cancelling.cancel(
                desk,
                run_id,
                actor=actor,
                compensate=bool(params.get("compensate")),
                children=bool(params.get("children")),
            )
    except Problem as problem:
        if problem.status == 503:
            raise
        return {"runId": run_id, "outcome": "refused", "detail": problem.detail}
    return {"runId": run_id, "outcome": "applied"}


# -- the filter, as the durable run keeps it ---------------------------------------------------------------


def _query_to_json(query: RunQuery) -> dict[str, Any]:
    value = asdict(query)
    value["statuses"] = sorted(query.statuses)
    value["attributes"] = [[item.key, item.op, item.value] for item in query.attributes]
    return {key: item for key, item in value.items() if item not in (None, [], (), "")}
